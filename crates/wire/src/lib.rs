//! The JSON of the HTTP API: values that are sent, and how they are written.
//!
//! Names, order and empty values of the fields are Orchestrator's, since scripts parse them, but for `nodes`, `journal`,
//! `overview`, `rehearsal` and `live`, which are ours. Invariants: no logic beyond the notation itself (filling these values is the
//! business of `api`); what is read back is what was written.
#![warn(missing_docs)]

mod analysis;
mod cluster;
mod health;
mod instance;
mod journal;
mod json;
mod live;
mod nodes;
mod overview;
mod recovery;
mod rehearsal;
mod time;
mod value;

pub use analysis::{AnalysisChangelog, ReplicationAnalysis};
pub use cluster::{Audit, AutomatedRecoveryFilters, ClusterInfo, Maintenance, PoolEntry, PromotionRuleEntry};
pub use health::{HealthStatus, NodeHealth, RaftStatus};
pub use instance::Instance;
pub use journal::{Executor, JournalStep, RecoveryRecord, Sentence};
pub use json::to_json;
pub use live::{
    Acknowledged, AuditEntry, ClusterCard, DetectionRow, Finding, HoldWord, IfItDied, InstanceRow, Listing, Notice,
    Probing, ProbingStretch, RecoveryRow, Session, WitnessWord,
};
pub use nodes::{Node, NodeName, Nodes};
pub use overview::{Acks, ClusterOverview, HeldRecovery, HoldView, InstanceCounts, PassedOver, Problem, Readiness};
pub use recovery::{BlockedRecovery, RecoveryStep, TopologyRecovery};
pub use rehearsal::{CandidateWord, DivergenceRow, LeftBehind, PlannedStep, Preview, Rehearsal, ReturnedRow};
pub use time::{computed_time, exact_time, read_time, row_time, zero_time};
pub use value::{Coordinates, Empty, Envelope, Key, NullBool, NullInt, error_text, read_error_text};
