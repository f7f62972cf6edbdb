//! Opening a file, with an answer for everything that can be wrong with it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use topology::Declared;

use crate::declared::{self, EVERYTHING};
use crate::error::{classify, one_line};
use crate::lock::Guard;
use crate::{Error, schema};

/// How long to wait for somebody who holds the file's own lock, such as a person with `sqlite3`.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) declared: Declared,
    pub(crate) guard: Option<Guard>,
}

/// True for a database that is kept in memory.
pub(crate) fn is_memory(path: &Path) -> bool {
    path.as_os_str() == ":memory:"
}

/// Opens the database at `path` to own it.
pub(crate) fn own(path: &Path) -> Result<Opened, Error> {
    let fault = |error| classify(error, path, "opening the database");
    let guard = if is_memory(path) {
        None
    } else {
        ensure_directory(path)?;
        let guard = Guard::acquire(path)?;
        check_writable(path)?;
        Some(guard)
    };
    // Without SQLite's own reading of `file:…?…`: the lock and the messages must mean the same file.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(PATIENCE).map_err(fault)?;
    check_health(&connection, path)?;
    configure(&connection).map_err(fault)?;
    schema::migrate(&mut connection, path)?;
    let declared = read_declared(&connection).map_err(fault)?;
    Ok(Opened { connection, declared, guard })
}

/// Opens the database at `path` to look.
pub(crate) fn look(path: &Path) -> Result<Opened, Error> {
    let fault = |error| classify(error, path, "opening the database for reading");
    if is_memory(path) || !path.exists() {
        return Err(Error::Missing { path: path.to_owned() });
    }
    let connection = reader(path).map_err(fault)?;
    let (found, known) = (schema::version(&connection).map_err(fault)?, schema::newest());
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    if found < known {
        return Err(Error::Older { path: path.to_owned(), found, known });
    }
    let declared = read_declared(&connection).map_err(fault)?;
    Ok(Opened { connection, declared, guard: None })
}

/// Opens one more connection that only reads.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    // A file system without shared memory cannot have a write-ahead log; SQLite stays with its old journal then,
    // which is as safe and slower.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // After a burst the log is cut back to this size in bytes.
    connection.pragma_update_and_check(None, "journal_size_limit", 16 * 1024 * 1024, |_| Ok(()))
}

fn read_declared(connection: &Connection) -> rusqlite::Result<Declared> {
    let mut fresh = Declared::default();
    for section in EVERYTHING {
        declared::refresh(connection, &mut fresh, *section)?;
    }
    Ok(fresh)
}

/// Creates the directory of `path` when only it is missing. More than one missing level is more likely a typing error.
fn ensure_directory(path: &Path) -> Result<(), Error> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else { return Ok(()) };
    if directory.is_dir() {
        return Ok(());
    }
    match std::fs::create_dir(directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::NoDirectory { directory: directory.to_owned(), path: path.to_owned() })
        }
        Err(source) => Err(Error::NotWritable { path: path.to_owned(), source }),
    }
}

/// Opens the file for writing once: SQLite would silently open a file without that right for reading.
fn check_writable(path: &Path) -> Result<(), Error> {
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path);
    opened.map(drop).map_err(|source| Error::NotWritable { path: path.to_owned(), source })
}

/// Reads every page once and asks SQLite whether they fit together. A damaged file is found now, not in a failover.
fn check_health(connection: &Connection, path: &Path) -> Result<(), Error> {
    let verdict = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .map_err(|error| classify(error, path, "checking the database"))?;
    if verdict == "ok" { Ok(()) } else { Err(Error::Corrupt { path: path.to_owned(), detail: one_line(&verdict) }) }
}
