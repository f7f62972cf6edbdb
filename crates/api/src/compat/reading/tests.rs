//! What the array carries survives: array → snapshot → array.

use std::collections::BTreeSet;

use serde_json::{Map, json};

use super::*;
use crate::compat::{Limits, Scene};
use crate::fixture::recorded;

const POLL: Duration = Duration::from_secs(5);

const LIMITS: Limits = Limits {
    poll: POLL,
    lag: Duration::from_secs(10),
    maintenance_lag: Duration::from_secs(20),
    rule_expiry: Duration::from_secs(3600),
};

const CLOCK: Timestamp = Timestamp::from_secs(1_800_000_000);

fn read(array: &Value) -> Snapshot {
    read_snapshot(&serde_json::to_vec(array).unwrap(), POLL, CLOCK).unwrap_or_else(|error| panic!("{error}"))
}

fn error_of(text: &str) -> String {
    read_snapshot(text.as_bytes(), POLL, CLOCK).expect_err(text).to_string()
}

/// Returns what is shown of each instance of `array` once it is read, in the order of the array.
fn shown_again(array: &Value) -> Vec<Map<String, Value>> {
    let snapshot = read(array);
    let graph = Graph::of(&snapshot);
    let scene = Scene { snapshot: &snapshot, graph: &graph, limits: LIMITS };
    let shown = |item: &Value| {
        let key = Row::of(item).unwrap().key("Key").unwrap().unwrap();
        serde_json::to_value(scene.instance(&key).expect("known")).unwrap().as_object().unwrap().clone()
    };
    array.as_array().unwrap().iter().map(shown).collect()
}

/// Keys that are not shown as they were read, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("LastDiscoveryLatency", "we keep microseconds"),
    ("UsingPseudoGTID", "Pseudo-GTID is not supported"),
    ("UnresolvedHostname", "names to connect by are not kept with instances"),
    ("CountMySQLSnapshots", "agents are not supported"),
    ("ReplicationTLSCiphersuites", "not kept"),
    ("IsDetached", "the mark of old Pseudo-GTID"),
];

fn assert_survives(array: &Value, name: &str, also_not: &[&str]) {
    for (ours, theirs) in shown_again(array).into_iter().zip(array.as_array().unwrap()) {
        for (field, value) in &ours {
            let is_exception = EXCEPTIONS.iter().any(|(known, _)| known == field) || also_not.contains(&field.as_str());
            // On MariaDB, Orchestrator shows another column.
            let is_misread = field == "MasterUUID" && theirs["FlavorName"] == "MariaDB";
            if !is_exception && !is_misread {
                assert_eq!(value, &theirs[field], "{name}: {field} of {}", theirs["Key"]);
            }
        }
    }
}

#[test]
fn recorded_farms_survive() {
    assert_survives(&recorded("all-instances.json"), "all-instances", &[]);
    assert_survives(&recorded("cluster-by-name.json"), "cluster-by-name", &[]);
    assert_survives(&recorded("cluster-mariadb.json"), "cluster-mariadb", &[]);
    // The others of the cluster are not in these files.
    let of_the_cluster = ["Replicas", "SlaveHosts", "AncestryUUID", "ReplicationDepth", "GtidErrant", "Problems"];
    assert_survives(&recorded("problems-dead-master.json"), "problems-dead-master", &of_the_cluster);
    assert_survives(&recorded("downtimed.json"), "downtimed", &of_the_cluster);
    for name in
        ["instance-detached", "instance-sql-error", "instance-errant", "instance-candidate", "instance-downtimed"]
    {
        assert_survives(&json!([recorded(&format!("{name}.json"))]), name, &of_the_cluster);
    }
}

