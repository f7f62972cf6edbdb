//! What the web interface is shown live, in our own shape (`/api/v2/events`). Moments are UTC with microseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Key;

/// A cluster at a glance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterCard {
    /// Its name: `host:port` of its primary.
    pub name: String,
    /// Its alias; the name where it has none.
    pub alias: String,
    /// Its domain; empty where unknown.
    pub domain: String,
    /// Its primary.
    pub primary: InstanceRow,
    /// Number of members.
    pub instances: usize,
    /// How many members have each problem.
    pub problems: BTreeMap<String, usize>,
    /// The largest lag of a member that is not in downtime.
    pub lag_secs: Option<u64>,
    /// Members in downtime.
    pub downtimed: usize,
    /// Members in maintenance.
    pub in_maintenance: usize,
    /// Members in each data centre; the empty name is that of those of which it is not known.
    pub data_centers: BTreeMap<String, usize>,
    /// The primary that took over, where this one was replaced and left behind.
    pub replaced_by: Option<Key>,
    /// Its primary is replaced without asking.
    pub automatic: bool,
    /// What would happen if the primary died now.
    pub readiness: Option<IfItDied>,
    /// Uid of the recovery that is running.
    pub recovering: Option<String>,
}

/// What would happen if the primary of a cluster died now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IfItDied {
    /// `nothing_lost`, `may_lose` or `held`.
    pub verdict: String,
    /// Who would be promoted.
    pub successor: Option<Key>,
    /// The reason, in words.
    pub because: String,
    /// Transactions that are known to be lost.
    pub known_lost: u64,
}

/// An instance, as much of it as a tree shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceRow {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its alias; empty where it has none.
    pub alias: String,
    /// Its cluster.
    pub cluster: String,
    /// The alias of its cluster.
    pub cluster_alias: String,
    /// What it replicates from.
    pub source: Option<Key>,
    /// Steps from the head of its cluster.
    pub depth: u32,
    /// `primary`, `co-primary`, `intermediate` or `replica`; `replaced` where it was a primary and left behind.
    pub role: String,
    /// Its version; empty while it was never seen.
    pub version: String,
    /// `MySQL`, `MariaDB` and so on.
    pub flavor: String,
    /// `ok`, `stale`, `unreachable`, or `unseen` where it never answered.
    pub state: String,
    /// Why it cannot be read; empty where it can.
    pub failure: String,
    /// Since when it cannot be read.
    pub failing_since: Option<String>,
    /// `writable`, `read_only` or `super_read_only`.
    pub writes: String,
    /// Seconds that it lags.
    pub lag_secs: Option<u64>,
    /// Seconds that it is told to lag.
    pub delay_secs: u64,
    /// Receiver thread: `running`, `connecting` or `stopped`; empty on who is no replica.
    pub receiver: String,
    /// Applier thread, likewise.
    pub applier: String,
    /// What the receiver last met.
    pub receiver_error: String,
    /// What the applier last met.
    pub applier_error: String,
    /// Semi-synchronous replication as a source: empty, `enabled` or `active`.
    pub semi_sync_source: String,
    /// Semi-synchronous replication as a replica, likewise.
    pub semi_sync_replica: String,
    /// `@@gtid_mode`, `MariaDB` there, or empty.
    pub gtid: String,
    /// Its position is kept by GTID.
    pub auto_position: bool,
    /// Transactions that its source does not have.
    pub errant: String,
    /// It logs what it replicates.
    pub logs_updates: bool,
    /// `@@binlog_format`.
    pub binlog_format: String,
    /// It filters what it replicates.
    pub filters: bool,
    /// Its data centre.
    pub data_center: String,
    /// Its region.
    pub region: String,
    /// Its environment.
    pub environment: String,
    /// How welcome it is as a primary.
    pub promotion_rule: String,
    /// Its downtime.
    pub downtime: Option<Notice>,
    /// Its maintenance.
    pub maintenance: Option<Notice>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What is wrong with it: `unreachable`, `not_recently_checked`, `not_replicating`, `replication_lag`, `errant_gtid`,
    /// `group_member_offline`.
    pub problems: Vec<String>,
}

/// A downtime or a maintenance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub ends: String,
}

/// What is wrong with one instance, and who says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The instance.
    pub instance: Key,
    /// Its cluster.
    pub cluster: String,
    /// The alias of its cluster.
    pub cluster_alias: String,
    /// The diagnosis, such as `DeadMaster`; `NoProblem` when there are only remarks.
    pub code: String,
    /// The same in a sentence.
    pub title: String,
    /// `failure`, `warning` or `remark`.
    pub severity: String,
    /// What would make a failure worse.
    pub remarks: Vec<String>,
    /// It heads its cluster.
    pub is_primary: bool,
    /// How its last probe failed.
    pub failure: String,
    /// Since when its probes fail.
    pub failing_since: Option<String>,
    /// When it was last seen; only while it cannot be.
    pub last_seen: Option<String>,
    /// Number of its direct replicas.
    pub replicas: usize,
    /// What they say of it.
    pub witnesses: Vec<WitnessWord>,
    /// What our other nodes say of it.
    pub nodes: Vec<WitnessWord>,
    /// It is in downtime.
    pub downtimed: bool,
    /// Why nothing is done about it, as far as anything could be.
    pub hold: Option<HoldWord>,
}

