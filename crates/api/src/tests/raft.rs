//! The nodes that decide together, as a client sees them.

use std::sync::Mutex;
use std::time::Duration;

use consensus::{Lease, Status};

use super::*;
use crate::app::{Api, router_of};
use crate::fixture::nodes;
use crate::forward::{Forwarder, Limits};
use crate::outlook::Outlook;

/// The configuration of one of several nodes.
pub(super) const AMONG_OTHERS: &str = r#"{"RaftEnabled": true, "RaftDataDir": "/nowhere"}"#;

/// A standing that the test chose.
pub(super) struct Chosen {
    pub(super) status: Mutex<Status>,
    pub(super) lease: Option<Lease>,
}

impl Outlook for Chosen {
    fn status(&self) -> Status {
        self.status.lock().expect("no panic").clone()
    }

    fn lease(&self) -> Option<Lease> {
        self.lease
    }
}

/// Serves the recorded servers as a node of this standing, which leads for half a second more if it leads.
pub(super) async fn node(text: &str, status: Status, limits: Limits) -> (Served, Arc<Chosen>) {
    let lease = status.standing.leads().then_some(Lease { term: 7, rest: Duration::from_millis(500) });
    let outlook = Arc::new(Chosen { status: Mutex::new(status), lease });
    (served(text, Arc::clone(&outlook), limits).await, outlook)
}

async fn served(text: &str, outlook: Arc<Chosen>, limits: Limits) -> Served {
    let manager = manager(text).await;
    let forwarder = Forwarder::new(&manager.config(), limits);
    let looks = Arc::default();
    Served { router: router_of(Api { manager, metrics: Metrics::install(), outlook, forwarder, looks }) }
}

