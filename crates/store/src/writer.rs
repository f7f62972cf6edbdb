//! The one thread that writes.
//!
//! Commands that wait together share a transaction and one fsync; each has a savepoint of its own, so that a refused
//! one leaves nothing behind. If the database itself fails, the whole transaction is rolled back and every command of
//! it is tried alone: then each gets the answer that is its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, RwLock};

use rusqlite::{Connection, TransactionBehavior};
use topology::Declared;

use crate::apply;
use crate::declared::{self, Section};
use crate::error::{Fault, classify};
use crate::{Applied, Command, Error, Refusal};

/// Most commands that share a transaction.
const BATCH: usize = 256;

/// Who waits for the answer to a command.
pub(crate) type Reply = Box<dyn FnOnce(Result<Applied, Error>) + Send>;

/// What the thread is asked to do.
pub(crate) enum Job {
    /// Apply a command durably.
    Apply(Box<Command>, Reply),
    /// Anything else that needs the connection: observed state, and queries on a database in memory.
    Run(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) declared: Arc<RwLock<Arc<Declared>>>,
    pub(crate) durable: bool,
}

type Answer = Result<Applied, Refusal>;

impl Writer {
    /// Works until every sender is gone.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        let mut next = jobs.recv().ok();
        while let Some(job) = next.take() {
            match job {
                Job::Run(work) => {
                    self.set_durable(false);
                    work(&mut self.connection);
                }
                Job::Apply(command, reply) => {
                    let mut batch = vec![(*command, reply)];
                    while batch.len() < BATCH {
                        match jobs.try_recv() {
                            Ok(Job::Apply(command, reply)) => batch.push((*command, reply)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.apply_all(batch);
                }
            }
            if next.is_none() {
                next = jobs.recv().ok();
            }
        }
    }

    fn apply_all(&mut self, batch: Vec<(Command, Reply)>) {
        // That a node of ours lived a second ago is not worth an fsync.
        self.set_durable(batch.iter().any(|(command, _)| !matches!(command, Command::RegisterNode(_))));
        let (commands, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.commit(&commands) {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    reply(answer.map_err(Error::Refused));
                }
            }
            Err(error) => self.apply_alone(commands, replies, error),
        }
    }

    /// Gives every command of a batch that failed with `error` a transaction of its own.
    fn apply_alone(&mut self, commands: Vec<Command>, replies: Vec<Reply>, error: rusqlite::Error) {
        let mut pairs: Vec<(Command, Reply)> = commands.into_iter().zip(replies).collect();
        if pairs.len() > 1 {
            for pair in pairs {
                self.apply_all(vec![pair]);
            }
        } else if let Some((_, reply)) = pairs.pop() {
            reply(Err(classify(error, &self.path, "applying a command")));
        }
    }

    /// Applies `commands` in one transaction and shows the result in `declared`. On an error nothing was changed.
    fn commit(&mut self, commands: &[Command]) -> rusqlite::Result<Vec<Answer>> {
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(commands.len());
        let mut touched = BTreeSet::new();
        for command in commands {
            let savepoint = transaction.savepoint()?;
            match apply::apply(&savepoint, command) {
                Ok(applied) => {
                    savepoint.commit()?;
                    touched.extend(apply::touches(command));
                    answers.push(Ok(applied));
                }
                Err(Fault::Refused(refusal)) => {
                    savepoint.finish()?;
                    answers.push(Err(refusal));
                }
                Err(Fault::Sqlite(error)) => return Err(error),
            }
        }
        // Read before the commit: if it cannot be read, it must not be committed, or the view would be wrong.
        let fresh = reread(&transaction, &self.declared, &touched)?;
        transaction.commit()?;
        if let Some(fresh) = fresh {
            *self.declared.write().expect("nobody panics while holding it") = fresh;
        }
        Ok(answers)
    }

    /// Chooses whether a commit waits for the disk. Without, a crash of the machine may lose it, never damage the file.
    fn set_durable(&mut self, durable: bool) {
        if self.durable != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            if self.connection.pragma_update(None, "synchronous", level).is_ok() {
                self.durable = durable;
            }
        }
    }
}

fn reread(
    db: &Connection,
    current: &RwLock<Arc<Declared>>,
    touched: &BTreeSet<Section>,
) -> rusqlite::Result<Option<Arc<Declared>>> {
    if touched.is_empty() {
        return Ok(None);
    }
    let mut fresh = Declared::clone(&current.read().expect("nobody panics while holding it"));
    for section in touched {
        declared::refresh(db, &mut fresh, *section)?;
    }
    Ok(Some(Arc::new(fresh)))
}
