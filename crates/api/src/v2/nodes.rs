//! The nodes that decide together.

use std::time::Duration;

use consensus::{Card, Lease, Member, Peer, Role, Standing, Status};
use wire::{Node, NodeName, Nodes};

/// Returns the nodes as `status` shows them.
pub(crate) fn nodes(status: &Status, lease: Option<Lease>) -> Nodes {
    let raft = status.standing != Standing::Alone;
    let own =
        status.members.iter().find(|member| member.peer.id == status.node.id).and_then(|member| member.card.as_ref());
    Nodes {
        raft,
        node: name(&status.node, own),
        state: state(&status.standing).to_owned(),
        why: match &status.standing {
            Standing::Down { why } => Some(why.clone()),
            _ => None,
        },
        term: status.term,
        leader: status.leader.as_ref().map(|leader| name(leader, status.leader_card.as_ref())),
        lease_ms: lease.filter(|_| raft).map(|lease| millis(lease.rest)),
        last_log: status.last_log,
        applied: status.applied,
        snapshot: status.snapshot,
        members: status.members.iter().map(|member| node(member, status.leader.as_ref())).collect(),
        configured_only: status.configured_only.clone(),
        members_only: status.members_only.clone(),
    }
}

fn state(standing: &Standing) -> &'static str {
    match standing {
        Standing::Alone => "alone",
        Standing::Leader { .. } => "leader",
        Standing::Follower { .. } => "follower",
        Standing::Candidate => "candidate",
        Standing::Joining => "joining",
        Standing::Down { .. } => "down",
    }
}

fn node(member: &Member, leader: Option<&Peer>) -> Node {
    Node {
        name: name(&member.peer, member.card.as_ref()),
        version: member.card.as_ref().map(|card| card.version.clone()).unwrap_or_default(),
        role: match member.role {
            Role::Voter => "voter".to_owned(),
            Role::Learner => "learner".to_owned(),
        },
        is_leader: leader.is_some_and(|leader| leader.id == member.peer.id),
        healthy: member.is_healthy(),
        heard_ms: member.heard.map(millis),
        applied: member.applied,
    }
}

fn name(peer: &Peer, card: Option<&Card>) -> NodeName {
    let card = card.cloned().unwrap_or_default();
    NodeName { id: peer.id, address: peer.address.clone(), hostname: card.hostname, http: card.http }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::nodes as seen;
    use serde_json::json;

    fn shown(status: &Status, lease: Option<Lease>) -> serde_json::Value {
        serde_json::to_value(nodes(status, lease)).expect("JSON")
    }

    #[test]
    fn the_leader_shows_members_and_what_differs_from_the_configuration() {
        let mut status = seen::seen_by_leader();
        status.members[2].role = Role::Learner;
        status.members[2].heard = None;
        status.members[2].card = None;
        status.configured_only = vec!["127.0.0.14:10108".to_owned()];
        status.members_only = vec!["127.0.0.13:10108".to_owned()];
        let lease = Lease { term: 7, rest: Duration::from_millis(480) };
        insta::assert_snapshot!("nodes", format!("{:#}", shown(&status, Some(lease))));
    }

    #[test]
    fn who_stands_alone_or_aside_says_so() {
        let mut status = seen::seen_by_leader();
        status.standing = Standing::Down { why: "its file is lost".to_owned() };
        let down = shown(&status, None);
        assert_eq!(
            (&down["state"], &down["why"], &down["lease_ms"]),
            (&json!("down"), &json!("its file is lost"), &json!(null))
        );
        status.standing = Standing::Alone;
        let alone = shown(&status, Some(Lease { term: 0, rest: Duration::MAX }));
        assert_eq!(
            (&alone["raft"], &alone["state"], &alone["lease_ms"]),
            (&json!(false), &json!("alone"), &json!(null))
        );
    }
}