#[tokio::test]
async fn a_manager_that_stands_alone_answers_as_recorded() {
    let alone = Served::new().await;
    for (path, name) in [
        ("raft-leader", "single-raft-leader"),
        ("raft-state", "single-raft-state"),
        ("raft-health", "single-raft-health"),
        ("raft-status", "single-raft-status"),
        ("raft-peers", "single-raft-peers"),
        ("raft-snapshot", "single-raft-snapshot"),
        ("raft-yield/x", "single-raft-yield"),
        ("grab-election", "grab-election"),
        ("reelect", "reelect"),
    ] {
        let answered = alone.get(&format!("/api/{path}")).await;
        assert_eq!(answered.json(), recorded(&format!("{name}.json")), "{path}");
    }
    for path in ["raft-add-peer/x", "raft-remove-peer/x", "raft-yield-hint/x", "raft-follower-health-report/a/b/c"] {
        let answered = alone.get(&format!("/api/{path}")).await;
        assert!(answered.message().ends_with(": not running with raft setup"), "{path}: {}", answered.text);
    }
    for path in ["leader-check", "leader-check/503", "routed-leader-check"] {
        assert_eq!(alone.get(&format!("/api/{path}")).await.text, r#""OK""#, "{path}");
    }
    assert_eq!(alone.get("/api/v2/nodes").await.json()["state"], "alone");
}

#[tokio::test]
async fn leader_and_follower_answer_as_recorded() {
    let (leader, _) = node(AMONG_OTHERS, nodes::seen_by_leader(), Limits::default()).await;
    let (follower, _) = node(AMONG_OTHERS, nodes::seen_by_follower(), Limits::default()).await;
    for (path, of_leader, of_follower) in [
        ("raft-leader", "raft-leader", "raft-leader"),
        ("raft-state", "raft-state-leader", "raft-state-follower"),
        ("raft-status", "raft-status-leader", "raft-status-follower"),
        ("raft-health", "raft-health", "raft-health"),
        ("raft-peers", "raft-peers", "raft-peers"),
    ] {
        let path = format!("/api/{path}");
        assert_eq!(leader.get(&path).await.json(), recorded(&format!("{of_leader}.json")), "{path}");
        assert_eq!(follower.get(&path).await.json(), recorded(&format!("{of_follower}.json")), "{path}");
    }
    let told = follower.get("/api/status").await.json()["Details"].clone();
    assert_eq!(told["ActiveNode"], recorded("raft-follower-status.json")["Details"]["ActiveNode"]);
    let grabbed = leader.get("/api/grab-election").await;
    assert!(grabbed.message().starts_with("Cannot grab election on raft setup"), "{}", grabbed.text);
    let reported = follower.get("/api/raft-follower-health-report/badtoken/127.0.0.12/127.0.0.12").await;
    assert_eq!(reported.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reported.message().contains("unknown token badtoken"), "{}", reported.text);
    let listed = follower.get("/api/v2/nodes").await.json();
    assert_eq!(listed["leader"]["hostname"], "orch1.example.com");
    assert_eq!(listed["members"].as_array().map(Vec::len), Some(3));
    let counted = leader.get("/metrics").await.text;
    assert!(counted.lines().any(|line| line == "orchestrator_raft_is_leader 1"), "{counted}");
}

#[tokio::test]
async fn a_load_balancer_finds_the_node_that_may_act() {
    let (leader, _) = node(AMONG_OTHERS, nodes::seen_by_leader(), Limits::default()).await;
    let expired = Chosen { status: Mutex::new(nodes::seen_by_leader()), lease: None };
    let expired = served(AMONG_OTHERS, Arc::new(expired), Limits::default()).await;
    let (follower, _) = node(AMONG_OTHERS, nodes::seen_by_follower(), Limits::default()).await;
    let acts = |answered: Answered| (answered.status.as_u16(), answered.text);
    let yes = (200, r#""OK""#.to_owned());
    let no = |status: u16| (status, r#""Not leader""#.to_owned());
    assert_eq!(acts(leader.get("/api/leader-check").await), yes);
    assert_eq!(acts(expired.get("/api/leader-check").await), no(404), "its lease ran out");
    for (path, status) in
        [("leader-check", 404), ("leader-check/503", 503), ("leader-check/17", 404), ("leader-check/x", 404)]
    {
        assert_eq!(acts(follower.get(&format!("/api/{path}")).await), no(status), "{path}");
    }
    let (lost, _) = node(AMONG_OTHERS, nodes::seen_without_leader(), Limits::default()).await;
    assert_eq!(acts(lost.get("/api/routed-leader-check/503").await), no(503));
    assert_eq!(lost.get("/api/raft-health").await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_node_that_takes_no_part_is_not_healthy() {
    let standing = consensus::Standing::Down { why: "its file is lost".to_owned() };
    let (down, _) = node(AMONG_OTHERS, Status { standing, ..nodes::seen_without_leader() }, Limits::default()).await;
    let told = down.get("/api/status").await;
    assert_eq!(told.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(told.json()["Details"]["Healthy"], false);
    assert!(told.message().ends_with("it takes no part: its file is lost"), "{}", told.text);
}

#[tokio::test]
async fn leadership_goes_to_members_only() {
    let (leader, _) = node(AMONG_OTHERS, nodes::seen_by_leader(), Limits::default()).await;
    for path in ["raft-yield/nosuchnode", "raft-yield-hint/nothing"] {
        let refused = leader.get(&format!("/api/{path}")).await;
        assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(refused.message().contains("127.0.0.13:10108 (orch3.example.com)"), "{path}: {}", refused.text);
    }
    let stays = leader.get("/api/raft-yield-hint/orch1").await.json();
    assert_eq!(stays, json!({"Code": "OK", "Message": "127.0.0.11:10108 leads already", "Details": "orch1"}));
    let misspelt = leader.get("/api/raft-add-peer/orch4:port").await;
    assert_eq!(misspelt.json()["Code"], "ERROR", "{}", misspelt.text);
}

#[tokio::test]
async fn a_recovery_is_shown_with_every_step() {
    let known = manager("{}").await;
    let at = topology::Timestamp(1_795_370_000_000_042);
    let key = topology::InstanceKey::new("127.0.1.1", 21101);
    let apply = |command| known.store().apply(command).expect("applied");
    let cluster = "127.0.1.1:21101".to_owned();
    let store::Applied::Epoch(epoch) = apply(store::Command::RaiseEpoch { cluster: cluster.clone() }) else {
        panic!("raising an epoch answers with it")
    };
    let steps = json!([
        {"number": 1, "stage": 1, "required": true, "action": {"RunHooks": "PreFailover"}},
        {"number": 2, "stage": 2, "required": true, "action": {"Detach": {"replica": {"host": "127.0.1.2", "port": 21102}}}},
    ]);
    apply(store::Command::BeginRecovery(store::NewRecovery {
        uid: "r1".to_owned(),
        detection_id: 0,
        key,
        code: "DeadMaster".to_owned(),
        cluster_name: cluster,
        cluster_alias: "alpha".to_owned(),
        replicas: Vec::new(),
        kind: "failover".to_owned(),
        at,
        node: store::NodeId { hostname: "orch1".to_owned(), token: "t1".to_owned() },
        epoch,
        plan: json!({ "steps": steps }).to_string(),
        parent: None,
    }));
    let uid = || "r1".to_owned();
    apply(store::Command::StepStarted { uid: uid(), epoch, number: 1, at });
    let outcome = store::StepOutcome::Done;
    let finished = at.plus(Duration::from_micros(1500));
    apply(store::Command::StepFinished {
        uid: uid(),
        epoch,
        number: 1,
        outcome,
        message: "ran".to_owned(),
        at: finished,
    });
    apply(store::Command::StepStarted { uid: uid(), epoch, number: 2, at: finished });
    apply(store::Command::Note { uid: uid(), message: "hooks have run".to_owned(), at: finished });

    let served = Served { router: router(known, Metrics::install()) };
    let shown = served.get("/api/v2/recoveries/r1").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    insta::assert_snapshot!("recovery", format!("{:#}", shown.json()));
    let unknown = served.get("/api/v2/recoveries/nosuch").await;
    assert_eq!((unknown.status, unknown.json()["code"].clone()), (StatusCode::NOT_FOUND, json!("unknown_recovery")));
}
