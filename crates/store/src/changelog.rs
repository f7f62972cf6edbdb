//! The changelog of diagnoses: what this node diagnosed of sources, and when that changed. Observed, like the instances
//! themselves, and never part of the replicated state.

use std::collections::BTreeMap;

use rusqlite::params;
use topology::{InstanceKey, Timestamp};

use crate::rows::Diagnosed;
use crate::sql::{all, key, run, text};
use crate::writer::Job;
use crate::{Error, Store, moment};

/// Rows per transaction; see `observed.rs`.
const CHUNK: usize = 50;

impl Store {
    /// Notes diagnoses that differ from the last ones of the same instances. The first one of an instance is kept as its
    /// last, and is no change. Does not wait: calls are written in their order, and a failing disk loses them.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::ReadOnly`], [`Error::Closed`].
    pub fn note_diagnoses(&self, news: Vec<Diagnosed>) -> Result<(), Error> {
        let mut rest = news.into_iter().peekable();
        while rest.peek().is_some() {
            let chunk: Vec<Diagnosed> = rest.by_ref().take(CHUNK).collect();
            let job = move |database: &mut crate::Database| {
                database.set_durable(false);
                // Whoever wants to know that the disk takes nothing hears it from every command.
                drop(note(&mut database.connection, &chunk));
            };
            self.hand_over(Job::Run(Box::new(job)), false)?;
        }
        Ok(())
    }

    /// Returns the last noted diagnosis of each instance.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn last_diagnoses(&self) -> Result<BTreeMap<InstanceKey, String>, Error> {
        self.query(|db| {
            let sql = "SELECT hostname, port, analysis FROM database_instance_last_analysis";
            let rows = all(db, sql, [], |row| Ok((key(row)?, text(row, "analysis")?)))?;
            Ok(rows.into_iter().collect())
        })
    }

    /// Returns the changes that are kept, by instance, oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn changelog(&self) -> Result<Vec<Diagnosed>, Error> {
        self.query(|db| {
            let sql = "SELECT * FROM database_instance_analysis_changelog ORDER BY hostname, port, changelog_id";
            all(db, sql, [], |row| {
                let at = moment::read_coarse(row, "analysis_timestamp")?;
                Ok(Diagnosed { key: key(row)?, code: text(row, "analysis")?, at })
            })
        })
    }

    /// Drops changes before `moment`.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be written.
    pub fn age_changelog(&self, moment: Timestamp) -> Result<(), Error> {
        self.on_writer("ageing the changelog", move |db| {
            let sql = "DELETE FROM database_instance_analysis_changelog WHERE analysis_timestamp < ?";
            run(db, sql, [moment::text(moment)]).map(drop)
        })
    }
}

fn note(db: &mut rusqlite::Connection, news: &[Diagnosed]) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    for Diagnosed { key, code, at } in news {
        let at = moment::text(*at);
        let row = params![key.host, key.port, at, code];
        let changed = "UPDATE database_instance_last_analysis SET analysis_timestamp = ?3, analysis = ?4
                        WHERE hostname = ?1 AND port = ?2 AND analysis <> ?4";
        if run(&transaction, changed, row)? > 0 {
            let change =
                "INSERT INTO database_instance_analysis_changelog (hostname, port, analysis_timestamp, analysis)
                          VALUES (?1, ?2, ?3, ?4)";
            run(&transaction, change, row)?;
        } else {
            let first = "INSERT OR IGNORE INTO database_instance_last_analysis
                           (hostname, port, analysis_timestamp, analysis) VALUES (?1, ?2, ?3, ?4)";
            run(&transaction, first, row)?;
        }
    }
    transaction.commit()
}
