//! The handle: opening, applying, asking.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use rusqlite::Connection;
use topology::{Declared, Timestamp};

use crate::error::classify;
use crate::lock::Guard;
use crate::writer::{self, Flushed, Job, Reply};
use crate::{Applied, Command, Database, Error, LogEntry, open};

/// Most writes that may wait for the disk.
const QUEUE: usize = 4096;
/// Most idle reading connections that are kept.
const IDLE_READERS: usize = 8;

/// What to open a store for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To own it: creates and migrates what is missing, and keeps every other manager out.
    Own,
    /// To look, beside an owner. The file must exist and be of this version.
    Read,
}

/// A handle on the store; cheap to clone. The file is closed when the last handle is dropped, after all that was
/// queued is written.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    declared: Arc<RwLock<Arc<Declared>>>,
    jobs: Jobs,
    writer: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    /// Keeps every other manager out.
    guard: Mutex<Option<Guard>>,
}

/// Where jobs go.
enum Jobs {
    /// Nowhere: opened to look, or closed.
    Nowhere,
    /// To the thread that writes.
    Thread(SyncSender<Job>),
    /// They are done at once, by whoever asks.
    Inline(Box<Mutex<Option<Database>>>),
}

impl Jobs {
    /// Hands `job` over. Waits for room if there is none and `patient`.
    fn hand_over(&self, job: Job, patient: bool, path: &Path) -> Result<(), Error> {
        match self {
            Self::Nowhere => Err(Error::ReadOnly { path: path.to_owned() }),
            Self::Thread(jobs) if patient => jobs.send(job).map_err(|_| Error::Closed),
            Self::Thread(jobs) => jobs.try_send(job).map_err(|error| match error {
                TrySendError::Full(_) => Error::Overloaded { waiting: QUEUE },
                TrySendError::Disconnected(_) => Error::Closed,
            }),
            Self::Inline(database) => {
                let mut database = database.lock().unwrap_or_else(PoisonError::into_inner);
                writer::run_one(database.as_mut().ok_or(Error::Closed)?, job);
                Ok(())
            }
        }
    }
}

