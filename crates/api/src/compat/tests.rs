//! What was recorded from the original program, turned back into what we know, and shown again: the same answers.

use std::time::Duration;

use serde_json::{Value, json};
use topology::{Declared, Downtime, Graph, PromotionRule, RegisteredRule, Snapshot};

use super::ascii::{Style, draw};
use super::{Limits, Scene, analysis as shape, health, raft};
use crate::fixture::{instances, moment, nodes, recorded, snapshot};

const LIMITS: Limits = Limits {
    poll: Duration::from_secs(5),
    lag: Duration::from_secs(10),
    maintenance_lag: Duration::from_secs(20),
    rule_expiry: Duration::from_secs(3600),
};

fn json_of(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

/// Compares field by field, so that a failure names the field.
fn assert_same(what: &str, ours: &Value, theirs: &Value) {
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else {
        assert_eq!(ours, theirs, "{what}");
        return;
    };
    let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(ours), keys(theirs), "{what}");
    for (key, value) in ours {
        assert_same(&format!("{what}.{key}"), value, &theirs[key]);
    }
}

#[test]
fn healthy_instances_are_shown_as_recorded() {
    let snapshot = snapshot("all-instances.json", "2026-11-22T17:53:21Z");
    let graph = Graph::of(&snapshot);
    let scene = Scene { snapshot: &snapshot, graph: &graph, limits: LIMITS };
    for theirs in instances("all-instances.json") {
        let key = topology::InstanceKey::new(theirs.key.host.clone(), theirs.key.port);
        let mut theirs = json_of(theirs);
        // The original shows MariaDB's `Using_Gtid` as UUID of the source, shifted by one column.
        if theirs["MasterUUID"] == "No" {
            theirs["MasterUUID"] = json!("");
        }
        assert_same(&key.to_string(), &json_of(scene.instance(&key)), &theirs);
    }
}

#[test]
fn a_dead_primary_and_its_orphans_are_shown_as_recorded() {
    let snapshot = snapshot("problems-dead-master.json", "2026-11-22T18:02:42Z");
    let graph = Graph::of(&snapshot);
    let scene = Scene { snapshot: &snapshot, graph: &graph, limits: LIMITS };
    for theirs in instances("problems-dead-master.json").into_iter().take(4) {
        let key = topology::InstanceKey::new(theirs.key.host.clone(), theirs.key.port);
        let (ours, mut theirs) = (json_of(scene.instance(&key)), json_of(theirs));
        // Rules were registered, and both clocks were read within the same second.
        for field in ["PromotionRule", "IsCandidate", "SecondsSinceLastSeen"] {
            theirs[field] = ours[field].clone();
        }
        assert_same(&key.to_string(), &ours, &theirs);
    }
}

#[test]
fn what_operators_declared_is_shown_as_recorded() {
    let at = moment("2026-11-22T17:55:20Z");
    let key = topology::InstanceKey::new("127.0.1.2", 21102);
    let ends = moment("2026-11-22T18:05:19Z");
    let downtime = Downtime { owner: "gopher".to_owned(), reason: "golden test".to_owned(), begins: at, ends };
    let mut declared = Declared::default();
    declared.downtimes.insert(key.clone(), downtime);
    declared.promotion_rules.insert(key.clone(), RegisteredRule { rule: PromotionRule::Prefer, at });
    let snapshot =
        Snapshot { declared: declared.into(), now: at, ..snapshot("cluster-by-name.json", "2026-11-22T17:55:20Z") };
    let graph = Graph::of(&snapshot);
    let shown = Scene { snapshot: &snapshot, graph: &graph, limits: LIMITS }.instance(&key).expect("known");
    let theirs = recorded("instance-downtimed.json");
    let ours = json_of(shown);
    for field in ["IsDowntimed", "DowntimeReason", "DowntimeOwner", "DowntimeEndTimestamp", "ElapsedDowntime"] {
        assert_eq!(ours[field], theirs[field], "{field}");
    }
    let candidate = recorded("instance-candidate.json");
    for field in ["IsCandidate", "PromotionRule"] {
        assert_eq!(ours[field], candidate[field], "{field}");
    }
}

