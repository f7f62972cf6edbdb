//! The handle.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, TryFutureExt};
use store::{Applied, Command, Store};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use topology::{InstanceKey, Sight};

use crate::inbound::Inbound;
use crate::message::Look;
use crate::node::{Node, Settings, members};
use crate::propose::{self, Proposal};
use crate::storage::fact;
use crate::transport::{Carrier, Dialer, Handler, Kind, Port};
use crate::{Card, Error, Lease, Member, NodeId, Peer, Role, Standing, Status, elect, join, lead, run};

/// What other nodes may ask the manager of this one.
pub trait Local: Send + Sync + 'static {
    /// Probes `key` on a connection of its own, now, and returns what it saw.
    fn look(&self, key: InstanceKey) -> BoxFuture<'static, Sight>;
}

/// This node's part in deciding. Cheap to clone.
#[derive(Clone)]
pub struct Consensus {
    inner: Arc<Inner>,
}

enum Inner {
    Alone { store: Store, standing: watch::Sender<Standing> },
    Member { node: Arc<Node>, proposals: mpsc::Sender<Proposal> },
}

impl Consensus {
    /// Returns the consensus of a manager that stands alone.
    pub fn alone(store: Store) -> Self {
        Self { inner: Arc::new(Inner::Alone { store, standing: watch::Sender::new(Standing::Alone) }) }
    }

    /// Takes part with the others, as `settings` say, over `port` and `dialer`. Returns at once: founding, joining and
    /// electing go on beside.
    ///
    /// # Errors
    /// [`Error::Store`] when this node's identity can be neither read nor written.
    pub async fn join(settings: Settings, store: Store, port: Port, dialer: Dialer) -> Result<Self, Error> {
        let consensus = Self::with_carrier(settings, store, Arc::new(dialer)).await?;
        if let (Some(node), Some(handler)) = (consensus.node(), consensus.handler()) {
            let stop = CancellationToken::new();
            let (stopping, told) = (node.stopping.clone(), stop.clone());
            node.tasks.spawn(async move {
                stopping.cancelled().await;
                told.cancel();
            });
            node.tasks.spawn(port.serve(handler, stop));
        }
        Ok(consensus)
    }

    /// As [`Consensus::join`], with any way to the others; who serves requests calls [`Consensus::handler`].
    pub(crate) async fn with_carrier(
        settings: Settings,
        store: Store,
        carrier: Arc<dyn Carrier>,
    ) -> Result<Self, Error> {
        let drawn = drawn_id(&settings);
        let (id, belongs) = store
            .work(move |db| {
                let known = db.kept(fact::NODE)?.and_then(|text| text.parse::<NodeId>().ok());
                if known.is_none() {
                    db.keep(&[(fact::NODE, Some(drawn.to_string()))])?;
                }
                let founder = db.kept(fact::FOUNDER)?.and_then(|text| text.parse::<NodeId>().ok());
                Ok((known.unwrap_or(drawn), (db.kept(fact::CLUSTER)?, founder)))
            })
            .await?;
        let me = Peer { id, address: settings.advertise.clone() };
        let node = Arc::new(Node::new(me, belongs, settings, store, carrier));
        let (proposals, queue) = mpsc::channel(propose::QUEUE);
        node.spawn(run::keep_running(Arc::clone(&node)));
        node.spawn(run::follow_standing(Arc::clone(&node)));
        node.spawn(join::run(Arc::clone(&node)));
        node.spawn(elect::run(Arc::clone(&node)));
        node.spawn(elect::beat(Arc::clone(&node)));
        node.spawn(lead::run(Arc::clone(&node)));
        node.spawn(lead::yield_when_unhealthy(Arc::clone(&node)));
        node.spawn(propose::run(Arc::clone(&node), queue));
        Ok(Self { inner: Arc::new(Inner::Member { node, proposals }) })
    }

    fn node(&self) -> Option<&Arc<Node>> {
        match &*self.inner {
            Inner::Alone { .. } => None,
            Inner::Member { node, .. } => Some(node),
        }
    }

    fn member(&self) -> Result<&Arc<Node>, Error> {
        self.node().ok_or_else(|| Error::Impossible("not running with raft setup".to_owned()))
    }

    /// Returns who answers the other nodes; none on a manager that stands alone.
    pub(crate) fn handler(&self) -> Option<Arc<dyn Handler>> {
        Some(Arc::new(Inbound { node: Arc::clone(self.node()?) }))
    }

    /// Returns the store, for queries.
    pub fn store(&self) -> &Store {
        match &*self.inner {
            Inner::Alone { store, .. } => store,
            Inner::Member { node, .. } => &node.store,
        }
    }

