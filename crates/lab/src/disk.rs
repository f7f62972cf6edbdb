//! A disk that is soon full.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::run;

/// A small file system of its own on a folder. Dropping it unmounts it; what was on it is gone.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a file system of `megabytes` on a folder, with all that was in the folder, which nobody may be using.
    ///
    /// # Errors
    /// Without root, or when it does not fit.
    pub fn under(folder: &Path, megabytes: u32) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("mounting a small file system needs root");
        }
        let before = folder.with_extension("before");
        let named = |path: &Path| path.display().to_string();
        fs::rename(folder, &before).with_context(|| format!("cannot move {} aside", named(folder)))?;
        fs::create_dir(folder).with_context(|| format!("cannot create {}", named(folder)))?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs", &named(folder)])?;
        let disk = Self { folder: folder.to_owned() };
        run("cp", &["-a", &format!("{}/.", named(&before)), &named(folder)])?;
        fs::remove_dir_all(&before).with_context(|| format!("cannot remove {}", named(&before)))?;
        Ok(disk)
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// When nothing can be written even at first.
    pub fn fill(&self) -> Result<()> {
        let filler = fs::OpenOptions::new().append(true).create(true).open(self.filler());
        let mut filler = filler.context("cannot begin to fill a small disk")?;
        while filler.write_all(&[0; 512]).is_ok() {}
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("cannot make room on a small disk")
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = unmount_below(&self.folder) {
            tracing::warn!(%error, "a small disk is left over: run `lab clean`");
        }
    }
}

/// Unmounts whatever is mounted on a folder or below it. Files that are open stay so until they are closed.
pub(crate) fn unmount_below(folder: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read what is mounted")?;
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for place in places.filter(|place| Path::new(place).starts_with(folder)) {
        run("umount", &["--lazy", place])?;
    }
    Ok(())
}