#[test]
fn topologies_are_drawn_as_recorded() {
    for (members, drawing, style) in [
        ("cluster-by-name", "topology-hint", Style::Bracketed),
        ("cluster-mariadb", "topology-instance", Style::Bracketed),
        ("cluster-by-name", "topology-tabulated", Style::Tabulated),
        ("cluster-mariadb", "topology-tabulated-instance", Style::Tabulated),
    ] {
        let members = instances(&format!("{members}.json"));
        let theirs = recorded(&format!("{drawing}.json"));
        assert_eq!(
            Some(draw(&members, style, LIMITS.maintenance_lag).as_str()),
            theirs["Details"].as_str(),
            "{drawing}"
        );
    }
    let mut members = instances("problems-dead-master.json");
    members.truncate(4);
    let theirs = recorded("topology-dead-master.json");
    assert_eq!(Some(draw(&members, Style::Bracketed, LIMITS.maintenance_lag).as_str()), theirs["Details"].as_str());
}

#[test]
fn a_ring_of_co_primaries_is_drawn_and_ends() {
    let mut members = instances("cluster-by-name.json");
    members.truncate(3);
    let (one, two) = (members[0].key.clone(), members[1].key.clone());
    (members[0].master_key, members[1].master_key) = (two, one);
    for member in &mut members[..2] {
        member.is_co_master = true;
        member.slave_io_running = true;
        member.slave_sql_running = true;
    }
    let lines = draw(&members, Style::Bracketed, LIMITS.maintenance_lag);
    let names: Vec<&str> = lines.lines().map(|line| line.split(" [").next().expect("a name").trim_end()).collect();
    assert_eq!(names, ["+ 127.0.1.1:21101", "  + 127.0.1.3:21103", "+ 127.0.1.2:21102"]);
}

#[test]
fn a_longer_ring_is_drawn_from_its_head() {
    let mut members = instances("cluster-by-name.json");
    members.truncate(4);
    let keys: Vec<wire::Key> = members.iter().map(|member| member.key.clone()).collect();
    for (member, source) in [(0, 1), (1, 2), (2, 0), (3, 1)] {
        members[member].master_key = keys[source].clone();
        members[member].is_co_master = false;
        members[member].replication_depth = 1;
    }
    members[1].replication_depth = 0;
    let lines = draw(&members, Style::Bracketed, LIMITS.maintenance_lag);
    let names: Vec<&str> = lines.lines().map(|line| line.split(" [").next().expect("a name").trim_end()).collect();
    assert_eq!(names.len(), 4, "{lines}");
    assert_eq!(names[0], "127.0.1.2:21102");
    assert!(names[1].contains("127.0.1.1:21101") && names[2].starts_with("  ") && names[2].contains("127.0.1.3:21103"));
}

#[test]
fn a_dead_primary_is_analysed_as_recorded() {
    let snapshot = snapshot("problems-dead-master.json", "2026-11-22T18:02:42Z");
    let graph = Graph::of(&snapshot);
    let policy = analysis::Policy {
        recovers_primary: analysis::ClusterFilter::new(|_| true),
        recovers_intermediate: analysis::ClusterFilter::new(|_| true),
        ..analysis::Policy::default()
    };
    let node = store::NodeId {
        hostname: "vm".to_owned(),
        token: "09540f22e523bb7e72cc40285e320d1d3e76b08ce5969570b9920a149dc88eb1".to_owned(),
    };
    let theirs = recorded("replication-analysis-dead-master.json");
    let found = analysis::diagnose(&snapshot, &graph, &policy);
    let ours: Vec<Value> = found
        .iter()
        .filter(|diagnosis| diagnosis.facts.cluster_name == "127.0.1.1:21101")
        .map(|diagnosis| json_of(shape::entry(diagnosis, &node)))
        .collect();
    assert_eq!(ours.len(), 4);
    for (ours, theirs) in ours.iter().zip(theirs["Details"].as_array().expect("a list")) {
        let mut theirs = theirs.clone();
        // Our own words, and the domain that this fixture does not know.
        theirs["Description"] = ours["Description"].clone();
        theirs["ClusterDetails"]["ClusterDomain"] = json!("");
        assert_same(&theirs["AnalyzedInstanceKey"]["Port"].to_string(), ours, &theirs);
    }
}

