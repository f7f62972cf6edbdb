//! What would become of each cluster if its primary died now.

use std::sync::Arc;
use std::time::Duration;

use planner::{Hold, PastRecovery, Rehearsal};
use store::{Page, RecoveryFilter};
use topology::{Cluster, InstanceKey, Timestamp};

use crate::hub::{Hub, View, lock};
use crate::recovery;

/// What would become of a cluster if its primary died now.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The cluster.
    pub cluster: Cluster,
    /// What a recovery would do; none where the primary is not known.
    pub rehearsal: Option<Rehearsal>,
    /// How its primary waits for replicas.
    pub acks: Acks,
    /// The recovery that is running on it.
    pub running: Option<String>,
}

/// How a primary waits for acknowledgements of its replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    /// Semi-synchronous replication is on.
    pub enabled: bool,
    /// It is in effect.
    pub active: bool,
    /// `AFTER_SYNC`.
    pub lossless: bool,
    /// For how many replicas it waits.
    pub wait_count: u32,
    /// After which it falls back to asynchronous.
    pub timeout_ms: u64,
    /// Semi-synchronous replicas that are connected.
    pub clients: u32,
    /// Replicas that may acknowledge.
    pub ackers: Vec<InstanceKey>,
    /// Commits that nobody acknowledged since the server started.
    pub unacknowledged: u64,
    /// Since when it has been waiting without having given up, as far as this node saw.
    pub since: Option<Timestamp>,
    /// When this node last saw that it had fallen back to asynchronous.
    pub degraded_at: Option<Timestamp>,
}

/// Returns the readiness of every cluster, at most a second old.
pub(crate) fn of_all(hub: &Hub) -> Arc<Vec<Readiness>> {
    const AT_MOST: Duration = Duration::from_secs(1);
    if let Some((at, known)) = &*lock(&hub.readiness)
        && hub.now().since(*at) < AT_MOST
    {
        return Arc::clone(known);
    }
    let view = hub.view();
    let past = all_past(hub);
    let idle = lock(&hub.trouble).clone().map(|why| Hold::CannotRecord { why });
    let found = view.graph.clusters().iter().map(|cluster| of_one(hub, &view, cluster, &past, idle.as_ref()));
    let found = Arc::new(found.collect::<Vec<_>>());
    *lock(&hub.readiness) = Some((hub.now(), Arc::clone(&found)));
    found
}

fn of_one(hub: &Hub, view: &View, cluster: &Cluster, past: &[PastRecovery], idle: Option<&Hold>) -> Readiness {
    let policy = hub.policy();
    let running = lock(&hub.recovering).get(&cluster.name).cloned();
    let mut rehearsal = planner::readiness(&view.snapshot, &view.graph, &policy, cluster, past, running.as_deref());
    if let (Some(rehearsal), Some(idle)) = (&mut rehearsal, idle) {
        rehearsal.hold.get_or_insert_with(|| idle.clone());
    }
    Readiness { cluster: cluster.clone(), rehearsal, acks: acks(view, cluster), running }
}

fn acks(view: &View, cluster: &Cluster) -> Acks {
    let Some(watched) = view.snapshot.get(&cluster.head) else { return Acks::default() };
    let Some(primary) = &watched.instance else { return Acks::default() };
    let semi_sync = &primary.semi_sync;
    let is_acker =
        |key: &&InstanceKey| view.snapshot.instance(key).is_some_and(|replica| replica.semi_sync.replica.enabled);
    Acks {
        enabled: semi_sync.source.enabled,
        active: semi_sync.source.active,
        lossless: semi_sync.lossless,
        wait_count: semi_sync.wait_count,
        timeout_ms: semi_sync.timeout_ms,
        clients: semi_sync.clients,
        ackers: view.graph.replicas(&cluster.head).iter().filter(is_acker).cloned().collect(),
        unacknowledged: semi_sync.unacknowledged,
        since: watched.ledger.waits_since,
        degraded_at: watched.ledger.degraded_at,
    }
}

/// Returns all recoveries that a cooldown may count, of all clusters: one question for all of them.
fn all_past(hub: &Hub) -> Vec<PastRecovery> {
    let ended_since = Some(hub.now().minus(hub.policy().cooldown));
    let filter = RecoveryFilter { ended_since, ..RecoveryFilter::default() };
    let rows = hub.store.recoveries(filter, Page::all()).unwrap_or_default();
    rows.into_iter().map(recovery::past_recovery).collect()
}
