//! The pulse of a server: a session with a question always pending, so that the kernel reports the death of the server
//! the moment it happens. `DESIGN.md` says why not an idle connection.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use topology::{InstanceKey, Timestamp, Unreachable};

use crate::access::Access;
use crate::error::{Error, ErrorKind};
use crate::fence::FenceLine;
use crate::session::Session;

/// How often a line that is held for fencing shows that it is alive.
const LINE_CHECK: Duration = Duration::from_secs(60);

/// A session that is idle on purpose must not be ended by the server, written to its slow log, or cut by a limit on
/// statements. Each flavour knows one of the last two and refuses the other, which is of no matter.
const QUIET: [&str; 4] = [
    "set session wait_timeout=31536000",
    "set session long_query_time=31536000",
    "set session max_execution_time=0",
    "set session max_statement_time=0",
];

/// The rhythm of a pulse.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// A question is answered after this time, if the server lives.
    pub every: Duration,
    /// The answer may be late by this much before the server counts as hung.
    pub slack: Duration,
    /// Pause between attempts to connect while there is no pulse.
    pub retry: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { every: Duration::from_secs(1), slack: Duration::from_secs(2), retry: Duration::from_secs(1) }
    }
}

/// What a pulse tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PulseEvent {
    /// The server answered on a new session.
    Up {
        /// When.
        at: Timestamp,
    },
    /// The pulse is lost, or cannot be had for another reason than before. It is a reason to look, not a verdict: an
    /// administrator may have killed the session.
    Lost {
        /// How.
        how: Unreachable,
        /// When.
        at: Timestamp,
        /// What a person should read.
        message: String,
    },
}

/// Watches one server until it is dropped, and tells `on_event` what happens. While the server is up, `line` holds a
/// second session to fence it by.
///
/// Cancel safe: dropping it closes the pulse; the line stays for as long as somebody holds it.
pub async fn pulse(
    key: InstanceKey,
    access: Access,
    rhythm: Rhythm,
    line: FenceLine,
    clock: impl Fn() -> Timestamp,
    mut on_event: impl FnMut(PulseEvent),
) {
    let mut last_failure = None;
    loop {
        let error = match quiet_session(&key, &access).await {
            Err(error) => error,
            Ok(mut session) => {
                last_failure = None;
                on_event(PulseEvent::Up { at: clock() });
                line.hold(&key, &access).await;
                beat(&mut session, rhythm, &line, &access).await
            }
        };
        let how = error.unreachable();
        if last_failure.replace(how) != Some(how) {
            on_event(PulseEvent::Lost { how, at: clock(), message: error.to_string() });
        }
        // A line to a process that is gone is of no use; one to a process that hangs is what it is there for.
        if how == Unreachable::Refused {
            line.drop_line();
        }
        sleep(rhythm.retry).await;
    }
}

/// Asks until there is no answer, and returns why.
async fn beat(session: &mut Session, rhythm: Rhythm, line: &FenceLine, access: &Access) -> Error {
    let sql = format!("do sleep({:.3})", rhythm.every.as_secs_f64());
    let mut checked = Instant::now();
    loop {
        let asked = Instant::now();
        match session.execute_within(&sql, rhythm.every + rhythm.slack).await {
            Err(error) if error.is_fatal() => {
                return error.while_doing("feel the pulse");
            }
            // Also an error is a sign of life. An answer ahead of time (`KILL QUERY`, a limit on statements) must not
            // become a race of questions.
            Ok(_) | Err(_) => sleep(rhythm.every.saturating_sub(asked.elapsed())).await,
        }
        if checked.elapsed() >= LINE_CHECK {
            checked = Instant::now();
            line.check(session.key(), access).await;
        }
    }
}

/// Opens a session that may be idle for a year without a trace in the server's logs.
pub(crate) async fn quiet_session(key: &InstanceKey, access: &Access) -> Result<Session, Error> {
    let mut session = Session::connect(key, access).await?;
    session.each(&QUIET, access.connect_timeout).await?;
    if session.is_broken() {
        return Err(Error::new("prepare a quiet session", key, ErrorKind::Broken));
    }
    Ok(session)
}
