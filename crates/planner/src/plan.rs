//! What will be done: steps, in order, as data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use topology::{GtidSet, InstanceKey, ServerUuid};

use crate::{Certificate, Choice};

/// Which hooks of the configuration to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HookList {
    /// `OnFailureDetectionProcesses`: before anything; a failure stops the recovery.
    OnFailureDetection,
    /// `PreFailoverProcesses`: before the first change of a server; a failure stops the recovery.
    PreFailover,
    /// `PostMasterFailoverProcesses`.
    PostMasterFailover,
    /// `PostFailoverProcesses`.
    PostFailover,
    /// `PostUnsuccessfulFailoverProcesses`.
    PostUnsuccessfulFailover,
}

impl HookList {
    /// Returns the configuration key that holds the list.
    pub fn key(self) -> &'static str {
        match self {
            Self::OnFailureDetection => "OnFailureDetectionProcesses",
            Self::PreFailover => "PreFailoverProcesses",
            Self::PostMasterFailover => "PostMasterFailoverProcesses",
            Self::PostFailover => "PostFailoverProcesses",
            Self::PostUnsuccessfulFailover => "PostUnsuccessfulFailoverProcesses",
        }
    }

    /// True when a hook that fails stops the recovery; the others run whatever happens.
    pub fn can_refuse(self) -> bool {
        matches!(self, Self::OnFailureDetection | Self::PreFailover)
    }
}

/// Replication threads to start after a move. A thread that an operator had stopped stays stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threads {
    /// Start the receiver.
    pub receiver: bool,
    /// Start the applier.
    pub applier: bool,
}

/// What one step does. Each is idempotent: doing it twice leaves the servers as doing it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Runs the hooks of a list, one after the other.
    RunHooks(HookList),
    /// Stops the receiver, so that what the replica holds is final, and checks that it is what the choice rests on.
    StopReceiver {
        /// The replica.
        replica: InstanceKey,
        /// What it held when the plan was made.
        held: GtidSet,
    },
    /// Lets the candidate fetch from `donor` what it lacks, and waits until it has it.
    CatchUp {
        /// The candidate.
        candidate: InstanceKey,
        /// The replica that holds more.
        donor: InstanceKey,
        /// What the candidate must hold afterwards.
        until: GtidSet,
    },
    /// Waits until the candidate has applied all it received; starts its applier if it is stopped.
    Drain {
        /// The candidate.
        candidate: InstanceKey,
        /// What it must have executed.
        until: GtidSet,
        /// How long it may take.
        within: Duration,
    },
    /// Makes the old primary read-only, as far as it can be reached.
    Fence {
        /// The old primary.
        server: InstanceKey,
        /// Its identity, where it is known: another server may have its address by now.
        uuid: Option<ServerUuid>,
    },
    /// Cuts the candidate from its source for good and opens it for writes.
    Promote {
        /// The new primary.
        server: InstanceKey,
        /// Open it for writes; false where the operator does that himself (`ApplyMySQLPromotionAfterMasterFailover`).
        writable: bool,
        /// Enable the source side of semi-synchronous replication, as the old primary had it.
        semi_sync: bool,
    },
    /// Lets a replica replicate from the new primary, keeping credentials, TLS options, delay and heartbeat.
    Repoint {
        /// The replica.
        replica: InstanceKey,
        /// The new primary.
        source: InstanceKey,
        /// What to start afterwards.
        start: Threads,
    },
    /// Cuts a lost replica from its source in a way that can be undone (source host `//host`).
    Detach {
        /// The replica.
        replica: InstanceKey,
    },
    /// Tells the world who the primary is: cluster name and alias, key-value pairs.
    Publish {
        /// The new primary.
        primary: InstanceKey,
    },
    /// Puts a server that the recovery lost into downtime.
    Downtime {
        /// The server.
        server: InstanceKey,
        /// For how long.
        lasts: Duration,
    },
}

/// One numbered step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub number: u32,
    /// Steps of one stage run side by side; a stage begins when the one before has ended.
    pub stage: u32,
    /// Whether a failure ends the plan. A step that is not required is tried, and its failure reported.
    pub required: bool,
    /// What it does.
    pub action: Action,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done, now or earlier.
    Done,
    /// There was nothing to do.
    Skipped,
    /// It failed.
    Failed,
}

/// What is being repaired. Anti-flapping blocks like by like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// The primary is dead.
    DeadPrimary,
    /// The primary is read-only and should not be.
    NonWritablePrimary,
}

/// A replica that the recovery cannot keep, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The replica.
    pub key: InstanceKey,
    /// Why.
    pub why: String,
    /// It answers, so that it can be detached.
    pub is_reachable: bool,
}

/// An immutable plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What it repairs.
    pub kind: Kind,
    /// Name of the cluster.
    pub cluster: String,
    /// The failed server.
    pub failed: InstanceKey,
    /// The server that will be primary.
    pub successor: InstanceKey,
    /// How it was chosen.
    pub choice: Choice,
    /// What is lost, or the proof that nothing is.
    pub certificate: Certificate,
    /// Replicas that cannot be kept.
    pub lost: Vec<Lost>,
    /// What will be done.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Returns the number of the step after which the new primary takes writes: there is no way back from it.
    pub fn point_of_no_return(&self) -> u32 {
        self.steps.iter().find(|step| matches!(step.action, Action::Promote { .. })).map_or(0, |step| step.number)
    }
}

impl Action {
    /// True when it changes a MySQL server.
    pub fn changes_a_server(&self) -> bool {
        !matches!(self, Self::RunHooks(_) | Self::Publish { .. } | Self::Downtime { .. })
    }

    /// Returns the server it concerns, if it is one.
    pub fn server(&self) -> Option<&InstanceKey> {
        match self {
            Self::RunHooks(_) => None,
            Self::StopReceiver { replica, .. } | Self::Repoint { replica, .. } | Self::Detach { replica } => {
                Some(replica)
            }
            Self::CatchUp { candidate, .. } | Self::Drain { candidate, .. } => Some(candidate),
            Self::Fence { server, .. } | Self::Promote { server, .. } | Self::Downtime { server, .. } => Some(server),
            Self::Publish { primary } => Some(primary),
        }
    }
}

impl fmt::Display for Action {
    /// Writes what it does, as it stands in plans that people read.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunHooks(list) => write!(out, "run {}", list.key()),
            Self::StopReceiver { replica, .. } => write!(out, "stop the receiver of {replica}"),
            Self::CatchUp { candidate, donor, .. } => write!(out, "let {candidate} fetch what it lacks from {donor}"),
            Self::Drain { candidate, .. } => write!(out, "let {candidate} apply all it received"),
            Self::Fence { server, .. } => write!(out, "make the old primary {server} read-only, if it can be reached"),
            Self::Promote { server, writable: true, .. } => {
                write!(out, "promote {server}: forget its source, accept writes")
            }
            Self::Promote { server, .. } => {
                write!(out, "promote {server}, leaving replication and read_only to the operator")
            }
            Self::Repoint { replica, source, .. } => write!(out, "let {replica} replicate from {source}"),
            Self::Detach { replica } => write!(out, "detach the lost replica {replica}"),
            Self::Publish { primary } => write!(out, "publish {primary} as the primary"),
            Self::Downtime { server, .. } => write!(out, "put {server} into downtime (lost-in-recovery)"),
        }
    }
}
