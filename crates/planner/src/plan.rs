//! What will be done: steps, in order, as data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use analysis::Code;
use serde::{Deserialize, Serialize};
use topology::{BinlogCoordinates, GtidSet, InstanceKey, ServerUuid, TlsProfile};

use crate::{Certificate, Choice, Homecoming};

/// Which hooks of the configuration to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HookList {
    /// `OnFailureDetectionProcesses`: before anything; a failure stops the recovery.
    OnFailureDetection,
    /// `PreGracefulTakeoverProcesses`: before a takeover that somebody asked for; a failure stops it.
    PreGracefulTakeover,
    /// `PreFailoverProcesses`: before the first change of a server; a failure stops the recovery.
    PreFailover,
    /// `PostMasterFailoverProcesses`.
    PostMasterFailover,
    /// `PostIntermediateMasterFailoverProcesses`.
    PostIntermediateFailover,
    /// `PostFailoverProcesses`.
    PostFailover,
    /// `PostUnsuccessfulFailoverProcesses`.
    PostUnsuccessfulFailover,
    /// `PostGracefulTakeoverProcesses`.
    PostGracefulTakeover,
}

impl HookList {
    /// Returns the configuration key that holds the list.
    pub fn key(self) -> &'static str {
        match self {
            Self::OnFailureDetection => "OnFailureDetectionProcesses",
            Self::PreGracefulTakeover => "PreGracefulTakeoverProcesses",
            Self::PreFailover => "PreFailoverProcesses",
            Self::PostMasterFailover => "PostMasterFailoverProcesses",
            Self::PostIntermediateFailover => "PostIntermediateMasterFailoverProcesses",
            Self::PostFailover => "PostFailoverProcesses",
            Self::PostUnsuccessfulFailover => "PostUnsuccessfulFailoverProcesses",
            Self::PostGracefulTakeover => "PostGracefulTakeoverProcesses",
        }
    }

    /// True when a hook that fails stops the recovery; the others run whatever happens.
    pub fn can_refuse(self) -> bool {
        matches!(self, Self::OnFailureDetection | Self::PreGracefulTakeover | Self::PreFailover)
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

impl Threads {
    /// Both.
    pub const BOTH: Self = Self { receiver: true, applier: true };
}

/// For how many semi-synchronous replicas a source waits, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acks {
    /// It waits at all.
    pub enabled: bool,
    /// For how many.
    pub wait_count: u32,
    /// For how long, before it degrades to asynchronous.
    pub timeout_ms: u64,
    /// Before a commit becomes visible (`AFTER_SYNC`).
    pub lossless: bool,
}

