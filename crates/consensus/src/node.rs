//! What the tasks of a node share, and small questions about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use openraft::ServerState;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Store;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lease::Acks;
use crate::message::{self, About, Envelope, Permit};
use crate::run::Shared;
use crate::timing::Timing;
use crate::transport::{CallError, Carrier, Kind};
use crate::types::{Metrics, Raft};
use crate::{Card, Lease, Local, NodeId, Peer, Role, Standing};

/// How this node takes part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its raft port listens, for people.
    pub bind: String,
    /// Where the others reach it, `host:port`.
    pub advertise: String,
    /// The nodes that found the cluster (`RaftNodes`), `host:port` each.
    pub nodes: Vec<String>,
    /// What it says of itself.
    pub card: Card,
    /// Times of the protocol.
    pub timing: Timing,
    /// Seeds the dice of elections; none for the system's randomness.
    pub seed: Option<u64>,
}

/// What the tasks of a node share.
pub(crate) struct Node {
    pub(crate) me: Peer,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    carrier: Arc<dyn Carrier>,
    raft: RwLock<Option<Raft>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: Mutex<State>,
    pub(crate) local: RwLock<Option<Arc<dyn Local>>>,
    pub(crate) standing: watch::Sender<Standing>,
    /// Wakes who reckons the standing.
    pub(crate) changed: Notify,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    dice: Mutex<StdRng>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    /// The name of the cluster; none while this node belongs to none.
    pub(crate) cluster: Option<String>,
    /// This node founded it.
    pub(crate) founder: bool,
    /// Why the raft library is not running.
    pub(crate) trouble: Option<String>,
    pub(crate) acks: Acks,
    /// When this process began as a member: what it promised before still holds for a while.
    pub(crate) began: Option<Instant>,
    /// When the leader was last heard.
    pub(crate) heard_leader: Option<Instant>,
    /// Hand-overs that the leader of a term said are over.
    pub(crate) leaders_hand_overs: (u64, u64),
    /// The term in which this node gave its lease up, and its hand-overs of a term that are over.
    pub(crate) stood_down: Option<u64>,
    pub(crate) hand_overs: (u64, u64),
    /// True while this node stands for election: until that is decided it acknowledges nothing to the old leader, whose lease
    /// would last longer than its loyalty.
    pub(crate) stands: bool,
    /// The word of a leader with which this node stands for election.
    pub(crate) permit: Option<Permit>,
    /// Members that greeted or were greeted.
    pub(crate) known: BTreeMap<NodeId, Known>,
    /// What is reached at the addresses of `RaftNodes` and of members.
    pub(crate) contacts: BTreeMap<String, About>,
    /// Marks of clusters whose members name this node: it may join them.
    pub(crate) invitations: BTreeSet<String>,
    /// Members that say that this node is none.
    pub(crate) excluded_by: BTreeSet<NodeId>,
    /// The cluster is to be forgotten once the library stopped.
    pub(crate) abandon: bool,
    pub(crate) card: Card,
}

impl State {
    /// Returns when this node last acknowledged something to its leader, as far as it can know.
    pub(crate) fn promised(&self) -> Option<Instant> {
        self.heard_leader.max(self.began)
    }

    /// True while this node votes for nobody but its leader of `term`, whom it heard less than `loyalty` ago; unless that one
    /// hands over, with `permit`, and did not go on leading since.
    pub(crate) fn is_loyal(&self, loyalty: Duration, term: u64, permit: Option<Permit>) -> bool {
        let (of, over) = self.leaders_hand_overs;
        let is_released = permit.is_some_and(|permit| permit.term == term && of == term && permit.count >= over);
        let has_heard = self.promised().is_some_and(|promised| promised.elapsed() < loyalty);
        has_heard && !is_released
    }
}

/// What is known of another node.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) about: About,
    pub(crate) heard: Instant,
}

