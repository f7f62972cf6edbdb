//! What queries return.

use std::sync::Arc;

use topology::{InstanceKey, Maintenance, ServerUuid, Timestamp, Watched};

use crate::{NewDivergence, NodeId, StepOutcome};

/// A part of a long answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 0.
    pub number: u32,
    /// Rows per page.
    pub size: u32,
}

impl Page {
    /// Returns page `number` of 20 rows, as the API has it.
    pub fn nth(number: u32) -> Self {
        Self { number, size: 20 }
    }

    /// Returns one page with everything.
    pub fn all() -> Self {
        Self { number: 0, size: u32::MAX }
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::nth(0)
    }
}

/// Something that was found to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Row id.
    pub id: i64,
    /// The instance.
    pub key: InstanceKey,
    /// Its identity, where it was known.
    pub uuid: Option<ServerUuid>,
    /// The diagnosis, such as `DeadMaster`.
    pub code: String,
    /// Its cluster, by the name of then.
    pub cluster_name: String,
    /// The cluster's alias.
    pub cluster_alias: String,
    /// Direct replicas.
    pub replicas: Vec<InstanceKey>,
    /// Their number.
    pub replica_count: u32,
    /// True when a recovery of it exists.
    pub actionable: bool,
    /// When it was found.
    pub at: Timestamp,
    /// Who found it.
    pub node: NodeId,
    /// True while the same diagnosis of the same instance is this detection.
    pub is_active: bool,
    /// The newest recovery that it led to; 0 for none.
    pub recovery_id: i64,
}

/// Which detections to show; what is set must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectionFilter {
    /// Row id.
    pub id: Option<i64>,
    /// Name of the cluster.
    pub cluster_name: Option<String>,
    /// Alias of the cluster.
    pub cluster_alias: Option<String>,
    /// The instance.
    pub key: Option<InstanceKey>,
    /// Active ones only.
    pub active: bool,
}

/// A recovery, running or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Row id.
    pub id: i64,
    /// Id that is the same everywhere.
    pub uid: String,
    /// The failed instance.
    pub key: InstanceKey,
    /// The diagnosis, such as `DeadMaster`.
    pub code: String,
    /// What sort of recovery; empty in rows that an older program wrote.
    pub kind: String,
    /// The cluster, by the name of then.
    pub cluster_name: String,
    /// The cluster's alias.
    pub cluster_alias: String,
    /// Direct replicas of the failed instance.
    pub replicas: Vec<InstanceKey>,
    /// Their number.
    pub replica_count: u32,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; none while it runs.
    pub ended: Option<Timestamp>,
    /// Who executed it.
    pub node: NodeId,
    /// True while it may block later recoveries: its period is not over and nobody acknowledged it.
    pub is_active: bool,
    /// True when it reached its goal.
    pub is_successful: bool,
    /// The instance that took over.
    pub successor: Option<InstanceKey>,
    /// Its alias; may be empty.
    pub successor_alias: String,
    /// Replicas that were lost.
    pub lost: Vec<InstanceKey>,
    /// Instances that took part.
    pub participating: Vec<InstanceKey>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Who acknowledged it.
    pub acknowledged: Option<Acknowledgement>,
    /// Row id of its detection; 0 for none.
    pub detection_id: i64,
    /// The epoch that it began with; 0 in rows that an older program wrote.
    pub epoch: u64,
    /// The recovery that it follows.
    pub parent: Option<String>,
    /// The proof about data loss, JSON.
    pub certificate: Option<String>,
}

/// That somebody took note of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What they said.
    pub comment: String,
}

/// What a replaced primary had beyond its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Row id.
    pub id: i64,
    /// What was recorded.
    pub found: NewDivergence,
    /// Who acknowledged it.
    pub acknowledged: Option<Acknowledgement>,
}

