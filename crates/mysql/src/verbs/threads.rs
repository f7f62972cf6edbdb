//! Replication threads: start, stop, wait.

use std::time::Duration;

use tokio::time::Instant;
use topology::{Channel, GtidSet, ThreadState};

use crate::dialect::{Position, Repoint, Thread};
use crate::error::{Error, ErrorKind, number};
use crate::server::Server;

/// A replica that is none, or has no such channel, is as stopped as can be.
const STOPPED: &[u16] = &[
    number::SLAVE_NOT_RUNNING,
    number::BAD_SLAVE,
    number::SLAVE_WAS_NOT_RUNNING,
    number::MARIADB_NO_SUCH_CONNECTION,
    number::SLAVE_CHANNEL_NOT_RUNNING,
    number::SLAVE_CHANNEL_WAS_NOT_RUNNING,
    number::SLAVE_CHANNEL_DOES_NOT_EXIST,
];

/// It already runs.
const STARTED: &[u16] = &[number::SLAVE_WAS_RUNNING, number::SLAVE_CHANNEL_WAS_RUNNING];

/// How long one wait for transactions may last before the applier is looked at again.
const SLICE: Duration = Duration::from_millis(500);

/// How a wait for transactions ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// All of them are applied.
    Applied,
    /// The time was up.
    TimedOut,
    /// No applier runs any more, so that waiting is of no use.
    ApplierStopped {
        /// Its last error number; 0 when it was stopped without one.
        errno: u32,
        /// Its last error.
        error: String,
    },
}

impl Waited {
    /// True when all transactions are applied.
    pub fn is_applied(&self) -> bool {
        *self == Self::Applied
    }
}

