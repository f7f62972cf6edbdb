//! How long is how long.

use std::time::Duration;

/// Times of the protocol. All nodes of a cluster must have the same ones.
///
/// `lease < loyalty` is what makes two leases at one time impossible; the difference is the part by which the clocks of two
/// machines may run apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often a leader tells that it lives.
    pub heartbeat: Duration,
    /// How long a leader may act after it sent what a majority acknowledged.
    pub lease: Duration,
    /// How long a node votes for nobody else after it heard its leader.
    pub loyalty: Duration,
    /// The most by which a node waits longer than that before it stands for election, so that not all do at once.
    pub jitter: Duration,
    /// How long an answer may take that is short.
    pub answer: Duration,
    /// How often nodes tell each other who they are.
    pub hello: Duration,
    /// How long founding waits for those of `RaftNodes` that do not answer, once a majority does.
    pub patience: Duration,
    /// How long a command may take to be confirmed.
    pub confirmation: Duration,
    /// The size of a snapshot's distance: it is taken after so many entries.
    pub snapshot_every: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(150),
            lease: Duration::from_millis(600),
            loyalty: Duration::from_millis(800),
            jitter: Duration::from_millis(300),
            answer: Duration::from_millis(300),
            hello: Duration::from_millis(500),
            patience: Duration::from_secs(1),
            confirmation: Duration::from_secs(10),
            snapshot_every: 10_000,
        }
    }
}
