//! Nouns of a replication topology, and walks over its graph.
//!
//! An *instance* is one server process; a *channel* is its relation to one *source*; a *cluster* is a connected
//! replication graph whose writable head is the *primary*. An [`Observation`] is what one probe saw, with the time it
//! was seen; a [`Snapshot`] is all that one node knows at one moment, immutable.
//!
//! Invariants: depends on no sibling crate; no I/O, no clock, no randomness. Every collection iterates in one order, so
//! the same snapshot always gives the same walk.
#![warn(missing_docs)]

mod coordinates;
mod declared;
mod graph;
pub mod gtid;
mod instance;
mod key;
mod ledger;
mod observation;
mod snapshot;
mod time;
mod version;

pub use coordinates::BinlogCoordinates;
pub use declared::{Declared, Demoted, Downtime, Maintenance, PromotionRule, RegisteredRule};
pub use graph::{Cluster, Graph};
pub use gtid::{BinlogState, GtidSet};
pub use instance::{
    Binlog, BinlogFormat, Channel, GroupMember, GroupMembership, Gtid, GtidMode, Instance, Labels, Placement, SemiSync,
    SemiSyncRole, ServerUuid, ThreadState, TlsProfile, WritePolicy,
};
pub use key::{InstanceKey, KeyError};
pub use ledger::{Ledger, Reading, started_by};
pub use observation::{NodeSays, NodeView, Observation, ProbeFailure, Sight, Unreachable};
pub use snapshot::{Snapshot, Watched};
pub use time::Timestamp;
pub use version::{Flavor, Version};
