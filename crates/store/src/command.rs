//! Everything that may change declared or decided state, as data.
//!
//! A command carries its own time and ids. Whoever builds it has already asked the clock and rolled the dice, so that
//! applying it twice, or on two nodes, gives the same rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use topology::{Demoted, Downtime, InstanceKey, PromotionRule, ServerUuid, Timestamp};

/// One change of declared or decided state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Puts an instance in downtime; replaces a downtime that it has. Answers [`Applied::Done`].
    BeginDowntime {
        /// The instance.
        key: InstanceKey,
        /// Who, why, and from when until when.
        downtime: Downtime,
    },
    /// Ends the downtime of an instance. Answers [`Applied::Rows`]: 0 when it had none.
    EndDowntime {
        /// The instance.
        key: InstanceKey,
    },
    /// Locks an instance. Answers [`Applied::Maintenance`], or is refused with [`Refusal::AlreadyInMaintenance`].
    BeginMaintenance {
        /// The instance.
        key: InstanceKey,
        /// Who.
        owner: String,
        /// Why.
        reason: String,
        /// Since when.
        begins: Timestamp,
        /// It ends by itself then.
        ends: Timestamp,
    },
    /// Unlocks an instance. Answers [`Applied::Rows`]: 0 when there was no such lock.
    EndMaintenance {
        /// Which lock.
        which: MaintenanceRef,
        /// When.
        at: Timestamp,
    },
    /// Registers how welcome an instance is as a primary. Answers [`Applied::Done`].
    RegisterCandidate {
        /// The instance.
        key: InstanceKey,
        /// The rule.
        rule: PromotionRule,
        /// When; the rule ages from here.
        at: Timestamp,
    },
    /// Has instances watched by every node, from now on until they are forgotten. Answers [`Applied::Rows`]: how many of
    /// them were not watched before.
    Watch {
        /// The instances.
        keys: Vec<InstanceKey>,
        /// When.
        at: Timestamp,
    },
    /// Forgets instances: no node watches them any more, their observed rows go, and they are not to be probed until
    /// `until`. Answers [`Applied::Rows`], the number of instances.
    Forget {
        /// The instances.
        keys: Vec<InstanceKey>,
        /// When.
        at: Timestamp,
        /// Until when discovery leaves them alone.
        until: Timestamp,
    },
    /// Takes back [`Command::Forget`]: somebody asks to discover them. Answers [`Applied::Rows`].
    Remember {
        /// The instances.
        keys: Vec<InstanceKey>,
    },
    /// Sets the alias of a cluster over what its servers say; an empty alias removes it. Answers [`Applied::Done`].
    SetClusterAlias {
        /// The cluster's name.
        cluster: String,
        /// The alias.
        alias: String,
    },
    /// Records the alias that a cluster's servers say; takes it from any other cluster. Answers [`Applied::Done`].
    PutClusterAlias {
        /// The cluster's name.
        cluster: String,
        /// The alias.
        alias: String,
        /// When.
        at: Timestamp,
    },
    /// Records the domain that a cluster's primary says. Answers [`Applied::Done`].
    PutClusterDomain {
        /// The cluster's name.
        cluster: String,
        /// The domain.
        domain: String,
        /// When.
        at: Timestamp,
    },
    /// Sets a tag. Answers [`Applied::Done`].
    PutTag {
        /// The instance.
        key: InstanceKey,
        /// The tag's name.
        name: String,
        /// Its value; may be empty.
        value: String,
        /// When.
        at: Timestamp,
    },
    /// Removes a tag. Answers [`Applied::Rows`]: 0 when it was not there.
    DeleteTag {
        /// The instance.
        key: InstanceKey,
        /// The tag's name.
        name: String,
    },
    /// Stops all automatic recoveries. Answers [`Applied::Rows`]: 0 when they were stopped already.
    DisableRecoveries {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Allows automatic recoveries again. Answers [`Applied::Rows`]: 0 when they were allowed.
    EnableRecoveries,
    /// Records that something was found to be wrong. Answers [`Applied::Detection`].
    RegisterDetection(NewDetection),
    /// Opens the journal of a recovery. Answers [`Applied::Recovery`]; refused with [`Refusal::ClusterBusy`] while
    /// another recovery of the cluster runs, and with [`Refusal::StaleEpoch`].
    BeginRecovery(NewRecovery),
    /// Hands a running recovery to another executor, under a newer epoch. From then on the old executor's outcomes
    /// are refused. Answers [`Applied::Done`].
    ResumeRecovery {
        /// The recovery.
        uid: String,
        /// The epoch under which it goes on.
        epoch: u64,
        /// Who goes on.
        node: NodeId,
        /// When.
        at: Timestamp,
    },
    /// Replaces the plan of a running recovery, whose state the old plan does not fit any more. Steps of the old plan
    /// stay in the journal; numbers of the new one must go on from theirs. Answers [`Applied::Done`].
    ReplacePlan {
        /// The recovery.
        uid: String,
        /// The executor's epoch.
        epoch: u64,
        /// The new plan, JSON.
        plan: String,
        /// When.
        at: Timestamp,
    },
    /// Journals that a step begins. Answers [`Applied::Done`].
    StepStarted {
        /// The recovery.
        uid: String,
        /// The executor's epoch.
        epoch: u64,
        /// The step's number in the plan.
        number: u32,
        /// When.
        at: Timestamp,
    },
    /// Journals how a step went. Answers [`Applied::Done`].
    StepFinished {
        /// The recovery.
        uid: String,
        /// The executor's epoch.
        epoch: u64,
        /// The step's number in the plan.
        number: u32,
        /// How.
        outcome: StepOutcome,
        /// What a person should read about it; may be empty.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// Adds a sentence to the story of a recovery. Answers [`Applied::Done`].
    Note {
        /// The recovery.
        uid: String,
        /// The sentence.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// Closes the journal of a recovery. Answers [`Applied::Done`].
    EndRecovery(Ending),
    /// Acknowledges recoveries, and ends the detections of the same scope: neither blocks anything any more. Answers
    /// [`Applied::Acknowledged`].
    AcknowledgeRecoveries {
        /// Which.
        scope: AckScope,
        /// Who.
        owner: String,
        /// What they say about it.
        comment: String,
        /// When.
        at: Timestamp,
    },
    /// Records that a recovery was not begun because an earlier one is too recent. Answers [`Applied::Done`].
    BlockRecovery {
        /// The instance that would have been recovered.
        key: InstanceKey,
        /// Its cluster.
        cluster: String,
        /// The diagnosis, such as `DeadMaster`.
        code: String,
        /// Row id of the recovery that stands in the way.
        blocking_recovery_id: i64,
        /// When.
        at: Timestamp,
    },
    /// Takes that record back. Answers [`Applied::Rows`].
    UnblockRecovery {
        /// The instance.
        key: InstanceKey,
    },
    /// Raises the fencing number of a cluster by one. Answers [`Applied::Epoch`].
    RaiseEpoch {
        /// The cluster's name.
        cluster: String,
    },
    /// A cluster got a new head, and with it a new name: carries alias override, alias, domain, epoch and a running
    /// recovery to the new name. Answers [`Applied::Done`].
    RenameCluster {
        /// Its name so far.
        from: String,
        /// Its name from now on.
        to: String,
        /// When.
        at: Timestamp,
    },
    /// Records that a primary was replaced and must not become writable by itself. Answers [`Applied::Done`].
    Demote(Demoted),
    /// Turns that record into one of a server that was closed and that nobody replaced. Answers [`Applied::Done`].
    LeaveClosed(Demoted),
    /// Takes such a record back: the server was rejoined, or an operator says so. Answers [`Applied::Rows`].
    Reinstate {
        /// The server's address.
        key: InstanceKey,
    },
    /// Records what a replaced primary has beyond its successor. Answers [`Applied::Rows`]: 0 when the same is on record and
    /// nobody acknowledged it.
    RecordDivergence(NewDivergence),
    /// Acknowledges such a record. Answers [`Applied::Rows`]: 0 when there is none, or somebody did.
    AcknowledgeDivergence {
        /// Its row id.
        id: i64,
        /// Who.
        owner: String,
        /// What they say about it.
        comment: String,
        /// When.
        at: Timestamp,
    },
    /// Sets a pair of the internal key-value store. Answers [`Applied::Done`].
    PutKeyValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// When.
        at: Timestamp,
    },
    /// Writes down that somebody did something. Answers [`Applied::Audit`].
    Audit {
        /// What was done, such as `begin-downtime`.
        kind: String,
        /// To which instance, if to one.
        key: Option<InstanceKey>,
        /// To which cluster; may be empty.
        cluster: String,
        /// In words.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// Records that a node of ours lives. Answers [`Applied::Done`].
    RegisterNode(NodeReport),
    /// Records what a host name resolves to. Answers [`Applied::Done`].
    PutHostnameResolve {
        /// The name.
        from: String,
        /// What it resolves to.
        to: String,
        /// When.
        at: Timestamp,
    },
    /// Removes what has aged out. Answers [`Applied::Expired`].
    Expire {
        /// The moment that ages are counted back from.
        now: Timestamp,
        /// How long each kind of row is kept.
        retention: Retention,
    },
}

/// Names a maintenance lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaintenanceRef {
    /// The active lock of this instance.
    Key(InstanceKey),
    /// The lock with this row id.
    Id(i64),
}

/// A process of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeId {
    /// Its host.
    pub hostname: String,
    /// Tells this process from earlier ones on the host.
    pub token: String,
}

