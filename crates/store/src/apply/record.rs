//! Facts that are written down as they come: names of clusters, replaced primaries, pairs, audit, nodes, host names.

use rusqlite::{Connection, params};
use topology::{Demoted, InstanceKey, Timestamp};

use crate::error::Fault;
use crate::sql::{one, run};
use crate::{Applied, NodeReport, moment};

pub(super) fn put_cluster_alias(db: &Connection, cluster: &str, alias: &str, at: Timestamp) -> Result<(), Fault> {
    // One alias names one cluster: the newest claim wins.
    run(db, "DELETE FROM cluster_alias WHERE alias = ? AND cluster_name <> ?", [alias, cluster])?;
    let sql = "REPLACE INTO cluster_alias (cluster_name, alias, last_registered) VALUES (?, ?, ?)";
    run(db, sql, params![cluster, alias, moment::text(at)])?;
    Ok(())
}

pub(super) fn put_cluster_domain(db: &Connection, cluster: &str, domain: &str, at: Timestamp) -> Result<(), Fault> {
    let sql = "REPLACE INTO cluster_domain_name (cluster_name, domain_name, last_registered) VALUES (?, ?, ?)";
    run(db, sql, params![cluster, domain, moment::text(at)])?;
    Ok(())
}

/// Carries what is known under the name `from` to the name `to`. The epoch of the old name stays: an executor that
/// still uses the old name must find itself fenced off, too.
pub(super) fn rename_cluster(db: &Connection, from: &str, to: &str, at: Timestamp) -> Result<(), Fault> {
    if from == to {
        return Ok(());
    }
    for (table, column) in
        [("cluster_alias_override", "alias"), ("cluster_alias", "alias"), ("cluster_domain_name", "domain_name")]
    {
        let value = one::<String>(db, &format!("SELECT {column} FROM {table} WHERE cluster_name = ?"), [from])?;
        if value.is_some() {
            run(db, &format!("DELETE FROM {table} WHERE cluster_name = ?"), [to])?;
            run(db, &format!("UPDATE {table} SET cluster_name = ? WHERE cluster_name = ?"), [to, from])?;
        }
    }
    for table in ["cluster_alias", "cluster_domain_name"] {
        let sql = format!("UPDATE {table} SET last_registered = ? WHERE cluster_name = ?");
        run(db, &sql, params![moment::text(at), to])?;
    }
    run(
        db,
        "REPLACE INTO cluster_epoch (cluster_name, epoch)
         SELECT ?, MAX(epoch) FROM cluster_epoch WHERE cluster_name IN (?, ?) HAVING COUNT(*) > 0",
        [to, from, to],
    )?;
    let sql = "UPDATE recovery_plan SET current_cluster_name = ?
                WHERE state = 'running' AND (cluster_name = ? OR current_cluster_name = ?)";
    run(db, sql, [to, from, from])?;
    Ok(())
}

pub(super) fn leave_closed(db: &Connection, demoted: &Demoted) -> Result<(), Fault> {
    put_demoted(db, demoted, true)
}

fn put_demoted(db: &Connection, demoted: &Demoted, left_closed: bool) -> Result<(), Fault> {
    let Demoted { key, uuid, server_id, successor, recovery_uid, at } = demoted;
    run(
        db,
        "REPLACE INTO demoted_instance (hostname, port, server_uuid, server_id, successor_hostname,
           successor_port, recovery_uid, demoted_at, demoted_at_us, left_closed)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            key.host,
            key.port,
            uuid.as_ref().map_or("", |uuid| uuid.as_str()),
            server_id,
            successor.host,
            successor.port,
            recovery_uid,
            moment::text(*at),
            at.0,
            left_closed
        ],
    )?;
    Ok(())
}

pub(super) fn demote(db: &Connection, demoted: &Demoted) -> Result<(), Fault> {
    let Demoted { key, successor, .. } = demoted;
    put_demoted(db, demoted, false)?;
    // The successor leads now: whatever replaced it earlier is history.
    let sql = "DELETE FROM demoted_instance WHERE hostname = ? AND port = ? AND NOT (hostname = ? AND port = ?)";
    run(db, sql, params![successor.host, successor.port, key.host, key.port])?;
    Ok(())
}

pub(super) fn reinstate(db: &Connection, key: &InstanceKey) -> Result<Applied, Fault> {
    let sql = "DELETE FROM demoted_instance WHERE hostname = ? AND port = ?";
    Ok(Applied::Rows(run(db, sql, params![key.host, key.port])?))
}

pub(super) fn put_key_value(db: &Connection, key: &str, value: &str, at: Timestamp) -> Result<(), Fault> {
    let sql = "REPLACE INTO kv_store (store_key, store_value, last_updated) VALUES (?, ?, ?)";
    run(db, sql, params![key, value, moment::text(at)])?;
    Ok(())
}

pub(super) fn audit(
    db: &Connection,
    kind: &str,
    key: Option<&InstanceKey>,
    (cluster, message): (&str, &str),
    at: Timestamp,
) -> Result<Applied, Fault> {
    let (host, port) = key.map_or(("", 0), |key| (key.host.as_str(), key.port));
    run(
        db,
        "INSERT INTO audit (audit_timestamp, audit_type, hostname, port, cluster_name, message, audit_timestamp_us)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![moment::text(at), kind, host, port, cluster, message, at.0],
    )?;
    Ok(Applied::Audit { id: db.last_insert_rowid() })
}

pub(super) fn register_node(db: &Connection, report: &NodeReport) -> Result<(), Fault> {
    let NodeReport { node, mode, command, version, backend, active, started, at } = report;
    let seen = moment::text(*at);
    let known = run(
        db,
        "UPDATE node_health SET last_seen_active = ?, incrementing_indicator = incrementing_indicator + 1,
           extra_info = ?, command = ?, app_version = ?, db_backend = ? WHERE hostname = ? AND token = ?",
        params![seen, mode, command, version, backend, node.hostname, node.token],
    )?;
    if known == 0 {
        let started = moment::text(*started);
        run(
            db,
            "INSERT INTO node_health (hostname, token, first_seen_active, last_seen_active, incrementing_indicator,
               extra_info, command, app_version, db_backend) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?)",
            params![node.hostname, node.token, started, seen, mode, command, version, backend],
        )?;
        run(
            db,
            "INSERT INTO node_health_history (hostname, token, first_seen_active, extra_info, command, app_version)
             VALUES (?, ?, ?, ?, ?, ?)",
            params![node.hostname, node.token, started, mode, command, version],
        )?;
    }
    if *active {
        lead(db, report)?;
    }
    Ok(())
}

fn lead(db: &Connection, report: &NodeReport) -> Result<(), Fault> {
    let (node, seen) = (&report.node, moment::text(report.at));
    let sql = "UPDATE active_node SET last_seen_active = ? WHERE anchor = 1 AND hostname = ? AND token = ?";
    if run(db, sql, params![seen, node.hostname, node.token])? == 0 {
        run(
            db,
            "REPLACE INTO active_node (anchor, hostname, token, first_seen_active, last_seen_active)
             VALUES (1, ?, ?, ?, ?)",
            params![node.hostname, node.token, seen, seen],
        )?;
    }
    Ok(())
}

pub(super) fn put_resolve(db: &Connection, from: &str, to: &str, at: Timestamp) -> Result<(), Fault> {
    let sql = "REPLACE INTO hostname_resolve (hostname, resolved_hostname, resolved_timestamp) VALUES (?, ?, ?)";
    run(db, sql, params![from, to, moment::text(at)])?;
    Ok(())
}
