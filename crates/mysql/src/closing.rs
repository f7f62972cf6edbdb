//! Closing a server that may be writable and must not be, in as few round trips as possible.
//!
//! `SET GLOBAL super_read_only` waits for commits under way: for one that waits for semi-synchronous replicas that are gone,
//! that may be for ever, and all the while the server says that it is writable. So the order is given first, which keeps new
//! commits from beginning, and then clients are ended until it is carried out. A commit that was ended that way is in the
//! server after all, and was acknowledged to nobody.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use topology::{InstanceKey, ServerUuid, Version};

use crate::access::Access;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind};
use crate::read::Variables;
use crate::session::Session;

const DOING: &str = "close the server to writes";

/// How long the order may take before clients are ended.
const PROMPT: Duration = Duration::from_millis(15);

/// How long the whole may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A server that was just met: who it is, and a session to close it by.
#[derive(Debug)]
pub struct Met {
    session: Session,
    access: Access,
    variables: Variables,
}

/// How closing went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// How many clients' sessions were ended.
    pub ended: usize,
    /// How long it took until no write could be committed any more.
    pub took: Duration,
}

/// Connects to a server and asks who it is.
///
/// # Errors
/// Any failure of the connection.
pub async fn meet(key: &InstanceKey, access: &Access) -> Result<Met, Error> {
    let mut session = Session::connect(key, access).await.map_err(|error| error.while_doing(DOING))?;
    let asked = "show global variables where variable_name in \
                 ('server_uuid', 'server_id', 'version', 'version_comment', 'read_only', 'super_read_only')";
    let rows = session.rows_within(asked, access.connect_timeout).await.map_err(|error| error.while_doing(DOING))?;
    Ok(Met { session, access: access.clone(), variables: Variables::of_list(&rows) })
}

impl Met {
    /// Returns its identity; none on MariaDB.
    pub fn uuid(&self) -> Option<ServerUuid> {
        let version = self.version();
        ServerUuid::new(self.variables.text(&["server_uuid"])).filter(|_| !version.is_mariadb())
    }

    /// Returns its `server_id`.
    pub fn server_id(&self) -> u32 {
        self.variables.text(&["server_id"]).parse().unwrap_or(0)
    }

    /// True when ordinary accounts could write when it was asked.
    pub fn is_writable(&self) -> bool {
        self.variables.writes().is_writable()
    }

    fn version(&self) -> Version {
        Version::parse(self.variables.text(&["version"]), self.variables.text(&["version_comment"]))
    }

    /// Makes the server refuse the writes of everybody, and ends the sessions of all clients: those with a transaction would
    /// hold locks that replication needs. Our own account's sessions stay, and those of replicas.
    ///
    /// # Errors
    /// Any failure of the connection; [`ErrorKind::AnswerTimeout`] when the server is not closed within 5 s.
    pub async fn close_writes(mut self) -> Result<Closed, Error> {
        let begun = Instant::now();
        let sql = match Dialect::of(&self.version()).has_super_read_only() {
            true => "set global super_read_only=1",
            false => "set global read_only=1",
        };
        let key = self.session.key().clone();
        let (mut ended, mut helper) = (0, None);
        {
            let order = self.session.execute_within(sql, LIMIT);
            tokio::pin!(order);
            loop {
                match timeout(PROMPT, &mut order).await {
                    Ok(carried_out) => break carried_out.map_err(|error| error.while_doing(DOING))?,
                    Err(_) if begun.elapsed() > LIMIT => {
                        return Err(Error::new(DOING, &key, ErrorKind::AnswerTimeout(LIMIT)));
                    }
                    Err(_) => {}
                }
                let helper = match &mut helper {
                    Some(helper) => helper,
                    none => none.insert(Session::connect(&key, &self.access).await?),
                };
                ended += end_clients(helper, &self.access.user).await?;
            }
        };
        let took = begun.elapsed();
        ended += end_clients(&mut self.session, &self.access.user).await?;
        Ok(Closed { ended, took })
    }
}

/// Ends the sessions of all but replication, the server itself and `own` account. Returns how many were ended.
async fn end_clients(session: &mut Session, own: &str) -> Result<usize, Error> {
    let rows = session.rows("show processlist").await.map_err(|error| error.while_doing(DOING))?;
    let is_client = |user: &str, command: &str| {
        !matches!(user, "system user" | "event_scheduler" | "") && user != own
            && !matches!(command, "Binlog Dump" | "Binlog Dump GTID" | "Daemon" | "Connect Out" | "Slave_IO" | "Slave_SQL")
    };
    let clients = rows.iter().filter_map(|row| {
        let (user, command) = (row.text(&["User"])?, row.text(&["Command"])?);
        is_client(user, command).then(|| row.u64(&["Id"])).flatten()
    });
    let orders: Vec<String> = clients.map(|id| format!("kill {id}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    // Who went away by himself, or whom we may not end, is passed over.
    let outcomes = session.each(&orders, LIMIT).await.map_err(|error| error.while_doing(DOING))?;
    Ok(outcomes.iter().filter(|outcome| outcome.is_ok()).count())
}
