//! The demo that runs, found from another process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fleet::Fleet;
use crate::http::Caller;
use crate::manager::listen_address;
use crate::paths::run_dir;
use crate::process::{Signal, send};
use crate::sweep::processes_of;

/// The file that makes a fleet that of a demo.
const MARK: &str = "demo";

/// A manager of the demo that runs.
#[derive(Clone, Debug)]
pub struct DemoManager {
    pid: u32,
    address: String,
}

impl DemoManager {
    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns where it is reached.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// True when it says that it leads.
    pub async fn leads(&self) -> bool {
        let caller = Caller { from: None, limit: Duration::from_secs(1) };
        caller.get(&format!("{}/api/leader-check", self.url())).await.is_ok_and(|(status, _)| status == 200)
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill9(&self) -> Result<()> {
        send(self.pid, Signal::Kill)
    }
}

/// Makes a fleet that of a demo, whose managers [`managers`] finds.
///
/// # Errors
/// When its folder cannot be written.
pub fn announce(fleet: &Fleet) -> Result<()> {
    let mark = fleet.dir().join(MARK);
    fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))
}

/// Returns the managers of all demos that run under this lab directory.
///
/// # Errors
/// When there is no lab directory.
pub fn managers() -> Result<Vec<DemoManager>> {
    let folders = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    let demos = folders(&run_dir()?).into_iter().filter(|fleet| fleet.join(MARK).exists());
    Ok(demos.flat_map(|fleet| folders(&fleet)).filter_map(|folder| manager_in(&folder)).collect())
}

/// Returns the manager that runs on the configuration in this folder.
fn manager_in(folder: &Path) -> Option<DemoManager> {
    let config = fs::read_to_string(folder.join("orchestrator.conf.json")).ok()?;
    let address = listen_address(&serde_json::from_str(&config).ok()?).ok()?;
    let pid = processes_of(folder).into_iter().next()?;
    Some(DemoManager { pid, address })
}
