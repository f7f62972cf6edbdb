//! The one thread that writes.
//!
//! What waits together shares a transaction and one fsync: commands with commands, entries of the log with entries of the
//! log. If the database itself fails, every command of a batch is tried alone: then each gets the answer that is its own.

use std::sync::mpsc::Receiver;

use crate::{Applied, Command, Database, Error, LogEntry};

/// Most commands, or appends to the log, that share a transaction.
const BATCH: usize = 256;

/// Who waits for the answer to a command.
pub(crate) type Reply = Box<dyn FnOnce(Result<Applied, Error>) + Send>;

/// Who waits until entries of the log are on disk.
pub(crate) type Flushed = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// What the thread is asked to do.
pub(crate) enum Job {
    /// Apply a command durably.
    Apply(Box<Command>, Reply),
    /// Append to the log durably.
    Append(Vec<LogEntry>, Flushed),
    /// Anything else that needs the database.
    Run(Box<dyn FnOnce(&mut Database) + Send>),
}

/// Works until every sender is gone.
pub(crate) fn run(mut database: Database, jobs: &Receiver<Job>) {
    let mut next = jobs.recv().ok();
    while let Some(job) = next.take() {
        match job {
            Job::Run(work) => work(&mut database),
            Job::Apply(command, reply) => {
                let mut batch = vec![(*command, reply)];
                next = gather(jobs, &mut batch, |job| match job {
                    Job::Apply(command, reply) => Ok((*command, reply)),
                    other => Err(other),
                });
                apply(&mut database, batch);
            }
            Job::Append(entries, flushed) => {
                let mut batch = vec![(entries, flushed)];
                next = gather(jobs, &mut batch, |job| match job {
                    Job::Append(entries, flushed) => Ok((entries, flushed)),
                    other => Err(other),
                });
                append(&mut database, batch);
            }
        }
        if next.is_none() {
            next = jobs.recv().ok();
        }
    }
}

/// Does one job on the thread of the caller.
pub(crate) fn run_one(database: &mut Database, job: Job) {
    match job {
        Job::Run(work) => work(database),
        Job::Apply(command, reply) => apply(database, vec![(*command, reply)]),
        Job::Append(entries, flushed) => append(database, vec![(entries, flushed)]),
    }
}

/// Moves jobs of one kind that wait into `batch`, and returns the first that is of another.
fn gather<T>(jobs: &Receiver<Job>, batch: &mut Vec<T>, wanted: impl Fn(Job) -> Result<T, Job>) -> Option<Job> {
    while batch.len() < BATCH {
        match wanted(jobs.try_recv().ok()?) {
            Ok(job) => batch.push(job),
            Err(other) => return Some(other),
        }
    }
    None
}

fn apply(database: &mut Database, batch: Vec<(Command, Reply)>) {
    let (commands, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    match database.apply(&commands) {
        Ok(verdicts) => {
            for (reply, verdict) in replies.into_iter().zip(verdicts) {
                reply(verdict.map_err(Error::Refused));
            }
        }
        Err(error) => {
            let mut pairs: Vec<_> = commands.into_iter().zip(replies).collect();
            if pairs.len() > 1 {
                for pair in pairs {
                    apply(database, vec![pair]);
                }
            } else if let Some((_, reply)) = pairs.pop() {
                reply(Err(error));
            }
        }
    }
}

/// Appends in one transaction. When that fails, every one of them gets an error: what follows a lost entry is lost too.
fn append(database: &mut Database, batch: Vec<(Vec<LogEntry>, Flushed)>) {
    let (entries, flushed): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let entries: Vec<LogEntry> = entries.into_iter().flatten().collect();
    let mut failure = database.append(&entries).err();
    for done in flushed {
        match failure.take() {
            None => done(Ok(())),
            Some(error) => {
                done(Err(error));
                failure = Some(Error::Database {
                    doing: "appending to the log",
                    source: "an entry before it was not written".into(),
                });
            }
        }
    }
}
