//! Clusters and held recoveries, in our own shape (`/api/v2`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Key;

/// A cluster: how it is, and what would become of it if its primary died now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterOverview {
    /// Its name: `host:port` of its primary.
    pub name: String,
    /// Its alias; the name where it has none.
    pub alias: String,
    /// Its domain; empty where unknown.
    pub domain: String,
    /// Its primary.
    pub primary: Key,
    /// Its members, counted.
    pub instances: InstanceCounts,
    /// What is wrong in it, the most urgent first.
    pub problems: Vec<Problem>,
    /// Its primary is replaced without asking.
    pub automated: bool,
    /// The recovery that is running on it; null when there is none.
    pub recovering: Option<String>,
    /// What would become of it if its primary died now.
    pub readiness: Readiness,
}

/// Members of a cluster, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCounts {
    /// All.
    pub total: usize,
    /// Those that answered their last probe.
    pub valid: usize,
    /// Those with a source.
    pub replicas: usize,
    /// Of these, those that answer and whose threads both run.
    pub replicating: usize,
    /// Of these, those that lag unreasonably.
    pub lagging: usize,
    /// Those in downtime.
    pub downtimed: usize,
    /// Those in maintenance.
    pub in_maintenance: usize,
}

/// Something that is wrong with an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The instance.
    pub instance: Key,
    /// Orchestrator's name for what is wrong; `NoProblem` where there are only remarks.
    pub analysis: String,
    /// In a sentence.
    pub description: String,
    /// Remarks on the structure, by Orchestrator's names.
    pub structure: Vec<String>,
}

/// What would become of a cluster if its primary died now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// True when another server would be promoted without asking.
    pub ready: bool,
    /// Who would be promoted; null when nobody can be.
    pub candidate: Option<Key>,
    /// `nothing_lost`: that is proved; `may_lose`: it is not; `no_candidate`; `unknown`: the primary was never read.
    pub verdict: String,
    /// Why, in sentences.
    pub because: Vec<String>,
    /// Transactions that the primary is known to have and that no server which could be promoted has, nor could get.
    pub at_risk_gtids: String,
    /// How many these are: no less than so many would be lost. Null where nobody can be promoted.
    pub at_risk: Option<u64>,
    /// What would hold the recovery back; null when nothing would.
    pub hold: Option<HoldView>,
    /// Every other replica, and why it is not the candidate.
    pub others: Vec<PassedOver>,
    /// How the primary waits for replicas.
    pub acks: Acks,
}

/// A replica that would not be promoted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// The replica.
    pub instance: Key,
    /// It could be, if the one that is preferred were not there.
    pub eligible: bool,
    /// Why it is not.
    pub why: String,
}

/// How a primary waits for acknowledgements of its replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acks {
    /// Semi-synchronous replication is on.
    pub enabled: bool,
    /// It is in effect.
    pub active: bool,
    /// Commits are seen by others only after they were acknowledged (`AFTER_SYNC`).
    pub lossless: bool,
    /// For how many replicas it waits.
    pub wait_count: u32,
    /// Milliseconds after which it falls back to asynchronous.
    pub timeout_ms: u64,
    /// Semi-synchronous replicas that are connected.
    pub clients: u32,
    /// Replicas that may acknowledge.
    pub ackers: Vec<Key>,
    /// Commits that nobody acknowledged since the server started.
    pub unacknowledged: u64,
    /// Since when it has been waiting without giving up, as far as was seen; null where it does not wait.
    pub since: Option<String>,
    /// When it was last seen to have fallen back; null when it never was.
    pub degraded_at: Option<String>,
}

/// Why nothing is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// A short name for it that does not change.
    pub kind: String,
    /// In a sentence.
    pub reason: String,
    /// When it ends by itself; null where that is not known.
    pub until: Option<String>,
    /// The one command that would lift it; null where there is none.
    pub remedy: Option<String>,
}

/// A recovery that is needed and does not begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRecovery {
    /// Name of the cluster.
    pub cluster: String,
    /// Its alias.
    pub cluster_alias: String,
    /// What failed.
    pub instance: Key,
    /// Orchestrator's name for what is wrong.
    pub analysis: String,
    /// Since when it is held, for this kind of reason.
    pub since: String,
    /// Why.
    #[serde(flatten)]
    pub hold: HoldView,
    /// What shows the failure, and what else there is to know, in sentences.
    pub evidence: Vec<String>,
    /// The reason with all its parts.
    pub details: Value,
}