/// A farm in which every key of the second instance has a value of its own.
fn unusual() -> Value {
    let mut array = recorded("all-instances.json");
    array.as_array_mut().unwrap().truncate(4);
    let replica = array[3].as_object_mut().unwrap();
    let changes = r#"{
        "InstanceAlias": "the second", "Uptime": 77, "ReadOnly": false, "Binlog_format": "MIXED", "BinlogRowImage": "MINIMAL",
        "LogBinEnabled": false, "LogSlaveUpdatesEnabled": false, "LogReplicationUpdatesEnabled": false,
        "SelfBinlogCoordinates": {"LogFile": "b.000009", "LogPos": 99, "Type": 0},
        "Slave_SQL_Running": false, "ReplicationSQLThreadRuning": false, "ReplicationSQLThreadState": 0,
        "Slave_IO_Running": false, "ReplicationIOThreadRuning": false, "ReplicationIOThreadState": 2,
        "HasReplicationFilters": true, "UsingOracleGTID": false, "GTIDMode": "OFF_PERMISSIVE", "SupportsOracleGTID": true,
        "ReadBinlogCoordinates": {"LogFile": "b.000003", "LogPos": 7, "Type": 0},
        "ExecBinlogCoordinates": {"LogFile": "b.000002", "LogPos": 8, "Type": 0},
        "RelaylogCoordinates": {"LogFile": "r.000002", "LogPos": 9, "Type": 1},
        "LastSQLError": "\"Error 'x' \\\"y\\\" Error_code: 1062\"", "LastIOError": "\"error connecting to source (111)\"",
        "SecondsBehindMaster": {"Int64": 30, "Valid": true}, "SQLDelay": 3600,
        "SlaveLagSeconds": {"Int64": 31, "Valid": true}, "ReplicationLagSeconds": {"Int64": 31, "Valid": true},
        "GtidPurged": "227d58e7-e69d-11f1-97de-02fc00000001:1-3", "GtidErrant": "aaaaaaaa-e69d-11f1-97de-02fc00000001:1-3",
        "ExecutedGtidSet": "227d58e7-e69d-11f1-97de-02fc00000001:1-14,\naaaaaaaa-e69d-11f1-97de-02fc00000001:1-3",
        "DataCenter": "d", "Region": "r", "PhysicalEnvironment": "e", "HasReplicationCredentials": false,
        "ReplicationCredentialsAvailable": true, "SemiSyncAvailable": true, "SemiSyncPriority": 5,
        "SemiSyncMasterPluginNewVersion": true, "SemiSyncReplicaPluginNewVersion": true, "SemiSyncMasterEnabled": true,
        "SemiSyncReplicaEnabled": true, "SemiSyncMasterTimeout": 18446744073709551615,
        "SemiSyncMasterWaitForReplicaCount": 2, "SemiSyncMasterStatus": true, "SemiSyncMasterClients": 3,
        "SemiSyncReplicaStatus": true, "IsUpToDate": false, "IsCandidate": true, "PromotionRule": "must",
        "IsDowntimed": true, "DowntimeReason": "work", "DowntimeOwner": "ann", "DowntimeEndTimestamp": "2026-11-23 17:53:17",
        "ElapsedDowntime": 5000000000, "AllowTLS": true, "ReplicationSSLCAFile": "a", "ReplicationSSLCAPath": "b",
        "ReplicationSSLCert": "c", "ReplicationSSLCipher": "d", "ReplicationSSLCRLFile": "e", "ReplicationSSLCRLPath": "f",
        "ReplicationSSLKey": "g", "ReplicationSSLVerifyServerCert": {"Bool": false, "Valid": true},
        "ReplicationTLSVersion": "h", "ReplicationSourcePublicKeyPath": "i",
        "ReplicationGetSourcePublicKey": {"Bool": true, "Valid": true}, "ReplicationGroupName": "g",
        "ReplicationGroupIsSinglePrimary": true, "ReplicationGroupMemberState": "RECOVERING",
        "ReplicationGroupMemberRole": "SECONDARY", "ReplicationGroupMembers": [{"Hostname": "127.0.1.1", "Port": 21101}],
        "ReplicationGroupPrimaryInstanceKey": {"Hostname": "127.0.1.1", "Port": 21101},
        "Problems": ["not_replicating", "errant_gtid", "group_replication_member_not_online"]
    }"#;
    let changes: Map<String, Value> = serde_json::from_str(changes).unwrap();
    replica.extend(changes);
    // The name that Orchestrator gave the cluster when another one led it.
    for at in [0, 3] {
        array[at]["ClusterName"] = json!("old-primary:3306");
    }
    array
}

#[test]
fn every_key_survives() {
    assert_survives(&unusual(), "unusual", &["Replicas", "SlaveHosts"]);
}

#[test]
fn what_is_read_twice_is_the_same() {
    let once: Vec<Value> = shown_again(&unusual()).into_iter().map(Value::Object).collect();
    let twice: Vec<Value> = shown_again(&json!(once)).into_iter().map(Value::Object).collect();
    assert_eq!(once, twice);
}

