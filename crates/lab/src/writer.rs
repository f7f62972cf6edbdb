//! A verified writer: commits rows through whichever server takes them, and remembers what was acknowledged.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use futures::future::select_all;
use mysql::{Access, Session};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use topology::InstanceKey;

use crate::fleet::Fleet;
use crate::product::Accounts;
use crate::server::{Server, access};

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server said that it is committed: it may never be lost.
    Acknowledged,
    /// The connection broke or the time was up before an answer: it may be there or not.
    Unknown,
}

/// One attempt to commit one row. Attempts that a server refused are counted, not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Number of the row; rises with time, and is never used twice.
    pub id: u64,
    /// When it was sent.
    pub sent: Instant,
    /// When its outcome was known.
    pub done: Instant,
    /// By the clock on the wall, when its outcome was known.
    pub at: SystemTime,
    /// Index of the server in [`Record::servers`].
    pub server: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a writer writes.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Connections that write at the same time.
    pub connections: usize,
    /// How long a connection or a commit may take; then the outcome is unknown and all servers are tried anew.
    pub limit: Duration,
    /// How long each connection rests after a commit; zero for full speed.
    pub pause: Duration,
}

impl Default for WriterOptions {
    /// One connection, a second of patience, a commit every five milliseconds at most.
    fn default() -> Self {
        Self { connections: 1, limit: Duration::from_secs(1), pause: Duration::from_millis(5) }
    }
}

/// How long a connection waits before it asks a server again that was not writable.
const RETRY: Duration = Duration::from_millis(5);
/// Rows that one query of a verification reads.
const PAGE: u64 = 20_000;

/// Writes in the background until it is stopped or dropped.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    stop: CancellationToken,
    workers: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    run: u64,
    servers: Vec<InstanceKey>,
    access: Access,
    options: WriterOptions,
    next_id: AtomicU64,
    refused: AtomicU64,
    commits: Mutex<Vec<Commit>>,
    begun: Instant,
}

impl Writer {
    /// Starts to write to the fleet's servers.
    pub fn start(fleet: &Fleet, options: WriterOptions) -> Self {
        Self::to(fleet.keys(), options)
    }

    /// Starts to write to these servers: whichever of them takes writes, by the account of an application.
    ///
    /// # Panics
    /// When there is no server.
    pub fn to(servers: Vec<InstanceKey>, options: WriterOptions) -> Self {
        assert!(!servers.is_empty(), "a writer needs a server");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shared = Arc::new(Shared {
            run: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            servers,
            access: access(Accounts::APPLICATION, options.limit),
            options,
            next_id: AtomicU64::new(1),
            refused: AtomicU64::new(0),
            commits: Mutex::default(),
            begun: Instant::now(),
        });
        let stop = CancellationToken::new();
        let mut workers = JoinSet::new();
        for worker in 0..shared.options.connections {
            let (shared, stop) = (shared.clone(), stop.clone());
            workers.spawn(async move { stop.run_until_cancelled(shared.write(worker)).await.unwrap_or(()) });
        }
        Self { shared, stop, workers }
    }

    /// Returns all that was recorded until now.
    pub fn record(&self) -> Record {
        let commits = self.shared.commits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Record {
            run: self.shared.run,
            servers: self.shared.servers.clone(),
            commits,
            refused: self.shared.refused.load(Ordering::Relaxed),
            lasted: self.shared.begun.elapsed(),
        }
    }

    /// Returns how many commits were acknowledged until now.
    pub fn acknowledged(&self) -> usize {
        let commits = self.shared.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.iter().filter(|commit| commit.outcome == Outcome::Acknowledged).count()
    }

