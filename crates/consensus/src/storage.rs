//! Log, vote and state of this node, in its store.
//!
//! The log is on disk before it counts. Rows are not waited for: they are written in the same transaction as the fact that
//! says how far they came, so after a crash the log is applied again from there. A snapshot is made when somebody needs one.
#![allow(clippy::result_large_err, reason = "the error is the library's")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Cursor;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, LogState, RaftLogStorage, RaftStateMachine};
use openraft::{
    AnyError, EntryPayload, ErrorSubject, ErrorVerb, OptionalSend, RaftLogId, RaftLogReader, RaftSnapshotBuilder,
    StorageIOError,
};
use serde::{Deserialize, Serialize};
use store::{Command, Database, Dump, Kept, LogEntry, Store};

use crate::run::Shared;
use crate::types::{Answer, Entry, LogId, Membership, Payload, Snapshot, SnapshotMeta, StorageError, Types, Vote};
use crate::{NodeId, adopt};

/// Names of the facts that this crate keeps in the store.
pub(crate) mod fact {
    pub(crate) const VOTE: &str = "vote";
    pub(crate) const PURGED: &str = "purged";
    pub(crate) const APPLIED: &str = "applied";
    pub(crate) const NODE: &str = "node";
    pub(crate) const CLUSTER: &str = "cluster";
    pub(crate) const FOUNDER: &str = "founder";
    /// Pieces of a founder's rows: `piece/<attempt>/<number>`.
    pub(crate) const PIECE: &str = "piece/";
}

/// Most bytes of entries in one message, unless a single one is larger.
const MESSAGE: usize = 512 * 1024;

/// Most entries that are kept in memory for nodes that are nearly up to date.
const RECENT: usize = 2048;

/// How far the log was applied here, and what else belongs to the state beside the rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: Membership,
    /// Addresses of removed nodes.
    pub(crate) retired: Vec<String>,
    /// True once the rows that the cluster begins with are those of all.
    pub(crate) adopted: bool,
}

/// What a snapshot is made of.
#[derive(Serialize, Deserialize)]
struct Content {
    dump: Dump,
    retired: Vec<String>,
    adopted: bool,
    /// Pieces of a founder's rows that are not complete, by name.
    pieces: BTreeMap<String, String>,
}

/// The log.
#[derive(Clone)]
pub(crate) struct Log {
    store: Store,
    shared: Arc<Shared>,
    /// The last entries, with the size of each as text.
    recent: Arc<Mutex<BTreeMap<u64, (Entry, usize)>>>,
}

impl Log {
    pub(crate) fn new(store: Store, shared: Arc<Shared>) -> Self {
        Self { store, shared, recent: Arc::default() }
    }

    fn recent(&self) -> MutexGuard<'_, BTreeMap<u64, (Entry, usize)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the entries in `first..end` with their sizes, when memory has all of them.
    fn remembered(&self, first: u64, end: u64) -> Option<Vec<(Entry, usize)>> {
        let recent = self.recent();
        let entries: Vec<(Entry, usize)> = recent.range(first..end).map(|(_, entry)| entry.clone()).collect();
        (entries.len() as u64 == end.saturating_sub(first)).then_some(entries)
    }

