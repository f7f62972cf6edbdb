//! Slowing a primary's commits down, so that a replica can catch up with it.

use std::time::Duration;

use crate::error::Error;
use crate::server::Server;

/// The last three digits, in microseconds, of a delay that we set: whoever comes later knows it from an operator's own.
const MARK: u64 = 7;
/// MariaDB waits until so many commits have come together, or the time is up. Nobody has so many at once.
const NEVER_SO_MANY: u64 = 100_007;
/// MariaDB's default, which counts for nothing while it waits for no commits.
const MARIADB_WAIT_USEC: u64 = 100_000;

/// True when one of us slowed a server down that has these values of `binlog_group_commit_sync_delay` (MySQL) and
/// `binlog_commit_wait_count` (MariaDB).
pub(crate) fn is_ours(sync_delay: u64, wait_count: u64) -> bool {
    sync_delay % 1000 == MARK || wait_count == NEVER_SO_MANY
}

impl Server {
    /// Delays each commit (in truth: each group of commits) by `delay`; none ends that. A server that an operator gave a
    /// delay keeps it. Returns whether the wish is fulfilled.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn brake(&mut self, delay: Option<Duration>) -> Result<bool, Error> {
        let doing = "slow commits down";
        let variable =
            if self.dialect().is_mariadb() { "binlog_commit_wait_count" } else { "binlog_group_commit_sync_delay" };
        let rows = self.rows(doing, &format!("select @@global.{variable}")).await?;
        let now: u64 = rows.first().and_then(|row| row.get(0)).and_then(|text| text.parse().ok()).unwrap_or(0);
        let is_ours = if self.dialect().is_mariadb() { is_ours(0, now) } else { is_ours(now, 0) };
        if now != 0 && !is_ours || now == 0 && delay.is_none() {
            return Ok(delay.is_none());
        }
        let micros = delay.map_or(0, |delay| u64::try_from(delay.as_millis()).unwrap_or(0) * 1000 + MARK);
        let sql = match (self.dialect().is_mariadb(), delay) {
            (false, _) => format!("set global {variable}={micros}"),
            (true, Some(_)) => {
                format!("set global binlog_commit_wait_usec={micros}; set global {variable}={NEVER_SO_MANY}")
            }
            (true, None) => format!("set global {variable}=0; set global binlog_commit_wait_usec={MARIADB_WAIT_USEC}"),
        };
        self.run(doing, &sql, &[]).await.map(|()| true)
    }
}