impl Store {
    /// Opens the database at `path`; `:memory:` is one that vanishes with the last handle. To own it creates the file,
    /// and its directory if that one's parent exists. An Orchestrator file is taken over in place; a copy of it stays
    /// at `FILE.before-takeover`.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Newer`], [`Error::Corrupt`], [`Error::NotADatabase`], [`Error::Foreign`],
    /// [`Error::NotWritable`], [`Error::NoDirectory`], [`Error::DiskFull`], [`Error::Missing`] (for reading).
    pub fn open(path: impl AsRef<Path>, mode: Mode) -> Result<Self, Error> {
        let path = path.as_ref();
        let opened = match mode {
            Mode::Own => open::own(path)?,
            Mode::Read => open::look(path)?,
        };
        let declared = Arc::new(RwLock::new(Arc::new(opened.declared)));
        let mut shared = Shared {
            path: path.to_owned(),
            declared: Arc::clone(&declared),
            jobs: Jobs::Nowhere,
            writer: None,
            readers: Mutex::new(Vec::new()),
            guard: Mutex::new(opened.guard),
        };
        if mode == Mode::Read {
            shared.readers = Mutex::new(vec![opened.connection]);
        } else {
            let (jobs, queue) = mpsc::sync_channel(QUEUE);
            let database = Database::new(opened.connection, path, declared);
            let thread = std::thread::Builder::new().name("store-writer".to_owned());
            let thread = thread
                .spawn(move || writer::run(database, &queue))
                .map_err(|source| Error::Database { doing: "starting its thread", source: Box::new(source) })?;
            shared.jobs = Jobs::Thread(jobs);
            shared.writer = Some(thread);
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Applies `command` and waits until it is on disk. Blocks: from async code use [`Store::apply_async`].
    ///
    /// # Errors
    /// [`Error::Refused`] by the rules; [`Error::DiskFull`], [`Error::Corrupt`], [`Error::Locked`],
    /// [`Error::Database`], [`Error::Closed`], [`Error::ReadOnly`] when it could not be carried out. Nothing was
    /// changed then.
    pub fn apply(&self, command: Command) -> Result<Applied, Error> {
        let (answer, waiting) = mpsc::sync_channel(1);
        let reply: Reply = Box::new(move |result| drop(answer.send(result)));
        self.hand_over(Job::Apply(Box::new(command), reply), true)?;
        waiting.recv().unwrap_or(Err(Error::Closed))
    }

    /// Applies `command`; the future ends when it is on disk. The command is queued at the call, not at the first
    /// poll, and dropping the future does not take it back.
    ///
    /// # Errors
    /// As [`Store::apply`], and [`Error::Overloaded`] when too much waits for the disk.
    pub fn apply_async(&self, command: Command) -> impl Future<Output = Result<Applied, Error>> + Send + 'static {
        let (answer, waiting) = tokio::sync::oneshot::channel();
        let reply: Reply = Box::new(move |result| drop(answer.send(result)));
        let queued = self.hand_over(Job::Apply(Box::new(command), reply), false);
        async move {
            queued?;
            waiting.await.unwrap_or(Err(Error::Closed))
        }
    }

    /// Returns all that was declared and decided and that analysis and planning need. Takes no time, and shows every
    /// command that was answered. A store that was opened to look shows what was there at opening.
    pub fn declared(&self) -> Arc<Declared> {
        Arc::clone(&self.shared.declared.read().expect("nobody panics while holding it"))
    }

    /// True when it was opened with [`Store::open_inline`].
    pub fn is_inline(&self) -> bool {
        matches!(self.shared.jobs, Jobs::Inline(_))
    }

    /// Returns where the database is, as given to [`Store::open`].
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Opens the database at `path` to own it, without a thread: everything is done at once, by whoever asks. For
    /// simulations, in which nothing may happen beside the one thread that runs them.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_inline(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let opened = open::own(path)?;
        let declared = Arc::new(RwLock::new(Arc::new(opened.declared)));
        let database = Database::new(opened.connection, path, Arc::clone(&declared));
        let shared = Shared {
            path: path.to_owned(),
            declared,
            jobs: Jobs::Inline(Box::new(Mutex::new(Some(database)))),
            writer: None,
            readers: Mutex::new(Vec::new()),
            guard: Mutex::new(opened.guard),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Closes a database that was opened with [`Store::open_inline`], at once, as a crash would: whoever asks it afterwards
    /// gets [`Error::Closed`], and somebody else may open the file.
    pub fn close(&self) {
        if let Jobs::Inline(database) = &self.shared.jobs {
            *database.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
            *self.shared.guard.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Appends `entries` to the log and calls `flushed` once they are on disk, or not.
    ///
    /// # Errors
    /// [`Error::Overloaded`], [`Error::Closed`], [`Error::ReadOnly`]: then `flushed` is not called.
    pub fn append_log(
        &self,
        entries: Vec<LogEntry>,
        flushed: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let flushed: Flushed = Box::new(flushed);
        self.hand_over(Job::Append(entries, flushed), false)
    }

    /// Runs `work` on the database, after all that was handed over before. It is queued at the call.
    ///
    /// # Errors
    /// What `work` gives; [`Error::Overloaded`], [`Error::Closed`], [`Error::ReadOnly`].
    pub fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, Error> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let (answer, waiting) = tokio::sync::oneshot::channel();
        let job = Job::Run(Box::new(move |database| drop(answer.send(work(database)))));
        let queued = self.hand_over(job, false);
        async move {
            queued?;
            waiting.await.unwrap_or(Err(Error::Closed))
        }
    }

    pub(crate) fn hand_over(&self, job: Job, patient: bool) -> Result<(), Error> {
        self.shared.jobs.hand_over(job, patient, &self.shared.path)
    }

    /// Runs `work` on the writer's connection and waits for it.
    pub(crate) fn on_writer<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, waiting) = mpsc::sync_channel(1);
        let job = Job::Run(Box::new(move |database| {
            database.set_durable(false);
            drop(answer.send(work(&mut database.connection)));
        }));
        self.hand_over(job, true)?;
        waiting.recv().map_err(|_| Error::Closed)?.map_err(|error| classify(error, &self.shared.path, doing))
    }

    /// Runs a query in a transaction of its own, so that all its statements see the same state. It does not wait for
    /// the writer, but for a database in memory, which has only one connection.
    pub(crate) fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        const DOING: &str = "reading";
        if open::is_memory(&self.shared.path) {
            return self.on_writer(DOING, |connection| work(connection));
        }
        let fault = |error| classify(error, &self.shared.path, DOING);
        let idle = self.shared.readers.lock().expect("nobody panics while holding it").pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.shared.path).map_err(fault)?,
        };
        let transaction = connection.unchecked_transaction().map_err(fault)?;
        let result = work(&transaction);
        transaction.finish().map_err(fault)?;
        let mut readers = self.shared.readers.lock().expect("nobody panics while holding it");
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        result.map_err(fault)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    /// Lets the writer finish what is queued and close the file, before the lock goes.
    fn drop(&mut self) {
        // Readers go first: the connection that closes last merges the write-ahead log into the file, and a reader cannot.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.jobs = Jobs::Nowhere;
        let Some(writer) = self.writer.take() else { return };
        // An answer may hold the last handle; then this is the writer itself, and it ends by itself.
        if writer.thread().id() != std::thread::current().id() {
            drop(writer.join());
        }
    }
}

/// Moves the database at `path`, and what SQLite keeps beside it, to `path.corrupt-TIMESTAMP`, and returns that path.
/// Nobody may have it open.
///
/// # Errors
/// What the system says when the file cannot be renamed.
pub fn move_aside(path: &Path, at: Timestamp) -> std::io::Result<PathBuf> {
    let stamp = crate::moment::text(at).replace([' ', ':'], "-");
    let with = |tail: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(tail);
        PathBuf::from(name)
    };
    for tail in ["-wal", "-shm"] {
        if with(tail).exists() {
            std::fs::rename(with(tail), with(&format!(".corrupt-{stamp}{tail}")))?;
        }
    }
    let aside = with(&format!(".corrupt-{stamp}"));
    std::fs::rename(path, &aside)?;
    Ok(aside)
}