    /// Returns the entries in `first..end` with their sizes.
    async fn sized(&self, first: u64, end: u64) -> Result<Vec<(Entry, usize)>, StorageError> {
        if let Some(entries) = self.remembered(first, end) {
            return Ok(entries);
        }
        let entries = self.store.work(move |db| db.entries(first..end)).await;
        let entries = entries.map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Read, &error))?;
        let read = |entry: &LogEntry| Ok((parse(&entry.body, ErrorSubject::Logs)?, entry.body.len()));
        entries.iter().map(read).collect()
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let first = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index + 1,
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        Ok(self.sized(first, end).await?.into_iter().map(|(entry, _)| entry).collect())
    }

    /// Returns the first of these entries that together are not too much for one message: it must arrive within the time that
    /// a heartbeat may take.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        let mut room = MESSAGE;
        let mut entries = Vec::new();
        for (entry, size) in self.sized(start, end).await? {
            if !entries.is_empty() && size > room {
                break;
            }
            room = room.saturating_sub(size);
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let (last, purged) = self
            .store
            .work(|db| Ok((db.last_entry()?, db.kept(fact::PURGED)?)))
            .await
            .map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Read, &error))?;
        let last_purged_log_id = optional(purged, ErrorSubject::Logs)?;
        let last: Option<Entry> = last.map(|entry| parse(&entry.body, ErrorSubject::Logs)).transpose()?;
        let last_log_id = last.map(|entry| *entry.get_log_id()).or(last_purged_log_id);
        self.shared.show_last_log(last_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let text = print(vote, ErrorSubject::Vote)?;
        let saved = self.store.work(move |db| db.keep(&[(fact::VOTE, Some(text))])).await;
        saved.map_err(|error| failed(ErrorSubject::Vote, ErrorVerb::Write, &error))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let kept = self.store.work(|db| db.kept(fact::VOTE)).await;
        optional(kept.map_err(|error| failed(ErrorSubject::Vote, ErrorVerb::Read, &error))?, ErrorSubject::Vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut lines = Vec::new();
        {
            let mut recent = self.recent();
            for entry in entries {
                let id = *entry.get_log_id();
                let body = print(&entry, ErrorSubject::Log(id))?;
                recent.insert(id.index, (entry, body.len()));
                lines.push(LogEntry { index: id.index, term: id.leader_id.term, body });
                self.shared.show_last_log(Some(id));
            }
            while recent.len() > RECENT {
                recent.pop_first();
            }
        }
        let flushed = move |result: Result<(), store::Error>| {
            callback.log_io_completed(result.map_err(std::io::Error::other));
        };
        self.store.append_log(lines, flushed).map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Write, &error))
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.recent().split_off(&log_id.index);
        let done = self.store.work(move |db| db.truncate(log_id.index)).await;
        self.get_log_state().await?;
        done.map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Delete, &error))
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        {
            let mut recent = self.recent();
            *recent = recent.split_off(&(log_id.index + 1));
        }
        self.shared.show_last_log(self.shared.last_log().max(Some(log_id)));
        let text = print(&log_id, ErrorSubject::Logs)?;
        let done = self.store.work(move |db| {
            // A snapshot that is being installed covers what is purged for it; if that comes to nothing, the entries must
            // be there. It purges them itself.
            let applied = db.kept(fact::APPLIED)?.and_then(|text| serde_json::from_str::<Progress>(&text).ok());
            if applied.and_then(|progress| progress.last) < Some(log_id) {
                return Ok(());
            }
            db.purge(log_id.index, &[(fact::PURGED, Some(text))])
        });
        done.await.map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Delete, &error))
    }
}

/// The rows, and how far they came.
pub(crate) struct State {
    store: Store,
    progress: Progress,
    /// `progress` as it was last read or written.
    written: Option<String>,
    current: Current,
    shared: Arc<Shared>,
}

/// The newest snapshot, with what is in it.
type Current = Arc<Mutex<Option<(SnapshotMeta, Vec<u8>)>>>;

impl State {
    /// Reads how far the rows of `store` came.
    pub(crate) async fn load(store: Store, shared: Arc<Shared>) -> Result<Self, StorageError> {
        let kept = store.work(|db| db.kept(fact::APPLIED)).await;
        let kept = kept.map_err(|error| failed(ErrorSubject::StateMachine, ErrorVerb::Read, &error))?;
        let progress: Progress = optional(kept.clone(), ErrorSubject::StateMachine)?.unwrap_or_default();
        shared.show(progress.adopted, &progress.retired);
        Ok(Self { store, progress, written: kept, current: Current::default(), shared })
    }

