//! The handle. (Signatures first; bodies follow.)

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use topology::{Declared, InstanceKey, Timestamp};

use crate::*;

/// What to open a store for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To own it: creates and migrates what is missing, and keeps every other manager out.
    Own,
    /// To look, beside an owner. The file must exist and be of this version.
    Read,
}

/// A handle on the store; cheap to clone. The file is closed when the last handle is dropped.
#[derive(Clone)]
pub struct Store {}

#[allow(unused_variables, missing_docs)]
impl Store {
    /// Opens the database at `path`; `:memory:` is one that vanishes with the last handle. Creates the file, and its
    /// directory if that one's parent exists. An Orchestrator file is taken over in place.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Newer`], [`Error::Corrupt`], [`Error::NotADatabase`], [`Error::NotWritable`],
    /// [`Error::NoDirectory`], [`Error::DiskFull`].
    pub fn open(path: impl AsRef<Path>, mode: Mode) -> Result<Self, Error> {
        todo!()
    }

    /// Applies `command` and waits until it is on disk. Blocks: from async code use [`Store::apply_async`].
    ///
    /// # Errors
    /// [`Error::Refused`] by the rules; [`Error::DiskFull`], [`Error::Corrupt`], [`Error::Database`],
    /// [`Error::Closed`], [`Error::ReadOnly`] when it could not be carried out. Nothing was changed then.
    pub fn apply(&self, command: Command) -> Result<Applied, Error> {
        todo!()
    }

    /// Applies `command`; the future ends when it is on disk. The command is queued at the call, not at the first
    /// poll, and dropping the future does not take it back.
    ///
    /// # Errors
    /// As [`Store::apply`], and [`Error::Overloaded`] when too much waits for the disk.
    pub fn apply_async(&self, command: Command) -> impl Future<Output = Result<Applied, Error>> + Send + 'static {
        async { todo!() }
    }

    /// Returns all that was declared and decided and that analysis and planning need. Takes no time, and shows every
    /// command that was answered.
    pub fn declared(&self) -> Arc<Declared> {
        todo!()
    }

    pub fn detections(&self, filter: DetectionFilter, page: Page) -> Result<Vec<Detection>, Error> {
        todo!()
    }
    pub fn recoveries(&self, filter: RecoveryFilter, page: Page) -> Result<Vec<Recovery>, Error> {
        todo!()
    }
    /// Recoveries that may stand in the way of another one (anti-flapping): active, begun at `since` or later, and of a
    /// cluster of this name or with a failed instance or successor among `members`. Newest first. The caller compares
    /// like with like by [`Recovery::code`].
    pub fn blocking_recoveries(
        &self,
        cluster: &str,
        members: &[InstanceKey],
        since: Timestamp,
    ) -> Result<Vec<Recovery>, Error> {
        todo!()
    }
    /// Recoveries whose journal is open, oldest first.
    pub fn running_recoveries(&self) -> Result<Vec<Recovery>, Error> {
        todo!()
    }
    /// The story of a recovery, oldest sentence first.
    pub fn recovery_steps(&self, uid: &str) -> Result<Vec<Narration>, Error> {
        todo!()
    }
    /// The journal of a recovery.
    pub fn plan(&self, uid: &str) -> Result<Option<PlanRecord>, Error> {
        todo!()
    }
    /// Blocked recoveries (of one cluster), newest first.
    pub fn blocked(&self, cluster: Option<&str>) -> Result<Vec<Blocked>, Error> {
        todo!()
    }
    pub fn audit(&self, instance: Option<&InstanceKey>, page: Page) -> Result<Vec<AuditRow>, Error> {
        todo!()
    }
    /// Active locks, oldest first.
    pub fn maintenance(&self) -> Result<Vec<MaintenanceRow>, Error> {
        todo!()
    }
    pub fn kv(&self, key: &str) -> Result<Option<String>, Error> {
        todo!()
    }
    pub fn epoch(&self, cluster: &str) -> Result<u64, Error> {
        todo!()
    }
    pub fn nodes(&self) -> Result<Vec<NodeHealth>, Error> {
        todo!()
    }
    pub fn active_node(&self) -> Result<Option<ActiveNode>, Error> {
        todo!()
    }
    /// Cluster name → alias that its servers said.
    pub fn cluster_aliases(&self) -> Result<BTreeMap<String, String>, Error> {
        todo!()
    }
    /// Cluster name → domain.
    pub fn cluster_domains(&self) -> Result<BTreeMap<String, String>, Error> {
        todo!()
    }
    /// Host name → what it resolved to.
    pub fn hostname_resolves(&self) -> Result<BTreeMap<String, String>, Error> {
        todo!()
    }

    /// Saves what was observed; an observed row is replaced. Not part of the replicated state.
    pub fn save_instances(&self, instances: Vec<ObservedInstance>) -> Result<(), Error> {
        todo!()
    }
    pub fn load_instances(&self) -> Result<LoadedInstances, Error> {
        todo!()
    }
    pub fn forget_instances(&self, keys: Vec<InstanceKey>) -> Result<(), Error> {
        todo!()
    }
    /// The file, for people.
    pub fn path(&self) -> &Path {
        todo!()
    }
}

/// Moves the database at `path` (and what SQLite keeps beside it) to `path.corrupt-TIMESTAMP` and returns that path.
#[allow(unused_variables, missing_docs)]
pub fn move_aside(path: &Path, at: Timestamp) -> std::io::Result<PathBuf> {
    todo!()
}
