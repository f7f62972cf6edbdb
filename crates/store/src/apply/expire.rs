//! Ageing. Every rule compares the text that people read, so that rows of older programs age alike; what ends within
//! the second of the cut-off waits for the next round.

use std::time::Duration;

use rusqlite::{Connection, params};
use topology::Timestamp;

use crate::error::Fault;
use crate::sql::run;
use crate::{Expired, Retention, moment};

pub(super) fn expire(db: &Connection, now: Timestamp, keep: &Retention) -> Result<Expired, Fault> {
    let current = moment::text(now);
    let before = |span: Duration| moment::text(now.minus(span));
    let mut expired = Expired {
        downtimes: run(db, "DELETE FROM database_instance_downtime WHERE end_timestamp < ?", [&current])?,
        maintenance: run(
            db,
            "UPDATE database_instance_maintenance SET maintenance_active = NULL
              WHERE maintenance_active = 1 AND end_timestamp < ?",
            [&current],
        )?,
        candidates: run(
            db,
            "DELETE FROM candidate_database_instance WHERE last_suggested < ?",
            [before(keep.candidates)],
        )?,
        ..Expired::default()
    };
    for (table, block) in
        [("topology_failure_detection", keep.detection_block), ("topology_recovery", keep.recovery_block)]
    {
        let sql = format!(
            "UPDATE {table} SET in_active_period = 0, end_active_period_unixtime = ?
              WHERE in_active_period = 1 AND start_active_period < ?"
        );
        expired.periods += run(db, &sql, params![now.secs(), before(block)])?;
    }
    for (table, column, cut) in [
        ("forgotten_instance", "forgotten_until", current.clone()),
        ("blocked_topology_recovery", "last_blocked_timestamp", before(keep.blocked)),
        ("cluster_alias", "last_registered", before(keep.unseen)),
        ("cluster_domain_name", "last_registered", before(keep.resolves)),
        ("hostname_resolve", "resolved_timestamp", before(keep.resolves.saturating_mul(2))),
        ("node_health", "last_seen_active", before(keep.nodes)),
        ("node_health_history", "first_seen_active", before(keep.unseen)),
        ("audit", "audit_timestamp", before(keep.audit)),
        ("topology_failure_detection", "start_active_period", before(keep.audit)),
        // One that nobody acknowledged stays.
        ("divergence", "acknowledged_at", before(keep.audit)),
    ] {
        expired.deleted += run(db, &format!("DELETE FROM {table} WHERE {column} < ?"), [cut])?;
    }
    let sql = "DELETE FROM database_instance_maintenance WHERE maintenance_active IS NULL AND end_timestamp < ?";
    expired.deleted += run(db, sql, [before(keep.maintenance)])?;
    expired.deleted += expire_recoveries(db, &before(keep.audit))?;
    Ok(expired)
}

/// Deletes recoveries older than `cut` with their journals and stories; never one that still runs.
fn expire_recoveries(db: &Connection, cut: &str) -> Result<u64, Fault> {
    let running = "(SELECT uid FROM recovery_plan WHERE state = 'running')";
    let known = "(SELECT uid FROM topology_recovery)";
    let mut deleted = 0;
    let sql = format!("DELETE FROM topology_recovery WHERE start_active_period < ? AND uid NOT IN {running}");
    deleted += run(db, &sql, [cut])?;
    let sql = format!("DELETE FROM topology_recovery_steps WHERE audit_at < ? AND recovery_uid NOT IN {running}");
    deleted += run(db, &sql, [cut])?;
    let sql = format!("DELETE FROM recovery_plan WHERE state <> 'running' AND uid NOT IN {known}");
    // Its steps go with a plan.
    deleted += run(db, &sql, [])?;
    Ok(deleted)
}