    /// Applies entries that are all commands, or change nothing in the rows, in one transaction.
    async fn apply_commands(&mut self, entries: Vec<Entry>) -> Result<Vec<Answer>, StorageError> {
        let mut commands: Vec<Command> = Vec::new();
        let mut counts = Vec::new();
        let mut pieces = Vec::new();
        for entry in entries {
            self.progress.last = Some(*entry.get_log_id());
            let before = commands.len();
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(membership) => {
                    self.progress.membership = Membership::new(self.progress.last, membership);
                }
                EntryPayload::Normal(Payload::Commands(batch)) => commands.extend(batch),
                EntryPayload::Normal(Payload::Retire(address)) => {
                    self.progress.retired.push(address);
                    self.progress.retired.sort();
                    self.progress.retired.dedup();
                }
                EntryPayload::Normal(Payload::Readmit(address)) => {
                    self.progress.retired.retain(|retired| *retired != address);
                }
                EntryPayload::Normal(Payload::Piece { attempt, number, text }) if !self.progress.adopted => {
                    pieces.push((adopt::piece(&attempt, number), text));
                }
                EntryPayload::Normal(Payload::Piece { .. } | Payload::Adopt { .. }) => {}
            }
            counts.push(commands.len() - before);
        }
        let text = print(&self.progress, ErrorSubject::StateMachine)?;
        let (before, now) = (self.written.clone(), text.clone());
        let applied = self.store.work(move |db| {
            unchanged(db, before.as_deref())?;
            let each: Vec<Option<&Command>> = commands.iter().map(Some).collect();
            let mut facts: Vec<Kept<'_>> = vec![(fact::APPLIED, Some(text))];
            facts.extend(pieces.iter().map(|(name, text)| (name.as_str(), Some(text.clone()))));
            db.apply_entries(&each, &facts)
        });
        let verdicts = applied.await.map_err(|error| failed(ErrorSubject::StateMachine, ErrorVerb::Write, &error))?;
        self.written = Some(now);
        self.shared.show(self.progress.adopted, &self.progress.retired);
        let mut verdicts = verdicts.into_iter().flatten();
        let answer = |count: usize| match count {
            0 => Answer::Nothing,
            count => Answer::Verdicts(verdicts.by_ref().take(count).collect()),
        };
        Ok(counts.into_iter().map(answer).collect())
    }

    /// Puts `dump` in place of all rows, and `pieces` in place of all that were kept. The log up to `purged` is covered by it.
    async fn restore(
        &mut self,
        dump: Dump,
        pieces: BTreeMap<String, String>,
        purged: Option<LogId>,
    ) -> Result<(), StorageError> {
        let text = print(&self.progress, ErrorSubject::StateMachine)?;
        let (before, now) = (self.written.clone(), text.clone());
        let purged = purged.map(|id| Ok::<_, StorageError>((id.index, print(&id, ErrorSubject::Logs)?))).transpose()?;
        let restored = self.store.work(move |db| {
            unchanged(db, before.as_deref())?;
            let old = db.all_kept(fact::PIECE)?;
            let mut facts: Vec<Kept<'_>> = old.keys().map(|name| (name.as_str(), None)).collect();
            facts.extend(pieces.iter().map(|(name, text)| (name.as_str(), Some(text.clone()))));
            facts.push((fact::APPLIED, Some(text)));
            if let Some((_, id)) = &purged {
                facts.push((fact::PURGED, Some(id.clone())));
            }
            db.restore(&dump, &facts, purged.map(|(index, _)| index))
        });
        let done = restored.await;
        done.map_err(|error| failed(ErrorSubject::StateMachine, ErrorVerb::Write, &error))?;
        self.written = Some(now);
        self.shared.show(self.progress.adopted, &self.progress.retired);
        Ok(())
    }
}

impl State {
    /// Returns the rows that the pieces of `attempt` are; none when some are missing, or they cannot be read: nodes have the
    /// same pieces, so all find the same.
    async fn assembled(&self, attempt: &str, pieces: u32) -> Result<Option<Dump>, StorageError> {
        let kept = self.store.work(|db| db.all_kept(fact::PIECE)).await;
        let kept = kept.map_err(|error| failed(ErrorSubject::StateMachine, ErrorVerb::Read, &error))?;
        Ok(adopt::assemble(&kept, attempt, pieces))
    }
}