/// Something found to be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDetection {
    /// The instance that the diagnosis is about.
    pub key: InstanceKey,
    /// Its identity, where it has one.
    pub uuid: Option<ServerUuid>,
    /// The diagnosis, such as `DeadMaster`.
    pub code: String,
    /// Its cluster.
    pub cluster_name: String,
    /// The cluster's alias.
    pub cluster_alias: String,
    /// Its direct replicas.
    pub replicas: Vec<InstanceKey>,
    /// True when a recovery of it exists.
    pub actionable: bool,
    /// When.
    pub at: Timestamp,
    /// Who found it.
    pub node: NodeId,
    /// For how long the same diagnosis of the same instance is the same detection.
    pub block: Duration,
}

/// A recovery to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRecovery {
    /// Its id, unique for ever: `<unix nanoseconds>:<64 hex digits>`.
    pub uid: String,
    /// Row id of its detection; 0 for none.
    pub detection_id: i64,
    /// The failed instance.
    pub key: InstanceKey,
    /// The diagnosis, such as `DeadMaster`.
    pub code: String,
    /// The cluster.
    pub cluster_name: String,
    /// The cluster's alias.
    pub cluster_alias: String,
    /// Direct replicas of the failed instance.
    pub replicas: Vec<InstanceKey>,
    /// What sort of recovery, in the planner's words.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// Who executes it.
    pub node: NodeId,
    /// The cluster's epoch as raised for it.
    pub epoch: u64,
    /// The plan, JSON; the store does not look into it.
    pub plan: String,
    /// The recovery that this one follows, if any.
    pub parent: Option<String>,
}

