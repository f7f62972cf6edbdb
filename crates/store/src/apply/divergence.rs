//! What replaced primaries had beyond their successors.

use rusqlite::{Connection, params};
use topology::Timestamp;

use crate::error::Fault;
use crate::sql::{one, run};
use crate::{Applied, NewDivergence, moment};

pub(super) fn record(db: &Connection, new: &NewDivergence) -> Result<Applied, Fault> {
    let uuid = new.uuid.as_ref().map_or("", |uuid| uuid.as_str());
    let known = "SELECT 1 FROM divergence WHERE hostname = ? AND port = ? AND server_uuid = ? AND gtids = ?
                    AND acknowledged_at IS NULL LIMIT 1";
    if one::<i64>(db, known, params![new.key.host, new.key.port, uuid, new.gtids])?.is_some() {
        return Ok(Applied::Rows(0));
    }
    run(
        db,
        "INSERT INTO divergence (hostname, port, server_uuid, primary_hostname, primary_port, cluster_name, recovery_uid,
           found_at, found_at_us, gtids, transactions, changes, tables, sample, file, node_hostname, note)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            new.key.host,
            new.key.port,
            uuid,
            new.primary.host,
            new.primary.port,
            new.cluster_name,
            new.recovery_uid,
            moment::text(new.at),
            new.at.0,
            new.gtids,
            new.transactions.cast_signed(),
            new.changes.cast_signed(),
            new.tables,
            new.sample,
            new.file,
            new.node,
            new.note
        ],
    )?;
    Ok(Applied::Rows(1))
}

pub(super) fn acknowledge(
    db: &Connection,
    id: i64,
    (owner, comment): (&str, &str),
    at: Timestamp,
) -> Result<Applied, Fault> {
    let sql = "UPDATE divergence SET acknowledged_at = ?, acknowledged_at_us = ?, acknowledged_by = ?,
                 acknowledge_comment = ? WHERE divergence_id = ? AND acknowledged_at IS NULL";
    Ok(Applied::Rows(run(db, sql, params![moment::text(at), at.0, owner, comment, id])?))
}
