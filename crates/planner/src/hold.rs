//! Why nothing is done.

use std::fmt;

use serde::{Deserialize, Serialize};
use topology::{InstanceKey, Timestamp};

use crate::{Certificate, Choice, Flaw, Lost, Obstacle, Rejection, Stay};

/// Why nothing is done about a diagnosis: a value, not a log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// Nothing is wrong that a recovery could mend.
    NothingToRecover,
    /// The death of the server is not witnessed from two sides yet.
    NotWitnessed,
    /// Other nodes of ours reach it, so many that no majority can say it is dead: it is this node that is blind.
    SeenByOthers {
        /// The nodes that reach it, by their addresses.
        by: Vec<String>,
        /// How many nodes vote.
        voters: usize,
    },
    /// No majority of our nodes affirms that it cannot be reached.
    TooFewWitnesses {
        /// How many affirm it, this node included.
        affirm: usize,
        /// How many are a majority.
        needed: usize,
        /// Other nodes that reach it.
        seen_by: Vec<String>,
        /// Other nodes whose answer is missing, or does not count.
        silent: Vec<String>,
    },
    /// Another node acts, or none: this one only watches.
    NotLeading {
        /// Who leads, where that is known.
        leader: Option<String>,
    },
    /// Nothing can be put on record, and what is not on record is not done.
    CannotRecord {
        /// Why not.
        why: String,
    },
    /// No replica answers: a lost site, or this node is cut off. From here the two look the same.
    NobodyAnswers,
    /// It has no replicas.
    NoReplicas,
    /// The primary died a moment ago and may come back by itself.
    RestartGrace {
        /// When the grace ends.
        until: Timestamp,
    },
    /// The cluster is not among those that are recovered without asking.
    NotAutomated {
        /// The configuration key that decides.
        key: String,
    },
    /// An operator disabled all automatic recoveries.
    Disabled,
    /// The server is in downtime.
    Downtimed {
        /// Who set it.
        by: String,
        /// Why.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// A recovery of this cluster is running.
    Running {
        /// That recovery.
        uid: String,
    },
    /// It was replaced as a primary already, and what still points to it was left behind: promoting one of those would
    /// make a second primary.
    Replaced {
        /// The primary that took over.
        successor: InstanceKey,
        /// The recovery that did it.
        uid: String,
    },
    /// A recovery of the same kind on this cluster was a short while ago.
    Cooldown {
        /// When the next may follow.
        until: Timestamp,
        /// The recovery that blocks.
        uid: String,
        /// Its number, as the API shows it.
        id: i64,
    },
    /// Several recoveries in a row failed before anybody was promoted.
    FailedRepeatedly {
        /// When the next is tried.
        until: Timestamp,
        /// The last of them.
        uid: String,
    },
    /// No replica can be promoted.
    NoCandidate {
        /// Every replica and why not.
        choice: Box<Choice>,
    },
    /// The server that was asked for cannot take the place of the failed one.
    WrongCandidate {
        /// The server.
        asked: InstanceKey,
        /// Why not.
        why: String,
    },
    /// It is not proved that nothing acknowledged would be lost, and `DataLossPolicy` does not allow that, or not yet.
    MayLose {
        /// Who would be promoted.
        successor: InstanceKey,
        /// What may be lost, and why.
        certificate: Box<Certificate>,
        /// When it is allowed all the same; none where only a person may allow it.
        until: Option<Timestamp>,
    },
    /// Replicas do not use GTID.
    NoGtid,
    /// A replaced primary that came back stays as it is.
    Returned(Stay),
    /// Nothing is configured that would be done about it.
    SwitchedOff {
        /// Which keys are not set.
        keys: String,
    },
    /// A server above the failed one is dead too, and its recovery comes first: it decides where these replicas go.
    AboveFirst {
        /// That server.
        above: InstanceKey,
    },
    /// None of its replicas can be moved.
    NowhereToGo {
        /// Every replica and why not.
        lost: Vec<Lost>,
    },
    /// A primary that somebody wants replaced lives, and cannot be closed to writes from here.
    CannotBeClosed {
        /// What shows that it lives.
        signs: Vec<String>,
    },
    /// There is no replica whose semi-synchronous replication could be switched.
    NoSemiSyncReplica {
        /// How many the primary waits for.
        wanted: usize,
        /// How many replicas may acknowledge.
        possible: usize,
        /// How many are missing.
        missing: usize,
    },
    /// Another server takes writes, or did when it was last seen.
    AnotherWritable {
        /// That server.
        key: InstanceKey,
    },
    /// A recovery of ours closed it, and was given up: it is opened by itself when nothing speaks against it any more.
    LeftClosed {
        /// That recovery.
        uid: String,
        /// What speaks against it.
        why: String,
    },
    /// A replica without GTID has not applied all it received: where it will end is not known yet.
    StillApplying {
        /// The replica.
        key: InstanceKey,
    },
    /// A takeover that somebody asked for is not possible as things stand.
    Obstacle(Obstacle),
    /// The plan would break a rule; a defect of ours, and nothing was done.
    UnsafePlan {
        /// What is wrong with it.
        flaws: Vec<Flaw>,
    },
}

