//! Removes what a killed lab left behind.
//!
//! Servers die with the process that started them; what can be left are files, network namespaces and, if that process
//! was killed in the very moment of a start, a server.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::address::Block;
use crate::disk;
use crate::netns;
use crate::paths::{remove_dir, run_dir, servers_dir};
use crate::process::{Signal, send};

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Numbers of the blocks that were removed.
    pub removed: Vec<u8>,
    /// Numbers of the blocks that a living process uses, which were left alone.
    pub in_use: Vec<u8>,
}

/// Removes every fleet of this lab directory whose process is gone: servers, files and network namespaces.
///
/// # Errors
/// When something cannot be removed.
pub fn sweep() -> Result<Swept> {
    let mut blocks = netns::blocks();
    let folders = fs::read_dir(run_dir()?).into_iter().flatten();
    blocks.extend(folders.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u8>().ok()));
    blocks.sort_unstable();
    blocks.dedup();
    let mut swept = Swept::default();
    for number in blocks {
        match Block::claim(number)? {
            Some(block) => {
                clear(&block)?;
                swept.removed.push(number);
            }
            None => swept.in_use.push(number),
        }
    }
    Ok(swept)
}

/// Removes the fetched servers, so that the next start fetches the newest.
///
/// # Errors
/// When they cannot be removed.
pub fn remove_servers() -> Result<()> {
    remove_dir(&servers_dir()?)
}

/// Returns the folder of a fleet.
pub(crate) fn fleet_dir(block: &Block) -> Result<PathBuf> {
    Ok(run_dir()?.join(block.number.to_string()))
}

/// Removes all that was made for a block by whoever had it before.
pub(crate) fn clear(block: &Block) -> Result<()> {
    let dir = fleet_dir(block)?;
    for pid in processes_of(&dir) {
        tracing::info!(pid, "ending a left-over server");
        send(pid, Signal::Kill)?;
    }
    disk::unmount_below(&dir)?;
    netns::remove(block.number)?;
    remove_dir(&dir)
}

/// Returns the processes that were started with a file or folder below `dir` as an argument.
pub(crate) fn processes_of(dir: &Path) -> Vec<u32> {
    let wanted = format!("{}/", dir.display());
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let ours = |pid: &u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        *pid != std::process::id()
            && words.split('\0').any(|word| word.split_once('=').map_or(word, |(_, value)| value).starts_with(&wanted))
    };
    pids.filter(ours).collect()
}
