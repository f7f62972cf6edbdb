//! What surrounds a manager, so that all of it can be staged in tests.

use std::sync::Arc;

use consensus::Consensus;

use crate::clock::Clock;
use crate::reach::{Network, Reach};
use crate::seat::Seat;

/// The surroundings of a manager.
#[derive(Clone)]
pub struct World {
    /// Its seat among the others.
    pub seat: Arc<dyn Seat>,
    /// Its way to servers.
    pub reach: Arc<dyn Reach>,
    /// Its clock.
    pub clock: Clock,
}

impl World {
    /// Returns the real one.
    pub fn real(consensus: &Consensus) -> Self {
        Self { seat: Arc::new(consensus.clone()), reach: Arc::new(Network), clock: Clock::start() }
    }
}
