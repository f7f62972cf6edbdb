//! Our types read what the original program answered, and write back the same bytes: every key, in the same order, with
//! the same types and empty values.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).expect(name)).expect(name)
}

/// Reads `value` as a `T` and returns what is written of it, beside what was recorded.
fn written<T: DeserializeOwned + Serialize>(value: &Value, what: &str) -> (String, String) {
    let typed: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(wire::to_json(&typed).expect(what)), text(wire::to_json(value).expect(what)))
}

fn assert_same<T: DeserializeOwned + Serialize>(name: &str, value: &Value) {
    let (ours, theirs) = written::<T>(value, name);
    assert_eq!(ours, theirs, "{name}");
}

#[test]
fn instances() {
    for name in ["all-instances", "problems-dead-master", "downtimed", "cluster-mariadb"] {
        assert_same::<Vec<wire::Instance>>(name, &recorded(&format!("{name}.json")));
    }
    for name in ["instance-detached", "instance-sql-error", "instance-errant", "instance-candidate"] {
        assert_same::<wire::Instance>(name, &recorded(&format!("{name}.json")));
    }
    assert_same::<wire::Instance>("discover-ok", &recorded("discover-ok.json")["Details"]);
}

#[test]
fn analysis() {
    for name in ["replication-analysis-dead-master", "replication-analysis-with-problems", "replication-analysis"] {
        let envelope = recorded(&format!("{name}.json"));
        assert_same::<wire::Envelope>(name, &envelope);
        assert_same::<Vec<wire::ReplicationAnalysis>>(name, &envelope["Details"]);
    }
    assert_same::<Vec<wire::AnalysisChangelog>>("changelog", &recorded("replication-analysis-changelog.json"));
}

#[test]
fn recoveries_and_detections() {
    for name in ["audit-recovery", "audit-recovery-acknowledged", "audit-failure-detection"] {
        assert_same::<Vec<wire::TopologyRecovery>>(name, &recorded(&format!("{name}.json")));
    }
    assert_same::<Vec<wire::RecoveryStep>>("steps", &recorded("audit-recovery-steps.json"));
    assert_same::<Vec<wire::BlockedRecovery>>("blocked", &recorded("blocked-recoveries.json"));
}

#[test]
fn the_rest() {
    assert_same::<Vec<wire::ClusterInfo>>("clusters-info", &recorded("clusters-info.json"));
    assert_same::<Vec<wire::Maintenance>>("maintenance", &recorded("maintenance.json"));
    assert_same::<Vec<wire::Audit>>("audit", &recorded("audit.json"));
    assert_same::<wire::HealthStatus>("status", &recorded("status.json")["Details"]);
    for name in ["raft-leader-status", "raft-follower-status"] {
        assert_same::<wire::HealthStatus>(name, &recorded(&format!("{name}.json"))["Details"]);
    }
    for name in ["raft-status-leader", "raft-status-follower"] {
        assert_same::<wire::RaftStatus>(name, &recorded(&format!("{name}.json")));
    }
    let filters = recorded("automated-recovery-filters.json");
    assert_same::<wire::AutomatedRecoveryFilters>("filters", &filters["Details"]);
}
