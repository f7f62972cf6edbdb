//! What this crate asks of consensus about leading, so that leadership can be staged in tests.

use std::sync::Arc;
use std::time::Duration;

use consensus::{Consensus, Lease, Local, Peer, Standing};
use futures::future::{BoxFuture, FutureExt};
use store::{Applied, Command};
use tokio::sync::watch;
use topology::{InstanceKey, Sight};

/// A node's seat among the others.
pub trait Seat: Send + Sync + 'static {
    /// Returns how this node stands, and follows it.
    fn standing(&self) -> watch::Receiver<Standing>;

    /// Returns the right to act, if this node has it now.
    fn lease(&self) -> Option<Lease>;

    /// Returns the number of nodes that vote, this one included.
    fn voters(&self) -> usize;

    /// Asks every other voter to probe `key` now; takes no longer than `limit`.
    fn ask_others(&self, key: InstanceKey, limit: Duration) -> BoxFuture<'static, Vec<(Peer, Result<Sight, String>)>>;

    /// Lets other nodes ask `local`.
    fn answer_with(&self, local: Arc<dyn Local>);

    /// Carries `command` out, as [`Consensus::declare`]; `consensus` is this node's.
    fn declare(
        &self,
        consensus: &Consensus,
        command: Command,
    ) -> BoxFuture<'static, Result<Applied, consensus::Error>> {
        consensus.declare(command).boxed()
    }

    /// Hands leadership to the voter `to`, and returns who leads then.
    fn transfer(&self, to: Peer) -> BoxFuture<'static, Result<Peer, consensus::Error>>;
}

impl Seat for Consensus {
    fn standing(&self) -> watch::Receiver<Standing> {
        Consensus::standing(self)
    }

    fn lease(&self) -> Option<Lease> {
        Consensus::lease(self)
    }

    fn voters(&self) -> usize {
        Consensus::voters(self)
    }

    fn ask_others(&self, key: InstanceKey, limit: Duration) -> BoxFuture<'static, Vec<(Peer, Result<Sight, String>)>> {
        let consensus = self.clone();
        async move { consensus.ask_others(&key, limit).await }.boxed()
    }

    fn answer_with(&self, local: Arc<dyn Local>) {
        Consensus::answer_with(self, local);
    }

    fn transfer(&self, to: Peer) -> BoxFuture<'static, Result<Peer, consensus::Error>> {
        let consensus = self.clone();
        async move { consensus.transfer(Some(&to)).await }.boxed()
    }
}
