//! The only crate with a database: schema, deterministic commands, queries.
//!
//! Three kinds of state meet here and stay apart. *Declared* and *decided* state changes by a [`Command`] only:
//! [`Store::apply`] carries it out, and the same commands in the same order give the same rows on every node.
//! *Observed* state ([`Store::save_instances`]) is this node's own, may be lost, and is written for a warm start and
//! for people who look with `sqlite3`.
//!
//! Invariants: no clock and no dice in `apply`; one thread writes; a command is on disk before it is answered; a
//! command that is refused or fails changes nothing. Names of SQLite types do not leave this crate.
//!
//! Not here: when to apply what, the replicated log, the meaning of plans and certificates (opaque JSON).
#![warn(missing_docs)]

mod apply;
mod changelog;
mod command;
mod database;
mod declared;
mod dump;
mod error;
mod lock;
mod log;
mod moment;
mod observed;
mod open;
mod query;
mod rows;
mod schema;
mod sql;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use command::{
    AckScope, Applied, Command, Ending, Expired, MaintenanceRef, NewDetection, NewDivergence, NewRecovery, NodeId,
    NodeReport, Refusal, Retention, StepOutcome,
};
pub use database::{Database, Verdict};
pub use dump::Dump;
pub use error::Error;
pub use log::{Kept, LogEntry};
pub use rows::{
    Acknowledgement, ActiveNode, AuditRow, Blocked, ClusterFacts, Detection, DetectionFilter, Diagnosed, Divergence,
    LoadedInstances, MaintenanceRow, Narration, NodeHealth, ObservedInstance, Page, PlanRecord, PlanState, Recovery,
    RecoveryFilter, StepRecord,
};
pub use store::{Mode, Store, move_aside};