    /// Lets other nodes ask `local`.
    pub fn answer_with(&self, local: Arc<dyn Local>) {
        if let Some(node) = self.node() {
            *node.local.write().unwrap_or_else(PoisonError::into_inner) = Some(local);
        }
    }

    /// Carries `command` out, and returns when it can no longer be lost and this node shows its effect. On a node that does
    /// not lead it is handed to the one that does, and its effect shows here a moment later. Commands take effect in the
    /// order of the calls, whichever future is waited for first; dropping the future does not take the command back.
    ///
    /// # Errors
    /// [`Error::Store`] when it was refused; [`Error::NotLeader`], [`Error::NotConfirmed`], [`Error::Unavailable`].
    pub fn declare(&self, command: Command) -> impl Future<Output = Result<Applied, Error>> + Send + 'static {
        match &*self.inner {
            Inner::Alone { store, .. } => store.apply_async(command).map_err(Error::Store).left_future(),
            Inner::Member { proposals, .. } => {
                let (reply, waiting) = oneshot::channel();
                let queued = proposals.try_send(Proposal { command, reply });
                async move {
                    queued.map_err(|_| Error::Unavailable { why: "too many commands wait".to_owned() })?;
                    waiting.await.unwrap_or_else(|_| Err(Error::Unavailable { why: "it is stopping".to_owned() }))
                }
                .right_future()
            }
        }
    }

    /// Returns how this node stands, and follows it.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        match &*self.inner {
            Inner::Alone { standing, .. } => standing.subscribe(),
            Inner::Member { node, .. } => node.standing.subscribe(),
        }
    }

    /// Returns the right to act, if this node has it now.
    pub fn lease(&self) -> Option<Lease> {
        match &*self.inner {
            Inner::Alone { .. } => Some(Lease { term: 0, rest: Duration::MAX }),
            Inner::Member { node, .. } => node.lease(),
        }
    }

    /// Returns all there is to know about the nodes.
    pub fn status(&self) -> Status {
        match &*self.inner {
            Inner::Alone { standing, .. } => Status::of_one_alone(standing.borrow().clone()),
            Inner::Member { node, .. } => status(node),
        }
    }

    /// Asks every other voter to probe `key` now. Returns one answer for each of them, in the order of their addresses: what
    /// it saw, or why there is no answer. Takes no longer than `limit`. Empty on a manager that stands alone.
    pub async fn ask_others(&self, key: &InstanceKey, limit: Duration) -> Vec<(Peer, Result<Sight, String>)> {
        let Some(node) = self.node() else { return Vec::new() };
        let asked = node.other_voters().into_iter().map(|peer| async move {
            let question = Look { key: key.clone() };
            let answer = node.ask::<Sight>(peer.id, &peer.address, Kind::Look, question, limit).await;
            (peer, answer.map_err(|error| error.to_string()))
        });
        join_all(asked).await
    }

    /// Returns the number of nodes that vote, this one included; 1 on a manager that stands alone.
    pub fn voters(&self) -> usize {
        self.node().map_or(1, |node| node.other_voters().len() + 1)
    }

    /// Hands leadership to the voter `to`, or to the one that is most up to date. Returns who leads then.
    ///
    /// # Errors
    /// [`Error::NotLeader`]; [`Error::Impossible`] when there is no such voter, or it is not up to date.
    pub async fn transfer(&self, to: Option<&Peer>) -> Result<Peer, Error> {
        elect::hand_over(self.member()?, to).await
    }

    /// Makes the node at `address` a member: it catches up as a learner and then votes. Takes the place of a member that
    /// had this address and lost its file.
    ///
    /// # Errors
    /// [`Error::NotLeader`]; [`Error::Impossible`] when it does not answer, or belongs to another cluster.
    pub async fn add_peer(&self, address: &str) -> Result<Peer, Error> {
        let (node, address) = (Arc::clone(self.member()?), address.to_owned());
        in_a_task(Arc::clone(&node), async move { lead::add(&node, &address).await }).await
    }

    /// Removes the member with `address`.
    ///
    /// # Errors
    /// [`Error::NotLeader`]; [`Error::Impossible`] when there is none.
    pub async fn remove_peer(&self, address: &str) -> Result<Peer, Error> {
        let (node, address) = (Arc::clone(self.member()?), address.to_owned());
        in_a_task(Arc::clone(&node), async move { lead::remove(&node, &address).await }).await
    }

    /// Takes a snapshot and lets go of the log before it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn snapshot(&self) -> Result<(), Error> {
        let node = self.member()?;
        let unavailable = |why: String| Error::Unavailable { why };
        let raft = node.raft().ok_or_else(|| unavailable("the log is not open".to_owned()))?;
        raft.trigger().snapshot().await.map_err(|error| unavailable(error.to_string()))?;
        let applied = raft.metrics().borrow().last_applied;
        let is_taken = |metrics: &crate::types::Metrics| metrics.snapshot >= applied;
        let taken = elect::until(&raft, node.timing().confirmation, is_taken).await;
        if taken { Ok(()) } else { Err(unavailable("the snapshot is not taken yet".to_owned())) }
    }

    /// Changes what this node says of itself.
    pub fn introduce(&self, card: Card) {
        if let Some(node) = self.node() {
            node.state().card = card;
        }
    }

    /// Stops: hands leadership over where it can, and takes no further part.
    pub async fn stop(&self) {
        const LIMIT: Duration = Duration::from_secs(3);
        let Some(node) = self.node() else { return };
        if node.lease().is_some() && !node.other_voters().is_empty() {
            match tokio::time::timeout(LIMIT, elect::hand_over(node, None)).await {
                Ok(Ok(leader)) => tracing::info!(to = %leader.address, "handed leadership over"),
                Ok(Err(error)) => tracing::warn!(%error, "stops while it leads"),
                Err(_) => tracing::warn!("stops while it leads: nobody took over in time"),
            }
        }
        if tokio::time::timeout(LIMIT, self.end()).await.is_err() {
            tracing::warn!("stopped with requests of other nodes in progress");
        }
    }

    /// Takes no further part, from this moment on.
    pub(crate) async fn end(&self) {
        let Some(node) = self.node() else { return };
        node.stopping.cancel();
        if let Some(raft) = node.raft() {
            // It ends in any case; why it ended before is told where it runs.
            drop(raft.shutdown().await);
        }
        node.set_raft(None);
        node.tasks.close();
        node.tasks.wait().await;
    }
}

