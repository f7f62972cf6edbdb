//! Running the library: starting it, starting it again when the disk failed it, telling how this node stands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, ServerState, SnapshotPolicy};

use crate::message::{About, mark};
use crate::network::Network;
use crate::node::{Node, lock, members};
use crate::storage::{Log, State, fact};
use crate::types::{LogId, Metrics, Raft};
use crate::{NodeId, Standing};

/// Keeps the library running: what fails it is the disk, and that may have room again. For ever.
pub(crate) async fn keep_running(node: Arc<Node>) {
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        let outcome = match start(&node).await {
            Ok(raft) => {
                node.set_raft(Some(raft.clone()));
                node.state().trouble = None;
                node.changed.notify_one();
                let ended = ended(&raft).await;
                node.set_raft(None);
                drop(raft.shutdown().await);
                ended
            }
            Err(why) => why,
        };
        node.changed.notify_one();
        if std::mem::take(&mut node.state().abandon) {
            leave(&node).await;
            continue;
        }
        tracing::error!(why = %outcome, "THIS NODE TAKES NO PART: it comes back as soon as its database takes what it must write");
        node.state().trouble = Some(outcome);
        loop {
            tokio::time::sleep(PAUSE).await;
            if takes_writes(&node).await {
                tracing::warn!("the database takes writes: this node tries to take part again");
                break;
            }
        }
    }
}

/// Forgets a cluster that was never established.
async fn leave(node: &Node) {
    let id = node.me.id.to_string();
    let forgotten = node.store.work(move |db| db.forget_log(&[(fact::NODE, Some(id))])).await;
    match forgotten {
        Ok(()) => node.state().cluster = None,
        Err(error) => tracing::error!(%error, "cannot leave a cluster that was never established"),
    }
}

/// True when the database takes a write, and has it on disk.
pub(crate) async fn takes_writes(node: &Node) -> bool {
    let id = node.me.id.to_string();
    node.store.work(move |db| db.keep(&[(fact::NODE, Some(id))])).await.is_ok()
}

async fn start(node: &Arc<Node>) -> Result<Raft, String> {
    let log = Log::new(node.store.clone(), Arc::clone(&node.shared));
    let state = State::load(node.store.clone(), Arc::clone(&node.shared)).await.map_err(|error| error.to_string())?;
    let network = Network { node: Arc::clone(node) };
    let raft = Raft::new(node.me.id, config(node)?, network, log, state).await;
    raft.map_err(|error| error.to_string())
}

/// The library neither elects nor beats by itself here: see `elect.rs`.
fn config(node: &Node) -> Result<Arc<Config>, String> {
    let timing = node.timing();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: "orchestrator".to_owned(),
        enable_tick: false,
        enable_heartbeat: false,
        enable_elect: false,
        // How long a message to another node may take, since nothing else uses it.
        heartbeat_interval: millis(timing.answer),
        // The library's own loyalty: short, because ours stands before it and knows about hand-overs.
        election_timeout_min: millis(timing.answer) + 1,
        election_timeout_max: millis(timing.answer) + 2,
        install_snapshot_timeout: 60_000,
        max_payload_entries: 200,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(timing.snapshot_every),
        replication_lag_threshold: timing.snapshot_every * 2,
        max_in_snapshot_log_to_keep: timing.snapshot_every / 2,
        purge_batch_size: 256,
        ..Config::default()
    };
    config.validate().map(Arc::new).map_err(|error| error.to_string())
}

/// Waits until the library stops, and returns why.
async fn ended(raft: &Raft) -> String {
    let mut metrics = raft.metrics();
    loop {
        if let Err(fatal) = &metrics.borrow_and_update().running_state {
            return fatal.to_string();
        }
        if metrics.changed().await.is_err() {
            return "it stopped".to_owned();
        }
    }
}

/// Tells how this node stands whenever that changes, for ever.
pub(crate) async fn follow_standing(node: Arc<Node>) {
    const AT_LEAST_EVERY: Duration = Duration::from_millis(50);
    let mut told = Vec::new();
    loop {
        if let Some(metrics) = node.metrics() {
            tell_difference(&node, &metrics, &mut told);
        }
        let standing = reckon(&node);
        node.standing.send_if_modified(|present| {
            let is_new = *present != standing;
            if is_new {
                tell(present, &standing);
                *present = standing;
            }
            is_new
        });
        tokio::select! {
            biased;
            () = node.changed.notified() => {}
            () = tokio::time::sleep(AT_LEAST_EVERY) => {}
        }
    }
}