impl Server {
    /// Stops the receiver of a channel. What it received stays and is applied.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn stop_receiver(&mut self, channel: &str) -> Result<(), Error> {
        let sql = self.dialect().stop(Thread::Receiver, channel);
        self.run("stop the receiver", &sql, STOPPED).await
    }

    /// Starts the receiver of a channel.
    ///
    /// # Errors
    /// Any failure of the connection or the server. On MariaDB [`ErrorKind::Unsupported`] while the applier is stopped
    /// with unapplied relay log, which that start would throw away.
    pub async fn start_receiver(&mut self, channel: &str) -> Result<(), Error> {
        let doing = "start the receiver";
        self.refuse_to_drop_relay_log(doing, channel).await?;
        let sql = self.dialect().start(Thread::Receiver, channel);
        self.run(doing, &sql, STARTED).await
    }

    /// Restarts the receiver of a channel, so that it shows whether it can connect to its source: a receiver whose
    /// source vanished without a word believes in it for `replica_net_timeout`.
    ///
    /// # Errors
    /// As [`Server::start_receiver`], before anything is stopped.
    pub async fn restart_receiver(&mut self, channel: &str) -> Result<(), Error> {
        let doing = "restart the receiver";
        self.refuse_to_drop_relay_log(doing, channel).await?;
        let (stop, start) =
            (self.dialect().stop(Thread::Receiver, channel), self.dialect().start(Thread::Receiver, channel));
        self.run(doing, &format!("{stop}; {start}"), STARTED).await
    }

    /// Stops the applier of a channel.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn stop_applier(&mut self, channel: &str) -> Result<(), Error> {
        let sql = self.dialect().stop(Thread::Applier, channel);
        self.run("stop the applier", &sql, STOPPED).await
    }

    /// Starts the applier of a channel.
    ///
    /// # Errors
    /// Any failure of the connection or the server. On MariaDB [`ErrorKind::Unsupported`] while the receiver is stopped
    /// too and the relay log holds more than was applied: that start would throw it away. See
    /// [`Server::apply_received`].
    pub async fn start_applier(&mut self, channel: &str) -> Result<(), Error> {
        let doing = "start the applier";
        if self.dialect().is_mariadb()
            && let Some(current) = self.channel(channel).await?
            && current.receiver == ThreadState::Stopped
        {
            self.refuse_to_drop_relay_log(doing, channel).await?;
        }
        let sql = self.dialect().start(Thread::Applier, channel);
        self.run(doing, &sql, STARTED).await
    }

    /// Stops both threads of a channel.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn stop_replication(&mut self, channel: &str) -> Result<(), Error> {
        let sql = self.dialect().stop(Thread::Both, channel);
        self.run("stop replication", &sql, STOPPED).await
    }

    /// Starts both threads of a channel. On MariaDB what the relay log still holds is applied before, because the start
    /// throws it away.
    ///
    /// # Errors
    /// Any failure of the connection or the server; error 1200 when the channel has no source.
    /// [`ErrorKind::Unexpected`] on MariaDB when the relay log cannot be applied within the deadline.
    pub async fn start_replication(&mut self, channel: &str) -> Result<(), Error> {
        let doing = "start replication";
        if self.dialect().is_mariadb() && self.rests_with_relay_log(channel).await? {
            let waited = self.apply_received(channel, self.limit()).await?;
            if !waited.is_applied() {
                let why = format!("the relay log, which the start would throw away, was not applied: {waited:?}");
                return Err(self.error(doing, ErrorKind::Unexpected(why)));
            }
        }
        let sql = self.dialect().start(Thread::Both, channel);
        self.run(doing, &sql, STARTED).await
    }

    /// Starts threads of a channel whose source was just changed, and holds all that the channel ever received: nothing of
    /// that is asked for, as in [`Server::start_receiver`]. (MariaDB goes on saying what it had received before.)
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn start_anew(&mut self, channel: &str, receiver: bool, applier: bool) -> Result<(), Error> {
        let thread = match (receiver, applier) {
            (true, true) => Thread::Both,
            (true, false) => Thread::Receiver,
            (false, true) => Thread::Applier,
            (false, false) => return Ok(()),
        };
        let sql = self.dialect().start(thread, channel);
        self.run("start replication", &sql, STARTED).await
    }

    /// Applies all that a channel has received by now, whatever state its threads are in, and leaves the applier
    /// running. The receiver is left as it is.
    ///
    /// MariaDB throws the relay log away when a thread is started while both are stopped and the position is kept by
    /// GTID. Such a channel goes on by its place in the relay log, and back to GTID when it is through.
    ///
    /// # Errors
    /// Any failure of the connection or the server. A channel on MariaDB whose relay log could not be applied in time
    /// stays with its position by file (`Using_Gtid: No`) and its relay log; a second call goes on from there.
    pub async fn apply_received(&mut self, channel: &str, limit: Duration) -> Result<Waited, Error> {
        let doing = "apply what was received";
        let Some(current) = self.channel(channel).await? else { return Ok(Waited::Applied) };
        let at_rest = current.receiver == ThreadState::Stopped && current.applier == ThreadState::Stopped;
        let by_place =
            self.dialect().is_mariadb() && current.auto_position && self.rests_with_relay_log(channel).await?;
        if at_rest && by_place {
            let repoint = Repoint { position: Position::Relay(&current.relay), ..Repoint::default() };
            self.repoint(doing, channel, &repoint).await?;
        }
        if current.applier != ThreadState::Running {
            let sql = self.dialect().start(Thread::Applier, channel);
            self.run(doing, &sql, STARTED).await?;
        }
        let waited = self.wait_applied(&current.retrieved, limit).await?;
        if at_rest && by_place && waited.is_applied() {
            self.stop_replication(channel).await?;
            self.repoint(doing, channel, &Repoint { position: Position::Gtid, ..Repoint::default() }).await?;
            let sql = self.dialect().start(Thread::Applier, channel);
            self.run(doing, &sql, STARTED).await?;
        }
        Ok(waited)
    }

    /// Waits until the server has executed all of `set`, for `limit` at most, or until no applier is left that could.
    ///
    /// # Errors
    /// Any failure of the connection; a server whose set cannot be read.
    pub async fn wait_applied(&mut self, set: &GtidSet, limit: Duration) -> Result<Waited, Error> {
        let doing = "wait for transactions to be applied";
        let deadline = Instant::now() + limit;
        loop {
            // On MariaDB the server's own wait counts what was replicated and not what the server wrote itself.
            if self.executed().await?.contains(set) {
                return Ok(Waited::Applied);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Waited::TimedOut);
            }
            let channels = self.channels().await?;
            if !channels.iter().any(|channel| channel.applier == ThreadState::Running) {
                return Ok(stopped(&channels));
            }
            let slice = left.min(SLICE);
            let sql = self.dialect().wait_applied(&set.to_string(), slice);
            let patience = slice + self.limit();
            match self.results(doing, &sql, patience).await {
                Ok(_) => {}
                Err(error) if error.is_fatal() => return Err(error),
                // The wait ends with an error when the applier stops meanwhile; the next look says so. A server that
                // cannot wait at all must not be asked in a race.
                Err(_) => tokio::time::sleep(SLICE / 10).await,
            }
        }
    }

    async fn refuse_to_drop_relay_log(&mut self, doing: &str, channel: &str) -> Result<(), Error> {
        if self.dialect().is_mariadb() && self.rests_with_relay_log(channel).await? {
            let why = "the applier is stopped and the relay log holds transactions that would be thrown away";
            return Err(self.error(doing, ErrorKind::Unsupported(why.to_owned())));
        }
        Ok(())
    }

    /// True when the applier of a channel by GTID is stopped and the relay log holds more than was executed.
    async fn rests_with_relay_log(&mut self, channel: &str) -> Result<bool, Error> {
        let found = self.channel(channel).await?;
        let rests = found.is_some_and(|channel| channel.auto_position && channel.applier != ThreadState::Running);
        Ok(rests && !self.unapplied_relay_log(channel).await?.is_empty())
    }
}

fn stopped(channels: &[Channel]) -> Waited {
    let failed = channels.iter().find(|channel| channel.applier_errno != 0);
    Waited::ApplierStopped {
        errno: failed.map_or(0, |channel| channel.applier_errno),
        error: failed.map_or_else(String::new, |channel| channel.applier_error.clone()),
    }
}
