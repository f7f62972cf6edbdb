//! How this node stands among the others, as routing and health ask for it.

use consensus::{Consensus, Lease, Status};

/// Tells how this node stands. A seam of this crate's own: its tests put statuses here that no single process can reach.
pub(crate) trait Outlook: Send + Sync {
    /// Returns all there is to know about the nodes.
    fn status(&self) -> Status;

    /// Returns the right to act, if this node has it now.
    fn lease(&self) -> Option<Lease>;
}

impl Outlook for Consensus {
    fn status(&self) -> Status {
        Consensus::status(self)
    }

    fn lease(&self) -> Option<Lease> {
        Consensus::lease(self)
    }
}