/// Runs what must not be left half done when whoever asked for it goes away.
async fn in_a_task<T: Send + 'static>(
    node: Arc<Node>,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let done = node.tasks.spawn(work).await;
    done.unwrap_or_else(|_| Err(Error::Unavailable { why: "it is stopping".to_owned() }))
}

/// True when the database of `store` is that of a member: its rows are not its own to change.
///
/// # Errors
/// [`Error::Store`] when it cannot be read.
pub fn is_member(store: &Store) -> Result<bool, Error> {
    let (_, facts) = store.dump()?;
    Ok(facts.contains_key(fact::CLUSTER))
}

/// Draws a node's number: below 2^53, which JSON carries exactly everywhere.
fn drawn_id(settings: &Settings) -> NodeId {
    use rand::{Rng, SeedableRng};
    const BITS: u32 = 53;
    match settings.seed {
        Some(seed) => rand::rngs::StdRng::seed_from_u64(seed).random_range(1..1 << BITS),
        None => rand::rng().random_range(1..1 << BITS),
    }
}

fn status(node: &Node) -> Status {
    let metrics = node.metrics();
    let standing = node.standing.borrow().clone();
    let leader = node.leader();
    let present = metrics.as_ref().map(members).unwrap_or_default();
    let now = Instant::now();
    let state = node.state();
    let about = |peer: &Peer| (peer.id != node.me.id).then(|| state.known.get(&peer.id)).flatten();
    let card = |peer: &Peer| match about(peer) {
        _ if peer.id == node.me.id => Some(state.card.clone()),
        known => known.map(|known| known.about.card.clone()),
    };
    let applied = metrics.as_ref().and_then(|metrics| metrics.last_applied).map_or(0, |last| last.index);
    let member = |(peer, role): (Peer, Role)| Member {
        role,
        card: card(&peer),
        heard: if peer.id == node.me.id {
            Some(Duration::ZERO)
        } else {
            about(&peer).map(|known| now.saturating_duration_since(known.heard))
        },
        applied: if peer.id == node.me.id { Some(applied) } else { about(&peer).map(|known| known.about.applied) },
        peer,
    };
    let addresses: Vec<String> = present.iter().map(|(peer, _)| peer.address.clone()).collect();
    let configured = &node.settings.nodes;
    let mut configured_only: Vec<String> =
        configured.iter().filter(|address| !addresses.contains(address)).cloned().collect();
    configured_only.sort();
    Status {
        standing,
        node: node.me.clone(),
        bind: node.settings.bind.clone(),
        term: metrics.as_ref().map_or(0, |metrics| metrics.current_term),
        leader_card: leader.as_ref().and_then(card),
        leader,
        members: present.into_iter().map(member).collect(),
        configured_only,
        members_only: addresses.into_iter().filter(|address| !configured.contains(address)).collect(),
        last_log: metrics.as_ref().and_then(|metrics| metrics.last_log_index).unwrap_or(0),
        applied,
        snapshot: metrics.and_then(|metrics| metrics.snapshot).map_or(0, |last| last.index),
    }
}
