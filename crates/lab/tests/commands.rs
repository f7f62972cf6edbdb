//! Short forms of the long campaigns, with the built programs: what `lab` promises at its command line.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Returns the manager's program, built. A test of one package is not given the programs of another, so it asks cargo,
/// which has nothing to do when it is up to date.
fn manager() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(own) = std::env::var_os("ORCHESTRATOR_BIN") {
            return own.into();
        }
        let built =
            Command::new(env!("CARGO")).args(["build", "--quiet", "-p", "orchestrator-server"]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        lab().parent().unwrap().join("orchestrator")
    })
}

fn lab() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lab"))
}

/// Runs `lab` with these words and returns what it wrote, after it ended well.
fn held(words: &str) -> String {
    let Output { status, stdout, stderr } =
        Command::new(lab()).args(words.split(' ')).env("ORCHESTRATOR_BIN", manager()).output().unwrap();
    let (told, complaints) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "lab {words}: {status}\n{told}\n{complaints}");
    told.into_owned()
}

#[test]
fn demo_tells_a_failover_and_ends() {
    let told = held("demo --once");
    for expected in ["WRITES GO ON", "Certificate:  no acknowledged transaction is lost", "longest pause", " 0 lost."] {
        assert!(told.contains(expected), "no {expected:?} in:\n{told}");
    }
}

#[test]
fn failover_mysql_9_7() {
    let table = held("bench failover --kills 1");
    assert!(table.contains("| first write"), "{table}");
}

#[test]
fn failover_mariadb_10_11() {
    held("bench failover --kills 1 --flavor mariadb-10.11");
}

#[test]
fn failover_mariadb_11_8() {
    held("bench failover --kills 1 --flavor mariadb-11.8");
}

#[test]
fn failover_with_semi_sync_loses_nothing() {
    let table = held("bench failover --kills 1 --semi-sync 1");
    assert!(table.contains(", 0 lost, "), "{table}");
}

#[test]
fn a_frozen_primary_is_replaced() {
    let table = held("campaign freeze --rounds 1");
    assert!(table.contains("old one writable after it resumed"), "{table}");
}

#[test]
fn a_manager_that_dies_in_a_recovery_goes_on_with_it() {
    held("campaign crash --rounds 2");
}

#[test]
fn what_is_no_failure_is_left_alone() {
    held("campaign no-failover --rounds 1 --hold 4 --stopped 8");
}

#[test]
fn campaigns_are_listed() {
    let list = held("campaign --list");
    for name in ["no-failover", "freeze", "cut", "crash"] {
        assert!(list.contains(&format!("{name}  (")), "{list}");
    }
}

#[test]
fn nonsense_is_refused_with_what_there_is() {
    let refused = Command::new(lab()).args(["bench", "failover", "--fault", "earthquake"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("kill, freeze, cut"));
}
