//! Short forms of the long campaigns, with the built programs: what `lab` promises at its command line.
#![allow(clippy::unwrap_used, missing_docs)]

mod built;

use std::process::{Command, Output};

use built::{lab, manager};

/// Runs `lab` with these words and returns what it wrote, after it ended well.
fn held(words: &str) -> String {
    let Output { status, stdout, stderr } =
        Command::new(lab()).args(words.split(' ')).env("ORCHESTRATOR_BIN", manager()).output().unwrap();
    let (told, complaints) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "lab {words}: {status}\n{told}\n{complaints}");
    told.into_owned()
}

#[test]
fn demo_tells_how_leadership_moves_and_a_failover_and_ends() {
    let told = held("demo --once");
    let expected = [
        " LEADS",
        "Nobody led for ",
        "The writer did not notice",
        "WRITES GO ON",
        "Certificate:  no acknowledged transaction is lost",
        "longest pause",
        " 0 lost.",
    ];
    for expected in expected {
        assert!(told.contains(expected), "no {expected:?} in:\n{told}");
    }
}

#[test]
fn without_a_demo_there_is_no_leader_to_kill() {
    let nowhere = std::env::temp_dir().join(format!("lab-without-demo-{}", std::process::id()));
    let refused =
        Command::new(lab()).args(["demo", "kill-leader"]).env("ORCHESTRATOR_LAB_DIR", nowhere).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no demo runs"));
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
fn another_manager_leads_and_serves_when_the_leader_dies() {
    // How fast is for the benchmark to say, on a machine that does nothing else.
    let table = held("bench raft-leader --rounds 2 --p99-ms 30000");
    assert!(table.contains("| a write is served |    2 |") && table.contains("two leaders at one time: 0"), "{table}");
}

#[test]
fn leadership_goes_where_it_is_sent() {
    held("bench raft-leader --transfer --rounds 3 --p99-ms 30000");
}

#[test]
fn commands_through_three_managers_leave_bounded_files_and_a_follower_catches_up() {
    let told = held("bench raft-log --commands 2000 --least 1");
    assert!(told.contains("caught up within"), "{told}");
}

#[test]
fn a_leader_that_is_cut_off_together_with_the_primary_is_replaced_and_so_is_the_primary() {
    let table = held("campaign raft-cuts --scenario leader-with-primary --rounds 1 --calm 2");
    assert!(table.contains("clients write again"), "{table}");
}

#[test]
fn a_leader_in_the_minority_stops_and_costs_nothing_when_it_returns() {
    held("campaign raft-cuts --scenario leader-alone --rounds 1 --calm 2");
    held("campaign raft-cuts --scenario leader-minority-of-five --rounds 1 --calm 2");
}

#[test]
fn cuts_in_one_direction_are_no_reason_for_two_leaders() {
    held("campaign raft-cuts --scenario asymmetric --rounds 4 --calm 2");
}

#[test]
fn a_leader_that_alone_does_not_see_the_primary_hands_over() {
    held("campaign raft-cuts --scenario leader-from-primary --rounds 1 --calm 2");
}

#[test]
fn a_flapping_network_and_a_lonely_follower_change_nothing_in_the_end() {
    held("campaign raft-cuts --scenario flapping --rounds 1 --calm 2");
    held("campaign raft-cuts --scenario follower-alone --rounds 1 --calm 2");
}

#[test]
fn the_next_leader_completes_a_recovery_once() {
    held("campaign raft-crash --rounds 3");
}

/// One that has nothing of its own is attached again; one that has is closed, and what it has is on record.
#[test]
fn a_primary_that_comes_back_is_closed_at_once() {
    let table = held("campaign return --rounds 2");
    assert!(table.contains("1 divergences: until on record, each with exactly its GTIDs"), "{table}");
}

#[test]
fn a_full_disk_and_a_lost_file_cost_one_manager_only() {
    held("campaign raft-disk --rounds 1");
}

#[test]
fn campaigns_are_listed() {
    let list = held("campaign --list");
    for name in ["no-failover", "freeze", "cut", "crash", "raft-cuts", "raft-crash", "raft-disk"] {
        assert!(list.contains(&format!("{name}  (")), "{list}");
    }
}

#[test]
fn nonsense_is_refused_with_what_there_is() {
    let refused = Command::new(lab()).args(["bench", "failover", "--fault", "earthquake"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("kill, freeze, cut"));
}