#[test]
fn leader_and_follower_show_raft_as_recorded() {
    for (status, name) in [(nodes::seen_by_leader(), "leader"), (nodes::seen_by_follower(), "follower")] {
        assert_eq!(json!(raft::state(&status)), recorded(&format!("raft-state-{name}.json")));
        assert_eq!(json_of(raft::status(&status)), recorded(&format!("raft-status-{name}.json")));
        assert_eq!(json!(raft::leader(&status)), recorded("raft-leader.json"));
        assert_eq!(json!(raft::addresses(&status.members)), recorded("raft-peers.json"));
        assert_eq!(raft::trouble(&status), None);
    }
}

#[test]
fn leader_and_follower_are_healthy_as_recorded() {
    for (status, name) in [(nodes::seen_by_leader(), "leader"), (nodes::seen_by_follower(), "follower")] {
        let mut theirs = recorded(&format!("raft-{name}-status.json"))["Details"].take();
        let alone = wire::HealthStatus {
            healthy: true,
            hostname: "vm".to_owned(),
            token: theirs["Token"].as_str().expect("a token").to_owned(),
            available_nodes: serde_json::from_value(theirs["AvailableNodes"].clone()).expect("nodes"),
            ..wire::HealthStatus::default()
        };
        // The original repeats its configuration, where the port was not written, and lists members as they reported.
        theirs["RaftAdvertise"] = json!(status.node.address);
        if let Some(members) = theirs["RaftHealthyMembers"].as_array_mut() {
            members.iter_mut().for_each(|member| *member = json!(format!("{}:10108", member.as_str().expect("text"))));
            members.sort_by_key(Value::to_string);
        }
        let mut ours = alone;
        health::add_raft(&mut ours, &status);
        assert_same(name, &json_of(ours), &theirs);
    }
}

#[test]
fn a_member_that_is_silent_is_not_healthy() {
    let mut status = nodes::seen_by_leader();
    status.members[1].heard = Some(Duration::from_secs(6));
    status.members[2].heard = None;
    let mut shown = wire::HealthStatus::default();
    health::add_raft(&mut shown, &status);
    assert_eq!(shown.raft_healthy_members.as_deref(), Some(["127.0.0.11:10108".to_owned()].as_slice()));
}

#[test]
fn without_a_leader_nobody_is_named_and_the_node_is_not_healthy() {
    let status = nodes::seen_without_leader();
    let mut shown = wire::HealthStatus { is_active_node: true, ..wire::HealthStatus::default() };
    health::add_raft(&mut shown, &status);
    assert_eq!((shown.raft_leader.as_str(), shown.raft_leader_uri.as_str()), ("", ""));
    assert!(!shown.is_active_node && !shown.is_raft_leader);
    let shown = raft::status(&status);
    assert_eq!((shown.state.as_str(), shown.healthy, shown.is_part_of_quorum), ("Follower", false, false));
    assert!(raft::trouble(&status).expect("trouble").contains("no leader is known"));
    for (standing, word) in [
        (consensus::Standing::Candidate, "Candidate"),
        (consensus::Standing::Joining, "Candidate"),
        (consensus::Standing::Down { why: "its file is lost".to_owned() }, "Shutdown"),
    ] {
        let status = consensus::Status { standing, ..nodes::seen_without_leader() };
        assert_eq!(raft::state(&status), Some(word));
        assert!(raft::trouble(&status).is_some(), "{word}");
    }
}

#[test]
fn only_who_leads_and_holds_the_lease_acts() {
    let lease = Some(consensus::Lease { term: 7, rest: Duration::from_millis(300) });
    assert!(raft::acts(&nodes::seen_by_leader(), lease));
    assert!(!raft::acts(&nodes::seen_by_leader(), None));
    assert!(!raft::acts(&nodes::seen_by_follower(), lease));
}