/// What plans mean that do not say it.
fn yes() -> bool {
    true
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
        /// It took writes when it was last seen, as far as that is known. One that did not is not opened by the way back.
        #[serde(default = "yes")]
        was_writable: bool,
    },
    /// Cuts the candidate from its source for good and opens it for writes.
    Promote {
        /// The new primary.
        server: InstanceKey,
        /// Open it for writes; false where the operator does that himself (`ApplyMySQLPromotionAfterMasterFailover`).
        writable: bool,
        /// Enable the source side of semi-synchronous replication, as the old primary had it.
        semi_sync: bool,
        /// It is a co-primary that took writes before: the way back must not close it.
        #[serde(default)]
        was_writable: bool,
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
    /// Stops the receiver of a replica without GTID and waits until it has applied all it received, which must end here.
    Settle {
        /// The replica.
        replica: InstanceKey,
        /// The end, in the log of the old primary.
        at: BinlogCoordinates,
        /// How long it may take.
        within: Duration,
    },
    /// Lets a settled replica without GTID replicate from another one that settled in the same place, from the end of that
    /// one's own log, which is read when it is done. Refused once the source takes writes: its end says nothing then.
    Align {
        /// The replica.
        replica: InstanceKey,
        /// The one to be promoted.
        source: InstanceKey,
        /// Where both settled.
        at: BinlogCoordinates,
        /// What to start afterwards.
        start: Threads,
    },
    /// Switches the replica's side of semi-synchronous replication, and restarts its receiver for it to take effect.
    SetSemiSync {
        /// The replica.
        replica: InstanceKey,
        /// On or off.
        on: bool,
    },
    /// Opens a primary for writes that is read-only and should not be.
    Open {
        /// The primary.
        server: InstanceKey,
    },
    /// Cuts a lost replica from its source in a way that can be undone (source host `//host`).
    Detach {
        /// The replica.
        replica: InstanceKey,
    },
    /// Waits until the candidate follows the living primary so closely that writes need not be refused for long.
    Approach {
        /// The candidate.
        candidate: InstanceKey,
        /// The primary.
        primary: InstanceKey,
        /// How long that may take.
        within: Duration,
    },
    /// Moves a replica of the old primary, which lives, below the new one, as soon as that has all that the replica has.
    Relocate {
        /// The replica.
        replica: InstanceKey,
        /// The old primary.
        from: InstanceKey,
        /// The new one.
        to: InstanceKey,
        /// What to start afterwards.
        start: Threads,
    },
    /// Makes the living primary refuse all writes and waits for those under way; what blocks that is killed.
    Freeze {
        /// The old primary.
        server: InstanceKey,
        /// Its identity.
        uuid: Option<ServerUuid>,
        /// How long writes may be refused before a new primary takes them; if that is not enough, all is undone.
        budget: Duration,
        /// It took writes when this was planned. One that did not is not opened by the way back.
        #[serde(default = "yes")]
        was_writable: bool,
    },
    /// Lets the candidate apply all that the frozen primary executed, and sees that the primary stands still.
    FollowToEnd {
        /// The candidate.
        candidate: InstanceKey,
        /// The old primary.
        primary: InstanceKey,
    },
    /// Configures the frozen primary as a replica of the new one, without starting it.
    Attach {
        /// The old primary.
        server: InstanceKey,
        /// The new one, which still replicates from it: their account is taken over.
        source: InstanceKey,
        /// How the new one connects to the old one: the old one will connect so to it. None where the old one
        /// replicates from the new one already (co-primaries).
        tls: Option<Box<TlsProfile>>,
        /// It acknowledged as a replica until now.
        acked: bool,
        /// It will.
        acks: bool,
    },
    /// Starts the receiver of the attached old primary, without which the new one gets too few acknowledgements.
    Acknowledge {
        /// The old primary.
        replica: InstanceKey,
    },
    /// Removes the replication configuration of the new primary, which is open and had stopped replicating before.
    Forget {
        /// The new primary.
        server: InstanceKey,
    },
    /// Makes the old primary a replica for good: its commits wait for no replicas of its own, and its threads run.
    Subordinate {
        /// The old primary.
        replica: InstanceKey,
        /// Its commits waited for replicas.
        waited: bool,
        /// Start replication.
        start: bool,
    },
    /// Sees that a candidate may be opened: as many replicas as its commits must wait for are connected, and the old
    /// primary still stands where it stood.
    Ready {
        /// The candidate.
        candidate: InstanceKey,
        /// The old primary.
        primary: InstanceKey,
        /// How the candidate's commits have to wait; none where those of the old primary did not.
        acks: Option<Acks>,
        /// How they waited before.
        before: Acks,
    },
    /// Tells the world who the primary is: cluster name and alias, key-value pairs.
    Publish {
        /// The new primary.
        primary: InstanceKey,
    },
    /// Something about a replaced primary that came back.
    Return(Homecoming),
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
    /// The primary is dead, or somebody says so (`force-master-failover`).
    DeadPrimary,
    /// One of two co-primaries is dead.
    DeadCoPrimary,
    /// An intermediate source is dead.
    DeadIntermediate,
    /// A member of a replication group with replicas of its own is dead.
    DeadGroupMember,
    /// The primary waits in vain for semi-synchronous replicas.
    LockedSemiSync,
    /// The primary has more semi-synchronous replicas than it waits for.
    TooManySemiSync,
    /// The primary is read-only and should not be.
    NonWritablePrimary,
    /// Somebody asked that another server be the primary.
    Takeover,
    /// A replaced primary came back and is attached below its successor.
    Return,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::DeadPrimary,
        Self::DeadCoPrimary,
        Self::DeadIntermediate,
        Self::DeadGroupMember,
        Self::LockedSemiSync,
        Self::TooManySemiSync,
        Self::NonWritablePrimary,
        Self::Takeover,
        Self::Return,
    ];

    /// Returns the name under which it is stored.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Returns the kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns what repairs a diagnosis, if anything does.
    pub fn that_repairs(code: Code) -> Option<Self> {
        match code {
            Code::DeadPrimary | Code::DeadPrimaryAndSomeReplicas => Some(Self::DeadPrimary),
            Code::DeadCoPrimary | Code::DeadCoPrimaryAndSomeReplicas => Some(Self::DeadCoPrimary),
            Code::DeadIntermediate
            | Code::DeadIntermediateAndSomeReplicas
            | Code::DeadIntermediateWithSingleReplicaFailingToConnect
            | Code::AllIntermediateReplicasFailingToConnectOrDead => Some(Self::DeadIntermediate),
            Code::DeadGroupMemberWithReplicas => Some(Self::DeadGroupMember),
            Code::LockedSemiSyncPrimary => Some(Self::LockedSemiSync),
            Code::PrimaryWithTooManySemiSyncReplicas => Some(Self::TooManySemiSync),
            Code::NoWritablePrimary => Some(Self::NonWritablePrimary),
            _ => None,
        }
    }

    /// True when another server becomes the primary.
    pub fn promotes(self) -> bool {
        matches!(self, Self::DeadPrimary | Self::DeadCoPrimary | Self::Takeover)
    }

    /// True when it is done because a server does not answer: that it answers again ends it.
    pub fn is_about_a_death(self) -> bool {
        matches!(self, Self::DeadPrimary | Self::DeadCoPrimary | Self::DeadIntermediate | Self::DeadGroupMember)
    }

    /// Returns the type under which Orchestrator audits it.
    pub fn audit(self) -> &'static str {
        match self {
            Self::DeadPrimary => "recover-dead-master",
            Self::DeadCoPrimary => "recover-dead-co-master",
            Self::DeadIntermediate => "recover-dead-intermediate-master",
            Self::DeadGroupMember => "recover-dead-replication-group-member-with-replicas",
            Self::LockedSemiSync | Self::TooManySemiSync => "recover-semi-sync-replicas",
            Self::NonWritablePrimary => "recover-non-writable-master",
            Self::Takeover => "graceful-master-takeover",
            Self::Return => "return-replaced-master",
        }
    }
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
    /// The server that takes the place of the failed one: the new primary, the new source of its replicas, or the server
    /// itself where it is mended in place.
    pub successor: InstanceKey,
    /// The command by which somebody asked for it, such as `force-master-failover`; empty for one that nobody asked for.
    #[serde(default)]
    pub command: String,
    /// How a new primary was chosen; empty where none is.
    pub choice: Choice,
    /// What is lost with the old primary, or the proof that nothing is. None where no primary is replaced.
    pub certificate: Option<Certificate>,
    /// Replicas that cannot be kept.
    pub lost: Vec<Lost>,
    /// What will be done.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Returns the number of the step after which the new primary takes writes: there is no way back from it. 0 in a plan
    /// that promotes nobody.
    pub fn point_of_no_return(&self) -> u32 {
        self.steps.iter().find(|step| matches!(step.action, Action::Promote { .. })).map_or(0, |step| step.number)
    }

    /// True when the server that is replaced lived when the plan was made.
    pub fn replaces_a_living_one(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Freeze { .. }))
    }

    /// True when the new primary keeps its replication configuration until it is open: the way back needs it.
    pub fn forgets_later(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Forget { .. }))
    }

    /// True when steps that ended so, by number, have brought what the plan is for: a new primary; a new source for at least
    /// one replica; or all that is required.
    pub fn succeeded(&self, ended: &BTreeMap<u32, Outcome>) -> bool {
        let is_done = |step: &Step| ended.get(&step.number) == Some(&Outcome::Done);
        match self.kind {
            kind if kind.promotes() => ended.get(&self.point_of_no_return()) == Some(&Outcome::Done),
            Kind::DeadIntermediate | Kind::DeadGroupMember => {
                self.steps.iter().any(|step| step.action.moves().is_some() && is_done(step))
            }
            _ => {
                let is_over = |step: &Step| matches!(ended.get(&step.number), Some(Outcome::Done | Outcome::Skipped));
                self.steps.iter().filter(|step| step.required).all(is_over)
            }
        }
    }
}

