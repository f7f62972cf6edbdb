//! Where the lab keeps its things.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Returns the lab's directory: `$ORCHESTRATOR_LAB_DIR`, or `orchestrator-lab` in the user's cache directory, so that
/// servers are fetched once per user and survive `cargo clean`.
///
/// # Errors
/// When neither that variable nor `XDG_CACHE_HOME` nor `HOME` is set.
pub fn lab_dir() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ORCHESTRATOR_LAB_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("orchestrator-lab")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/orchestrator-lab")))
        .context("no home directory: set ORCHESTRATOR_LAB_DIR to a directory for the lab")
}

/// Returns the directory of the unpacked servers.
pub(crate) fn servers_dir() -> Result<PathBuf> {
    Ok(lab_dir()?.join("servers"))
}

/// Returns the directory of the running fleets, one folder for each.
pub(crate) fn run_dir() -> Result<PathBuf> {
    Ok(lab_dir()?.join("run"))
}

/// Creates a directory and all above it.
pub(crate) fn create_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

/// Removes a directory with all that is in it; one that is not there is fine.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Waits for the lock file and returns it locked; the lock ends with the file, also when the process is killed.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = lock_file(path)?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Returns the lock file locked; nothing when another has it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = lock_file(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn lock_file(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        create_dir(parent)?;
    }
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}
