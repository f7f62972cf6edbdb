//! The nodes, in our own shape (`/api/v2`).

use serde::{Deserialize, Serialize};

/// The managers that decide together, as the one that was asked sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// Whether there are several: false on a manager that stands alone, where the rest is empty.
    pub raft: bool,
    /// The one that was asked.
    pub node: NodeName,
    /// How it stands: `alone`, `leader`, `follower`, `candidate`, `joining` or `down`.
    pub state: String,
    /// Why it takes no part, and what to do; null where it does.
    pub why: Option<String>,
    /// The present term.
    pub term: u64,
    /// Who leads; null while that is not known.
    pub leader: Option<NodeName>,
    /// For how many milliseconds it may act without hearing more from the others; null where it may not.
    pub lease_ms: Option<u64>,
    /// The last entry of the log here.
    pub last_log: u64,
    /// The last entry applied here.
    pub applied: u64,
    /// The last entry that the present snapshot covers.
    pub snapshot: u64,
    /// All members, by address.
    pub members: Vec<Node>,
    /// Addresses that `RaftNodes` names and that are no members.
    pub configured_only: Vec<String>,
    /// Members' addresses that `RaftNodes` does not name.
    pub members_only: Vec<String>,
}

/// Who a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeName {
    /// Its number.
    pub id: u64,
    /// Where the others reach it.
    pub address: String,
    /// Its host; empty while that is not known.
    pub hostname: String,
    /// Where it serves the API; empty while that is not known.
    pub http: String,
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Who it is.
    #[serde(flatten)]
    pub name: NodeName,
    /// Its version; empty while that is not known.
    pub version: String,
    /// `voter` or `learner`.
    pub role: String,
    /// Whether it leads.
    pub is_leader: bool,
    /// Whether it answered a moment ago.
    pub healthy: bool,
    /// How many milliseconds ago it answered; null when it never did.
    pub heard_ms: Option<u64>,
    /// The last entry of the log that it applied; null where that is not known.
    pub applied: Option<u64>,
}
