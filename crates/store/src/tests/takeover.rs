//! An Orchestrator file, taken over in place.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::*;
use crate::{Page, RecoveryFilter, schema};

/// A file as Orchestrator leaves it, with a recovery that its process did not live to end.
const ORCHESTRATOR: &str = include_str!("orchestrator.sql");

fn old_file(script: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orchestrator.sqlite3");
    Connection::open(&path).unwrap().execute_batch(script).unwrap();
    (directory, path)
}

fn count(path: &Path, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    Connection::open(path).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn history_and_declarations_are_there_at_once() {
    let (_directory, path) = old_file(ORCHESTRATOR);
    let store = Store::open(&path, Mode::Own).unwrap();
    let declared = store.declared();
    assert_eq!(declared.downtimes[&db(3)].ends, at(600));
    assert_eq!(declared.promotion_rules[&db(2)].rule, topology::PromotionRule::Prefer);
    assert_eq!(declared.alias_overrides["db1:3306"], "shop");
    assert!(declared.recovering.is_empty(), "what the old process left unfinished does not run");
    assert_eq!(store.maintenance().unwrap()[0].maintenance.owner, "ann");

    let shown = store.recoveries(RecoveryFilter::default(), Page::default()).unwrap();
    assert_eq!(shown.iter().map(|row| row.uid.as_str()).collect::<Vec<_>>(), ["old:2", "old:1"]);
    let ended = &shown[1];
    assert_eq!((ended.key.clone(), ended.successor.clone(), ended.started), (db(1), Some(db(2)), at(0)));
    assert_eq!((ended.replicas.clone(), ended.lost.clone()), (vec![db(2), db(3)], vec![db(3)]));
    assert_eq!(ended.errors, ["first", "second"]);
    assert_eq!((ended.kind.as_str(), ended.epoch), ("", 0));
    assert_eq!(store.recovery_steps("old:1").unwrap()[0].message, "will handle DeadMaster event on db1:3306");
    let found = store.load_instances().unwrap().watched;
    assert_eq!(found.into_iter().map(|watched| watched.key).collect::<Vec<_>>(), [db(1), db(2)]);
    apply(&store, Command::BeginRecovery(recovery("new", "db1:3306", 0, at(9))));
}

#[test]
fn every_command_works_on_it_and_no_row_is_lost() {
    let (_directory, path) = old_file(ORCHESTRATOR);
    let store = Store::open(&path, Mode::Own).unwrap();
    apply(&store, Command::EndMaintenance { which: crate::MaintenanceRef::Key(db(1)), at: at(4) });
    for command in one_of_each() {
        apply(&store, command);
    }
    let observed = topology::Watched { key: db(1), ..topology::Watched::default() };
    let observed = crate::ObservedInstance { watched: observed.into(), ..Default::default() };
    store.save_instances(vec![observed]).unwrap();
    drop(store);
    assert_eq!(count(&path, "topology_recovery"), 3);
    assert_eq!(count(&path, "host_agent"), 1, "a table that we do not use");
    assert_eq!(count(&path, "orchestrator_db_deployments"), 2);
}

#[test]
fn two_recoveries_of_one_instance_can_be_acknowledged_at_once() {
    let (_directory, path) = old_file(ORCHESTRATOR);
    let store = Store::open(&path, Mode::Own).unwrap();
    for uid in ["a", "b"] {
        apply(&store, Command::BeginRecovery(recovery(uid, "db1:3306", 0, at(1))));
        apply(&store, Command::EndRecovery(ending(uid, 0, at(1))));
    }
    let (owner, comment) = ("ann".to_owned(), "seen".to_owned());
    let scope = crate::AckScope::Instance(db(1));
    let answer = apply(&store, Command::AcknowledgeRecoveries { scope, owner, comment, at: at(5) });
    assert!(matches!(answer, Applied::Acknowledged { recoveries, .. } if recoveries.len() == 4));
}

#[test]
fn a_key_inside_a_table_is_got_rid_of_too() {
    let inside = ORCHESTRATOR.replace(
        "last_detection_id bigint NOT NULL DEFAULT 0\n",
        "last_detection_id bigint NOT NULL DEFAULT 0,\n  UNIQUE (hostname, port, in_active_period, end_active_period_unixtime)\n",
    );
    assert_ne!(inside, ORCHESTRATOR);
    let (_directory, path) = old_file(&inside);
    let store = Store::open(&path, Mode::Own).unwrap();
    for uid in ["a", "b"] {
        apply(&store, Command::BeginRecovery(recovery(uid, "db1:3306", 0, at(1))));
        apply(&store, Command::EndRecovery(ending(uid, 0, at(1))));
    }
    assert_eq!(store.recoveries(RecoveryFilter::default(), Page::all()).unwrap().len(), 4);
    drop(store);
    assert_eq!(count(&path, "topology_recovery_before_takeover"), 2);
}

#[test]
fn there_is_a_way_back_and_the_takeover_happens_once() {
    let (_directory, path) = old_file(ORCHESTRATOR);
    drop(Store::open(&path, Mode::Own).unwrap());
    let copy = schema::backup_path(&path);
    assert_eq!(count(&copy, "topology_recovery"), 2);
    let version = Connection::open(&copy).unwrap().query_row("SELECT version FROM schema_version", [], |_| Ok(()));
    assert!(version.is_err(), "the copy is as Orchestrator left it");

    std::fs::remove_file(&copy).unwrap();
    drop(Store::open(&path, Mode::Own).unwrap());
    assert!(!copy.exists(), "it is ours now");
}

#[test]
fn a_takeover_that_fails_half_way_leaves_the_file_as_it_was() {
    // A view in the place of a table that is missing: it can neither be created nor given columns.
    let script = format!("{ORCHESTRATOR}; CREATE VIEW recovery_plan AS SELECT 1 AS uid;");
    let (_directory, path) = old_file(&script);
    assert!(Store::open(&path, Mode::Own).is_err());
    let db = Connection::open(&path).unwrap();
    assert_eq!(schema::version(&db).unwrap(), 0);
    let added = db.query_row("SELECT watched FROM database_instance", [], |_| Ok(()));
    assert!(added.is_err(), "no column was added");
}
