//! What a node saw, across a restart.

use std::sync::Arc;

use topology::{
    BinlogCoordinates, Channel, GroupMember, GroupMembership, Gtid, GtidMode, GtidSet, Instance, ProbeFailure,
    ServerUuid, ThreadState, Unreachable, Version, Watched, WritePolicy,
};

use super::*;
use crate::{ClusterFacts, ObservedInstance};

fn watched(number: u16) -> Watched {
    let channel = Channel {
        source: db(1),
        user: "repl".to_owned(),
        receiver: ThreadState::Connecting,
        applier: ThreadState::Running,
        read: BinlogCoordinates::new("binlog.000007", 1234),
        lag_secs: Some(3),
        retrieved: GtidSet::parse("0:6-9").unwrap(),
        auto_position: true,
        ..Channel::default()
    };
    let instance = Instance {
        key: db(number),
        uuid: ServerUuid::new("3e11fa47-71ca-11e1-9e33-c80aa9429562"),
        server_id: u32::MAX,
        version: Version::parse("8.0.36", "MySQL"),
        writes: WritePolicy::SuperReadOnly,
        gtid: Gtid {
            mode: GtidMode::On,
            executed: GtidSet::parse("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:8:tag:1-3").unwrap(),
            ..Gtid::default()
        },
        channels: vec![channel],
        group: Some(GroupMembership {
            members: vec![GroupMember { key: db(9), is_primary: true }],
            ..GroupMembership::default()
        }),
        replicas: vec![db(5)],
        ..Instance::default()
    };
    let failure = ProbeFailure { kind: Unreachable::Hung, message: "it's hung".to_owned(), partial: true };
    Watched {
        key: db(number),
        instance: Some(Arc::new(instance)),
        seen: Some(at(1)),
        checked: Some(at(2)),
        failure: Some(failure),
        latency_us: 1500,
        first_heard: at(0),
        ..Watched::default()
    }
}

fn observed(number: u16) -> ObservedInstance {
    let facts = ClusterFacts { cluster_name: "db1:3306".to_owned(), depth: 1, ..ClusterFacts::default() };
    ObservedInstance { watched: Arc::new(watched(number)), facts }
}

#[test]
fn a_restart_finds_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orchestrator.sqlite3");
    let store = Store::open(&path, Mode::Own).unwrap();
    store.save_instances((1..=120).map(observed).collect()).unwrap();
    store.save_instances(vec![observed(7)]).unwrap();
    store.save_instances(vec![]).unwrap();
    drop(store);
    let store = Store::open(&path, Mode::Own).unwrap();
    let loaded = store.load_instances().unwrap();
    assert!(loaded.notes.is_empty());
    assert_eq!(loaded.watched.len(), 120);
    assert!(loaded.watched.contains(&watched(7)));
    store.forget_instances(vec![db(7), db(999)]).unwrap();
    apply(&store, Command::Forget { keys: vec![db(8)], at: at(0), until: at(1) });
    assert_eq!(store.load_instances().unwrap().watched.len(), 118);
}

#[test]
fn people_find_the_columns_they_know() {
    let store = memory();
    let fresh =
        ObservedInstance { watched: Arc::new(Watched { key: db(2), ..Watched::default() }), ..Default::default() };
    store.save_instances(vec![observed(1), fresh]).unwrap();
    let row = store
        .on_writer("looking", |db| {
            db.query_row(
                "SELECT concat_ws(' ', server_id, version, major_version, gtid_mode, read_only, master_host, master_port,
                   slave_io_running, replication_io_thread_state, slave_sql_running, read_master_log_pos, oracle_gtid,
                   seconds_behind_master, slave_hosts, cluster_name, replication_depth, last_seen,
                   last_discovery_latency, last_check_partial_success, replication_group_primary_host)
                   FROM database_instance WHERE hostname = 'db1'",
                [],
                |row| row.get::<_, String>(0),
            )
        })
        .unwrap();
    assert_eq!(
        row,
        "4294967295 8.0.36 8.0 ON 1 db1 3306 0 2 1 1234 1 3 [{\"Hostname\":\"db5\",\"Port\":3306}] db1:3306 1 \
         2026-11-22 12:00:01 1500000 1 db9"
    );
    let (seen, state) = store
        .on_writer("looking", |db| {
            let sql = "SELECT last_seen, replication_io_thread_state FROM database_instance WHERE hostname = 'db2'";
            db.query_row(sql, [], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?)))
        })
        .unwrap();
    assert_eq!((seen, state), (None, -1), "never seen, and no replica");
}

#[test]
fn a_row_that_cannot_be_read_is_left_out_with_a_note() {
    let store = memory();
    store.save_instances((1..=4).map(observed).collect()).unwrap();
    store
        .on_writer("spoiling", |db| {
            db.execute_batch(
                "UPDATE database_instance SET watched = '{\"key\":' WHERE hostname = 'db1';
                 UPDATE database_instance SET watched = NULL WHERE hostname = 'db2';
                 UPDATE database_instance SET hostname = 'other' WHERE hostname = 'db3';
                 INSERT INTO database_instance (hostname, port) VALUES ('', 3306), ('db8', 70000)",
            )
        })
        .unwrap();
    let loaded = store.load_instances().unwrap();
    let keys: Vec<_> = loaded.watched.iter().map(|watched| watched.key.clone()).collect();
    assert_eq!(keys, [db(2), db(4)]);
    assert_eq!(loaded.watched[0], Watched { key: db(2), ..Watched::default() }, "an address is better than nothing");
    assert_eq!(loaded.notes.len(), 4, "{:?}", loaded.notes);
}