impl Node {
    pub(crate) fn new(
        me: Peer,
        (cluster, founder): (Option<String>, Option<NodeId>),
        settings: Settings,
        store: Store,
        carrier: Arc<dyn Carrier>,
    ) -> Self {
        let state = State {
            began: cluster.is_some().then(Instant::now),
            founder: founder == Some(me.id),
            cluster,
            card: settings.card.clone(),
            ..State::default()
        };
        let dice = settings.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Self {
            me,
            settings,
            store,
            carrier,
            raft: RwLock::default(),
            shared: Arc::default(),
            state: Mutex::new(state),
            local: RwLock::default(),
            standing: watch::Sender::new(Standing::Joining),
            changed: Notify::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            dice: Mutex::new(dice),
        }
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.settings.timing
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns a duration below `most`, in whole milliseconds.
    pub(crate) fn any_below(&self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(lock(&self.dice).random_range(0..most))
    }

    /// Returns a random name, 32 hexadecimal digits.
    pub(crate) fn any_name(&self) -> String {
        format!("{:032x}", lock(&self.dice).random::<u128>())
    }

    pub(crate) fn raft(&self) -> Option<Raft> {
        self.raft.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_raft(&self, raft: Option<Raft>) {
        *self.raft.write().unwrap_or_else(PoisonError::into_inner) = raft;
    }

    /// Returns what the library says of this node; none while it is not running.
    pub(crate) fn metrics(&self) -> Option<Metrics> {
        self.raft().map(|raft| raft.metrics().borrow().clone())
    }

    /// Runs a task that ends when this node stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                () = task => {}
            }
        });
    }

    // What it says -----------------------------------------------------------------------------------------------------

    /// Puts `body` in an envelope.
    pub(crate) fn envelope(&self, to: NodeId, body: impl Serialize) -> Result<Bytes, CallError> {
        let cluster = self.state().cluster.clone().unwrap_or_default();
        let envelope = Envelope { cluster, from: self.me.clone(), to, body };
        message::print(&envelope).map_err(CallError::Refused)
    }

    /// Asks the member `target`, and waits for its answer.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        target: NodeId,
        address: &str,
        kind: Kind,
        body: impl Serialize,
        limit: Duration,
    ) -> Result<A, CallError> {
        let body = self.envelope(target, body)?;
        let answer = self.call(address, target, kind, body, limit).await?;
        message::parse(&answer).map_err(CallError::Refused)
    }

    /// Brings a body to the member `target`: to where it says that it is, or else to `address`.
    pub(crate) async fn call(
        &self,
        address: &str,
        target: NodeId,
        kind: Kind,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let present = self.state().known.get(&target).map(|known| known.about.peer.address.clone());
        self.carrier.call(present.as_deref().unwrap_or(address), kind, body, limit).await
    }

    /// Brings a greeting to whoever is at `address`.
    pub(crate) async fn greet(&self, address: &str) -> Result<About, CallError> {
        let cluster = self.state().cluster.clone();
        let hello = message::Hello { cluster, me: self.about() };
        let body = message::print(&hello).map_err(CallError::Refused)?;
        let answer = self.carrier.call(address, Kind::Hello, body, self.timing().answer).await?;
        message::parse(&answer).map_err(CallError::Refused)
    }

    /// Returns what this node tells of itself.
    pub(crate) fn about(&self) -> About {
        let metrics = self.metrics();
        let members = metrics.as_ref().map(members).unwrap_or_default();
        let leads = self.standing.borrow().leads();
        let state = self.state();
        About {
            peer: self.me.clone(),
            card: state.card.clone(),
            mark: state.cluster.as_deref().map(message::mark),
            founder: state.founder,
            established: metrics.as_ref().is_some_and(|metrics| metrics.last_applied.is_some()),
            members,
            term: metrics.as_ref().map_or(0, |metrics| metrics.current_term),
            leads,
            applied: metrics.and_then(|metrics| metrics.last_applied).map_or(0, |last| last.index),
        }
    }

    // The lease --------------------------------------------------------------------------------------------------------

    /// Notes that `node` acknowledged what was sent to it at `sent`.
    pub(crate) fn acknowledged(&self, term: u64, node: NodeId, sent: Instant) {
        self.state().acks.note(term, node, sent);
        self.changed.notify_one();
    }

    /// Returns how many hand-overs of `term` are over.
    pub(crate) fn hand_overs(&self, term: u64) -> u64 {
        let (of, count) = self.state().hand_overs;
        if of == term { count } else { 0 }
    }

    pub(crate) fn permit(&self) -> Option<Permit> {
        self.state().permit
    }

    /// True when the cluster has the rows that it begins with.
    pub(crate) fn has_adopted(&self) -> bool {
        self.shared.has_adopted()
    }

    /// Returns the addresses of removed nodes.
    pub(crate) fn retired(&self) -> Vec<String> {
        self.shared.retired()
    }

    /// Returns the right to act, if this node has it.
    pub(crate) fn lease(&self) -> Option<Lease> {
        let metrics = self.metrics()?;
        let term = metrics.current_term;
        let has_applied_its_own = metrics.last_applied.is_some_and(|last| last.leader_id.term == term);
        let is_ready = has_applied_its_own && self.has_adopted();
        if metrics.state != ServerState::Leader || metrics.running_state.is_err() || !is_ready {
            return None;
        }
        let configs = metrics.membership_config.membership().get_joint_config().clone();
        let now = Instant::now();
        let state = self.state();
        if state.stood_down == Some(term) {
            return None;
        }
        let heard = state.acks.heard_by_majority(term, self.me.id, now, &configs)?;
        let rest = (heard + self.timing().lease).checked_duration_since(now)?;
        (!rest.is_zero()).then_some(Lease { term, rest })
    }

    // The others -------------------------------------------------------------------------------------------------------

    /// Returns the voters but this node.
    pub(crate) fn other_voters(&self) -> Vec<Peer> {
        let all = self.metrics().as_ref().map(members).unwrap_or_default();
        let others = all.into_iter().filter(|(peer, role)| *role == Role::Voter && peer.id != self.me.id);
        others.map(|(peer, _)| peer).collect()
    }

    /// Returns who leads, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<Peer> {
        let metrics = self.metrics()?;
        let leader = metrics.current_leader?;
        if leader == self.me.id {
            return self.lease().map(|_| self.me.clone());
        }
        let heard = self.state().heard_leader?;
        if heard.elapsed() > self.timing().loyalty + self.timing().jitter {
            return None;
        }
        self.peer(&metrics, leader)
    }

    /// Returns the member with this id.
    pub(crate) fn peer(&self, metrics: &Metrics, id: NodeId) -> Option<Peer> {
        let address = metrics.membership_config.membership().get_node(&id)?.addr.clone();
        Some(Peer { id, address })
    }
}

/// Returns the members in `metrics`, by address.
pub(crate) fn members(metrics: &Metrics) -> Vec<(Peer, Role)> {
    let membership = metrics.membership_config.membership();
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let role = |id: &NodeId| if voters.contains(id) { Role::Voter } else { Role::Learner };
    let mut members: Vec<(Peer, Role)> =
        membership.nodes().map(|(id, node)| (Peer { id: *id, address: node.addr.clone() }, role(id))).collect();
    members.sort_by(|one, other| one.0.address.cmp(&other.0.address));
    members
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
