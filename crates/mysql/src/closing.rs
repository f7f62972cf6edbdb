//! Closing a server that may be writable and must not be, in as few round trips as possible.
//!
//! `SET GLOBAL super_read_only` waits for commits under way: for one that waits for semi-synchronous replicas that are gone,
//! that may be for ever, and all the while the server says that it is writable. So the order is given first, which keeps new
//! commits from beginning, and then clients are ended until it is carried out; MySQL's semi-sync is switched off when none is left. A commit that was ended that way is in the
//! server after all, and was acknowledged to nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use topology::{ServerUuid, Version};

use crate::access::Access;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind};
use crate::read::Variables;
use crate::server::Server;
use crate::session::Session;

const DOING: &str = "close the server to writes";

/// How long the order may take before clients are ended.
const PROMPT: Duration = Duration::from_millis(15);

/// How long the whole may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Which server is meant: an address may be given to another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `@@server_uuid`; none on MariaDB, and where it is not known.
    pub uuid: Option<ServerUuid>,
    /// `@@server_id`; 0 where it is not known.
    pub server_id: u32,
}

impl Identity {
    /// True when `other` is the same server as far as both are known.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.uuid, &other.uuid) {
            (Some(one), Some(two)) => one == two,
            (Some(_), None) => false,
            (None, _) => self.server_id == other.server_id || self.server_id == 0,
        }
    }
}

/// How closing went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It is another server: nothing was done.
    Stranger,
    /// It took no writes of ordinary accounts: nothing was done.
    WasClosed,
    /// It was open, and is closed.
    Closed {
        /// How many clients' sessions were ended.
        ended: usize,
        /// How long it took from the first word until no write could be committed any more.
        took: Duration,
    },
}

impl Server {
    /// Makes the server refuse the writes of everybody if it is `who` and open to them, and ends the sessions of all clients:
    /// those with a transaction would hold locks that replication needs. Our own account's sessions stay, and those of
    /// replicas.
    ///
    /// # Errors
    /// Any failure of the connection; [`ErrorKind::AnswerTimeout`] when the server is not closed within 5 s.
    pub async fn close_at_once(&mut self, who: &Identity) -> Result<Closing, Error> {
        let (key, access) = (self.key().clone(), self.access().clone());
        let begun = Instant::now();
        let mut session = Session::connect(&key, &access).await.map_err(|error| error.while_doing(DOING))?;
        let rows =
            session.rows_within(ASKED, access.connect_timeout).await.map_err(|error| error.while_doing(DOING))?;
        let variables = Variables::of_list(&rows);
        let version = Version::parse(variables.text(&["version"]), variables.text(&["version_comment"]));
        let uuid = ServerUuid::new(variables.text(&["server_uuid"])).filter(|_| !version.is_mariadb());
        let met = Identity { uuid, server_id: variables.text(&["server_id"]).parse().unwrap_or(0) };
        if !who.is(&met) {
            return Ok(Closing::Stranger);
        }
        if !variables.writes().is_writable() {
            return Ok(Closing::WasClosed);
        }
        let sql = match Dialect::of(&version).has_super_read_only() {
            true => "set global super_read_only=1",
            false => "set global read_only=1",
        };
        let mut ended = order(&mut session, sql, &access, begun).await?;
        let took = begun.elapsed();
        end_clients(&mut session, &access.user, &mut ended).await?;
        Ok(Closing::Closed { ended: ended.len(), took })
    }
}

const ASKED: &str = "show global variables where variable_name in \
                     ('server_uuid', 'server_id', 'version', 'version_comment', 'read_only', 'super_read_only')";

/// Gives the order `sql`, and ends clients until it is carried out. Returns whom.
async fn order(session: &mut Session, sql: &str, access: &Access, begun: Instant) -> Result<BTreeSet<u64>, Error> {
    let key = session.key().clone();
    let (mut ended, mut helper) = (BTreeSet::new(), None);
    let order = session.execute_within(sql, LIMIT);
    tokio::pin!(order);
    loop {
        match timeout(PROMPT, &mut order).await {
            Ok(carried_out) => return carried_out.map(|_| ended).map_err(|error| error.while_doing(DOING)),
            Err(_) if begun.elapsed() > LIMIT => {
                return Err(Error::new(DOING, &key, ErrorKind::AnswerTimeout(LIMIT)));
            }
            Err(_) => {}
        }
        if helper.is_none() {
            helper = Some(Session::connect(&key, access).await?);
        }
        if let Some(helper) = &mut helper
            && end_clients(helper, &access.user, &mut ended).await?
        {
            stop_waiting(helper).await?;
        }
    }
}

/// Ends what MySQL's `KILL` does not: a commit's wait for replicas. Nobody hears of that commit any more, since its session's
/// connection is closed, and no other one begins, since the order is given.
async fn stop_waiting(session: &mut Session) -> Result<(), Error> {
    let names = ["rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled"];
    let off = names.map(|name| format!("set global {name}=0"));
    // One of both is not known, or neither.
    session.each(&[&off[0], &off[1]], LIMIT).await.map(drop).map_err(|error| error.while_doing(DOING))
}

/// Ends the sessions of all but replication, the server itself and `own` account, and adds them to `ended`. True when nobody is
/// left whom we may not end.
async fn end_clients(session: &mut Session, own: &str, ended: &mut BTreeSet<u64>) -> Result<bool, Error> {
    const NO_SUCH_THREAD: u16 = 1094;
    let rows = session.rows("show processlist").await.map_err(|error| error.while_doing(DOING))?;
    let is_client = |user: &str, command: &str| {
        !matches!(user, "system user" | "event_scheduler" | "")
            && user != own
            && !matches!(command, "Binlog Dump" | "Binlog Dump GTID" | "Daemon" | "Slave_IO" | "Slave_SQL")
    };
    let clients = rows.iter().filter_map(|row| {
        let (user, command) = (row.text(&["User"])?, row.text(&["Command"])?);
        is_client(user, command).then(|| row.u64(&["Id"])).flatten()
    });
    let clients: Vec<u64> = clients.collect();
    let orders: Vec<String> = clients.iter().map(|id| format!("kill {id}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    let outcomes = session.each(&orders, LIMIT).await.map_err(|error| error.while_doing(DOING))?;
    let mut all = true;
    for (id, outcome) in clients.iter().zip(outcomes) {
        match outcome {
            Ok(_) => {
                ended.insert(*id);
            }
            Err(error) if error.number() == Some(NO_SUCH_THREAD) => {}
            Err(_) => all = false,
        }
    }
    Ok(all)
}
