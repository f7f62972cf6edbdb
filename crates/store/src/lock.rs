//! One manager per file: a lock that the system drops with the process, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// Holds `<database>.lock`. The file stays when the lock goes: deleting it would let two processes each lock another
/// file of the same name.
#[derive(Debug)]
pub(crate) struct Guard {
    _file: File,
}

impl Guard {
    /// Locks the database at `path` and leaves our process id for whoever comes second.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds it; [`Error::NotWritable`].
    pub(crate) fn acquire(path: &Path) -> Result<Self, Error> {
        let refused = |source| Error::NotWritable { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock_path(path))
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse { path: path.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        // A full disk must not keep the manager from starting: the id is only for people.
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        drop(written);
        Ok(Self { _file: file })
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
