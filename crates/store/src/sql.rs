//! Small helpers around prepared statements.

use rusqlite::{Connection, OptionalExtension, Params, Row};
use topology::InstanceKey;

/// Runs a statement and returns how many rows it changed. Statements are kept prepared.
pub(crate) fn run(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<u64> {
    Ok(db.prepare_cached(sql)?.execute(params)? as u64)
}

/// Returns the first column of the first row.
pub(crate) fn one<T: rusqlite::types::FromSql>(
    db: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Option<T>> {
    db.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()
}

/// Returns every row as `read` sees it.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// Reads a key from the columns `hostname` and `port`.
pub(crate) fn key(row: &Row<'_>) -> rusqlite::Result<InstanceKey> {
    named_key(row, "hostname", "port")
}

/// Reads a key from these columns. NULL is an empty host, and what is no port is port 0: neither names an instance.
pub(crate) fn named_key(row: &Row<'_>, host: &str, port: &str) -> rusqlite::Result<InstanceKey> {
    let port: Option<i64> = row.get(port)?;
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    Ok(InstanceKey::new(text(row, host)?, port))
}

/// Reads a text; NULL is the empty one.
pub(crate) fn text(row: &Row<'_>, column: &str) -> rusqlite::Result<String> {
    Ok(row.get::<_, Option<String>>(column)?.unwrap_or_default())
}

/// Writes keys as `host:port,host:port`.
pub(crate) fn join_keys(keys: &[InstanceKey]) -> String {
    keys.iter().map(InstanceKey::to_string).collect::<Vec<_>>().join(",")
}

/// Reads [`join_keys`] back; what is no key is left out.
pub(crate) fn split_keys(text: &str) -> Vec<InstanceKey> {
    text.split(',').filter_map(|part| part.parse().ok()).collect()
}
