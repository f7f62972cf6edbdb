//! What operators declare: downtime, maintenance, promotion rules, tags, aliases, the global switch.

use rusqlite::{Connection, OptionalExtension, params};
use topology::{Downtime, InstanceKey, PromotionRule, Timestamp};

use crate::error::Fault;
use crate::sql::{one, run};
use crate::{Applied, MaintenanceRef, Refusal, moment};

pub(super) fn begin_downtime(db: &Connection, key: &InstanceKey, downtime: &Downtime) -> Result<(), Fault> {
    let Downtime { owner, reason, begins, ends } = downtime;
    run(
        db,
        "REPLACE INTO database_instance_downtime (hostname, port, downtime_active, begin_timestamp, end_timestamp,
           owner, reason, begin_timestamp_us, end_timestamp_us) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)",
        params![key.host, key.port, moment::text(*begins), moment::text(*ends), owner, reason, begins.0, ends.0],
    )?;
    Ok(())
}

pub(super) fn end_downtime(db: &Connection, key: &InstanceKey) -> Result<Applied, Fault> {
    let sql = "DELETE FROM database_instance_downtime WHERE hostname = ? AND port = ?";
    Ok(Applied::Rows(run(db, sql, params![key.host, key.port])?))
}

/// Puts a lock on `key` for `(owner, reason)` in `(begins, ends)`. A lock that has ended at `begins` is out of the way,
/// also when nobody expired it yet.
pub(super) fn begin_maintenance(
    db: &Connection,
    key: &InstanceKey,
    (owner, reason): (&str, &str),
    (begins, ends): (Timestamp, Timestamp),
) -> Result<Applied, Fault> {
    run(
        db,
        "UPDATE database_instance_maintenance SET maintenance_active = NULL
          WHERE hostname = ? AND port = ? AND maintenance_active = 1 AND end_timestamp <= ?",
        params![key.host, key.port, moment::text(begins)],
    )?;
    if let Some(refusal) = lock_on(db, key)? {
        return Err(refusal.into());
    }
    run(
        db,
        "INSERT INTO database_instance_maintenance (hostname, port, maintenance_active, begin_timestamp, end_timestamp,
           owner, reason, processing_node_hostname, processing_node_token, explicitly_bounded, begin_timestamp_us,
           end_timestamp_us) VALUES (?, ?, 1, ?, ?, ?, ?, '', '', 1, ?, ?)",
        params![key.host, key.port, moment::text(begins), moment::text(ends), owner, reason, begins.0, ends.0],
    )?;
    Ok(Applied::Maintenance { id: db.last_insert_rowid() })
}

fn lock_on(db: &Connection, key: &InstanceKey) -> rusqlite::Result<Option<Refusal>> {
    db.prepare_cached(
        "SELECT owner, reason, end_timestamp, end_timestamp_us FROM database_instance_maintenance
          WHERE hostname = ? AND port = ? AND maintenance_active = 1",
    )?
    .query_row(params![key.host, key.port], |row| {
        Ok(Refusal::AlreadyInMaintenance {
            key: key.clone(),
            owner: row.get("owner")?,
            reason: row.get("reason")?,
            ends: moment::read(row, "end_timestamp")?.unwrap_or_default(),
        })
    })
    .optional()
}

pub(super) fn end_maintenance(db: &Connection, which: &MaintenanceRef, at: Timestamp) -> Result<Applied, Fault> {
    let set = "UPDATE database_instance_maintenance
                  SET maintenance_active = NULL, end_timestamp = ?, end_timestamp_us = ? WHERE maintenance_active = 1";
    let ends = moment::text(at);
    let rows = match which {
        MaintenanceRef::Key(key) => {
            run(db, &format!("{set} AND hostname = ? AND port = ?"), params![ends, at.0, key.host, key.port])?
        }
        MaintenanceRef::Id(id) => {
            run(db, &format!("{set} AND database_instance_maintenance_id = ?"), params![ends, at.0, id])?
        }
    };
    Ok(Applied::Rows(rows))
}