    /// Waits until a commit that was sent after `after` was acknowledged, and returns it.
    ///
    /// # Errors
    /// When that does not happen within `limit`.
    pub async fn commits_again(&self, after: Instant, limit: Duration) -> Result<Commit> {
        let until = Instant::now() + limit;
        loop {
            if let Some(commit) = self.first_sent_after(after) {
                return Ok(commit);
            }
            if Instant::now() > until {
                anyhow::bail!("no commit was acknowledged within {limit:?}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn first_sent_after(&self, after: Instant) -> Option<Commit> {
        let commits = self.shared.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = commits.iter().rev().take_while(|commit| commit.done > after);
        recent.filter(|commit| commit.sent > after && commit.outcome == Outcome::Acknowledged).last().cloned()
    }

    /// Ends all writing at once and returns the record. A commit in flight is not in it: nobody was promised anything.
    pub async fn stop(mut self) -> Record {
        self.stop.cancel();
        while self.workers.join_next().await.is_some() {}
        self.record()
    }
}

impl Shared {
    /// Writes for ever.
    async fn write(&self, worker: usize) {
        loop {
            let (server, mut session) = self.find_writable().await;
            while self.commit(worker, server, &mut session).await {
                if !self.options.pause.is_zero() {
                    tokio::time::sleep(self.options.pause).await;
                }
            }
        }
    }

    /// Commits one row. Returns whether the server is worth another.
    async fn commit(&self, worker: usize, server: usize, session: &mut Session) -> bool {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let sql = format!("INSERT INTO app.writes (run, id, worker) VALUES ({}, {id}, {worker})", self.run);
        let sent = Instant::now();
        let outcome = match session.execute(&sql).await {
            Ok(_) => Outcome::Acknowledged,
            // The server says no: read-only, shutting down, no table. Nothing was committed.
            Err(error) if error.number().is_some_and(|number| !is_doubtful(number)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            Err(_) => Outcome::Unknown,
        };
        let commit = Commit { id, sent, done: Instant::now(), at: SystemTime::now(), server, outcome };
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).push(commit);
        outcome == Outcome::Acknowledged
    }

    /// Asks all servers, each again and again, and returns the first that is open to writes. One that hangs delays nobody.
    async fn find_writable(&self) -> (usize, Session) {
        let searches = self.servers.iter().enumerate();
        let searches = searches.map(|(index, key)| Box::pin(async move { (index, self.when_writable(key).await) }));
        select_all(searches).await.0
    }

    /// Waits until a server is open to writes. The connection is kept while it is closed: a crowd of new connections
    /// would take the time that a failover needs.
    async fn when_writable(&self, key: &InstanceKey) -> Session {
        let mut session = None;
        loop {
            if session.as_ref().is_none_or(Session::is_broken) {
                session = Session::connect(key, &self.access).await.ok();
            }
            if let Some(mut candidate) = session.take() {
                let rows = candidate.rows("SELECT @@GLOBAL.read_only AS closed").await.unwrap_or_default();
                if rows.first().and_then(|row| row.get(0)).is_some_and(|closed| closed == "0") {
                    return candidate;
                }
                session = Some(candidate);
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// True for errors that come with a connection's end, after which the commit may have happened all the same:
/// 1053 shutdown, 1317 interrupted, 1927/3169 killed, 3024 out of time.
fn is_doubtful(number: u16) -> bool {
    matches!(number, 1053 | 1077 | 1079 | 1180 | 1317 | 1927 | 3024 | 3169 | 4031)
}

/// What a writer did.
#[derive(Clone, Debug)]
pub struct Record {
    /// Tells the rows of this writer from those of others.
    pub run: u64,
    /// The servers, to which [`Commit::server`] points.
    pub servers: Vec<InstanceKey>,
    /// All commits that were acknowledged or are in doubt, in the order of their outcome.
    pub commits: Vec<Commit>,
    /// Attempts that a server refused.
    pub refused: u64,
    /// How long the writer has been writing.
    pub lasted: Duration,
}

impl Record {
    /// Returns the acknowledged commits, in the order of their acknowledgement.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Commit> {
        self.commits.iter().filter(|commit| commit.outcome == Outcome::Acknowledged)
    }

    /// Returns the longest time between two acknowledgements that follow each other, with the commit that ended it.
    pub fn longest_pause(&self) -> Option<(Duration, &Commit)> {
        let pairs = self.acknowledged().zip(self.acknowledged().skip(1));
        pairs
            .map(|(before, after)| (after.done.saturating_duration_since(before.done), after))
            .max_by_key(|pair| pair.0)
    }

    /// Returns acknowledged commits per second.
    pub fn throughput(&self) -> f64 {
        // Fewer than 2^52: exact.
        #[allow(clippy::cast_precision_loss)]
        let count = self.acknowledged().count() as f64;
        count / self.lasted.as_secs_f64().max(f64::EPSILON)
    }

    /// Returns pairs of servers that both took commits within `window`, in the order A, B, A: two writable servers at one
    /// time, since a switch there and back takes longer than that.
    pub fn interleaved(&self, window: Duration) -> Vec<(InstanceKey, InstanceKey, SystemTime)> {
        let mut runs: Vec<(&Commit, &Commit)> = Vec::new();
        for commit in self.acknowledged() {
            match runs.last_mut() {
                Some((_, last)) if last.server == commit.server => *last = commit,
                _ => runs.push((commit, commit)),
            }
        }
        let back = runs.windows(3).filter(|three| {
            let ((_, left), (_, other), (again, _)) = (&three[0], &three[1], &three[2]);
            left.server == again.server
                && again.done.saturating_duration_since(left.done) <= window
                // One that was sent before the others began says nothing about the time after.
                && again.sent >= other.sent.min(other.done)
        });
        let named = |index: usize| self.servers[index].clone();
        back.map(|three| (named(three[0].0.server), named(three[1].0.server), three[2].0.at)).collect()
    }

    /// Reads every row back from a server, as `root`, and compares.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn verify(&self, server: &Server) -> Result<Verification> {
        let mut present: HashSet<u64> = HashSet::with_capacity(self.commits.len());
        let mut session = server.admin().await?;
        let mut last = 0;
        loop {
            let run = self.run;
            let sql = format!("SELECT id FROM app.writes WHERE run = {run} AND id > {last} ORDER BY id LIMIT {PAGE}");
            let rows = session.rows(&sql).await?;
            let Some(highest) = rows.last().and_then(|row| row.u64(&["id"])) else { break };
            present.extend(rows.iter().filter_map(|row| row.u64(&["id"])));
            last = highest;
        }
        session.close().await;
        let count = |outcome| self.commits.iter().filter(move |commit| commit.outcome == outcome);
        Ok(Verification {
            acknowledged: count(Outcome::Acknowledged).count(),
            missing: count(Outcome::Acknowledged).filter(|commit| !present.contains(&commit.id)).cloned().collect(),
            unknown: count(Outcome::Unknown).count(),
            unknown_present: count(Outcome::Unknown).filter(|commit| present.contains(&commit.id)).count(),
        })
    }
}

/// What came of reading all rows back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Commits that were acknowledged.
    pub acknowledged: usize,
    /// Acknowledged commits whose rows are not there: lost.
    pub missing: Vec<Commit>,
    /// Commits in doubt.
    pub unknown: usize,
    /// Commits in doubt whose rows are there.
    pub unknown_present: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Acknowledged commits on these servers, ten milliseconds apart.
    fn record(servers: &[usize]) -> Record {
        let begun = Instant::now();
        let commit = |(index, server): (usize, &usize)| {
            let sent = begun + Duration::from_millis(10 * index as u64);
            let done = sent + Duration::from_millis(2);
            let outcome = Outcome::Acknowledged;
            Commit { id: index as u64 + 1, sent, done, at: SystemTime::now(), server: *server, outcome }
        };
        Record {
            run: 1,
            servers: vec![InstanceKey::new("a", 1), InstanceKey::new("b", 1)],
            commits: servers.iter().enumerate().map(commit).collect(),
            refused: 0,
            lasted: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_switch_is_not_two_writable_servers() {
        assert!(record(&[0, 0, 0, 1, 1, 1]).interleaved(Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn there_and_back_within_the_window_is() {
        let record = record(&[0, 0, 1, 0]);
        assert_eq!(record.interleaved(Duration::from_secs(1)).len(), 1);
        assert!(record.interleaved(Duration::from_millis(15)).is_empty());
    }

    #[test]
    fn the_longest_pause_is_between_acknowledgements() {
        let mut record = record(&[0, 0, 0, 0]);
        assert_eq!(record.longest_pause().unwrap().0, Duration::from_millis(10));
        record.commits[2].outcome = Outcome::Unknown;
        let (pause, commit) = record.longest_pause().unwrap();
        assert_eq!((pause, commit.id), (Duration::from_millis(20), 4));
    }

    #[test]
    fn nothing_written_has_no_pause() {
        assert!(record(&[]).longest_pause().is_none());
        assert!(record(&[]).throughput() < f64::EPSILON);
    }
}
