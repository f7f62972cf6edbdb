//! Our values in Orchestrator's shapes. The words master and slave live here and nowhere else.

pub(crate) mod analysis;
pub(crate) mod ascii;
pub(crate) mod cluster;
pub(crate) mod health;
pub(crate) mod instance;
pub(crate) mod raft;
pub(crate) mod reading;
pub(crate) mod recovery;
#[cfg(test)]
mod tests;

use std::time::Duration;

use topology::{Graph, InstanceKey, Snapshot};

/// Orchestrator calls a check recent when it is not older than this many polls.
const RECENT_POLLS: u32 = 5;

/// What instances and clusters are shown from.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// What is known.
    pub(crate) snapshot: &'a Snapshot,
    /// Who replicates from whom.
    pub(crate) graph: &'a Graph,
    /// From when on something is called a problem.
    pub(crate) limits: Limits,
}

/// From when on something is called a problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time between two looks at a server.
    pub(crate) poll: Duration,
    /// A replica that lags more has a problem.
    pub(crate) lag: Duration,
    /// A replica that lags more is drawn as lagging.
    pub(crate) maintenance_lag: Duration,
    /// How long a registered promotion rule lasts.
    pub(crate) rule_expiry: Duration,
}

impl Scene<'_> {
    /// True when `key` is shown: it was seen, or a member of a cluster replicates from it.
    pub(crate) fn knows(&self, key: &InstanceKey) -> bool {
        self.graph.cluster_of(key).is_some()
    }

    /// Returns everything that is shown, by key.
    pub(crate) fn keys(&self) -> Vec<&InstanceKey> {
        let mut keys: Vec<&InstanceKey> = self.graph.clusters().iter().flat_map(|cluster| &cluster.members).collect();
        keys.sort();
        keys
    }
}
