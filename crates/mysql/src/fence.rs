//! Fencing: keeping a server that was the primary from accepting writes, also one that is only stopped.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use topology::{InstanceKey, Unreachable, Version};

use crate::access::Access;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind};
use crate::session::Session;
use crate::watch::quiet_session;

/// How long the caller waits for a server that answers.
const PROMPT: Duration = Duration::from_millis(200);

/// How long a fence may stay in the socket of a server that hangs, before it is given up.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A place for one session that is idle and authenticated, to a server that may have to be fenced. A stopped process
/// can accept no login any more, but its kernel still takes bytes for sessions that exist; the process reads them
/// before anything else when it is resumed. Clones share the place.
#[derive(Clone, Default)]
pub struct FenceLine {
    held: Arc<Mutex<Option<HeldLine>>>,
}

/// A session taken out of its [`FenceLine`], with the version it needs to speak.
pub struct HeldLine {
    session: Session,
    dialect: Dialect,
}

impl FenceLine {
    /// Takes the session out, if one is held.
    pub fn take(&self) -> Option<HeldLine> {
        self.slot().take()
    }

    /// True when a session is held.
    pub fn is_held(&self) -> bool {
        self.slot().is_some()
    }

    /// Opens a session and holds it, if none is held. A failure leaves the place empty: fencing then opens one.
    pub(crate) async fn hold(&self, key: &InstanceKey, access: &Access) {
        if self.is_held() {
            return;
        }
        if let Ok(line) = HeldLine::open(key, access).await {
            *self.slot() = Some(line);
        }
    }

    /// Replaces a held session that does not answer.
    pub(crate) async fn check(&self, key: &InstanceKey, access: &Access) {
        if let Some(mut line) = self.take()
            && line.session.execute_within("do 0", access.connect_timeout).await.is_ok()
        {
            *self.slot() = Some(line);
        }
        self.hold(key, access).await;
    }

    pub(crate) fn drop_line(&self) {
        drop(self.take());
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<HeldLine>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FenceLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FenceLine({})", if self.is_held() { "held" } else { "empty" })
    }
}

impl HeldLine {
    async fn open(key: &InstanceKey, access: &Access) -> Result<Self, Error> {
        let mut session = quiet_session(key, access).await?;
        let rows =
            session.rows_within("select @@global.version, @@global.version_comment", access.connect_timeout).await?;
        let text = |index| rows.first().and_then(|row| row.get(index)).unwrap_or_default();
        let version = Version::parse(text(0), text(1));
        Ok(Self { session, dialect: Dialect::of(&version) })
    }

    async fn close_writes(&mut self) -> Result<(), Error> {
        let sql = match self.dialect.has_super_read_only() {
            true => "set global super_read_only=1",
            false => "set global read_only=1",
        };
        self.session.execute_within(sql, PATIENCE).await.map(drop).map_err(|error| error.while_doing(FENCE))
    }
}

const FENCE: &str = "fence the server";

impl fmt::Debug for HeldLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.session, out)
    }
}

/// How fencing went.
#[derive(Debug)]
pub enum Fenced {
    /// The server confirmed that it accepts no writes of ordinary accounts any more.
    Fenced,
    /// The statement is with the server, which does not answer. A stopped one executes it the moment it resumes.
    Pending(PendingFence),
    /// The server cannot be reached, or refused.
    Unreachable(Unreachable, Error),
}

/// A fence that waits for its server. Dropping it does not take the statement back: what is in the socket of a stopped
/// server is read when it resumes.
#[derive(Debug)]
pub struct PendingFence {
    task: JoinHandle<Result<(), Error>>,
    key: InstanceKey,
}

impl PendingFence {
    /// Returns the fence of `key` that `task` waits for.
    pub fn new(key: InstanceKey, task: JoinHandle<Result<(), Error>>) -> Self {
        Self { task, key }
    }

    /// Waits for the outcome: the server resumed and is fenced, or died, or an hour passed.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn finished(mut self) -> Result<(), Error> {
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Error::new(FENCE, &self.key, ErrorKind::Unexpected(error.to_string()))),
        }
    }

    /// True when the outcome is known.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for PendingFence {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes a server refuse writes: on the held session, or else on a new one. Returns within 200 ms if there is a held
/// session or the server is alive, and within `access.connect_timeout` besides.
pub async fn fence(line: Option<HeldLine>, key: &InstanceKey, access: &Access) -> Fenced {
    let (key, access) = (key.clone(), access.clone());
    let mut line = line;
    let mut retried = false;
    loop {
        let held = match line.take() {
            Some(held) => held,
            None => match HeldLine::open(&key, &access).await {
                Ok(held) => held,
                Err(error) => return Fenced::Unreachable(error.unreachable(), error.while_doing(FENCE)),
            },
        };
        let mut task = tokio::spawn(close_writes(held));
        match timeout(PROMPT, &mut task).await {
            Err(_) => return Fenced::Pending(PendingFence::new(key, task)),
            Ok(Ok(Ok(()))) => return Fenced::Fenced,
            // A line may have died unseen; a fresh session tells whether the server did.
            Ok(Ok(Err(error))) if error.is_fatal() && !retried => {
                retried = true;
                drop(error);
            }
            Ok(Ok(Err(error))) => return Fenced::Unreachable(error.unreachable(), error),
            Ok(Err(error)) => {
                let error = Error::new(FENCE, &key, ErrorKind::Unexpected(error.to_string()));
                return Fenced::Unreachable(Unreachable::Other, error);
            }
        }
    }
}

async fn close_writes(mut held: HeldLine) -> Result<(), Error> {
    held.close_writes().await
}
