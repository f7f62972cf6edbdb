//! What there is to know about the nodes and who leads.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A node's number, drawn at random at its first start. Fits into the integers that JSON carries exactly.
pub type NodeId = u64;

/// A node, as others name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Peer {
    /// Its number.
    pub id: NodeId,
    /// Where its raft port is reached, `host:port`.
    pub address: String,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its host, as the system names it.
    pub hostname: String,
    /// Where its API is reached, `scheme://host:port`.
    pub http: String,
    /// Its version.
    pub version: String,
}

/// How this node stands among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There are no others: raft is not configured.
    Alone,
    /// It leads, and all that was decided before is applied here.
    Leader {
        /// Since which term.
        term: u64,
    },
    /// Another leads, or none is known.
    Follower {
        /// Who leads; none while that is not known.
        leader: Option<Peer>,
    },
    /// It asks for votes.
    Candidate,
    /// It belongs to no cluster yet: it waits for enough of `RaftNodes`, or to be admitted.
    Joining,
    /// It takes no part, for this reason.
    Down {
        /// Why not, and what to do.
        why: String,
    },
}

impl Standing {
    /// True when this node is the one that acts, lease permitting.
    pub fn leads(&self) -> bool {
        matches!(self, Self::Alone | Self::Leader { .. })
    }
}

/// The right to act until it expires: while this node has it, no other node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The term of the leadership; 0 on a manager that stands alone.
    pub term: u64,
    /// For how long it holds if no further acknowledgement comes.
    pub rest: Duration,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It votes.
    Voter,
    /// It listens, and catches up.
    Learner,
}

/// A member of the cluster, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub peer: Peer,
    /// What it may do.
    pub role: Role,
    /// What it says of itself; none while it was not heard.
    pub card: Option<Card>,
    /// How long ago it answered; none when it never did. Zero for this node.
    pub heard: Option<Duration>,
    /// The last entry of the log that it applied, where known.
    pub applied: Option<u64>,
}

impl Member {
    /// True when it answered a moment ago.
    pub fn is_healthy(&self) -> bool {
        self.heard.is_some_and(|heard| heard < Duration::from_secs(5))
    }
}

/// All there is to know about the cluster of nodes, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How this node stands.
    pub standing: Standing,
    /// This node.
    pub node: Peer,
    /// Where it listens.
    pub bind: String,
    /// The present term.
    pub term: u64,
    /// Who leads, this node included.
    pub leader: Option<Peer>,
    /// What the leader says of itself.
    pub leader_card: Option<Card>,
    /// Members by address; empty on a manager that stands alone.
    pub members: Vec<Member>,
    /// Addresses of `RaftNodes` that are no members, sorted.
    pub configured_only: Vec<String>,
    /// Members' addresses that `RaftNodes` does not name, sorted.
    pub members_only: Vec<String>,
    /// The last entry of the log here.
    pub last_log: u64,
    /// The last entry applied here.
    pub applied: u64,
    /// The last entry that the present snapshot covers.
    pub snapshot: u64,
}

impl Status {
    /// Returns the status of a manager that stands alone.
    pub(crate) fn of_one_alone(standing: Standing) -> Self {
        Self {
            standing,
            node: Peer::default(),
            bind: String::new(),
            term: 0,
            leader: None,
            leader_card: None,
            members: Vec::new(),
            configured_only: Vec::new(),
            members_only: Vec::new(),
            last_log: 0,
            applied: 0,
            snapshot: 0,
        }
    }

    /// True when this node is one of those that see a leader (Orchestrator's "part of quorum").
    pub fn is_part_of_quorum(&self) -> bool {
        self.leader.is_some() && matches!(self.standing, Standing::Leader { .. } | Standing::Follower { .. })
    }

    /// Returns the members that answered a moment ago, this node included.
    pub fn healthy(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_healthy())
    }
}
