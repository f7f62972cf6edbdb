//! Which recoveries this process is carrying out.

use std::sync::Arc;

use crate::hub::{Hub, lock};

/// Holds a cluster for one recovery of this process, until it is dropped: also when the recovery is, wherever it waits.
pub(crate) struct Claim {
    hub: Arc<Hub>,
    cluster: String,
    uid: String,
}

impl Claim {
    /// Claims `cluster` for the recovery `uid`.
    ///
    /// # Errors
    /// The uid of the recovery that holds it.
    pub(crate) fn lay(hub: &Arc<Hub>, cluster: &str, uid: &str) -> Result<Self, String> {
        let mut recovering = lock(&hub.recovering);
        if let Some(uid) = recovering.get(cluster) {
            return Err(uid.clone());
        }
        recovering.insert(cluster.to_owned(), uid.to_owned());
        // Whether the old primary has a successor is not decided; until then it is left as it is.
        lock(&hub.undecided).insert(uid.to_owned());
        Ok(Self { hub: Arc::clone(hub), cluster: cluster.to_owned(), uid: uid.to_owned() })
    }

    /// Returns the recovery that it is for.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.hub.recovering).remove(&self.cluster);
        lock(&self.hub.undecided).remove(&self.uid);
        self.hub.nudge.notify_one();
    }
}
