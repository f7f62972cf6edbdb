//! The JSON of the HTTP API: values that are sent, and how they are written.
//!
//! Names, order and empty values of the fields are Orchestrator's, since scripts parse them. Invariants: no logic beyond
//! the notation itself (filling these values is the business of `api`); what is read back is what was written.
#![warn(missing_docs)]

mod analysis;
mod cluster;
mod health;
mod instance;
mod json;
mod recovery;
mod time;
mod value;

pub use analysis::ReplicationAnalysis;
pub use cluster::{Audit, AutomatedRecoveryFilters, ClusterInfo, Maintenance};
pub use health::{HealthStatus, NodeHealth};
pub use instance::Instance;
pub use json::to_json;
pub use recovery::{BlockedRecovery, RecoveryStep, TopologyRecovery};
pub use time::{computed_time, row_time, zero_time};
pub use value::{Coordinates, Empty, Envelope, Key, NullBool, NullInt, error_text};
