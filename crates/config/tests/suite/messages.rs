//! The sentences that a person reads, with their places.

use crate::{findings, refuse};

#[test]
fn a_wrong_type_says_what_would_be_right() {
    let text = r#"{
  "InstancePollSeconds": "5",
  "Debug": "true",
  "UnseenInstanceForgetHours": -1,
  "DefaultInstancePort": 3306.5,
  "ListenAddress": 3000,
  "DiscoverySeeds": "db1",
  "PowerAuthUsers": ["root", 7, null],
  "ClusterNameToAlias": {
    "db1": "one",
    "db2": 2
  },
  "DeadInstancePollSecondsMultiplyFactor": "1.5",
  "MySQLTopologyMaxAllowedPacket": 3000000000,
  "HostnameResolveMethod":
    {"x": 1}
}"#;
    assert_eq!(
        refuse(text),
        r#"orc.json:2: InstancePollSeconds: expected a whole number of seconds, not negative, found "5" (text): remove the quotes
orc.json:3: Debug: expected true or false, found "true" (text): remove the quotes
orc.json:4: UnseenInstanceForgetHours: expected a whole number of hours, not negative, found -1
orc.json:5: DefaultInstancePort: expected a whole number, found 3306.5
orc.json:6: ListenAddress: expected a text in quotes, found 3000: write "3000"
orc.json:7: DiscoverySeeds: expected a list of texts, ["…", "…"], found "db1" (text): put it in brackets
orc.json:8: PowerAuthUsers: entry 2 must be a text, found 7: write "7"
orc.json:8: PowerAuthUsers: entry 3 must be a text, found null
orc.json:11: ClusterNameToAlias: entry 2 must be a text, found 2: write "2"
orc.json:13: DeadInstancePollSecondsMultiplyFactor: expected a number, found "1.5" (text): remove the quotes
orc.json:14: MySQLTopologyMaxAllowedPacket: expected a whole number of at most 32 bits, found 3000000000
orc.json:15: HostnameResolveMethod: expected a text in quotes, found an object"#
    );
}

#[test]
fn broken_syntax_is_told_with_what_people_usually_did() {
    let cases = [
        ("", "orc.json:1: the file is empty: write at least {}"),
        (" \n ", "orc.json:1: the file is empty: write at least {}"),
        ("\n[1]", "orc.json:2: expected a JSON object: { \"Key\": value, … }"),
        ("Debug = true", "orc.json:1: expected a JSON object: { \"Key\": value, … }"),
        (
            "{\n  \"Debug\": true,\n}",
            "orc.json:3: not valid JSON: trailing comma (column 1): remove the comma before the closing bracket",
        ),
        (
            "{\n  // be loud\n  \"Debug\": true\n}",
            "orc.json:2: not valid JSON: key must be a string (column 3): write comments as a member, \"#\": \"text\"",
        ),
        (
            "{\n  \"Debug\": true\n  \"ReadOnly\": true\n}",
            "orc.json:3: not valid JSON: expected `,` or `}` (column 3): is there a comma missing at the end of the \
             line before?",
        ),
        ("{\"Debug\": tru}", "orc.json:1: not valid JSON: expected true, false or null (column 14)"),
    ];
    for (text, expected) in cases {
        assert_eq!(refuse(text), expected, "{text}");
    }
}

#[test]
fn unknown_keys_are_told_once_with_the_nearest_known_one() {
    let text = r#"{
  "InstancePolSeconds": 5,
  "RecoverMasterClusterFilter": ["*"],
  "MyOwnNote": 1,
  "mysqltopologyuser": "orc",
  "MyOwnNote": 2
}"#;
    assert_eq!(
        findings(text),
        "! orc.json:2: InstancePolSeconds is not a known key: did you mean InstancePollSeconds?\n\
         ! orc.json:3: RecoverMasterClusterFilter is not a known key: did you mean RecoverMasterClusterFilters?\n\
         ! orc.json:4: MyOwnNote is not a known key: nothing reads it (begin its name with # if it is a comment)"
    );
}

#[test]
fn keys_that_are_not_built_yet_are_told_and_fail_the_check() {
    let text = r#"{
  "EnableSyslog": true,
  "GraphiteAddr": "graphite:2003",
  "GraphitePath": "orc.{hostname}"
}"#;
    assert_eq!(
        findings(text),
        "! orc.json:2: EnableSyslog has no effect yet\n\
         ! orc.json:3: GraphiteAddr has no effect yet\n\
         ! orc.json:4: GraphitePath has no effect yet"
    );
}

#[test]
fn keys_that_ask_for_nothing_beyond_the_present_are_only_noted() {
    let text = r#"{
  "EnableSyslog": false,
  "GraphitePath": "orc.{hostname}",
  "OAuthClientId": "x"
}"#;
    assert_eq!(
        findings(text),
        "  orc.json:2: EnableSyslog has no effect yet; this is its default\n  \
           orc.json:3: GraphitePath has no effect yet; it only matters with GraphiteAddr\n  \
           orc.json:4: OAuthClientId is obsolete and has no effect: it can be removed"
    );
}

#[test]
fn an_empty_host_filter_is_suspicious() {
    let text = r#"{"PromotionIgnoreHostnameFilters": [""]}"#;
    assert_eq!(findings(text), "! orc.json:1: PromotionIgnoreHostnameFilters: the empty entry \"\" matches everything");
}
