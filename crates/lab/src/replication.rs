//! Replication of a server: setting it up, breaking it, looking at it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mysql::Row;
use topology::InstanceKey;

use crate::dialect;
use crate::server::Server;

/// What a replica says about its replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// From whom it replicates.
    pub source: InstanceKey,
    /// The receiver is connected to its source. False also while it tries to connect.
    pub receiving: bool,
    /// The applier runs.
    pub applying: bool,
    /// Number of the receiver's last error; 0 without one.
    pub receiver_error: u32,
    /// Number of the applier's last error; 0 without one.
    pub applier_error: u32,
    /// Lag, in seconds, as the server sees it; nothing when it cannot know.
    pub lag_secs: Option<u64>,
}

impl ReplicaState {
    fn of(row: &Row) -> Self {
        let number = |names: &[&str]| row.u64(names).and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        Self {
            source: InstanceKey::new(
                row.text_or_empty(&["Source_Host", "Master_Host"]),
                row.number(&["Source_Port", "Master_Port"]).unwrap_or(0),
            ),
            receiving: row.yes(&["Replica_IO_Running", "Slave_IO_Running"]).unwrap_or(false),
            applying: row.yes(&["Replica_SQL_Running", "Slave_SQL_Running"]).unwrap_or(false),
            receiver_error: number(&["Last_IO_Errno"]),
            applier_error: number(&["Last_SQL_Errno"]),
            lag_secs: row.u64(&["Seconds_Behind_Source", "Seconds_Behind_Master"]),
        }
    }

    /// True when both threads run.
    pub fn is_replicating(&self) -> bool {
        self.receiving && self.applying
    }
}

impl Server {
    /// Returns the state of replication; nothing when the server replicates from nobody.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn replica_state(&self) -> Result<Option<ReplicaState>> {
        let rows = self.sql(&format!("SHOW {} STATUS", dialect::replica_word(self.product()))).await?;
        Ok(rows.first().map(ReplicaState::of))
    }

    /// Waits until both threads of replication run, from `source`.
    ///
    /// # Errors
    /// When that is not so within `limit`: with the last state seen.
    pub async fn replicating_from(&self, source: &InstanceKey, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            let state = self.replica_state().await?;
            if state.as_ref().is_some_and(|state| state.is_replicating() && state.source == *source) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{} does not replicate from {source} within {limit:?}: {state:?}", self.key());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Makes the server a replica of `source`, by GTID, and starts replication. It goes on from what it has.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn replicate_from(&self, source: &InstanceKey) -> Result<()> {
        let replica = dialect::replica_word(self.product());
        self.sql(&format!("STOP {replica}")).await?;
        self.sql(&format!("{}; START {replica}", dialect::replicate_from(self.product(), source))).await.map(drop)
    }

    /// Ends replication and forgets the source.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn forget_source(&self) -> Result<()> {
        let replica = dialect::replica_word(self.product());
        self.sql(&format!("STOP {replica}; RESET {replica} ALL")).await.map(drop)
    }

    /// Stops both threads of replication, as an operator does.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn stop_replication(&self) -> Result<()> {
        self.sql(&format!("STOP {}", dialect::replica_word(self.product()))).await.map(drop)
    }

    /// Starts both threads of replication.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn start_replication(&self) -> Result<()> {
        self.sql(&format!("START {}", dialect::replica_word(self.product()))).await.map(drop)
    }

    /// Stops the receiver; the applier goes on with what it has.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn stop_receiver(&self) -> Result<()> {
        self.sql(&format!("STOP {} IO_THREAD", dialect::replica_word(self.product()))).await.map(drop)
    }

    /// Stops the applier; the receiver goes on, so that the server lags behind what it received.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn stop_applier(&self) -> Result<()> {
        self.sql(&format!("STOP {} SQL_THREAD", dialect::replica_word(self.product()))).await.map(drop)
    }

    /// Starts the applier.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn start_applier(&self) -> Result<()> {
        self.sql(&format!("START {} SQL_THREAD", dialect::replica_word(self.product()))).await.map(drop)
    }

    /// Makes the applier wait so many seconds behind the source with each transaction (0 ends that).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn set_delay(&self, seconds: u32) -> Result<()> {
        let sql = if self.product().is_mariadb() {
            // MariaDB changes nothing while the receiver runs.
            format!("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={seconds}; START SLAVE")
        } else {
            let change = format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY={seconds}");
            format!("STOP REPLICA SQL_THREAD; {change}; START REPLICA SQL_THREAD")
        };
        self.sql(&sql).await.map(drop)
    }

    /// Makes the applier fail at the next row that the writer commits (error 1146), without a change to the GTIDs: the
    /// writer's table is renamed here, outside the binary log. [`Server::mend_applier`] undoes it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn break_applier(&self) -> Result<()> {
        self.locally("RENAME TABLE app.writes TO app.writes_away").await
    }

    /// Undoes [`Server::break_applier`] and starts the applier again.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn mend_applier(&self) -> Result<()> {
        self.locally("RENAME TABLE app.writes_away TO app.writes").await?;
        self.start_applier().await
    }

    /// Runs a statement outside the binary log, also where writes are closed.
    async fn locally(&self, sql: &str) -> Result<()> {
        let closed = !self.is_writable().await?;
        self.set_writable(true).await?;
        let outcome = self.sql(&format!("SET sql_log_bin=0; {sql}")).await;
        if closed {
            self.set_writable(false).await?;
        }
        outcome.map(drop)
    }

    /// Returns the GTIDs that the server has executed, as it prints them.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn executed(&self) -> Result<String> {
        self.value(dialect::executed_query(self.product())).await
    }

    /// Waits until the server has executed all of `executed`.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub async fn has_executed(&self, executed: &str, limit: Duration) -> Result<()> {
        if executed.is_empty() {
            return Ok(());
        }
        let mut session = self.admin().await?;
        let query = dialect::wait_for(self.product(), executed, limit.as_secs_f64().max(0.01));
        let rows = session.rows_within(&query, limit + Duration::from_secs(5)).await?;
        let outcome = rows.first().and_then(|row| row.get(0)).unwrap_or("NULL");
        if outcome != "0" {
            bail!("{} has not executed {executed} within {limit:?} (the server answers {outcome})", self.key());
        }
        Ok(())
    }
}
