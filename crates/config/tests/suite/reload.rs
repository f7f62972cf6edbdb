//! Reading the files again while the process runs.

use config::{Config, FindingKind, NoSurroundings};

use crate::{accept, file};

fn reload(config: &Config, text: &str) -> Result<(Config, String), String> {
    let lines = |texts: Vec<String>| texts.join("\n");
    match config.reload(&[file("new.json", text)], &NoSurroundings) {
        Ok((config, findings)) => Ok((config, lines(findings.iter().map(ToString::to_string).collect()))),
        Err(problems) => Err(lines(problems.iter().map(ToString::to_string).collect())),
    }
}

#[test]
fn a_live_key_changes_and_an_absent_one_keeps_its_value() {
    let before = accept(r#"{"InstancePollSeconds": 7, "RecoverMasterClusterFilters": ["prod"]}"#).config;
    let (after, told) = reload(&before, r#"{"InstancePollSeconds": 3}"#).expect("the file is good");
    assert_eq!(after.discovery.poll.as_secs(), 3);
    assert!(after.recovery.primary_filters.matches("prod", ""), "absent: as it was");
    assert_eq!(told, "");
}

#[test]
fn a_key_that_needs_a_restart_keeps_its_value_and_says_so() {
    let before = accept(r#"{"ListenAddress": ":3000", "HTTPAuthPassword": "old"}"#).config;
    let text = "{\n\"ListenAddress\": \":3100\",\n\"HTTPAuthPassword\": \"new\",\n\"DiscoveryMaxConcurrency\": 300\n}";
    let (after, told) = reload(&before, text).expect("the file is good");
    assert_eq!(after.listen.address, ":3000");
    assert_eq!(after.auth.password.reveal(), "old");
    assert_eq!(
        told,
        "new.json:2: ListenAddress keeps its present value until the next start (\":3000\"; the file says \":3100\")\n\
         new.json:3: HTTPAuthPassword keeps its present value until the next start"
    );
    let (_, findings) = before.reload(&[file("new.json", text)], &NoSurroundings).expect("the file is good");
    assert!(findings.iter().all(|finding| finding.kind == FindingKind::NeedsRestart));
}

#[test]
fn a_bad_file_changes_nothing() {
    let before = accept(r#"{"InstancePollSeconds": 7}"#).config;
    assert!(reload(&before, r#"{"InstancePollSeconds": 3,"#).is_err());
    let told = reload(&before, r#"{"InstancePollSeconds": 3, "Debug": 1}"#).expect_err("Debug is no number");
    assert_eq!(told, "new.json:1: Debug: expected true or false, found 1: write true");
    assert_eq!(before.discovery.poll.as_secs(), 7);
}

#[test]
fn rules_judge_the_files_together_with_what_applies() {
    let before = accept(r#"{"InstancePollSeconds": 7}"#).config;
    let told = reload(&before, r#"{"DeadInstancePollSecondsMax": 5}"#).expect_err("7 is above 5");
    assert_eq!(
        told,
        "new.json:1: DeadInstancePollSecondsMax (5) must not be below InstancePollSeconds (7): raise it to 7"
    );
    // What the next start would refuse is refused now, although the key is only read at start.
    let told = reload(&before, r#"{"AuthenticationMethod": "multi"}"#).expect_err("no user");
    assert_eq!(told, "new.json:1: AuthenticationMethod \"multi\" needs HTTPAuthUser: set it");
}

#[test]
fn an_old_name_can_be_changed_again() {
    let before = accept(r#"{"SlaveLagQuery": "select 1"}"#).config;
    let (after, _) = reload(&before, r#"{"SlaveLagQuery": "select 2"}"#).expect("one name, one value");
    assert_eq!(after.metadata.queries.replication_lag.as_deref(), Some("select 2"));
    let (after, _) = reload(&after, r#"{"RecoveryPeriodBlockMinutes": 1}"#).expect("the file is good");
    assert_eq!(after.recovery.recovery_block.as_secs(), 60);
}

#[test]
fn a_reload_can_be_repeated_without_a_trace() {
    let text = r#"{"KVClusterMasterPrefix": "a", "URLPrefix": "orc", "ClusterNameToAlias": {"db1": "one"}}"#;
    let before = accept(text).config;
    let (after, told) = reload(&before, text).expect("the file is good");
    assert_eq!(told, "");
    assert_eq!(after.dump_json(), before.dump_json());
}