/// What somebody says of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessWord {
    /// Who.
    pub who: String,
    /// `reaches`, `fails` or `silent`.
    pub verdict: String,
    /// The same in words.
    pub says: String,
}

/// Why nothing is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldWord {
    /// The kind, such as `Cooldown`.
    pub kind: String,
    /// The reason in words.
    pub reason: String,
    /// What the reason is made of; null where it has no parts.
    pub details: Value,
}

/// A recovery in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRow {
    /// Number.
    pub id: i64,
    /// Id that is the same on every node.
    pub uid: String,
    /// The diagnosis.
    pub code: String,
    /// What sort of recovery; empty where an older program wrote it.
    pub kind: String,
    /// Name of the cluster when it began.
    pub cluster: String,
    /// Its alias.
    pub cluster_alias: String,
    /// The failed instance.
    pub failed: Key,
    /// Who took over.
    pub successor: Option<Key>,
    /// When it began.
    pub started: String,
    /// When it ended; null while it runs.
    pub ended: Option<String>,
    /// It reached its goal.
    pub successful: bool,
    /// `nothing_lost` or `may_lose`; null without a certificate.
    pub certificate: Option<String>,
    /// Replicas that were lost.
    pub lost: Vec<Key>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Who took note of it; null while nobody did.
    pub acknowledged: Option<Acknowledged>,
    /// Number of the detection that it follows; 0 for none.
    pub detection: i64,
    /// Steps that were begun; 0 unless it is running.
    pub steps_begun: usize,
    /// Steps that have ended; 0 unless it is running.
    pub steps_ended: usize,
}

/// That somebody took note of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
    /// What they said.
    pub comment: String,
}

/// A detection in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectionRow {
    /// Number.
    pub id: i64,
    /// The diagnosis.
    pub code: String,
    /// The same in a sentence; empty where this version does not know it.
    pub title: String,
    /// The instance.
    pub instance: Key,
    /// Name of its cluster then.
    pub cluster: String,
    /// The cluster's alias.
    pub cluster_alias: String,
    /// When it was found.
    pub at: String,
    /// Its direct replicas.
    pub replicas: Vec<Key>,
    /// A recovery of it exists.
    pub actionable: bool,
    /// Number of the newest recovery that it led to; 0 for none.
    pub recovery: i64,
    /// The node that found it.
    pub node: String,
}

/// A row of the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Number.
    pub id: i64,
    /// When.
    pub at: String,
    /// What, such as `begin-downtime`.
    pub kind: String,
    /// To which instance.
    pub instance: Option<Key>,
    /// To which cluster; may be empty.
    pub cluster: String,
    /// In words.
    pub message: String,
}

/// A page of a long list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<T> {
    /// What is on it, newest first.
    pub rows: Vec<T>,
    /// Its number, from 0.
    pub page: u32,
    /// There is another page behind it.
    pub more: bool,
}

/// Who asks, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who, as far as authentication found out; empty otherwise.
    pub user: String,
    /// Whether they may change anything.
    pub may_change: bool,
    /// Host of the node that was asked.
    pub node: String,
    /// Its version.
    pub version: String,
    /// Whether several nodes decide together.
    pub raft: bool,
    /// Automatic recoveries are enabled.
    pub recoveries_enabled: bool,
    /// Why nothing can be put on record; null while all is well.
    pub trouble: Option<String>,
}

/// What probing cost on one node lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probing {
    /// The node's host.
    pub node: String,
    /// When this was asked.
    pub now: String,
    /// How long each stretch is.
    pub stretch_secs: u64,
    /// How many polls may run at one time.
    pub at_one_time: usize,
    /// Polls that wait for their turn now.
    pub queue: usize,
    /// How long the first of them waits.
    pub waits_ms: u64,
    /// The stretches that are over, oldest first, without gaps.
    pub past: Vec<ProbingStretch>,
}

/// A stretch of time in the history of probing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbingStretch {
    /// When it began.
    pub begins: String,
    /// Probes that ended in it.
    pub probes: u32,
    /// Of these, such as read nothing.
    pub failures: u32,
    /// Half of the others took at most this; null where there were none.
    pub median_ms: Option<f64>,
    /// Nineteen of twenty of them took at most this.
    pub p95_ms: Option<f64>,
    /// None of them took longer.
    pub max_ms: Option<f64>,
    /// As many polls as waited for their turn at one time, at most.
    pub queue: usize,
    /// The longest that one of them had waited.
    pub waited_ms: u64,
}
