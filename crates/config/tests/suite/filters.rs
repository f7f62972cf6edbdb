//! The three filter languages.

use config::{ClusterFilters, HostFilters};

use crate::{accept, refuse};

fn hosts(entries: &[&str]) -> HostFilters {
    let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
    HostFilters::compile(&entries).expect("patterns of the test compile")
}

fn clusters(entries: &[&str]) -> ClusterFilters {
    let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
    ClusterFilters::compile(&entries).expect("patterns of the test compile")
}

#[test]
fn host_filters_see_host_and_port_and_are_not_anchored() {
    assert!(hosts(&["backup"]).matches("db-backup-1", 3306));
    assert!(hosts(&[":3307$"]).matches("db1", 3307));
    assert!(!hosts(&[":3307$"]).matches("db1", 3306));
    assert!(hosts(&["^db[12]:3306$"]).matches("db2", 3306));
    assert!(!hosts(&[]).matches("db1", 3306));
}

#[test]
fn a_host_filter_that_is_an_address_is_no_pattern() {
    assert!(hosts(&["10.0.0.1"]).matches("10.0.0.1", 3306));
    // As a pattern it would match both.
    assert!(!hosts(&["10.0.0.1"]).matches("10.0.0.11", 3306));
    assert!(!hosts(&["10.0.0.1"]).matches("10x0y0z1", 3306));
    assert!(hosts(&["::1"]).matches("::1", 3306));
    assert!(hosts(&["10.0.0.1:3306"]).matches("10.0.0.1", 3306), "with a port it is a pattern again");
}

#[test]
fn recovery_ignores_hosts_without_looking_at_the_port() {
    let loaded = accept(r#"{"RecoveryIgnoreHostnameFilters": ["^test-.*[0-9]$"]}"#);
    assert!(loaded.config.recovery.ignore.matches("test-db1"));
    assert!(!loaded.config.recovery.ignore.matches("db1-test"));
    assert!(!accept(r#"{"RecoveryIgnoreHostnameFilters": ["3306"]}"#).config.recovery.ignore.matches("db1"));
}

#[test]
fn cluster_filters_know_names_aliases_and_patterns() {
    assert!(!clusters(&[]).matches("db1:3306", "prod"), "an empty list is no automatic recovery");
    assert!(clusters(&["*"]).matches("db1:3306", ""));
    assert!(clusters(&[".*"]).matches("db1:3306", ""));
    assert!(clusters(&["db1:3306"]).matches("db1:3306", ""));
    assert!(clusters(&["prod"]).matches("db1:3306", "prod"), "the exact alias");
    assert!(!clusters(&["pro"]).matches("db1:3306", "prod"), "a pattern looks at the name, not at the alias");
    assert!(clusters(&["b1"]).matches("db1:3306", "prod"), "a pattern is not anchored");
    assert!(clusters(&["alias=prod"]).matches("db1:3306", "prod"));
    assert!(!clusters(&["alias=pro"]).matches("db1:3306", "prod"));
    assert!(clusters(&["alias~=^pr.d$"]).matches("db1:3306", "prod"));
    assert!(!clusters(&["alias~=db1"]).matches("db1:3306", "prod"));
}

#[test]
fn an_empty_cluster_filter_matches_only_an_empty_alias() {
    assert!(clusters(&[""]).matches("db1:3306", ""));
    assert!(!clusters(&[""]).matches("db1:3306", "prod"));
}

#[test]
fn a_cluster_filter_that_is_no_pattern_is_still_a_name() {
    assert!(clusters(&["prod (eu"]).matches("db1:3306", "prod (eu"));
    assert!(!clusters(&["prod (eu"]).matches("db1:3306", "prod"));
}

#[test]
fn a_pattern_that_does_not_compile_is_refused_at_its_own_line() {
    let text = "{\n  \"DiscoveryIgnoreHostnameFilters\": [\n    \"ok\",\n    \"*.example.com\"\n  ],\n  \
                \"RecoverMasterClusterFilters\": [\"alias~=[\"],\n  \"DataCenterPattern\": \"no group\",\n  \
                \"ClusterNameToAlias\": {\n    \"(\": \"x\"\n  }\n}";
    assert_eq!(
        refuse(text),
        "orc.json:4: DiscoveryIgnoreHostnameFilters: \"*.example.com\" is not a pattern we can use: repetition operator \
         missing expression\n\
         orc.json:6: RecoverMasterClusterFilters: \"alias~=[\" is not a pattern we can use: unclosed character class\n\
         orc.json:7: DataCenterPattern: \"no group\" is not a pattern we can use: it needs one group in parentheses \
         around the part to take\n\
         orc.json:9: ClusterNameToAlias: \"(\" is not a pattern we can use: unclosed group"
    );
}

#[test]
fn labels_come_from_the_first_group_of_a_host_name() {
    let loaded = accept(r#"{"DataCenterPattern": "[.]([^.]+)[.][^.]+[.]mydomain[.]com", "RegionPattern": ""}"#);
    let pattern = loaded.config.metadata.data_center_pattern.as_ref().expect("it was given");
    assert_eq!(pattern.label("db1.ams.prod.mydomain.com"), Some("ams"));
    assert_eq!(pattern.label("db1"), None);
    assert!(loaded.config.metadata.region_pattern.is_none());
}

#[test]
fn the_first_matching_pattern_of_the_file_gives_the_alias() {
    let loaded = accept(r#"{"ClusterNameToAlias": {"db[0-9]+:": "numbered", "db1:": "first", "db": "any"}}"#);
    assert_eq!(loaded.config.metadata.aliases.alias_of("db1:3306"), Some("numbered"));
    assert_eq!(loaded.config.metadata.aliases.alias_of("dbx:3306"), Some("any"));
    assert_eq!(loaded.config.metadata.aliases.alias_of("web"), None);
}
