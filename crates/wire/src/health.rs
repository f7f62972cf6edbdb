//! How this node is.

use serde::{Deserialize, Serialize};

use crate::{Empty, zero_time};

/// How this node is, and which one acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthStatus {
    /// Whether this node works.
    pub healthy: bool,
    /// Its host.
    pub hostname: String,
    /// Tells this process from earlier ones on the host.
    pub token: String,
    /// Whether it is the one that acts.
    pub is_active_node: bool,
    /// The one that acts.
    pub active_node: NodeHealth,
    /// An empty object where something is wrong; what, says the message of the envelope.
    pub error: Option<Empty>,
    /// Nodes that were seen a moment ago.
    pub available_nodes: Option<Vec<NodeHealth>>,
    /// Address of the raft leader; empty without raft.
    pub raft_leader: String,
    /// Whether this node is it.
    pub is_raft_leader: bool,
    /// Where the leader serves the API.
    #[serde(rename = "RaftLeaderURI")]
    pub raft_leader_uri: String,
    /// Where the others reach this node.
    pub raft_advertise: String,
    /// Members that reported to the leader lately; null without raft.
    pub raft_healthy_members: Option<Vec<String>>,
}

/// A node of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeHealth {
    /// Its host.
    pub hostname: String,
    /// Tells this process from earlier ones on the host.
    pub token: String,
    /// Its version; empty for the active node.
    pub app_version: String,
    /// Since when it acts or was seen.
    pub first_seen_active: String,
    /// When it was last seen.
    pub last_seen_active: String,
    /// Always empty.
    pub extra_info: String,
    /// Always empty.
    pub command: String,
    /// Where its store is; never a password.
    #[serde(rename = "DBBackend")]
    pub db_backend: String,
    /// Always the zero of moments.
    pub last_reported: String,
}

impl Default for NodeHealth {
    /// Returns the node that nobody is.
    fn default() -> Self {
        Self {
            hostname: String::new(),
            token: String::new(),
            app_version: String::new(),
            first_seen_active: String::new(),
            last_seen_active: String::new(),
            extra_info: String::new(),
            command: String::new(),
            db_backend: String::new(),
            last_reported: zero_time(),
        }
    }
}

/// How this node stands among the members of raft.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RaftStatus {
    /// Where this node listens for the others.
    pub raft_bind: String,
    /// Where the others reach it.
    pub raft_advertise: String,
    /// `Leader`, `Follower`, `Candidate` or `Shutdown`.
    pub state: String,
    /// Whether it takes part.
    pub healthy: bool,
    /// Whether it sees a leader.
    pub is_part_of_quorum: bool,
    /// Address of the leader; empty while none is known.
    pub leader: String,
    /// Where the leader serves the API.
    #[serde(rename = "LeaderURI")]
    pub leader_uri: String,
    /// Addresses of all members.
    pub peers: Vec<String>,
}
