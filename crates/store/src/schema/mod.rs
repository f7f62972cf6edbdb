//! Tables, and how a file gets them.
//!
//! Migrations are numbered; each runs in a transaction of its own together with its row in `schema_version`. The first
//! one creates what is missing and changes nothing that is there, so that it serves an empty file and an Orchestrator
//! file alike: which columns are missing is found by comparing with a scratch database made from the same text.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use crate::error::{Error, classify};
use crate::sql::{all, one};

const TABLES: &str = include_str!("tables.sql");
const CHANGELOG: &str = include_str!("changelog.sql");
const DIVERGENCE: &str = include_str!("divergence.sql");
const DEMOTED: &str = include_str!("demoted.sql");
const INDEXES: &str = include_str!("indexes.sql");

type Migration = fn(&Connection) -> rusqlite::Result<()>;

/// What each version changed; the index is its number less one. Never edit one that was released: add another.
const MIGRATIONS: &[(&str, Migration)] = &[
    ("tables as of 0.1; an Orchestrator file is taken over", create_or_complete),
    ("the changelog of diagnoses", |db| db.execute_batch(CHANGELOG)),
    ("what returned primaries had beyond their successors", |db| db.execute_batch(DIVERGENCE)),
    ("what tells a replaced primary from another server", |db| db.execute_batch(DEMOTED)),
];

/// The newest schema that this program knows.
pub(crate) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

/// Brings the schema of the database at `path` to the newest version.
///
/// # Errors
/// [`Error::Newer`] and [`Error::Foreign`] leave the file as it is; any other leaves it at an earlier version.
pub(crate) fn migrate(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let fault = |error| classify(error, path, "bringing the schema up to date");
    let found = version(db).map_err(fault)?;
    let known = newest();
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    if found == 0 {
        inspect_unversioned(db, path)?;
    }
    for (number, (description, migration)) in (1..).zip(MIGRATIONS).skip(found as usize) {
        step(db, number, description, *migration).map_err(fault)?;
    }
    record_deployment(db).map_err(fault)
}

/// Returns the schema version of the database; 0 when it has none.
pub(crate) fn version(db: &Connection) -> rusqlite::Result<u32> {
    if has_table(db, "schema_version")? {
        Ok(one::<Option<u32>>(db, "SELECT MAX(version) FROM schema_version", [])?.flatten().unwrap_or(0))
    } else {
        Ok(0)
    }
}

fn step(db: &mut Connection, number: u32, description: &str, migration: Migration) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, description text NOT NULL)",
    )?;
    migration(&transaction)?;
    transaction
        .execute("INSERT INTO schema_version (version, description) VALUES (?, ?)", params![number, description])?;
    transaction.commit()
}

/// Looks at a file without a version: an Orchestrator file is copied to `FILE.before-takeover` first, so that there is
/// a way back; a database of another program is refused.
fn inspect_unversioned(db: &Connection, path: &Path) -> Result<(), Error> {
    let fault = |error| classify(error, path, "looking into the file");
    let tables = one::<i64>(db, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'", []).map_err(fault)?;
    if tables.unwrap_or(0) == 0 {
        return Ok(());
    }
    if !has_table(db, "database_instance").map_err(fault)? {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    let copy = backup_path(path);
    if !copy.exists() {
        let copy = copy.to_string_lossy();
        db.execute("VACUUM INTO ?", [copy.as_ref()])
            .map_err(|error| classify(error, path, "copying the Orchestrator file before taking it over"))?;
    }
    Ok(())
}

/// Returns where the copy of a file goes that is taken over.
pub(crate) fn backup_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".before-takeover");
    name.into()
}

fn create_or_complete(db: &Connection) -> rusqlite::Result<()> {
    drop_narrow_keys(db)?;
    db.execute_batch(TABLES)?;
    let wanted = Connection::open_in_memory()?;
    wanted.execute_batch(TABLES)?;
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    for table in all(&wanted, names, [], |row| row.get::<_, String>(0))? {
        let present = columns(db, &table)?;
        for column in columns(&wanted, &table)? {
            if !present.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
                db.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {}", column.definition()))?;
            }
        }
    }
    db.execute_batch(INDEXES)
}

/// Removes unique keys that allow one active detection per instance whatever its diagnosis, and one recovery per
/// instance and second: their idea of what is the same is not ours. A key that is part of a table cannot be removed;
/// such a table is set aside under another name and its rows copied.
fn drop_narrow_keys(db: &Connection) -> rusqlite::Result<()> {
    for table in ["topology_failure_detection", "topology_recovery"] {
        let sql = "SELECT name, origin FROM pragma_index_list(?) WHERE \"unique\" = 1 AND origin IN ('c', 'u')";
        let keys = all(db, sql, [table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        if keys.iter().any(|(_, origin)| origin == "u") {
            set_aside_and_copy(db, table)?;
            continue;
        }
        for (name, _) in keys {
            db.execute_batch(&format!("DROP INDEX \"{name}\""))?;
        }
    }
    Ok(())
}

fn set_aside_and_copy(db: &Connection, table: &str) -> rusqlite::Result<()> {
    db.execute_batch(&format!("ALTER TABLE {table} RENAME TO {table}_before_takeover"))?;
    db.execute_batch(TABLES)?;
    let ours = columns(db, table)?;
    let theirs = columns(db, &format!("{table}_before_takeover"))?;
    let shared = ours.iter().filter(|column| theirs.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)));
    let (names, values): (Vec<&str>, Vec<String>) =
        shared.map(|column| (column.name.as_str(), column.without_null())).unzip();
    db.execute_batch(&format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table}_before_takeover",
        names.join(", "),
        values.join(", ")
    ))
}

struct Column {
    name: String,
    kind: String,
    not_null: bool,
    default: Option<String>,
}

impl Column {
    /// Returns an expression for its value in another table that may have NULL where this one may not.
    fn without_null(&self) -> String {
        let default = self.default.as_deref().unwrap_or("''");
        if self.not_null { format!("COALESCE({}, {default})", self.name) } else { self.name.clone() }
    }

    /// Returns what `ADD COLUMN` wants: there, a column that may not be NULL must have a default.
    fn definition(&self) -> String {
        let default = match (&self.default, self.not_null) {
            (Some(default), _) => format!("DEFAULT {default}"),
            (None, true) => "DEFAULT ''".to_owned(),
            (None, false) => "DEFAULT NULL".to_owned(),
        };
        let null = if self.not_null { "NOT NULL" } else { "NULL" };
        format!("{} {} {null} {default}", self.name, self.kind)
    }
}

fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    all(db, "SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info(?)", [table], |row| {
        Ok(Column { name: row.get(0)?, kind: row.get(1)?, not_null: row.get(2)?, default: row.get(3)? })
    })
}

fn has_table(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
    Ok(one::<i64>(db, sql, [name])?.is_some())
}

/// Notes for people which versions of the program have used the file. This is the file's own history, not state.
fn record_deployment(db: &Connection) -> rusqlite::Result<()> {
    db.execute(
        "INSERT OR IGNORE INTO orchestrator_db_deployments (deployed_version, deployed_timestamp)
         VALUES (?, datetime('now'))",
        [env!("CARGO_PKG_VERSION")],
    )?;
    Ok(())
}
