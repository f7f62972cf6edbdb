//! The database itself: synchronous, for whoever owns it. Every change is one transaction that either happens or does not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use topology::Declared;

use crate::apply;
use crate::declared::{self, Section};
use crate::error::{Fault, classify};
use crate::{Applied, Command, Error, Refusal};

/// What a command came to, by the rules: the same on every node.
pub type Verdict = Result<Applied, Refusal>;

/// The database and its one writing connection.
pub struct Database {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) declared: Arc<RwLock<Arc<Declared>>>,
    durable: bool,
}

impl Database {
    pub(crate) fn new(connection: Connection, path: &Path, declared: Arc<RwLock<Arc<Declared>>>) -> Self {
        Self { connection, path: path.to_owned(), declared, durable: true }
    }

    /// Applies `commands` in one transaction, and shows the result in `declared`. A command that is refused leaves no trace
    /// and does not stop the others.
    ///
    /// # Errors
    /// [`Error`] when the database failed: nothing was changed.
    pub fn apply(&mut self, commands: &[Command]) -> Result<Vec<Verdict>, Error> {
        // That a node of ours lived a second ago is not worth an fsync.
        self.set_durable(commands.iter().any(|command| !matches!(command, Command::RegisterNode(_))));
        self.transact("applying a command", |db, declared| {
            let mut touched = BTreeSet::new();
            let verdicts = apply_each(db, commands.iter(), &mut touched)?;
            // Read before the commit: if it cannot be read, it must not be committed, or the view would be wrong.
            Ok((verdicts, reread(db, declared, &touched)?))
        })
    }

    /// Runs `work` in one transaction. What it gives as `Declared` is shown once that is committed.
    pub(crate) fn transact<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut Transaction<'_>, &Declared) -> rusqlite::Result<(T, Option<Declared>)>,
    ) -> Result<T, Error> {
        let fault = |error| classify(error, &self.path, doing);
        let current = Arc::clone(&self.declared.read().expect("nobody panics while holding it"));
        let mut transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let (result, fresh) = work(&mut transaction, &current).map_err(fault)?;
        transaction.commit().map_err(fault)?;
        if let Some(fresh) = fresh {
            *self.declared.write().expect("nobody panics while holding it") = Arc::new(fresh);
        }
        Ok(result)
    }

    /// Chooses whether a commit waits for the disk. Without, a crash of the machine may lose it, never damage the file.
    pub(crate) fn set_durable(&mut self, durable: bool) {
        if self.durable != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            if self.connection.pragma_update(None, "synchronous", level).is_ok() {
                self.durable = durable;
            }
        }
    }
}

/// Applies `commands` within an open transaction, each with a savepoint of its own.
pub(crate) fn apply_each<'a>(
    db: &mut Transaction<'_>,
    commands: impl Iterator<Item = &'a Command>,
    touched: &mut BTreeSet<Section>,
) -> rusqlite::Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for command in commands {
        let savepoint = db.savepoint()?;
        match apply::apply(&savepoint, command) {
            Ok(applied) => {
                savepoint.commit()?;
                touched.extend(apply::touches(command));
                verdicts.push(Ok(applied));
            }
            Err(Fault::Refused(refusal)) => {
                savepoint.finish()?;
                verdicts.push(Err(refusal));
            }
            Err(Fault::Sqlite(error)) => return Err(error),
        }
    }
    Ok(verdicts)
}

/// Returns `current` with the sections in `touched` read anew; none when nothing was touched.
pub(crate) fn reread(
    db: &Connection,
    current: &Declared,
    touched: &BTreeSet<Section>,
) -> rusqlite::Result<Option<Declared>> {
    if touched.is_empty() {
        return Ok(None);
    }
    let mut fresh = current.clone();
    for section in touched {
        declared::refresh(db, &mut fresh, *section)?;
    }
    Ok(Some(fresh))
}
