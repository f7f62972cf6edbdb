//! Detections, acknowledgement, and recoveries that were held back.

use rusqlite::{Connection, OptionalExtension, ToSql, params};
use topology::{InstanceKey, Timestamp};

use crate::error::Fault;
use crate::sql::{all, join_keys, run};
use crate::{AckScope, Applied, NewDetection, moment};

/// Puts a detection on record, unless the same diagnosis of the same instance is and its period is not over. The
/// diagnosis counts: a server that was unreachable and is now dead was detected twice.
pub(super) fn register(db: &Connection, new: &NewDetection) -> Result<Applied, Fault> {
    if let Some((id, began)) = active(db, &new.key, &new.code)? {
        let ends = began.plus(new.block);
        if new.at < ends {
            return Ok(Applied::Detection { id, fresh: false });
        }
        let sql = "UPDATE topology_failure_detection SET in_active_period = 0, end_active_period_unixtime = ?
                    WHERE detection_id = ?";
        run(db, sql, [ends.secs(), id])?;
    }
    run(
        db,
        "INSERT INTO topology_failure_detection (hostname, port, in_active_period, start_active_period,
           end_active_period_unixtime, processing_node_hostname, processcing_node_token, analysis, cluster_name,
           cluster_alias, count_affected_slaves, slave_hosts, is_actionable, server_uuid, start_active_period_us)
         VALUES (?, ?, 1, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            new.key.host,
            new.key.port,
            moment::text(new.at),
            new.node.hostname,
            new.node.token,
            new.code,
            new.cluster_name,
            new.cluster_alias,
            new.replicas.len() as i64,
            join_keys(&new.replicas),
            new.actionable,
            new.uuid.as_ref().map_or("", |uuid| uuid.as_str()),
            new.at.0
        ],
    )?;
    Ok(Applied::Detection { id: db.last_insert_rowid(), fresh: true })
}

fn active(db: &Connection, key: &InstanceKey, code: &str) -> rusqlite::Result<Option<(i64, Timestamp)>> {
    db.prepare_cached(
        "SELECT detection_id, start_active_period, start_active_period_us FROM topology_failure_detection
          WHERE in_active_period = 1 AND hostname = ? AND port = ? AND analysis = ?
          ORDER BY detection_id DESC LIMIT 1",
    )?
    .query_row(params![key.host, key.port, code], |row| {
        Ok((row.get("detection_id")?, moment::read(row, "start_active_period")?.unwrap_or_default()))
    })
    .optional()
}

pub(super) fn block(
    db: &Connection,
    key: &InstanceKey,
    (cluster, code): (&str, &str),
    blocking_recovery_id: i64,
    at: Timestamp,
) -> Result<(), Fault> {
    run(
        db,
        "REPLACE INTO blocked_topology_recovery (hostname, port, cluster_name, analysis, last_blocked_timestamp,
           blocking_recovery_id) VALUES (?, ?, ?, ?, ?, ?)",
        params![key.host, key.port, cluster, code, moment::text(at), blocking_recovery_id],
    )?;
    Ok(())
}

pub(super) fn unblock(db: &Connection, key: &InstanceKey) -> Result<Applied, Fault> {
    let sql = "DELETE FROM blocked_topology_recovery WHERE hostname = ? AND port = ?";
    Ok(Applied::Rows(run(db, sql, params![key.host, key.port])?))
}

pub(super) fn acknowledge(
    db: &Connection,
    scope: &AckScope,
    (owner, comment): (&str, &str),
    at: Timestamp,
) -> Result<Applied, Fault> {
    let (filter, values) = scope_of(scope);
    let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
    // A recovery gave the cluster a new name: it is acknowledged by that one as well.
    let (renamed, name) = match scope {
        AckScope::Cluster { name, .. } => {
            (" OR uid IN (SELECT uid FROM recovery_plan WHERE current_cluster_name = ?)", Some(name))
        }
        _ => ("", None),
    };
    let of_recoveries: Vec<&dyn ToSql> = values.iter().copied().chain(name.map(|name| name as &dyn ToSql)).collect();
    let found = all(
        db,
        &format!(
            "SELECT recovery_id, last_detection_id FROM topology_recovery
              WHERE acknowledged = 0 AND ({filter}{renamed}) ORDER BY recovery_id"
        ),
        of_recoveries.as_slice(),
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0))),
    )?;
    for (id, _) in &found {
        run(
            db,
            "UPDATE topology_recovery SET in_active_period = 0, acknowledged = 1, acknowledged_at = ?,
               acknowledged_at_us = ?, acknowledged_by = ?, acknowledge_comment = ?, end_active_period_unixtime =
               CASE WHEN COALESCE(end_active_period_unixtime, 0) = 0 THEN ? ELSE end_active_period_unixtime END
             WHERE recovery_id = ?",
            params![moment::text(at), at.0, owner, comment, at.secs(), id],
        )?;
        run(db, "DELETE FROM blocked_topology_recovery WHERE blocking_recovery_id = ?", [id])?;
    }
    let end = "UPDATE topology_failure_detection SET in_active_period = 0, end_active_period_unixtime = ?
                WHERE in_active_period = 1 AND";
    let mut detections = 0;
    if matches!(scope, AckScope::Id(_) | AckScope::Uid(_)) {
        for (_, detection_id) in &found {
            detections += run(db, &format!("{end} detection_id = ?"), [at.secs(), *detection_id])?;
        }
    } else {
        let seconds = at.secs();
        let values: Vec<&dyn ToSql> = std::iter::once(&seconds as &dyn ToSql).chain(values).collect();
        detections = run(db, &format!("{end} {filter}"), values.as_slice())?;
    }
    Ok(Applied::Acknowledged { recoveries: found.into_iter().map(|(id, _)| id).collect(), detections })
}

/// Returns a condition that holds for the rows of a scope, and its values. But for the two that name one recovery,
/// it fits recoveries and detections alike.
fn scope_of(scope: &AckScope) -> (&'static str, Vec<rusqlite::types::Value>) {
    match scope {
        AckScope::All => ("1 = 1", vec![]),
        AckScope::Id(id) => ("recovery_id = ?", vec![(*id).into()]),
        AckScope::Uid(uid) => ("uid = ?", vec![uid.clone().into()]),
        AckScope::Cluster { name, alias } if alias.is_empty() => ("cluster_name = ?", vec![name.clone().into()]),
        AckScope::Cluster { name, alias } => {
            ("(cluster_name = ? OR cluster_alias = ?)", vec![name.clone().into(), alias.clone().into()])
        }
        AckScope::Instance(key) => {
            ("hostname = ? AND port = ?", vec![key.host.clone().into(), i64::from(key.port).into()])
        }
    }
}
