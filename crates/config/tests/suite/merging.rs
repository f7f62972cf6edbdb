//! Several files, repeated keys, comments, null.

use config::{Config, Id, NoSurroundings};

use crate::{accept, file, findings, read};

fn merged(texts: &[&str]) -> Config {
    let files: Vec<_> = texts.iter().enumerate().map(|(index, text)| file(&format!("{index}.json"), text)).collect();
    config::parse(&files, &NoSurroundings).expect("the files are accepted").config
}

#[test]
fn a_later_file_replaces_keys_and_whole_lists() {
    let config = merged(&[
        r#"{"InstancePollSeconds": 7, "DiscoverySeeds": ["a", "b"], "Debug": true}"#,
        r#"{"instancepollseconds": 8, "DiscoverySeeds": ["c"]}"#,
    ]);
    assert_eq!(config.discovery.poll.as_secs(), 8);
    assert_eq!(config.discovery.seeds, ["c"]);
    assert!(config.process.debug, "what the later file does not say stays");
}

#[test]
fn aliases_of_several_files_are_merged() {
    let config = merged(&[
        r#"{"ClusterNameToAlias": {"db1": "one", "db2": "two"}}"#,
        r#"{"ClusterNameToAlias": {"db2": "deux", "db3": "trois"}}"#,
    ]);
    let alias_of = |name| config.metadata.aliases.alias_of(name);
    assert_eq!((alias_of("db1"), alias_of("db2"), alias_of("db3")), (Some("one"), Some("deux"), Some("trois")));
}

#[test]
fn a_rule_between_keys_may_be_met_by_a_later_file() {
    let config =
        merged(&[r#"{"BackendDB": "sqlite"}"#, r#"{"SQLite3DataFile": "/var/lib/orchestrator/orchestrator.db"}"#]);
    assert_eq!(
        config.backend.sqlite_file.expect("it was given").to_str(),
        Some("/var/lib/orchestrator/orchestrator.db")
    );
}

#[test]
fn comments_may_be_repeated_and_of_any_shape() {
    assert_eq!(findings(r##"{"#": "one", "#": ["two"], "# three": {"Debug": 1}, "Debug": true}"##), "");
}

#[test]
fn the_last_of_a_repeated_key_counts_whatever_its_case() {
    let text = "{\n\"Debug\": true,\n\"debug\": false\n}";
    assert!(!accept(text).config.process.debug);
    assert_eq!(findings(text), "! orc.json:3: debug is given again (first in line 2): the last one counts");
}

#[test]
fn text_after_the_object_is_told() {
    let text = "{\"Debug\": true}\n\n{\"Debug\": false}";
    assert!(accept(text).config.process.debug);
    assert_eq!(findings(text), "! orc.json:3: the configuration ends before this line: what follows is not read");
}

#[test]
fn null_leaves_a_value_and_empties_a_list() {
    let config = merged(&[r#"{"PowerAuthUsers": null, "InstancePollSeconds": 9}"#, r#"{"InstancePollSeconds": null}"#]);
    assert!(config.auth.power_users.is_empty());
    assert_eq!(config.discovery.poll.as_secs(), 9);
    assert!(!accept(r#"{"Debug": null}"#).config.is_given(Id::Debug));
}

#[test]
fn a_mark_of_byte_order_and_windows_line_ends_do_no_harm() {
    let text = "\u{feff}{\r\n\"Debug\": true,\r\n\"Nonsense\": 1\r\n}\r\n";
    assert!(accept(text).config.process.debug);
    assert!(findings(text).starts_with("! orc.json:3: Nonsense"));
}

#[test]
fn problems_of_all_files_come_together() {
    let files = [file("a.json", "{\"Debug\": 1}"), file("b.json", "{"), file("c.json", "{\"ReadOnly\": \"x\"}")];
    let problems = config::parse(&files, &NoSurroundings).expect_err("three files, three problems");
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "a.json:1: Debug: expected true or false, found 1: write true",
            "b.json:1: not valid JSON: the text ends too early (column 1): is a closing bracket or quote missing?",
            "c.json:1: ReadOnly: expected true or false, found \"x\" (text)",
        ]
    );
    assert!(read("{}").is_ok());
}