impl RaftStateMachine<Types> for State {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok((self.progress.last, self.progress.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut answers = Vec::new();
        let mut together = Vec::new();
        for entry in entries {
            if let EntryPayload::Normal(Payload::Adopt { attempt, pieces }) = &entry.payload
                && !self.progress.adopted
            {
                answers.extend(self.apply_commands(std::mem::take(&mut together)).await?);
                if let Some(dump) = self.assembled(attempt, *pieces).await? {
                    self.progress.last = Some(entry.log_id);
                    self.progress.adopted = true;
                    self.restore(dump, BTreeMap::new(), None).await?;
                    answers.push(Answer::Nothing);
                    continue;
                }
            }
            together.push(entry);
        }
        answers.extend(self.apply_commands(together).await?);
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { store: self.store.clone(), current: Arc::clone(&self.current) }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let unreadable = |error: std::io::Error| {
            let subject = ErrorSubject::Snapshot(Some(meta.signature()));
            StorageError::from(StorageIOError::new(subject, ErrorVerb::Read, AnyError::new(&error)))
        };
        let content: Content = adopt::unpack(&bytes).map_err(unreadable)?;
        self.progress = Progress {
            last: meta.last_log_id,
            membership: meta.last_membership.clone(),
            retired: content.retired,
            adopted: content.adopted,
        };
        self.restore(content.dump, content.pieces, meta.last_log_id).await?;
        *lock(&self.current) = Some((meta.clone(), bytes));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let current = lock(&self.current).clone();
        Ok(current.map(|(meta, bytes)| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }))
    }
}

/// Takes a snapshot, beside what goes on.
pub(crate) struct Builder {
    store: Store,
    current: Current,
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let store = self.store.clone();
        let take = move || {
            let (dump, mut facts) = store.dump().map_err(std::io::Error::other)?;
            let progress: Progress = match facts.get(fact::APPLIED) {
                Some(text) => serde_json::from_str(text)?,
                None => Progress::default(),
            };
            facts.retain(|name, _| name.starts_with(fact::PIECE));
            let (retired, adopted) = (progress.retired.clone(), progress.adopted);
            let bytes = adopt::pack(&Content { dump, retired, adopted, pieces: facts })?;
            Ok::<_, std::io::Error>((progress, bytes))
        };
        let taken = if self.store.is_inline() {
            take()
        } else {
            tokio::task::spawn_blocking(take).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
        };
        let (progress, bytes) = taken.map_err(|error| {
            StorageError::from(StorageIOError::new(
                ErrorSubject::Snapshot(None),
                ErrorVerb::Write,
                AnyError::new(&error),
            ))
        })?;
        let place = progress.last.map_or_else(String::new, |last| last.to_string());
        let meta = SnapshotMeta {
            last_log_id: progress.last,
            last_membership: progress.membership,
            snapshot_id: format!("{place}-{}", bytes.len()),
        };
        let mut current = lock(&self.current);
        // One that was installed meanwhile is newer.
        if current.as_ref().is_none_or(|(present, _)| present.last_log_id <= meta.last_log_id) {
            *current = Some((meta.clone(), bytes.clone()));
        }
        drop(current);
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}

/// Asserts that nobody else applied anything: what the library had queued before it was started anew may still come, and
/// must not be applied twice.
fn unchanged(db: &mut Database, before: Option<&str>) -> Result<(), store::Error> {
    if db.kept(fact::APPLIED)?.as_deref() == before {
        return Ok(());
    }
    let source = "the log was applied by another run of the library".into();
    Err(store::Error::Database { doing: "applying the log", source })
}

fn print(value: &impl Serialize, subject: ErrorSubject<NodeId>) -> Result<String, StorageError> {
    serde_json::to_string(value)
        .map_err(|error| StorageIOError::new(subject, ErrorVerb::Write, AnyError::new(&error)).into())
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str, subject: ErrorSubject<NodeId>) -> Result<T, StorageError> {
    serde_json::from_str(text)
        .map_err(|error| StorageIOError::new(subject, ErrorVerb::Read, AnyError::new(&error)).into())
}

fn optional<T: for<'de> Deserialize<'de>>(
    text: Option<String>,
    subject: ErrorSubject<NodeId>,
) -> Result<Option<T>, StorageError> {
    text.map(|text| parse(&text, subject)).transpose()
}

fn failed(subject: ErrorSubject<NodeId>, verb: ErrorVerb, error: &store::Error) -> StorageError {
    StorageIOError::new(subject, verb, AnyError::new(error)).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
