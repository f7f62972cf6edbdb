//! When: probing, cycles, executing plans, hooks.
//!
//! The shell around the core. Tasks observe servers and record what they saw; a *cycle* looks at the whole; a *suspicion*
//! looks into the death of one source on fresh evidence; a *recovery* carries a plan out, step by step, through the
//! journal. Decisions are made in `analysis` and `planner`, statements are worded in `mysql`, rows are kept by `store`.
//!
//! Invariants: the only place that decides *when*. One owner per piece of state. No lock is held across an await. Nothing
//! changes a server but [`hands`], and in a recovery only between two entries of the journal. Nothing speaks to a server but
//! through a [`reach::Reach`], and nothing tells the time but the [`Clock`] and tokio's.
#![warn(missing_docs)]

mod audit;
mod calendar;
mod caretaker;
mod changelog;
mod claim;
mod clock;
mod cycle;
mod discovery;
mod divergence;
mod emergency;
mod executor;
mod fencing;
mod fleet;
mod forced;
mod handle;
mod hands;
mod holds;
pub mod hooks;
mod hub;
mod mandate;
mod mending;
mod names;
mod narrator;
mod nodes;
mod observatory;
mod preview;
mod pulse;
#[doc(hidden)]
pub mod reach;
mod readiness;
mod recovery;
mod rehearsal;
mod reopening;
mod resume;
mod returning;
mod seat;
mod settings;
mod suspicion;
mod takeover;
mod watcher;
mod workload;
mod world;

pub use clock::Clock;
pub use forced::Forced;
pub use handle::{Health, Manager, Mode, Reload};
pub use holds::{Held, Reason};
pub use hub::View;
pub use narrator::takes_writes_again;
pub use preview::{Deed, Preview};
pub use readiness::{Acks, Readiness};
pub use recovery::Recovered;
pub use rehearsal::Rehearsed;
pub use returning::Returned;
#[doc(hidden)]
pub use seat::Seat;
pub use takeover::TakenOver;
pub use workload::{Latency, Stretch, Workload};
#[doc(hidden)]
pub use world::World;

use planner::Hold;
use topology::InstanceKey;

/// Why something that was asked for was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was decided not to act.
    #[error("not attempted: {0}")]
    Held(Hold),
    /// A hook refused.
    #[error("refused by {by}: {why}")]
    Refused {
        /// The list of hooks.
        by: String,
        /// What it said.
        why: String,
    },
    /// The instance is not known.
    #[error("instance {0} is not known: discover it first")]
    Unknown(InstanceKey),
    /// It is not clear which server is meant.
    #[error("{0}")]
    Ambiguous(String),
    /// The address is not to be watched.
    #[error("{key} is not discovered: {why}")]
    NotDiscovered {
        /// The address.
        key: InstanceKey,
        /// Why not.
        why: String,
    },
    /// The server could not be read.
    #[error("cannot read {key}: {why}{}", remedy.map_or_else(String::new, |remedy| format!(" ({remedy})")))]
    Unreadable {
        /// The server.
        key: InstanceKey,
        /// Why not.
        why: String,
        /// What to do about it, where that is known.
        remedy: Option<&'static str>,
    },
    /// A statement on a server failed.
    #[error(transparent)]
    Server(#[from] mysql::Error),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It could not be decided, or was refused, among the managers.
    #[error(transparent)]
    Consensus(#[from] consensus::Error),
    /// The configuration is bad; the one in effect stays.
    #[error("the configuration is not changed: {}", .0.join("; "))]
    Configuration(Vec<String>),
    /// A defect of ours.
    #[error("unexpected: {0}")]
    Unexpected(String),
}

impl Error {
    /// Returns why a command was refused by the rules, if it was.
    pub fn refusal(&self) -> Option<&store::Refusal> {
        match self {
            Self::Store(error) => error.refusal(),
            Self::Consensus(error) => error.refusal(),
            _ => None,
        }
    }
}

/// Returns 64 random hexadecimal digits.
pub fn random_hex() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
