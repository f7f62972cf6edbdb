//! Recorded answers as the values that they were made from.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use topology::{Snapshot, Timestamp, Watched};

use crate::compat::reading::read_snapshot;

pub(crate) fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).expect(name)).expect(name)
}

pub(crate) fn instances(name: &str) -> Vec<wire::Instance> {
    let mut instances: Vec<wire::Instance> = serde_json::from_value(recorded(name)).expect(name);
    for instance in &mut instances {
        // We measure microseconds.
        instance.last_discovery_latency -= instance.last_discovery_latency % 1000;
    }
    instances
}

pub(crate) fn moment(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().expect(text).as_microsecond())
}

/// Returns what a node knew that showed these instances at `now`.
pub(crate) fn snapshot(name: &str, now: &str) -> Snapshot {
    let now = moment(now);
    let text = serde_json::to_vec(&instances(name)).expect("JSON");
    let mut snapshot = read_snapshot(&text, Duration::from_secs(5), now).expect(name);
    for watched in snapshot.watched.values_mut() {
        std::sync::Arc::make_mut(watched).checked = Some(now);
    }
    Snapshot { now, ..snapshot }
}

/// Returns what a node knew that showed this instance at `now`.
pub(crate) fn watched(shown: &wire::Instance, now: Timestamp) -> Watched {
    let text = serde_json::to_vec(&[shown]).expect("JSON");
    let snapshot = read_snapshot(&text, Duration::from_secs(5), now).expect("an instance");
    let watched = snapshot.watched.values().next().expect("one");
    Watched { checked: Some(now), attempted: Some(now), ..watched.as_ref().clone() }
}

/// Three nodes as one of them sees them: those that the answers about raft were recorded of.
pub(crate) mod nodes {
    use std::time::Duration;

    use consensus::{Card, Member, Peer, Role, Standing, Status};

    /// Returns what the first node sees, which leads in term 7.
    pub(crate) fn seen_by_leader() -> Status {
        Status { standing: Standing::Leader { term: 7 }, ..seen_by(0) }
    }

    /// Returns what the second node sees, which follows the first.
    pub(crate) fn seen_by_follower() -> Status {
        Status { standing: Standing::Follower { leader: Some(member(0).peer) }, ..seen_by(1) }
    }

    /// Returns what the second node sees while nobody leads.
    pub(crate) fn seen_without_leader() -> Status {
        Status { standing: Standing::Follower { leader: None }, leader: None, leader_card: None, ..seen_by(1) }
    }

    fn seen_by(own: usize) -> Status {
        let node = member(own).peer;
        Status {
            standing: Standing::Candidate,
            bind: node.address.clone(),
            node,
            term: 7,
            leader: Some(member(0).peer),
            leader_card: member(0).card,
            members: (0..3).map(member).collect(),
            configured_only: Vec::new(),
            members_only: Vec::new(),
            last_log: 120,
            applied: 118,
            snapshot: 100,
        }
    }

    fn member(number: usize) -> Member {
        let host = format!("127.0.0.1{}", number + 1);
        Member {
            peer: Peer { id: 1000 + number as u64, address: format!("{host}:10108") },
            role: Role::Voter,
            card: Some(Card {
                hostname: format!("orch{}.example.com", number + 1),
                http: format!("http://{host}:3100"),
                version: "0.1.0".to_owned(),
            }),
            heard: Some(Duration::from_millis(100 * number as u64)),
            applied: Some(118),
        }
    }
}