fn tell(before: &Standing, now: &Standing) {
    match now {
        Standing::Leader { term } => tracing::warn!(term, "this node leads"),
        _ if before.leads() => tracing::warn!(?now, "this node does not lead any more"),
        Standing::Follower { leader: Some(leader) } => tracing::info!(leader = %leader.address, "follows"),
        Standing::Follower { leader: None } => tracing::warn!("no leader is known"),
        Standing::Candidate => tracing::info!("stands for election"),
        Standing::Down { why } => tracing::error!(%why, "takes no part"),
        Standing::Joining | Standing::Alone => tracing::info!(?now, "stands"),
    }
}

fn reckon(node: &Node) -> Standing {
    let Some(metrics) = node.metrics() else {
        let why = node.state().trouble.clone();
        return why.map_or(Standing::Joining, |why| Standing::Down { why });
    };
    if node.state().cluster.is_none() || metrics.membership_config.membership().nodes().next().is_none() {
        return Standing::Joining;
    }
    if let Some(lease) = node.lease() {
        return Standing::Leader { term: lease.term };
    }
    if let Some(why) = excluded(node, &metrics).or_else(|| elsewhere(node)) {
        return Standing::Down { why };
    }
    if metrics.state == ServerState::Candidate {
        return Standing::Candidate;
    }
    Standing::Follower { leader: node.leader() }
}

/// Returns what to do when this node is no member: a majority of those that it knows as voters says so, when it asked for
/// their votes or greeted them, and no leader speaks to it.
fn excluded(node: &Node, metrics: &Metrics) -> Option<String> {
    let voters = metrics.membership_config.membership().voter_ids();
    let others: BTreeSet<NodeId> = voters.filter(|id| *id != node.me.id).collect();
    let mut by = node.state().excluded_by.clone();
    by.extend(node.state().known.values().filter_map(|known| {
        let about = &known.about;
        (!about.members.is_empty() && !about.has_member(node.me.id)).then_some(about.peer.id)
    }));
    let is_excluded = by.intersection(&others).count() > others.len() / 2 && node.leader().is_none();
    is_excluded
        .then(|| "this node was removed from the cluster: stop it, or let it in again with raft-add-peer".to_owned())
}

/// Returns what to do when this node finds no leader in its cluster, and nodes of `RaftNodes` have another one.
fn elsewhere(node: &Node) -> Option<String> {
    if node.leader().is_some() {
        return None;
    }
    let state = node.state();
    let own = state.cluster.as_deref().map(mark);
    let is_elsewhere = |about: &&About| about.established && about.mark.is_some() && about.mark != own;
    let others: Vec<&str> =
        state.contacts.values().filter(is_elsewhere).map(|about| about.peer.address.as_str()).collect();
    (!others.is_empty()).then(|| {
        format!(
            "{} belong to another cluster: their files were lost, or RaftNodes names the wrong nodes. Which is the right one is \
             up to you; a node with a new file joins it by raft-add-peer",
            others.join(", ")
        )
    })
}

/// Tells once when the members are others than `RaftNodes`.
fn tell_difference(node: &Node, metrics: &Metrics, told: &mut Vec<String>) {
    if !node.has_adopted() {
        return;
    }
    let present: Vec<String> = members(metrics).into_iter().map(|(peer, _)| peer.address).collect();
    let configured = &node.settings.nodes;
    let lacking = |all: &[String], some: &[String]| -> Vec<String> {
        all.iter().filter(|name| !some.contains(name)).cloned().collect()
    };
    let (absent, surplus) = (lacking(configured, &present), lacking(&present, configured));
    let difference = [absent.clone(), surplus.clone()].concat();
    if difference != *told && !difference.is_empty() {
        tracing::warn!(
            ?absent,
            ?surplus,
            "the members are others than RaftNodes: members count, RaftNodes only founds"
        );
    }
    *told = difference;
}

/// What log and state share with the rest.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    facts: std::sync::Mutex<(bool, Vec<String>)>,
    last_log: std::sync::Mutex<Option<LogId>>,
}

impl Shared {
    /// Shows that rows were adopted or not, and which addresses are retired.
    pub(crate) fn show(&self, adopted: bool, retired: &[String]) {
        *lock(&self.facts) = (adopted, retired.to_vec());
    }

    /// Shows where the log ends.
    pub(crate) fn show_last_log(&self, last: Option<LogId>) {
        *lock(&self.last_log) = last;
    }

    /// Returns where the log ends.
    pub(crate) fn last_log(&self) -> Option<LogId> {
        *lock(&self.last_log)
    }

    pub(crate) fn has_adopted(&self) -> bool {
        lock(&self.facts).0
    }

    pub(crate) fn retired(&self) -> Vec<String> {
        lock(&self.facts).1.clone()
    }
}