impl Action {
    /// True when it changes a MySQL server.
    pub fn changes_a_server(&self) -> bool {
        if let Self::Return(homecoming) = self {
            return homecoming.changes_a_server();
        }
        !matches!(self, Self::RunHooks(_) | Self::Approach { .. } | Self::Publish { .. } | Self::Downtime { .. })
    }

    /// Returns the replica that it gives a new source, and that source.
    pub fn moves(&self) -> Option<(&InstanceKey, &InstanceKey)> {
        match self {
            Self::Repoint { replica, source, .. }
            | Self::Align { replica, source, .. }
            | Self::Relocate { replica, to: source, .. } => Some((replica, source)),
            _ => None,
        }
    }

    /// Returns the server it concerns, if it is one.
    pub fn server(&self) -> Option<&InstanceKey> {
        match self {
            Self::RunHooks(_) => None,
            Self::StopReceiver { replica, .. }
            | Self::Repoint { replica, .. }
            | Self::Settle { replica, .. }
            | Self::Align { replica, .. }
            | Self::SetSemiSync { replica, .. }
            | Self::Relocate { replica, .. }
            | Self::Acknowledge { replica }
            | Self::Subordinate { replica, .. }
            | Self::Detach { replica } => Some(replica),
            Self::CatchUp { candidate, .. }
            | Self::Drain { candidate, .. }
            | Self::Approach { candidate, .. }
            | Self::FollowToEnd { candidate, .. }
            | Self::Ready { candidate, .. } => Some(candidate),
            Self::Fence { server, .. }
            | Self::Freeze { server, .. }
            | Self::Attach { server, .. }
            | Self::Forget { server }
            | Self::Promote { server, .. }
            | Self::Open { server }
            | Self::Downtime { server, .. } => Some(server),
            Self::Publish { primary } => Some(primary),
            Self::Return(homecoming) => Some(homecoming.server()),
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
            Self::Return(homecoming) => write!(out, "{homecoming}"),
            Self::Settle { replica, at, .. } => write!(out, "let {replica} apply all it received, which ends at {at}"),
            Self::Align { replica, source, .. } => {
                write!(out, "let {replica} replicate from {source}, from the end of its log")
            }
            Self::SetSemiSync { replica, on: true } => {
                write!(out, "switch semi-synchronous replication on at {replica}")
            }
            Self::SetSemiSync { replica, .. } => write!(out, "switch semi-synchronous replication off at {replica}"),
            Self::Open { server } => write!(out, "let {server} accept writes"),
            Self::Detach { replica } => write!(out, "detach {replica} from its source"),
            Self::Approach { candidate, primary, .. } => {
                write!(out, "wait until {candidate} follows {primary} closely")
            }
            Self::Relocate { replica, to, .. } => write!(out, "move {replica} below {to}"),
            Self::Freeze { server, .. } => write!(out, "freeze {server}: refuse all writes, wait for those under way"),
            Self::FollowToEnd { candidate, primary } => {
                write!(out, "let {candidate} apply all that {primary} executed")
            }
            Self::Attach { server, source, .. } => write!(out, "configure {server} as a replica of {source}"),
            Self::Forget { server } => write!(out, "let {server} forget its source"),
            Self::Acknowledge { replica } => write!(out, "start the receiver of {replica}: it acknowledges"),
            Self::Subordinate { replica, start: true, .. } => write!(out, "start replication on {replica}"),
            Self::Subordinate { replica, .. } => write!(out, "leave {replica} as it is, a replica"),
            Self::Ready { candidate, primary, acks: Some(Acks { wait_count: 1, .. }), .. } => write!(
                out,
                "let commits on {candidate} wait for 1 replica, see one connected and {primary} standing still"
            ),
            Self::Ready { candidate, primary, acks: Some(acks), .. } => write!(
                out,
                "let commits on {candidate} wait for {} replicas, see them connected and {primary} standing still",
                acks.wait_count
            ),
            Self::Ready { primary, .. } => write!(out, "see that {primary} stands still"),
            Self::Publish { primary } => write!(out, "publish {primary} as the primary"),
            Self::Downtime { server, .. } => write!(out, "put {server} into downtime (lost-in-recovery)"),
        }
    }
}
