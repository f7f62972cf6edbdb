//! All declared and decided rows as one value: what a snapshot carries, and what two nodes must have in common.
//!
//! A dump is taken in one read transaction together with the fact that says how far the log was applied, and put in place
//! in one transaction: rows that it does not have are gone afterwards.

use std::collections::BTreeMap;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::declared::{self, EVERYTHING};
use crate::log::{Kept, all_kept, keep, purge};
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
    "divergence",
    "audit",
];

/// Tables of this node alone: what it saw and resolved, its heartbeat, the log, and notes about the file.
#[cfg(test)]
const OWN: &[&str] = &[
    "database_instance",
    "database_instance_last_analysis",
    "database_instance_analysis_changelog",
    "hostname_resolve",
    "active_node",
    "node_health",
    "node_health_history",
    "raft_entry",
    "raft_fact",
    "orchestrator_db_deployments",
    "schema_version",
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
    /// Returns all declared and decided rows, and all kept facts by name, as they were at one moment. Blocks, and does not
    /// hold up writers.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn dump(&self) -> Result<(Dump, BTreeMap<String, String>), Error> {
        self.query(|db| Ok((read(db)?, all_kept(db, "")?)))
    }
}

impl Database {
    /// Replaces all declared and decided rows by those of `dump`, keeps `facts`, and removes the entries of the log up to
    /// `upto`, which the dump covers; waits for the disk.
    ///
    /// # Errors
    /// [`Error`] when the database failed, or the dump has tables or columns that this version does not know: nothing was
    /// changed.
    pub fn restore(&mut self, dump: &Dump, facts: &[Kept<'_>], upto: Option<u64>) -> Result<(), Error> {
        if let Some(unknown) = dump.tables.iter().find(|table| !TABLES.contains(&table.name.as_str())) {
            return Err(Error::UnknownTable { table: unknown.name.clone() });
        }
        self.set_durable(true);
        self.transact("restoring a snapshot", |db, current| {
            replace(db, dump)?;
            keep(db, facts)?;
            if let Some(upto) = upto {
                purge(db, upto)?;
            }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

    use topology::{InstanceKey, PromotionRule, Timestamp};

    use super::*;
    use crate::{Command, Mode};

    fn commands(number: u16) -> Vec<Command> {
        let at = Timestamp::from_secs(1_795_348_800);
        let key = InstanceKey::new(format!("db{number}"), 3306);
        vec![
            Command::RegisterCandidate { key: key.clone(), rule: PromotionRule::Prefer, at },
            Command::PutKeyValue { key: "k".to_owned(), value: format!("it's {number} \u{2603}"), at },
            Command::RaiseEpoch { cluster: "c".to_owned() },
            Command::Audit {
                kind: "k".to_owned(),
                key: Some(key),
                cluster: String::new(),
                message: "m".to_owned(),
                at,
            },
        ]
    }

    fn store(number: u16, times: usize) -> Store {
        let store = Store::open(":memory:", Mode::Own).unwrap();
        for _ in 0..times {
            commands(number).into_iter().for_each(|command| drop(store.apply(command).unwrap()));
        }
        store
    }

    #[test]
    fn every_table_is_of_all_nodes_or_of_one() {
        let store = Store::open(":memory:", Mode::Own).unwrap();
        let names = store
            .query(|db| {
                let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
                all(db, sql, [], |row| row.get::<_, String>(0))
            })
            .unwrap();
        for name in names {
            let (of_all, own) = (TABLES.contains(&name.as_str()), OWN.contains(&name.as_str()));
            assert!(of_all != own, "{name}: put it into TABLES or into OWN");
        }
    }

    #[tokio::test]
    async fn restoring_replaces_every_row_and_numbers_go_on_from_there() {
        let (one, other) = (store(1, 3), store(2, 1));
        let (dump, _) = one.dump().unwrap();
        let text = serde_json::to_string(&dump).unwrap();
        let read: Dump = serde_json::from_str(&text).unwrap();
        assert_eq!(read, dump, "as JSON, too");
        other.work(move |db| db.restore(&read, &[("applied", Some("7".to_owned()))], None)).await.unwrap();
        assert_eq!(other.dump().unwrap(), (dump, BTreeMap::from([("applied".to_owned(), "7".to_owned())])));
        assert_eq!(one.declared(), other.declared());
        let command = commands(1).remove(3);
        assert_eq!(one.apply(command.clone()).unwrap(), other.apply(command).unwrap(), "the same number for the next");
    }

    #[tokio::test]
    async fn a_dump_of_a_newer_version_is_refused_and_changes_nothing() {
        let store = store(1, 1);
        let (before, _) = store.dump().unwrap();
        let mut newer = before.clone();
        newer.tables.push(Table { name: "of_tomorrow".to_owned(), columns: Vec::new(), rows: Vec::new() });
        let refused = store.work(move |db| db.restore(&newer, &[], None)).await;
        assert!(matches!(refused, Err(Error::UnknownTable { .. })), "{refused:?}");
        assert_eq!(store.dump().unwrap().0, before);
    }
}