/// Which recoveries to show; what is set must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryFilter {
    /// Row id.
    pub id: Option<i64>,
    /// Uid.
    pub uid: Option<String>,
    /// Name of the cluster.
    pub cluster_name: Option<String>,
    /// Alias of the cluster.
    pub cluster_alias: Option<String>,
    /// The failed instance.
    pub key: Option<InstanceKey>,
    /// The instance that took over.
    pub successor: Option<InstanceKey>,
    /// Those that nobody acknowledged.
    pub unacknowledged: bool,
    /// Those that have not ended.
    pub running: bool,
    /// Those that ended at this moment or later.
    pub ended_since: Option<Timestamp>,
}

/// A sentence of a recovery's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narration {
    /// Row id.
    pub id: i64,
    /// The recovery.
    pub uid: String,
    /// When.
    pub at: Timestamp,
    /// The sentence.
    pub message: String,
}

/// The journal of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRecord {
    /// The recovery.
    pub uid: String,
    /// The cluster, by its name now: it follows [`crate::Command::RenameCluster`].
    pub cluster_name: String,
    /// The plan, JSON.
    pub plan: String,
    /// The epoch of who executes it.
    pub epoch: u64,
    /// Who executes it.
    pub node: NodeId,
    /// The recovery that it follows.
    pub parent: Option<String>,
    /// Where it stands.
    pub state: PlanState,
    /// The steps that were begun, by number.
    pub steps: Vec<StepRecord>,
}

/// Where a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanState {
    /// It goes on.
    Running,
    /// It reached its goal.
    Done,
    /// It ended without.
    Failed,
}

/// A step of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// Its number in the plan.
    pub number: u32,
    /// The epoch of who began it last.
    pub epoch: u64,
    /// When it began last.
    pub started: Option<Timestamp>,
    /// How it went; none while it is not known.
    pub outcome: Option<StepOutcome>,
    /// When it finished.
    pub finished: Option<Timestamp>,
    /// What a person should read about it.
    pub message: String,
}

/// A recovery that was not begun because of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The instance that would have been recovered.
    pub key: InstanceKey,
    /// Its cluster.
    pub cluster_name: String,
    /// The diagnosis.
    pub code: String,
    /// When it was last held back.
    pub at: Timestamp,
    /// Row id of the recovery that stands in the way.
    pub recovery_id: i64,
}

/// That somebody did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Row id.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What, such as `begin-downtime`.
    pub kind: String,
    /// To which instance, if to one.
    pub key: Option<InstanceKey>,
    /// To which cluster; may be empty.
    pub cluster_name: String,
    /// In words.
    pub message: String,
}

/// A lock on an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceRow {
    /// The instance.
    pub key: InstanceKey,
    /// The lock.
    pub maintenance: Maintenance,
}

/// A node of ours, as it last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// Who.
    pub node: NodeId,
    /// `HttpMode` or `CLIMode`.
    pub mode: String,
    /// The command it runs.
    pub command: String,
    /// Its version.
    pub version: String,
    /// Where its store is.
    pub backend: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

/// The node that acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveNode {
    /// Who.
    pub node: NodeId,
    /// Since when it is.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

/// What was diagnosed of an instance, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosed {
    /// The instance.
    pub key: InstanceKey,
    /// Orchestrator's name of the diagnosis.
    pub code: String,
    /// When it was made, to the second.
    pub at: Timestamp,
}

/// What the graph says about an instance; goes with [`Watched`] into the table that people look into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Name of its cluster.
    pub cluster_name: String,
    /// Alias of its cluster.
    pub cluster_alias: String,
    /// Steps from the head.
    pub depth: u32,
    /// True when it and its source replicate from each other.
    pub is_co_primary: bool,
    /// UUIDs of its sources, the head first, and its own, separated by commas.
    pub ancestry: String,
    /// Transactions that its source does not have.
    pub errant: String,
}

/// An instance to save.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedInstance {
    /// What is known of it.
    pub watched: Arc<Watched>,
    /// What the graph says.
    pub facts: ClusterFacts,
}

/// What a warm start finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedInstances {
    /// What was known, by key. Of rows that an older program wrote, only the address.
    pub watched: Vec<Watched>,
    /// Rows that could not be read, a sentence each.
    pub notes: Vec<String>,
}
