//! The handle.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use store::{Applied, Command, Store};
use tokio::sync::watch;
use topology::{InstanceKey, Sight};

use crate::{Card, Error, Lease, Peer, Standing, Status};

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

struct Inner {
    store: Store,
    standing: watch::Sender<Standing>,
}

impl Consensus {
    /// Returns the consensus of a manager that stands alone.
    pub fn alone(store: Store) -> Self {
        Self { inner: Arc::new(Inner { store, standing: watch::Sender::new(Standing::Alone) }) }
    }

    /// Returns the store, for queries.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Lets other nodes ask `local`.
    pub fn answer_with(&self, _local: Arc<dyn Local>) {}

    /// Carries `command` out, and returns when it can no longer be lost and this node shows its effect. On a node that does
    /// not lead it is handed to the one that does. Commands take effect in the order of the calls, whichever future is
    /// waited for first; dropping the future does not take the command back.
    ///
    /// # Errors
    /// [`Error::Store`] when it was refused; [`Error::NotLeader`], [`Error::NotConfirmed`], [`Error::Unavailable`].
    pub fn declare(&self, command: Command) -> impl Future<Output = Result<Applied, Error>> + Send + 'static {
        let applied = self.inner.store.apply_async(command);
        async move { Ok(applied.await?) }
    }

    /// Returns how this node stands, and follows it.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.inner.standing.subscribe()
    }

    /// Returns the right to act, if this node has it now.
    pub fn lease(&self) -> Option<Lease> {
        Some(Lease { term: 0, rest: Duration::MAX })
    }

    /// Returns all there is to know about the nodes.
    pub fn status(&self) -> Status {
        Status {
            standing: self.inner.standing.borrow().clone(),
            node: Peer::default(),
            bind: String::new(),
            term: 0,
            leader: None,
            leader_card: None,
            members: Vec::new(),
            configured_only: Vec::new(),
            members_only: Vec::new(),
            last_log: 0,
            applied: 0,
            snapshot: 0,
        }
    }

    /// Asks every other voter to probe `key` now. Returns one answer for each of them, in the order of their addresses: what
    /// it saw, or why there is no answer. Takes no longer than `limit`. Empty on a manager that stands alone.
    pub async fn ask_others(&self, _key: &InstanceKey, _limit: Duration) -> Vec<(Peer, Result<Sight, String>)> {
        Vec::new()
    }

    /// Returns the number of nodes that vote, this one included; 1 on a manager that stands alone.
    pub fn voters(&self) -> usize {
        1
    }

    /// Hands leadership to the voter `to`, or to the one that is most up to date. Returns who leads then.
    ///
    /// # Errors
    /// [`Error::NotLeader`]; [`Error::Impossible`] when there is no such voter, or it is not up to date.
    pub async fn transfer(&self, _to: Option<&Peer>) -> Result<Peer, Error> {
        Err(alone())
    }

    /// Makes the node at `address` a member: it catches up as a learner and then votes. Takes the place of a member that
    /// had this address and lost its file.
    ///
    /// # Errors
    /// [`Error::NotLeader`]; [`Error::Impossible`] when it does not answer, or belongs to another cluster.
    pub async fn add_peer(&self, _address: &str) -> Result<Peer, Error> {
        Err(alone())
    }

    /// Removes the member with `address`.
    ///
    /// # Errors
    /// [`Error::NotLeader`]; [`Error::Impossible`] when there is none.
    pub async fn remove_peer(&self, _address: &str) -> Result<Peer, Error> {
        Err(alone())
    }

    /// Takes a snapshot and lets go of the log before it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn snapshot(&self) -> Result<(), Error> {
        Err(alone())
    }

    /// Changes what this node says of itself.
    pub fn introduce(&self, _card: Card) {}

    /// Stops: hands leadership over where it can, and takes no further part.
    pub async fn stop(&self) {}
}

fn alone() -> Error {
    Error::Impossible("not running with raft setup".to_owned())
}