/// What a replaced primary has beyond its successor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDivergence {
    /// The replaced primary.
    pub key: InstanceKey,
    /// Its identity, where it has one.
    pub uuid: Option<ServerUuid>,
    /// The primary that it was compared with.
    pub primary: InstanceKey,
    /// That one's cluster.
    pub cluster_name: String,
    /// The recovery that replaced it.
    pub recovery_uid: String,
    /// When it was found.
    pub at: Timestamp,
    /// The transactions.
    pub gtids: String,
    /// How many were read from the binary log.
    pub transactions: u64,
    /// How many changes they made.
    pub changes: u64,
    /// Changes by table and kind, JSON: `{"app.t": {"insert": 2}}`.
    pub tables: String,
    /// The first changes, a JSON array.
    pub sample: String,
    /// The file with all changes, a JSON object per line; empty when there is none.
    pub file: String,
    /// The host that has the file.
    pub node: String,
    /// What is missing from the file, in words; empty when nothing is.
    pub note: String,
}

/// The end of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The recovery.
    pub uid: String,
    /// The executor's epoch.
    pub epoch: u64,
    /// Whether it reached its goal.
    pub successful: bool,
    /// Whether any server was changed. A recovery that ended before its first change blocks no later one.
    pub mutated: bool,
    /// The instance that took over.
    pub successor: Option<InstanceKey>,
    /// Its alias; may be empty.
    pub successor_alias: String,
    /// Replicas that were lost.
    pub lost: Vec<InstanceKey>,
    /// Instances that took part.
    pub participating: Vec<InstanceKey>,
    /// What went wrong, a sentence each.
    pub errors: Vec<String>,
    /// The proof about data loss, JSON; the store does not look into it.
    pub certificate: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepOutcome {
    /// Performed, or found done.
    Done,
    /// Not needed.
    Skipped,
    /// Did not work.
    Failed,
}

/// Which recoveries to acknowledge. Only those count that nobody acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AckScope {
    /// All.
    All,
    /// The one with this row id.
    Id(i64),
    /// The one with this uid.
    Uid(String),
    /// Those of a cluster.
    Cluster {
        /// By its name.
        name: String,
        /// Or by its alias; empty to match none by alias.
        alias: String,
    },
    /// Those of this failed instance.
    Instance(InstanceKey),
}