impl Hold {
    /// True when a recovery would follow but for a block that an operator can lift by acknowledging.
    pub fn blocking_recovery(&self) -> Option<i64> {
        match self {
            Self::Cooldown { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Returns a short name for it that does not change, for programs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingToRecover => "nothing_to_recover",
            Self::NotWitnessed => "not_witnessed",
            Self::SeenByOthers { .. } => "seen_by_others",
            Self::TooFewWitnesses { .. } => "too_few_witnesses",
            Self::NotLeading { .. } => "not_leading",
            Self::CannotRecord { .. } => "cannot_record",
            Self::NobodyAnswers => "nobody_answers",
            Self::NoReplicas => "no_replicas",
            Self::RestartGrace { .. } => "restart_grace",
            Self::NotAutomated { .. } => "not_automated",
            Self::Disabled => "disabled",
            Self::Downtimed { .. } => "downtimed",
            Self::Running { .. } => "running",
            Self::Replaced { .. } => "replaced",
            Self::Cooldown { .. } => "cooldown",
            Self::FailedRepeatedly { .. } => "failed_repeatedly",
            Self::NoCandidate { .. } => "no_candidate",
            Self::WrongCandidate { .. } => "wrong_candidate",
            Self::MayLose { .. } => "may_lose",
            Self::NoGtid => "no_gtid",
            Self::UnsafePlan { .. } => "unsafe_plan",
            Self::Obstacle(_) => "takeover_obstacle",
            Self::Returned(_) => "returned",
            Self::SwitchedOff { .. } => "switched_off",
            Self::AboveFirst { .. } => "above_first",
            Self::NowhereToGo { .. } => "nowhere_to_go",
            Self::CannotBeClosed { .. } => "cannot_be_closed",
            Self::NoSemiSyncReplica { .. } => "no_semi_sync_replica",
            Self::AnotherWritable { .. } => "another_writable",
            Self::LeftClosed { .. } => "left_closed",
            Self::StillApplying { .. } => "still_applying",
        }
    }

    /// Returns when it ends by itself, where that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::RestartGrace { until }
            | Self::Downtimed { until, .. }
            | Self::Cooldown { until, .. }
            | Self::FailedRepeatedly { until, .. } => Some(*until),
            Self::MayLose { until, .. } => *until,
            _ => None,
        }
    }

    /// True when it may end by itself within moments.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NotWitnessed
                | Self::TooFewWitnesses { .. }
                | Self::RestartGrace { .. }
                | Self::Running { .. }
                | Self::AboveFirst { .. }
                | Self::StillApplying { .. }
                | Self::MayLose { until: Some(_), .. }
        )
    }

    /// Returns the command that would lift it, if there is one.
    pub fn remedy(&self, subject: &InstanceKey) -> Option<String> {
        match self {
            Self::NotAutomated { .. }
            | Self::SwitchedOff { .. }
            | Self::Downtimed { .. }
            | Self::RestartGrace { .. }
            | Self::FailedRepeatedly { .. }
            | Self::MayLose { .. }
            | Self::TooFewWitnesses { .. } => Some(format!("orchestrator-client -c recover -i {subject}")),
            Self::Cooldown { .. } => {
                Some(format!("orchestrator-client -c ack-cluster-recoveries -i {subject} -r 'reason'"))
            }
            Self::LeftClosed { .. } => Some(format!("orchestrator-client -c set-writeable -i {subject}")),
            Self::Returned(stay) => stay.remedy(subject),
            // What a person may overrule by naming the server.
            Self::NoCandidate { choice } => {
                let may_be_named =
                    |why: &Rejection| matches!(why, Rejection::AnotherMust { .. } | Rejection::LacksFiltered);
                let named = choice.candidates.iter().find(|candidate| candidate.rejections.iter().all(may_be_named))?;
                Some(format!("orchestrator-client -c recover -i {subject} -d {}", named.key))
            }
            Self::Disabled => Some("orchestrator-client -c enable-global-recoveries".to_owned()),
            Self::Obstacle(obstacle) => obstacle.remedy(),
            _ => None,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToRecover => write!(out, "nothing is wrong that a recovery could mend"),
            Self::NotWitnessed => write!(out, "no replica confirms that it is dead"),
            Self::SeenByOthers { by, voters } => write!(
                out,
                "{} of {voters} nodes reach it ({}): this node does not, and that is no death",
                by.len(),
                by.join(", ")
            ),
            Self::TooFewWitnesses { affirm, needed, seen_by, silent } => {
                write!(out, "{affirm} of our nodes affirm that they cannot reach it, and {needed} are a majority")?;
                if !seen_by.is_empty() {
                    write!(out, "; reached by {}", seen_by.join(", "))?;
                }
                if !silent.is_empty() {
                    write!(out, "; no word from {}", silent.join(", "))?;
                }
                Ok(())
            }
            Self::NotLeading { leader: Some(leader) } => write!(out, "this node only watches: {leader} leads and acts"),
            Self::NotLeading { leader: None } => {
                write!(out, "no node leads: a majority of the nodes must be up and see each other")
            }
            Self::CannotRecord { why } => {
                write!(out, "nothing can be put on record, and what is not on record is not done: {why}")
            }
            Self::NobodyAnswers => write!(
                out,
                "no replica answers: either the whole site is lost or this node is cut off, and from here the two look the same"
            ),
            Self::NoReplicas => write!(out, "it has no replica that could be promoted"),
            Self::RestartGrace { .. } => write!(out, "it may come back by itself within PrimaryRestartGraceSeconds"),
            Self::NotAutomated { key } => write!(out, "the cluster matches no entry of {key}"),
            Self::Disabled => write!(out, "automatic recoveries are disabled globally"),
            Self::Downtimed { by, reason, .. } => write!(out, "it is in downtime (by {by}: {reason})"),
            Self::Replaced { successor, uid } => write!(
                out,
                "it was replaced by {successor} in recovery {uid}: what still replicates from it belongs below that one"
            ),
            Self::Running { uid } => write!(out, "recovery {uid} of this cluster is running"),
            Self::Cooldown { uid, .. } => write!(
                out,
                "recovery {uid} of the same kind on this cluster was within RecoveryPeriodBlockSeconds and is not acknowledged"
            ),
            Self::FailedRepeatedly { uid, .. } => {
                write!(
                    out,
                    "recoveries failed several times in a row, the last being {uid}; trying again within a minute"
                )
            }
            Self::NoCandidate { choice } => {
                write!(out, "no replica can be promoted")?;
                for candidate in &choice.candidates {
                    let why: Vec<String> = candidate.rejections.iter().map(ToString::to_string).collect();
                    write!(out, "; {}: {}", candidate.key, why.join(", "))?;
                }
                Ok(())
            }
            Self::WrongCandidate { asked, why } => write!(out, "{asked} cannot take its place: {why}"),
            Self::NoGtid => write!(
                out,
                "its replicas do not use GTID, and that they stand in the same place of its log is not known"
            ),
            Self::SwitchedOff { keys } => write!(out, "{keys}"),
            Self::AboveFirst { above } => {
                write!(out, "{above}, above it, is dead too and is recovered first: that decides where the replicas go")
            }
            Self::NowhereToGo { lost } => {
                write!(out, "none of its replicas can be moved")?;
                lost.iter().try_for_each(|lost| write!(out, "; {}: {}", lost.key, lost.why))
            }
            Self::CannotBeClosed { signs } => write!(
                out,
                "it lives and cannot be closed to writes from here: {}; if it must be replaced, stop the receivers of its replicas",
                signs.join(", ")
            ),
            Self::NoSemiSyncReplica { wanted, possible, missing } => write!(
                out,
                "it waits for {wanted} semi-synchronous replicas, {missing} are missing, and of {possible} that may acknowledge (DetectSemiSyncEnforcedQuery) none can be switched"
            ),
            Self::AnotherWritable { key } => write!(out, "{key} takes writes, or did when it was last seen"),
            Self::LeftClosed { uid, why } => {
                write!(out, "recovery {uid} closed it to writes and was given up, and it is not open yet: {why}")
            }
            Self::StillApplying { key } => {
                write!(out, "{key} does not use GTID and still applies what it received: its place is not final")
            }
            Self::MayLose { successor, certificate, until } => {
                let policy = if until.is_some() { "waits for the proof" } else { "leaves that to a person" };
                write!(
                    out,
                    "to promote {successor} may lose acknowledged transactions, and DataLossPolicy {policy}: "
                )?;
                write!(out, "{certificate}")
            }
            Self::Obstacle(obstacle) => write!(out, "{obstacle}"),
            Self::Returned(stay) => write!(out, "{stay}"),
            Self::UnsafePlan { flaws } => {
                let flaws: Vec<String> = flaws.iter().map(ToString::to_string).collect();
                write!(out, "the plan would break a rule: {}", flaws.join("; "))
            }
        }
    }
}
