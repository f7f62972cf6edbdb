//! What stands in the way of a takeover.

use std::fmt;

use serde::{Deserialize, Serialize};
use topology::InstanceKey;

use crate::Hold;

/// Why a takeover that somebody asked for is not begun. Nothing was touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Obstacle {
    /// The designated server is no direct replica of the primary.
    NotAReplica {
        /// The server.
        asked: InstanceKey,
        /// The primary.
        primary: InstanceKey,
    },
    /// No server was designated, and there are several.
    NobodyNamed {
        /// The primary.
        primary: InstanceKey,
        /// How many replicas it has.
        replicas: usize,
    },
    /// The primary replicates from another one, and a third was designated.
    CoPrimary {
        /// The writable one.
        primary: InstanceKey,
        /// The other.
        other: InstanceKey,
    },
    /// The primary is not in a state to hand over.
    Primary {
        /// The primary.
        primary: InstanceKey,
        /// What is the matter with it.
        why: String,
    },
    /// A replica that is not in downtime could not be moved.
    Sibling {
        /// The replica.
        sibling: InstanceKey,
        /// The server that would be promoted.
        candidate: InstanceKey,
        /// Why not.
        why: String,
    },
    /// Nobody can tell with which account the old primary is to replicate.
    NoAccount {
        /// The server that would be promoted.
        candidate: InstanceKey,
    },
    /// Fewer replicas could acknowledge than commits have to wait for: the first commit on the new primary would hang.
    TooFewAcks {
        /// The server that would be promoted.
        candidate: InstanceKey,
        /// How many are needed.
        needed: usize,
        /// How many there would be.
        have: usize,
    },
}

impl Obstacle {
    /// Returns the command that removes it, if there is one.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::Sibling { sibling, .. } => Some(format!(
                "orchestrator-client -c begin-downtime -i {sibling} -r 'left behind by a takeover' -u 30m"
            )),
            Self::NobodyNamed { primary, .. } => {
                Some(format!("orchestrator-client -c graceful-master-takeover-auto -i {primary}"))
            }
            _ => None,
        }
    }
}

impl From<Obstacle> for Hold {
    fn from(obstacle: Obstacle) -> Self {
        Self::Obstacle(obstacle)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAReplica { asked, primary } => write!(out, "{asked} is no direct replica of {primary}"),
            Self::NobodyNamed { primary, replicas } => {
                write!(out, "{primary} has {replicas} replicas, and nobody said which is to take over")
            }
            Self::CoPrimary { primary, other } => {
                write!(out, "{primary} replicates from {other}: only that one can take over from it")
            }
            Self::Primary { primary, why } => write!(out, "the primary {primary} {why}"),
            Self::Sibling { sibling, candidate, why } => {
                write!(
                    out,
                    "{sibling} could not be moved below {candidate}: it {why}; a replica in downtime is left behind"
                )
            }
            Self::NoAccount { candidate } => write!(
                out,
                "the account with which the old primary is to replicate cannot be read from {candidate}: set ReplicationCredentialsQuery, or on MySQL grant SELECT on mysql.slave_master_info"
            ),
            Self::TooFewAcks { candidate, needed, have } => write!(
                out,
                "commits on {candidate} would wait for {needed} semi-synchronous replicas, and there would be {have}"
            ),
        }
    }
}