/// What a node of ours says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Who.
    pub node: NodeId,
    /// `HttpMode` or `CLIMode`.
    pub mode: String,
    /// The command it runs, such as `http`.
    pub command: String,
    /// Its version.
    pub version: String,
    /// Where its store is, for people; never a password.
    pub backend: String,
    /// True when it is the one that acts.
    pub active: bool,
    /// When it started.
    pub started: Timestamp,
    /// When it said so.
    pub at: Timestamp,
}

/// How long rows are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Audit, detections, recoveries and their journals (`AuditPurgeDays`).
    pub audit: Duration,
    /// Registered promotion rules (`CandidateInstanceExpireMinutes`).
    pub candidates: Duration,
    /// Cluster aliases that servers said, start records of nodes (`UnseenInstanceForgetHours`).
    pub unseen: Duration,
    /// Host name resolution and cluster domains (`ExpiryHostnameResolvesMinutes`; resolution is kept twice as long).
    pub resolves: Duration,
    /// Ended maintenance.
    pub maintenance: Duration,
    /// How long a detection stays active (`FailureDetectionPeriodBlockMinutes`).
    pub detection_block: Duration,
    /// How long a recovery blocks later ones (`RecoveryPeriodBlockSeconds`).
    pub recovery_block: Duration,
    /// Records of blocked recoveries that were not renewed.
    pub blocked: Duration,
    /// Nodes of ours that fell silent.
    pub nodes: Duration,
}

impl Default for Retention {
    /// Returns what Orchestrator does by default.
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            audit: DAY * 7,
            candidates: HOUR,
            unseen: HOUR * 240,
            resolves: HOUR,
            maintenance: DAY * 7,
            detection_block: HOUR,
            recovery_block: HOUR,
            blocked: Duration::from_secs(2),
            nodes: Duration::from_secs(5),
        }
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// What it says.
    Done,
    /// It changed this many rows.
    Rows(u64),
    /// A lock was put on.
    Maintenance {
        /// Its row id.
        id: i64,
    },
    /// A detection is on record.
    Detection {
        /// Its row id.
        id: i64,
        /// False when the same diagnosis of the same instance was on record and active already.
        fresh: bool,
    },
    /// A recovery is on record.
    Recovery {
        /// Its row id.
        id: i64,
        /// False when the recovery of this uid was on record already.
        fresh: bool,
    },
    /// Recoveries were acknowledged.
    Acknowledged {
        /// Row ids of the recoveries, ascending.
        recoveries: Vec<i64>,
        /// Number of detections that were ended.
        detections: u64,
    },
    /// The epoch of the cluster from now on.
    Epoch(u64),
    /// An audit row was written.
    Audit {
        /// Its row id.
        id: i64,
    },
    /// Rows aged out.
    Expired(Expired),
}

/// How many rows aged out, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// Downtimes that ended.
    pub downtimes: u64,
    /// Maintenance that ended.
    pub maintenance: u64,
    /// Promotion rules.
    pub candidates: u64,
    /// Detections and recoveries whose active period ended.
    pub periods: u64,
    /// All other rows that were deleted.
    pub deleted: u64,
}

/// Why a command was not carried out. Every node refuses the same commands; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Somebody holds the lock.
    #[error("{key} is already in maintenance, begun by {owner}: {reason}")]
    AlreadyInMaintenance {
        /// The instance.
        key: InstanceKey,
        /// Who locked it.
        owner: String,
        /// Why.
        reason: String,
        /// Until when.
        ends: Timestamp,
    },
    /// A recovery of the cluster is running.
    #[error("recovery {uid} of cluster {cluster} is still running")]
    ClusterBusy {
        /// The cluster.
        cluster: String,
        /// The running recovery.
        uid: String,
    },
    /// The executor was fenced off: somebody raised the cluster's epoch after it began.
    #[error("epoch {epoch} of cluster {cluster} is over: it is at {current}")]
    StaleEpoch {
        /// The cluster.
        cluster: String,
        /// The epoch of the command.
        epoch: u64,
        /// The cluster's epoch.
        current: u64,
    },
    /// There is no journal of this recovery.
    #[error("there is no recovery {uid}")]
    UnknownRecovery {
        /// The uid.
        uid: String,
    },
    /// The recovery has ended.
    #[error("recovery {uid} has ended")]
    RecoveryEnded {
        /// The uid.
        uid: String,
    },
    /// The step has an outcome already, and another one.
    #[error("step {number} of recovery {uid} has already finished")]
    StepFinished {
        /// The recovery.
        uid: String,
        /// The step.
        number: u32,
    },
}
