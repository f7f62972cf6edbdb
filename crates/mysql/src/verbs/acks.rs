//! How commits wait for semi-synchronous replicas.

use crate::error::{Error, ErrorKind};
use crate::read::Variables;
use crate::server::Server;

/// For how many replicas a source's commits wait, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckPolicy {
    /// They wait at all.
    pub enabled: bool,
    /// For how many. MariaDB knows only one.
    pub wait_count: u32,
    /// For how long.
    pub timeout_ms: u64,
    /// Before the commit is visible (`AFTER_SYNC`).
    pub lossless: bool,
}

impl Server {
    /// Makes commits wait for replicas as `policy` says.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when they are to wait and the server has no such plugin.
    pub async fn set_acks(&mut self, policy: AckPolicy) -> Result<(), Error> {
        let doing = "set how commits wait for replicas";
        let all = self.variables(&[
            "rpl_semi_sync_source_enabled",
            "rpl_semi_sync_master_enabled",
            "rpl_semi_sync_source_wait_for_replica_count",
            "rpl_semi_sync_master_wait_for_slave_count",
        ]);
        let variables: Variables = all.await?;
        let has = |name: &str| variables.has(name);
        let prefix = match (has("rpl_semi_sync_source_enabled"), has("rpl_semi_sync_master_enabled")) {
            (true, _) => "rpl_semi_sync_source",
            (_, true) => "rpl_semi_sync_master",
            _ if policy.enabled => {
                return Err(self.error(doing, ErrorKind::Unsupported("the plugin is not loaded".to_owned())));
            }
            _ => return Ok(()),
        };
        let point = if policy.lossless { "AFTER_SYNC" } else { "AFTER_COMMIT" };
        let mut sql =
            format!("set global {prefix}_timeout={}; set global {prefix}_wait_point='{point}'", policy.timeout_ms);
        let counts = ["rpl_semi_sync_source_wait_for_replica_count", "rpl_semi_sync_master_wait_for_slave_count"];
        if let Some(count) = counts.into_iter().find(|name| has(name)) {
            sql.push_str(&format!("; set global {count}={}", policy.wait_count));
        }
        // Last: from here on commits wait.
        sql.push_str(&format!("; set global {prefix}_enabled={}", u8::from(policy.enabled)));
        self.run(doing, &sql, &[]).await
    }

    /// Returns how many semi-synchronous replicas are connected.
    ///
    /// # Errors
    /// Any failure of the connection.
    pub async fn ack_clients(&mut self) -> Result<u32, Error> {
        let sql = "show global status where variable_name in ('Rpl_semi_sync_source_clients', 'Rpl_semi_sync_master_clients')";
        let rows = self.rows("count semi-synchronous replicas", sql).await?;
        let count = |row: &crate::row::Row| row.get(1).and_then(|text| text.parse().ok());
        Ok(rows.iter().find_map(count).unwrap_or(0))
    }
}