pub(super) fn register_candidate(
    db: &Connection,
    key: &InstanceKey,
    rule: PromotionRule,
    at: Timestamp,
) -> Result<(), Fault> {
    run(
        db,
        "REPLACE INTO candidate_database_instance (hostname, port, priority, promotion_rule, last_suggested,
           last_suggested_us) VALUES (?, ?, 1, ?, ?, ?)",
        params![key.host, key.port, rule.as_str(), moment::text(at), at.0],
    )?;
    Ok(())
}

pub(super) fn watch(db: &Connection, keys: &[InstanceKey], at: Timestamp) -> Result<Applied, Fault> {
    let mut rows = 0;
    for key in keys {
        // One that is watched already keeps its first moment.
        let sql = "INSERT OR IGNORE INTO watched_instance (hostname, port, since, since_us) VALUES (?, ?, ?, ?)";
        rows += run(db, sql, params![key.host, key.port, moment::text(at), at.0])?;
    }
    Ok(Applied::Rows(rows))
}

pub(super) fn forget(db: &Connection, keys: &[InstanceKey], at: Timestamp, until: Timestamp) -> Result<Applied, Fault> {
    for key in keys {
        run(db, "DELETE FROM database_instance WHERE hostname = ? AND port = ?", params![key.host, key.port])?;
        run(db, "DELETE FROM watched_instance WHERE hostname = ? AND port = ?", params![key.host, key.port])?;
        run(
            db,
            "REPLACE INTO forgotten_instance (hostname, port, forgotten_at, forgotten_until, forgotten_until_us)
             VALUES (?, ?, ?, ?, ?)",
            params![key.host, key.port, moment::text(at), moment::text(until), until.0],
        )?;
    }
    Ok(Applied::Rows(keys.len() as u64))
}

pub(super) fn remember(db: &Connection, keys: &[InstanceKey]) -> Result<Applied, Fault> {
    let mut rows = 0;
    for key in keys {
        let sql = "DELETE FROM forgotten_instance WHERE hostname = ? AND port = ?";
        rows += run(db, sql, params![key.host, key.port])?;
    }
    Ok(Applied::Rows(rows))
}

pub(super) fn set_cluster_alias(db: &Connection, cluster: &str, alias: &str) -> Result<(), Fault> {
    if alias.is_empty() {
        run(db, "DELETE FROM cluster_alias_override WHERE cluster_name = ?", [cluster])?;
    } else {
        run(db, "REPLACE INTO cluster_alias_override (cluster_name, alias) VALUES (?, ?)", [cluster, alias])?;
    }
    Ok(())
}

pub(super) fn put_tag(
    db: &Connection,
    key: &InstanceKey,
    (name, value): (&str, &str),
    at: Timestamp,
) -> Result<(), Fault> {
    run(
        db,
        "REPLACE INTO database_instance_tags (hostname, port, tag_name, tag_value, last_updated) VALUES (?, ?, ?, ?, ?)",
        params![key.host, key.port, name, value, moment::text(at)],
    )?;
    Ok(())
}

pub(super) fn delete_tag(db: &Connection, key: &InstanceKey, name: &str) -> Result<Applied, Fault> {
    let sql = "DELETE FROM database_instance_tags WHERE hostname = ? AND port = ? AND tag_name = ?";
    Ok(Applied::Rows(run(db, sql, params![key.host, key.port, name])?))
}

pub(super) fn disable_recoveries(db: &Connection, by: &str, at: Timestamp) -> Result<Applied, Fault> {
    if one::<i64>(db, "SELECT 1 FROM global_recovery_disable WHERE disable_recovery = 1", [])?.is_some() {
        return Ok(Applied::Rows(0));
    }
    let sql = "INSERT INTO global_recovery_disable (disable_recovery, disabled_by, disabled_at) VALUES (1, ?, ?)";
    Ok(Applied::Rows(run(db, sql, params![by, moment::text(at)])?))
}

pub(super) fn enable_recoveries(db: &Connection) -> Result<Applied, Fault> {
    Ok(Applied::Rows(run(db, "DELETE FROM global_recovery_disable WHERE disable_recovery = 1", [])?))
}