#[test]
fn an_address_is_enough() {
    let snapshot = read(&json!([
        {"Key": {"Hostname": "db1", "Port": 3306}},
        {"Key": {"Hostname": "db2", "Port": 3306}, "MasterKey": {"Hostname": "db1", "Port": 3306}, "Version": null},
    ]));
    let replica = snapshot.instance(&InstanceKey::new("db2", 3306)).unwrap();
    assert!(replica.channel().unwrap().is_replicating() && replica.can_be_source());
    assert!(snapshot.watched.values().all(|watched| watched.is_valid()));
    assert_eq!(snapshot.now, CLOCK);
    let graph = Graph::of(&snapshot);
    assert_eq!(graph.clusters().len(), 1);
    assert!(analysis::diagnose(&snapshot, &graph, &analysis::Policy::default()).is_empty());
    assert!(read(&json!([])).watched.is_empty());
}

#[test]
fn what_may_stand_beside_the_keys_is_read() {
    let snapshot = read(&json!([
        {"Key": {"Hostname": "db1", "Port": 3306}, "Tags": {"role": "backup", "nightly": null}, "Pools": ["a", "b"]},
        {"Key": {"Hostname": "db2", "Port": 3306}, "Tags": ["role=backup", "nightly"], "Pools": "b", "InMaintenance": true},
        {"Key": "db3:3306", "Tags": "role=backup, nightly", "IsLastCheckValid": false, "LastCheckPartialSuccess": true},
        {"Key": "db4:3306", "IsLastCheckValid": false, "IsDowntimed": true},
    ]));
    let key = |name: &str| InstanceKey::new(name, 3306);
    let tags = BTreeMap::from([("nightly".to_owned(), String::new()), ("role".to_owned(), "backup".to_owned())]);
    for name in ["db1", "db2", "db3"] {
        assert_eq!(snapshot.declared.tags[&key(name)], tags, "{name}");
    }
    assert_eq!(snapshot.declared.pools["b"], BTreeSet::from([key("db1"), key("db2")]));
    assert!(snapshot.declared.maintenance(&key("db2"), snapshot.now).is_some());
    assert!(snapshot.declared.downtime(&key("db4"), snapshot.now).is_some());
    let failure = |name: &str| snapshot.get(&key(name)).unwrap().failure.clone().unwrap();
    assert!(failure("db3").partial && !failure("db4").partial);
}

#[test]
fn a_server_is_dead_however_the_times_of_the_file_stand() {
    for (primary, replicas) in
        [("2026-11-22T17:53:17Z", "2026-11-22T10:00:00Z"), ("2026-11-22T10:00:00Z", "2026-11-22T17:53:17Z")]
    {
        let mut array = recorded("all-instances.json");
        for (at, instance) in array.as_array_mut().unwrap().iter_mut().enumerate() {
            instance["LastSeenTimestamp"] = json!(if at == 0 { primary } else { replicas });
            if instance["MasterKey"]["Port"] == 21101 {
                for name in ["Slave_IO_Running", "ReplicationIOThreadRuning"] {
                    instance[name] = json!(false);
                }
                instance["LastIOError"] = json!("\"error connecting to master 'r@x:1' - retry-time: 1\"");
            }
        }
        array[0]["IsLastCheckValid"] = json!(false);
        let snapshot = read(&array);
        let graph = Graph::of(&snapshot);
        let found = analysis::diagnose(&snapshot, &graph, &analysis::Policy::default());
        assert_eq!(found[0].code, analysis::Code::DeadPrimary, "{:?}", found[0].facts);
        assert_eq!(found[0].facts.cut_off_replicas(), 3);
    }
}

#[test]
fn contradicting_threads_do_not_run() {
    let thread = |fields: Value| {
        let mut instance = json!({"Key": "db2:3306", "MasterKey": "db1:3306"});
        instance.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        read(&json!([instance])).instance(&InstanceKey::new("db2", 3306)).unwrap().channel().unwrap().receiver
    };
    let connecting = "error reconnecting to source 'r@db1:3306'";
    assert_eq!(thread(json!({"Slave_IO_Running": true})), ThreadState::Running);
    assert_eq!(thread(json!({"ReplicationIOThreadRuning": false})), ThreadState::Stopped);
    assert_eq!(thread(json!({"Slave_IO_Running": false, "ReplicationIOThreadState": 1})), ThreadState::Stopped);
    assert_eq!(thread(json!({"Slave_IO_Running": false, "LastIOError": connecting})), ThreadState::Connecting);
    assert_eq!(thread(json!({"ReplicationIOThreadState": 2})), ThreadState::Connecting);
    assert_eq!(thread(json!({"ReplicationIOThreadState": 0, "LastIOError": connecting})), ThreadState::Stopped);
    assert_eq!(thread(json!({"ReplicationIOThreadState": -1})), ThreadState::Stopped);
}

