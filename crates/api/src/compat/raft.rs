//! How this node stands among the others, in Orchestrator's shape.

use consensus::{Lease, Member, Standing, Status};
use wire::RaftStatus;

/// Returns the word for how this node stands; none on a manager that stands alone.
pub(crate) fn state(status: &Status) -> Option<&'static str> {
    match status.standing {
        Standing::Alone => None,
        Standing::Leader { .. } => Some("Leader"),
        Standing::Follower { .. } => Some("Follower"),
        // It looks for others; there is no word for what belongs to no cluster yet.
        Standing::Candidate | Standing::Joining => Some("Candidate"),
        Standing::Down { .. } => Some("Shutdown"),
    }
}

/// Returns the address of the leader; empty while none is known.
pub(crate) fn leader(status: &Status) -> String {
    status.leader.as_ref().map(|leader| leader.address.clone()).unwrap_or_default()
}

/// Returns where the leader serves the API; empty while that is not known.
pub(crate) fn leader_uri(status: &Status) -> String {
    status.leader_card.as_ref().map(|card| card.http.clone()).unwrap_or_default()
}

/// Returns the addresses of `members`.
pub(crate) fn addresses<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<String> {
    members.into_iter().map(|member| member.peer.address.clone()).collect()
}

/// True when this node may act now: it leads, and no other node can.
pub(crate) fn acts(status: &Status, lease: Option<Lease>) -> bool {
    status.standing.leads() && lease.is_some()
}

/// Returns all that `raft-status` shows. A follower that sees no leader is not healthy: it knows nothing new, and a load
/// balancer should ask another one.
pub(crate) fn status(status: &Status) -> RaftStatus {
    RaftStatus {
        raft_bind: status.bind.clone(),
        raft_advertise: status.node.address.clone(),
        state: state(status).unwrap_or_default().to_owned(),
        healthy: status.is_part_of_quorum(),
        is_part_of_quorum: status.is_part_of_quorum(),
        leader: leader(status),
        leader_uri: leader_uri(status),
        peers: addresses(&status.members),
    }
}

/// Returns why this node is not healthy; nothing when it is.
pub(crate) fn trouble(status: &Status) -> Option<String> {
    match &status.standing {
        Standing::Alone | Standing::Leader { .. } | Standing::Follower { leader: Some(_) } => None,
        Standing::Down { why } => Some(format!("unhealthy: this node takes no part: {why}")),
        Standing::Joining => Some("unhealthy: this node belongs to no cluster yet".to_owned()),
        Standing::Follower { leader: None } | Standing::Candidate => {
            Some("unhealthy: no leader is known: a majority of the nodes must be up and see each other".to_owned())
        }
    }
}
