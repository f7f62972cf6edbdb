//! The replicated log, and what a node must not forget: kept here, understood elsewhere.
//!
//! Entries are opaque texts with a number. *Kept facts* are opaque texts with a name: this node's identity, its vote, how far
//! the log was applied. Applying entries and keeping how far is one transaction: a crash never applies one twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;

use rusqlite::params;

use crate::database::{Verdict, apply_each, reread};
use crate::sql::{all, one, run};
use crate::{Command, Database, Error, Store};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place, without gaps.
    pub index: u64,
    /// The term in which it was proposed.
    pub term: u64,
    /// What it says; the store does not look into it.
    pub body: String,
}

/// A fact to keep: its name and what it says. `None` lets it go.
pub type Kept<'a> = (&'a str, Option<String>);

impl Database {
    /// Appends `entries`, and waits for the disk. They must follow the last one.
    ///
    /// # Errors
    /// [`Error`] when the database failed: none was appended.
    pub fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        self.set_durable(true);
        self.transact("appending to the log", |db, _| {
            for entry in entries {
                let sql = "INSERT INTO raft_entry (log_index, term, body) VALUES (?, ?, ?)";
                run(db, sql, params![signed(entry.index), signed(entry.term), entry.body])?;
            }
            Ok(((), None))
        })
    }

    /// Removes the entries from `from` on, and waits for the disk.
    ///
    /// # Errors
    /// [`Error`] when the database failed: none was removed.
    pub fn truncate(&mut self, from: u64) -> Result<(), Error> {
        self.set_durable(true);
        self.transact("truncating the log", |db, _| {
            run(db, "DELETE FROM raft_entry WHERE log_index >= ?", [signed(from)])?;
            Ok(((), None))
        })
    }

    /// Removes the entries up to `upto` and keeps `facts`, in one transaction that does not wait for the disk.
    ///
    /// # Errors
    /// [`Error`] when the database failed: nothing was changed.
    pub fn purge(&mut self, upto: u64, facts: &[Kept<'_>]) -> Result<(), Error> {
        self.set_durable(false);
        self.transact("purging the log", |db, _| {
            purge(db, upto)?;
            keep(db, facts)?;
            Ok(((), None))
        })
    }

    /// Keeps `facts`, and waits for the disk.
    ///
    /// # Errors
    /// [`Error`] when the database failed: none is kept.
    pub fn keep(&mut self, facts: &[Kept<'_>]) -> Result<(), Error> {
        self.set_durable(true);
        self.transact("keeping a fact", |db, _| {
            keep(db, facts)?;
            Ok(((), None))
        })
    }

    /// Applies what `entries` say, in their order, and keeps `facts`, in one transaction. An entry without a command changes
    /// nothing. It does not wait for the disk: the log has it, and facts and rows are lost or kept together.
    ///
    /// # Errors
    /// [`Error`] when the database failed: nothing was changed.
    pub fn apply_entries(
        &mut self,
        entries: &[Option<&Command>],
        facts: &[Kept<'_>],
    ) -> Result<Vec<Option<Verdict>>, Error> {
        self.set_durable(false);
        self.transact("applying the log", |db, declared| {
            let mut touched = BTreeSet::new();
            let mut verdicts = apply_each(db, entries.iter().copied().flatten(), &mut touched)?.into_iter();
            keep(db, facts)?;
            let verdicts = entries.iter().map(|entry| entry.and_then(|_| verdicts.next())).collect();
            Ok((verdicts, reread(db, declared, &touched)?))
        })
    }

    /// Forgets the log and every kept fact, and waits for the disk. Rows stay.
    ///
    /// # Errors
    /// [`Error`] when the database failed: nothing was changed.
    pub fn forget_log(&mut self, facts: &[Kept<'_>]) -> Result<(), Error> {
        self.set_durable(true);
        self.transact("forgetting the log", |db, _| {
            run(db, "DELETE FROM raft_entry", [])?;
            run(db, "DELETE FROM raft_fact", [])?;
            keep(db, facts)?;
            Ok(((), None))
        })
    }

    /// Returns the entries in `range`, in their order.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn entries(&mut self, range: impl RangeBounds<u64>) -> Result<Vec<LogEntry>, Error> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let first = match range.start_bound() {
            Included(index) => *index,
            Excluded(index) => index + 1,
            Unbounded => 0,
        };
        let end = match range.end_bound() {
            Included(index) => index.saturating_add(1),
            Excluded(index) => *index,
            Unbounded => u64::MAX,
        };
        self.transact("reading the log", |db, _| {
            let sql = "SELECT log_index, term, body FROM raft_entry WHERE log_index >= ? AND log_index < ?
                       ORDER BY log_index";
            let entries = all(db, sql, [signed(first), signed(end)], |row| {
                let (index, term): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(LogEntry { index: index.unsigned_abs(), term: term.unsigned_abs(), body: row.get(2)? })
            })?;
            Ok((entries, None))
        })
    }

    /// Returns the last entry of the log; none when it is empty.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn last_entry(&mut self) -> Result<Option<LogEntry>, Error> {
        let last: Option<i64> = self.transact("reading the log", |db, _| {
            Ok((one::<Option<i64>>(db, "SELECT MAX(log_index) FROM raft_entry", [])?.flatten(), None))
        })?;
        let Some(last) = last else { return Ok(None) };
        Ok(self.entries(last.unsigned_abs()..=last.unsigned_abs())?.pop())
    }

    /// Returns a kept fact.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn kept(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.transact("reading a fact", |db, _| Ok((kept(db, name)?, None)))
    }

    /// Returns the kept facts whose names begin with `prefix`, by name.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn all_kept(&mut self, prefix: &str) -> Result<BTreeMap<String, String>, Error> {
        self.transact("reading facts", |db, _| Ok((all_kept(db, prefix)?, None)))
    }
}

impl Store {
    /// Returns how many entries the log has, and the bytes of their texts.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn log_size(&self) -> Result<(u64, u64), Error> {
        self.query(|db| {
            let sql = "SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) FROM raft_entry";
            db.prepare_cached(sql)?.query_row([], |row| {
                let (count, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((count.unsigned_abs(), bytes.unsigned_abs()))
            })
        })
    }
}

pub(crate) fn purge(db: &rusqlite::Connection, upto: u64) -> rusqlite::Result<u64> {
    run(db, "DELETE FROM raft_entry WHERE log_index <= ?", [signed(upto)])
}

pub(crate) fn keep(db: &rusqlite::Connection, facts: &[Kept<'_>]) -> rusqlite::Result<()> {
    for (name, value) in facts {
        match value {
            Some(value) => run(db, "REPLACE INTO raft_fact (name, value) VALUES (?, ?)", params![name, value])?,
            None => run(db, "DELETE FROM raft_fact WHERE name = ?", [name])?,
        };
    }
    Ok(())
}

pub(crate) fn kept(db: &rusqlite::Connection, name: &str) -> rusqlite::Result<Option<String>> {
    one(db, "SELECT value FROM raft_fact WHERE name = ?", [name])
}

pub(crate) fn all_kept(db: &rusqlite::Connection, prefix: &str) -> rusqlite::Result<BTreeMap<String, String>> {
    let sql = "SELECT name, value FROM raft_fact WHERE substr(name, 1, length(?1)) = ?1";
    Ok(all(db, sql, [prefix], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

/// SQLite has no unsigned integers; what does not fit is beyond any log.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
