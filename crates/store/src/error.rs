//! What can go wrong, by what it means to the caller.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::Refusal;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command was refused by the rules; every node refuses it alike. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another process has the file.
    #[error(
        "another orchestrator ({}) uses {}; stop it or set SQLite3DataFile to another path",
        pid.map_or_else(|| "pid unknown".to_owned(), |pid| format!("pid {pid}")),
        path.display()
    )]
    InUse {
        /// The database file.
        path: PathBuf,
        /// The process, when it could be read.
        pid: Option<u32>,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "{} has schema version {found}, this program knows up to {known}: it was written by a newer version; run that \
         one, or set SQLite3DataFile to another path",
        path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The file is damaged.
    #[error(
        "{path} is not a healthy SQLite database ({detail}): move it away, with {path}-wal and {path}-shm if they are \
         there, and start again; what is lost is history, not safety",
        path = path.display()
    )]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The file is something else.
    #[error("{} is not a SQLite database: set SQLite3DataFile to another path, or move that file away", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a SQLite database of another program.
    #[error(
        "{} is a SQLite database of another program: set SQLite3DataFile to another path",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("there is no database {}: start orchestrator with it first", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file was last used by an older version, or by Orchestrator.
    #[error(
        "{} has schema version {found}, this program reads {known}: start orchestrator with it first",
        path.display()
    )]
    Older {
        /// The database file.
        path: PathBuf,
        /// Its schema version; 0 for none.
        found: u32,
        /// The one that this program reads.
        known: u32,
    },
    /// Another program holds a lock inside the file. Nothing was changed.
    #[error("another program holds a lock on {}: end its transaction", path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// There is no room left. Nothing was changed, and the store goes on when there is room again.
    #[error("no room left to write {}: free some disk space", path.display())]
    DiskFull {
        /// The database file.
        path: PathBuf,
    },
    /// The file or its directory cannot be written.
    #[error("cannot write {}: give this user the right to, or set SQLite3DataFile to another path", path.display())]
    NotWritable {
        /// The database file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The directory of the file does not exist, and neither does its parent.
    #[error("there is no directory {} for {}: create it", directory.display(), path.display())]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
        /// The database file.
        path: PathBuf,
    },
    /// The store was opened for reading only.
    #[error("{} was opened for reading only", path.display())]
    ReadOnly {
        /// The database file.
        path: PathBuf,
    },
    /// Too much waits to be written: the disk does not keep up.
    #[error("{waiting} writes wait for the disk already")]
    Overloaded {
        /// How many.
        waiting: usize,
    },
    /// A snapshot of a newer version was to be put in place.
    #[error("the snapshot has a table {table} that this version does not know: run the newer version on this node too")]
    UnknownTable {
        /// The table.
        table: String,
    },
    /// The store is shut down.
    #[error("the store is closed")]
    Closed,
    /// The database said no for another reason.
    #[error("the database failed while {doing}")]
    Database {
        /// What we were doing.
        doing: &'static str,
        /// What SQLite says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// True when every node that applies the same command answers the same: only then may a state machine go on.
    pub fn is_deterministic(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// True when the same command may succeed later, without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Overloaded { .. } | Self::Locked { .. })
    }

    /// Returns why the command was refused, if it was.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// Why a command was not applied, before it is known which file it concerns.
#[derive(Debug)]
pub(crate) enum Fault {
    Refused(Refusal),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Returns `text` without line breaks: SQLite's findings have some, and a message is one line of a log.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the public error for `error`.
pub(crate) fn classify(error: rusqlite::Error, path: &Path, doing: &'static str) -> Error {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::DiskFull { path },
        Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt { path, detail: one_line(&error.to_string()) },
        Some(ErrorCode::NotADatabase) => Error::NotADatabase { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked { path },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::NotWritable { path, source: std::io::Error::other(error) }
        }
        _ => Error::Database { doing, source: Box::new(error) },
    }
}
