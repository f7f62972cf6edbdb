//! Freezing a living primary: it refuses writes, and those under way have ended.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use topology::{GtidSet, WritePolicy};

use crate::error::{Error, ErrorKind, number};
use crate::quote::literal;
use crate::row::Row;
use crate::server::Server;
use crate::session::Session;

const FREEZE: &str = "freeze the server";

/// How often it is looked who blocks.
const LOOK: Duration = Duration::from_millis(100);

/// A server that refuses all writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// All that it has executed.
    pub executed: GtidSet,
    /// Sessions that had to be killed, each in a few words.
    pub killed: Vec<String>,
}

/// Whom the freeze may kill, the longer it takes the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Those that block it: as the server names them, else those that were executing something all the time.
    Blockers,
    /// Every client.
    Everybody,
}

impl Server {
    /// Makes the server refuse all writes and waits for those under way. If that takes longer than a sixth of `within`,
    /// sessions that block it are killed; after half of it every client session. Replication, the server's own threads and
    /// sessions of our account never are, nor a commit that waits for semi-synchronous replicas.
    ///
    /// Two looks confirm it: it is read-only, and what it has executed does not move.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] when it is not frozen within `within`: the attempt is called off then, which
    /// [`Server::thaw`] makes certain.
    pub async fn freeze(&mut self, within: Duration) -> Result<Frozen, Error> {
        let begun = Instant::now();
        let mut killed = Vec::new();
        let mut freezer = self.fresh_session().await?;
        let mut killer = self.fresh_session().await?;
        // Should this process die here, the statement that waits dies with it a little later.
        let patience_secs = within.as_secs() + 1;
        let variable = if self.dialect().has_super_read_only() { "super_read_only" } else { "read_only" };
        let sql = format!("set session lock_wait_timeout={patience_secs}; set global {variable}=1");
        let id = freezer.connection_id();
        let freezing = freezer.results_within(&sql, within + LOOK * 5);
        tokio::pin!(freezing);
        let outcome = loop {
            let until = (Instant::now() + LOOK).min(begun + within);
            tokio::select! {
                outcome = &mut freezing => break outcome,
                () = sleep_until(until) => {}
            }
            let waited = begun.elapsed();
            if waited >= within {
                drop(killer.execute_within(&format!("kill {id}"), LOOK * 5).await);
                let why = format!("writes under way did not end within {within:?}{}", listed(&killed));
                drop(freezing.await);
                return Err(self.error(FREEZE, ErrorKind::Unexpected(why)));
            }
            let reach = if waited >= within / 2 { Reach::Everybody } else { Reach::Blockers };
            if waited >= within / 6 {
                self.kill(&mut killer, reach, id, &mut killed).await?;
            }
        };
        outcome.map_err(|error| error.while_doing(FREEZE))?;
        if self.dialect().is_mariadb() {
            self.kill_privileged(&mut killer, &mut killed).await?;
        }
        let executed = self.stands_still(None).await?;
        Ok(Frozen { executed, killed })
    }

    /// Looks whether the server refuses writes and executes nothing more, two looks agreeing, and returns what it has
    /// executed. `at` is where it stood when it was last looked at.
    ///
    /// # Errors
    /// [`ErrorKind::Unexpected`] when it is not so; any failure of the connection.
    pub async fn stands_still(&mut self, at: Option<&GtidSet>) -> Result<GtidSet, Error> {
        let doing = "see that it stands still";
        let policy = self.write_policy().await?;
        let wanted =
            if self.dialect().has_super_read_only() { WritePolicy::SuperReadOnly } else { WritePolicy::ReadOnly };
        if policy != wanted {
            return Err(self.error(doing, ErrorKind::Unexpected("it is not read-only".to_owned())));
        }
        let before = match at {
            Some(at) => at.clone(),
            None => self.executed().await?,
        };
        let now = self.executed().await?;
        if now != before {
            let why = format!("it executed more while it was read-only: {}", now.subtract(&before));
            return Err(self.error(doing, ErrorKind::Unexpected(why)));
        }
        Ok(now)
    }

