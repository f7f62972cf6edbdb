//! Which recoveries this process is carrying out.

use std::collections::BTreeSet;
use std::sync::Arc;

use planner::Plan;

use crate::hub::{Hub, lock};

/// Holds a cluster for one recovery of this process, until it is dropped: also when the recovery is, wherever it waits.
pub(crate) struct Claim {
    hub: Arc<Hub>,
    uid: String,
}

impl Claim {
    /// Claims `cluster` for the recovery `uid`; and its name to come, where `plan` promotes somebody: for a moment it may be
    /// seen under either.
    ///
    /// # Errors
    /// The uid of the recovery that holds it.
    pub(crate) fn lay(hub: &Arc<Hub>, cluster: &str, plan: Option<&Plan>, uid: &str) -> Result<Self, String> {
        let mut clusters = BTreeSet::from([cluster.to_owned()]);
        if let Some(plan) = plan.filter(|plan| plan.kind.promotes()) {
            clusters.extend([plan.cluster.clone(), plan.successor.to_string()]);
        }
        let mut recovering = lock(&hub.recovering);
        if let Some(uid) = clusters.iter().find_map(|cluster| recovering.get(cluster)) {
            return Err(uid.clone());
        }
        recovering.extend(clusters.iter().map(|cluster| (cluster.clone(), uid.to_owned())));
        // Whether the old primary has a successor is not decided; until then it is left as it is.
        lock(&hub.undecided).insert(uid.to_owned());
        Ok(Self { hub: Arc::clone(hub), uid: uid.to_owned() })
    }

    /// Returns the recovery that it is for.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.hub.recovering).retain(|_, uid| *uid != self.uid);
        lock(&self.hub.undecided).remove(&self.uid);
        self.hub.nudge.notify_one();
    }
}
