//! Why nothing is done.

use std::fmt;

use serde::{Deserialize, Serialize};
use topology::{InstanceKey, Timestamp};

use crate::{Certificate, Choice, Flaw, Obstacle, Stay};

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
    /// The server that was asked for cannot be promoted.
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

    /// Returns the command that would lift it, if there is one.
    pub fn remedy(&self, subject: &InstanceKey) -> Option<String> {
        match self {
            Self::NotAutomated { .. }
            | Self::Downtimed { .. }
            | Self::RestartGrace { .. }
            | Self::MayLose { .. }
            | Self::TooFewWitnesses { .. } => Some(format!("orchestrator-client -c recover -i {subject}")),
            Self::Cooldown { .. } => {
                Some(format!("orchestrator-client -c ack-cluster-recoveries -i {subject} -r 'reason'"))
            }
            Self::Returned(stay) => stay.remedy(subject),
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
            Self::WrongCandidate { asked, why } => write!(out, "{asked} cannot be promoted: {why}"),
            Self::MayLose { successor, certificate, until } => {
                let policy = if until.is_some() { "waits for the proof" } else { "leaves that to a person" };
                write!(
                    out,
                    "to promote {successor} may lose acknowledged transactions, and DataLossPolicy {policy}: "
                )?;
                write!(out, "{certificate}")
            }
            Self::Obstacle(obstacle) => write!(out, "{obstacle}"),
            Self::NoGtid => write!(out, "its replicas do not use GTID, so they could not be moved below a new primary"),
            Self::Returned(stay) => write!(out, "{stay}"),
            Self::UnsafePlan { flaws } => {
                let flaws: Vec<String> = flaws.iter().map(ToString::to_string).collect();
                write!(out, "the plan would break a rule: {}", flaws.join("; "))
            }
        }
    }
}