    /// Makes a frozen server take writes again, also where the attempt to freeze it may still be waiting.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn thaw(&mut self) -> Result<(), Error> {
        let own = literal(&self.user());
        let pending = format!(
            "select id from information_schema.processlist where user={own} and id<>connection_id() \
             and info like 'set global %read_only=1%'"
        );
        for row in self.rows("look for a pending freeze", &pending).await? {
            if let Some(id) = row.get(0).and_then(|id| id.parse::<u64>().ok()) {
                // It may have ended by itself.
                drop(self.rows("call a pending freeze off", &format!("kill {id}")).await);
            }
        }
        self.set_writable().await
    }

    async fn kill(
        &self,
        killer: &mut Session,
        reach: Reach,
        freezer: u32,
        killed: &mut Vec<String>,
    ) -> Result<(), Error> {
        let found = match reach {
            Reach::Everybody => self.clients(killer, "true").await?,
            Reach::Blockers => match self.holders(killer).await {
                // It does not say, or nobody that may be killed: who has been at something since before the freeze may be it.
                Some(found) => found,
                None => {
                    self.clients(killer, "command<>'Sleep' and coalesce(state, '') not like 'Waiting for %lock'")
                        .await?
                }
            },
        };
        for row in found.iter().filter(|row| row.get(0) != Some(freezer.to_string().as_str())) {
            kill_one(killer, row, killed).await;
        }
        Ok(())
    }

    /// Returns who holds the locks that the freeze waits for; none where the server does not tell.
    async fn holders(&self, killer: &mut Session) -> Option<Vec<Row>> {
        if self.dialect().is_mariadb() {
            return None;
        }
        let sql = format!(
            "select t.processlist_id, t.processlist_user, t.processlist_command \
             from performance_schema.metadata_locks l join performance_schema.threads t on t.thread_id=l.owner_thread_id \
             where l.object_type in ('GLOBAL', 'COMMIT') and l.lock_status='GRANTED' and l.lock_type='INTENTION_EXCLUSIVE' \
             and t.processlist_id is not null and t.processlist_user not in ('system user', 'event_scheduler', {own}) \
             and coalesce(t.processlist_command, '') not like 'Binlog Dump%' \
             and not ({waits})",
            own = literal(&self.user()),
            waits = waits_for_acks("t.processlist_state")
        );
        let found = killer.rows_within(&sql, self.limit()).await.ok()?;
        (!found.is_empty()).then_some(found)
    }

    /// Returns the sessions of clients that `which` holds for.
    async fn clients(&self, killer: &mut Session, which: &str) -> Result<Vec<Row>, Error> {
        let sql = format!(
            "select id, user, command from information_schema.processlist \
             where user not in ('system user', 'event_scheduler', 'unauthenticated user', {own}) \
             and command not like 'Binlog Dump%' and command<>'Daemon' and command<>'Killed' \
             and not ({waits}) and {which}",
            own = literal(&self.user()),
            waits = waits_for_acks("state")
        );
        killer.rows_within(&sql, self.limit()).await
    }

    /// MariaDB has no `super_read_only`: accounts with a certain privilege may still write. Their sessions end.
    async fn kill_privileged(&self, killer: &mut Session, killed: &mut Vec<String>) -> Result<(), Error> {
        // Since 10.11 SUPER is not enough.
        let privileges = if self.dialect().version().number >= (10, 11, 0) {
            "'READ_ONLY ADMIN'"
        } else {
            "'READ_ONLY ADMIN', 'SUPER'"
        };
        let which = format!(
            "user in (select substring_index(replace(grantee, '\\'', ''), '@', 1) \
             from information_schema.user_privileges where privilege_type in ({privileges}))"
        );
        for row in self.clients(killer, &which).await? {
            kill_one(killer, &row, killed).await;
        }
        Ok(())
    }
}

/// Holds for a commit that waits for replicas, or for another one of its group that does: to kill it would not end it, and
/// its client would not know what became of it.
fn waits_for_acks(state: &str) -> String {
    let state = format!("coalesce({state}, '')");
    format!("{state} like '%semi-sync%' or {state} like 'waiting for handler commit%'")
}

/// One that has gone by itself is as good; one that we may not kill is named.
async fn kill_one(killer: &mut Session, row: &Row, killed: &mut Vec<String>) {
    let text = |index| row.get(index).unwrap_or_default();
    let Ok(id) = text(0).parse::<u64>() else { return };
    let name = format!("session {id} of {} ({})", text(1), text(2));
    let said = match timeout(LOOK * 5, killer.execute(&format!("kill {id}"))).await {
        Ok(Err(error)) if error.number() != Some(number::NO_SUCH_THREAD) => format!("not {name}: {error}"),
        Ok(Ok(_)) => name,
        Ok(Err(_)) | Err(_) => return,
    };
    if !killed.contains(&said) {
        killed.push(said);
    }
}

fn listed(killed: &[String]) -> String {
    if killed.is_empty() { String::new() } else { format!("; killed: {}", killed.join(", ")) }
}
