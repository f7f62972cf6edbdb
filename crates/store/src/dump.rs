//! All declared and decided rows as one value: what a snapshot carries, and what two nodes must have in common.
//!
//! A dump is taken in one read transaction together with the fact that says how far the log was applied, and put in place
//! in one transaction: rows that it does not have are gone afterwards.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::declared::{self, EVERYTHING};
use crate::log::{Kept, keep, kept};
use crate::sql::all;
use crate::{Database, Error, Store};

/// Tables whose rows follow from the commands alone, in an order in which rows may refer to earlier ones. What one node
/// observed, its own heartbeat and the log itself are not among them.
const TABLES: &[&str] = &[
    "cluster_alias",
    "cluster_domain_name",
    "database_instance_downtime",
    "database_instance_maintenance",
    "candidate_database_instance",
    "database_instance_tags",
    "cluster_alias_override",
    "global_recovery_disable",
    "watched_instance",
    "forgotten_instance",
    "kv_store",
    "topology_failure_detection",
    "topology_recovery",
    "topology_recovery_steps",
    "blocked_topology_recovery",
    "recovery_plan",
    "recovery_plan_step",
    "cluster_epoch",
    "demoted_instance",
    "audit",
];

/// The rows of all tables that follow from commands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dump {
    tables: Vec<Table>,
    /// The last number that was given to a row, by table: a number must not be given twice.
    sequences: Vec<(String, i64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Table {
    name: String,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Dump {
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }
}

impl Store {
    /// Returns all declared and decided rows, and the kept facts in `names`, as they were at one moment. Blocks, and does
    /// not hold up writers.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn dump(&self, names: &'static [&'static str]) -> Result<(Dump, Vec<Option<String>>), Error> {
        self.query(move |db| {
            let facts = names.iter().map(|name| kept(db, name)).collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((read(db)?, facts))
        })
    }
}

impl Database {
    /// Replaces all declared and decided rows by those of `dump`, and keeps `facts`; waits for the disk.
    ///
    /// # Errors
    /// [`Error`] when the database failed, or the dump has tables or columns that this version does not know: nothing was
    /// changed.
    pub fn restore(&mut self, dump: &Dump, facts: &[Kept<'_>]) -> Result<(), Error> {
        if let Some(unknown) = dump.tables.iter().find(|table| !TABLES.contains(&table.name.as_str())) {
            return Err(Error::UnknownTable { table: unknown.name.clone() });
        }
        self.set_durable(true);
        self.transact("restoring a snapshot", |db, current| {
            replace(db, dump)?;
            keep(db, facts)?;
            let mut fresh = current.clone();
            for section in EVERYTHING {
                declared::refresh(db, &mut fresh, *section)?;
            }
            Ok(((), Some(fresh)))
        })
    }
}

fn read(db: &Connection) -> rusqlite::Result<Dump> {
    let tables = TABLES.iter().map(|name| read_table(db, name)).collect::<rusqlite::Result<Vec<_>>>()?;
    let sequences = all(db, "SELECT name, seq FROM sqlite_sequence ORDER BY name", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let sequences = sequences.into_iter().filter(|(name, _)| TABLES.contains(&name.as_str())).collect();
    Ok(Dump { tables, sequences })
}

fn read_table(db: &Connection, name: &str) -> rusqlite::Result<Table> {
    // By all columns: the order in which rows happen to lie differs between nodes.
    let columns: Vec<String> =
        db.prepare(&format!("SELECT * FROM {name}"))?.column_names().map(ToOwned::to_owned).collect();
    let order: Vec<String> = (1..=columns.len()).map(|number| number.to_string()).collect();
    let mut statement = db.prepare(&format!("SELECT * FROM {name} ORDER BY {}", order.join(", ")))?;
    let rows = statement
        .query_map([], |row| (0..columns.len()).map(|column| Ok(cell(row.get_ref(column)?))).collect())?
        .collect::<rusqlite::Result<Vec<Vec<Cell>>>>()?;
    Ok(Table { name: name.to_owned(), columns, rows })
}

fn replace(db: &Connection, dump: &Dump) -> rusqlite::Result<()> {
    // Rows that refer to others go first.
    for name in TABLES.iter().rev() {
        db.execute(&format!("DELETE FROM {name}"), [])?;
    }
    for table in &dump.tables {
        let marks = vec!["?"; table.columns.len()].join(", ");
        let names: Vec<String> =
            table.columns.iter().map(|column| format!("\"{}\"", column.replace('"', ""))).collect();
        let mut insert = db.prepare(&format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, names.join(", ")))?;
        for row in &table.rows {
            insert.execute(params_from_iter(row.iter().map(value)))?;
        }
    }
    for name in TABLES {
        db.execute("DELETE FROM sqlite_sequence WHERE name = ?", [name])?;
    }
    for (name, last) in dump.sequences.iter().filter(|(name, _)| TABLES.contains(&name.as_str())) {
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", rusqlite::params![name, last])?;
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(bytes) => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => Value::Integer(*number),
        Cell::Real(number) => Value::Real(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Blob(bytes) => Value::Blob(bytes.clone()),
    }
}