#[test]
fn cluster_names_are_those_of_the_file_where_they_make_sense() {
    let farm = |names: [&str; 3]| {
        let one = json!({"Key": "db1:3306", "MasterKey": "db2:3306", "ClusterName": names[0]});
        let two = json!({"Key": "db2:3306", "MasterKey": "db1:3306", "ClusterName": names[1]});
        let three = json!({"Key": "db3:3306", "ClusterName": names[2]});
        let snapshot = read(&json!([one, two, three]));
        let graph = Graph::of(&snapshot);
        graph.clusters().iter().map(|cluster| cluster.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(farm(["db2:3306", "db2:3306", "db3:3306"]), ["db2:3306", "db3:3306"]);
    assert_eq!(farm(["db2:3306", "db2:3306", "db2:3306"]), ["db1:3306", "db3:3306"]);
    assert_eq!(farm(["db2:3306", "db1:3306", ""]), ["db1:3306", "db3:3306"]);
}

#[test]
fn what_clocks_and_editors_do_to_a_file_is_no_reason_to_refuse_it() {
    let marked = "\u{feff}[{\"Key\": \"db1:3306\"}]";
    assert!(read_snapshot(marked.as_bytes(), POLL, CLOCK).is_ok());
    let snapshot = read(&json!([
        {"Key": "db1:3306", "IsDowntimed": true, "ElapsedDowntime": -1_000_000_000, "LastDiscoveryLatency": -5,
         "DowntimeEndTimestamp": "9999-12-31 23:59:59"},
    ]));
    assert!(snapshot.declared.downtime(&InstanceKey::new("db1", 3306), snapshot.now).is_some());
}

#[test]
fn what_is_no_farm_is_refused_in_words() {
    for (text, words) in [
        ("", "save what /api/all-instances returns"),
        ("<html>", "no JSON"),
        ("{}", "this is an object, and not the array"),
        ("null", "this is null"),
        ("7", "a single value"),
        (r#"{"Key": {}}"#, "one instance without the brackets"),
        (
            r#"{"Code": "ERROR", "Message": "Unauthorized", "Details": null}"#,
            r#"an error that the API answered ("Unauthorized")"#,
        ),
        ("[7]", "instance 1 of the array: it is 7 and no object"),
        ("[{}]", "instance 1 of the array: it has no Key with Hostname and Port"),
        (r#"[{"Key": {"Hostname": "db1", "Port": "x"}}]"#, "Key must be"),
        (r#"[{"Key": {"Hostname": "db1", "Port": 0}}]"#, "it has no Key"),
        (r#"[{"Key": "db1:3306"}, {"Key": "db1:3306"}]"#, "instances 1 and 2 of the array are both db1:3306"),
        (
            r#"[{"Key": "db1:3306", "ReadOnly": "yes"}]"#,
            r#"instance 1 of the array (db1:3306): ReadOnly must be true or false, and is "yes""#,
        ),
        (r#"[{"Key": "db1:3306", "ServerID": -1}]"#, "ServerID must be a number that fits"),
        (r#"[{"Key": "db1:3306", "ExecutedGtidSet": "x:y"}]"#, "ExecutedGtidSet: "),
        (r#"[{"Key": "db1:3306", "LastSeenTimestamp": "soon"}]"#, "write it as 2026-11-22T17:53:17Z"),
        (r#"[{"Key": "db1:3306", "PromotionRule": "maybe"}]"#, "no promotion rule"),
        (r#"[{"Key": "db1:3306", "Tags": 7}]"#, "Tags must be"),
    ] {
        let error = error_of(text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_makes_reading_panic(at in 0_usize..9, field in 0_usize..130, kind in 0_usize..7) {
        let odd = [json!(null), json!(-1), json!("x"), json!([1]), json!({"Int64": -5}), json!(1.5), json!(u64::MAX)];
        let mut array = recorded("all-instances.json");
        let instance = array[at].as_object_mut().unwrap();
        let name = instance.keys().nth(field % instance.len()).unwrap().clone();
        instance.insert(name, odd[kind].clone());
        drop(read_snapshot(&serde_json::to_vec(&array).unwrap(), POLL, CLOCK));
    }
}
