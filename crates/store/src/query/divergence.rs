//! What replaced primaries had beyond their successors.

use rusqlite::Row;
use topology::ServerUuid;

use crate::rows::{Acknowledgement, Divergence};
use crate::sql::{all, key, named_key, text};
use crate::{Error, NewDivergence, Store, moment};

impl Store {
    /// Returns what is on record, newest first; only what nobody acknowledged, unless `also_acknowledged`.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn divergences(&self, also_acknowledged: bool) -> Result<Vec<Divergence>, Error> {
        self.query(move |db| {
            let sql = "SELECT * FROM divergence WHERE acknowledged_at IS NULL OR ? ORDER BY divergence_id DESC";
            all(db, sql, [also_acknowledged], divergence)
        })
    }
}

fn divergence(row: &Row<'_>) -> rusqlite::Result<Divergence> {
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let acknowledged = moment::read(row, "acknowledged_at")?;
    let (by, comment) = (text(row, "acknowledged_by")?, text(row, "acknowledge_comment")?);
    Ok(Divergence {
        id: row.get("divergence_id")?,
        found: NewDivergence {
            key: key(row)?,
            uuid: ServerUuid::new(&text(row, "server_uuid")?),
            primary: named_key(row, "primary_hostname", "primary_port")?,
            cluster_name: text(row, "cluster_name")?,
            recovery_uid: text(row, "recovery_uid")?,
            at: moment::read(row, "found_at")?.unwrap_or_default(),
            gtids: text(row, "gtids")?,
            transactions: count("transactions")?,
            changes: count("changes")?,
            tables: text(row, "tables")?,
            sample: text(row, "sample")?,
            file: text(row, "file")?,
            node: text(row, "node_hostname")?,
            note: text(row, "note")?,
        },
        acknowledged: acknowledged.map(|at| Acknowledgement { at, by, comment }),
    })
}
