//! What a replica can tell about its source.

use serde::{Deserialize, Serialize};
use topology::{Channel, InstanceKey, ThreadState, Timestamp};

/// What one replica says about the life of its source, read from its receiver by error *number*: texts are translated,
/// and change between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Testimony {
    /// The receiver is connected. Only a fresh connection counts as proof: see `receivers_restarted`.
    Connected,
    /// The receiver tries and cannot connect: `Last_IO_Errno`, 0 while the first attempt lasts.
    CannotConnect(u32),
    /// The source answered the receiver, with an error (wrong password, too many connections, purged binary logs…).
    Answered(u32),
    /// The receiver is stopped: it does not know.
    Silent,
    /// The replica itself did not answer since the source failed.
    Absent,
}

/// A replica and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The replica.
    pub key: InstanceKey,
    /// What it says of its source.
    pub says: Testimony,
    /// When it was last read; none when it never was.
    pub seen: Option<Timestamp>,
    /// True when its applier runs.
    pub applier_running: bool,
}

impl Testimony {
    /// Reads what `channel` says of its source.
    ///
    /// Error numbers: MySQL 8.4 Reference Manual, "Client Error Message Reference" (2xxx: the client library of the
    /// receiver) and "Server Error Message Reference" (1xxx, 3xxx: the source spoke). 13114 and its neighbours are the
    /// receiver's own report of what the source sent.
    pub fn of(channel: &Channel) -> Self {
        let errno = channel.receiver_errno;
        match channel.receiver {
            ThreadState::Running => Self::Connected,
            ThreadState::Connecting if is_link_error(errno) => Self::CannotConnect(errno),
            ThreadState::Connecting => Self::Answered(errno),
            ThreadState::Stopped if errno == 0 => Self::Silent,
            ThreadState::Stopped if is_link_error(errno) => Self::CannotConnect(errno),
            ThreadState::Stopped => Self::Answered(errno),
        }
    }
}

/// True for errors that a receiver meets when nobody answers: none yet, cannot connect (2002, 2003), unknown host
/// (2005), lost or gone (2006, 2013, 2055), and packets cut short (1158 to 1161, 1159 being the read timeout).
fn is_link_error(errno: u32) -> bool {
    matches!(errno, 0 | 2002 | 2003 | 2005 | 2006 | 2013 | 2055 | 1158..=1161)
}

/// True when the applier of `channel` runs, and its receiver does not because it could not connect: nobody answered, or
/// the source refused the connection (1040, 1203, 1226: full; 1044, 1045: the account; 1129, 1130: the host).
pub(crate) fn is_failing_to_connect(channel: &Channel) -> bool {
    let errno = channel.receiver_errno;
    channel.applier == ThreadState::Running
        && channel.receiver != ThreadState::Running
        && matches!(errno, 2000..=2999 | 1158..=1161 | 1040 | 1203 | 1226 | 1044 | 1045 | 1129 | 1130)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(receiver: ThreadState, receiver_errno: u32) -> Testimony {
        Testimony::of(&Channel { receiver, receiver_errno, ..Channel::default() })
    }

    #[test]
    fn a_source_that_refuses_the_account_lives() {
        assert_eq!(says(ThreadState::Connecting, 1045), Testimony::Answered(1045));
        assert_eq!(says(ThreadState::Connecting, 1040), Testimony::Answered(1040));
        assert_eq!(says(ThreadState::Stopped, 13114), Testimony::Answered(13114));
    }

    #[test]
    fn a_stopped_receiver_knows_nothing() {
        assert_eq!(says(ThreadState::Stopped, 0), Testimony::Silent);
    }

    #[test]
    fn a_receiver_that_waits_for_a_first_answer_cannot_connect() {
        assert_eq!(says(ThreadState::Connecting, 0), Testimony::CannotConnect(0));
        assert_eq!(says(ThreadState::Connecting, 2003), Testimony::CannotConnect(2003));
        assert_eq!(says(ThreadState::Stopped, 2013), Testimony::CannotConnect(2013));
    }
}
