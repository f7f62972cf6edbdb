//! A configuration as it runs today, taken over unchanged.

use std::time::Duration;

use config::AuthMethod;

use crate::{accept, findings};

const SAMPLE: &str = include_str!("orchestrator.conf.json");

#[test]
fn an_existing_file_is_taken_over() {
    let config = accept(SAMPLE).config;
    assert_eq!(config.listen.address, ":3000");
    assert_eq!(config.topology_access.user, "orchestrator");
    assert_eq!(config.topology_access.connect_timeout, Duration::from_secs(1));
    assert_eq!(config.backend.sqlite_file.as_deref(), Some("/var/lib/orchestrator/orchestrator.sqlite3".as_ref()));
    assert_eq!(config.discovery.poll, Duration::from_secs(5));
    assert!(config.discovery.ignore.matches("ci-db7.example.com", 3306));
    assert!(config.candidates.ignore.matches("10.20.0.9", 3306));
    assert_eq!(config.metadata.aliases.alias_of("orders-db1.ams.example.com:3306"), Some("orders"));
    let pattern = config.metadata.data_center_pattern.as_ref().expect("the file gives one");
    assert_eq!(pattern.label("orders-db1.ams.example.com"), Some("ams"));
    assert_eq!(config.auth.method, AuthMethod::Multi);
    assert!(config.recovery.primary_filters.matches("orders-db1.ams.example.com:3306", "orders"));
    assert!(!config.recovery.primary_filters.matches("lab-db1:3306", "lab"));
    assert_eq!(config.recovery.recovery_block, Duration::from_secs(900));
    assert!(config.recovery.prevent_cross_data_center);
    assert_eq!(config.hooks.on_failure_detection.len(), 1);
    assert_eq!(config.hooks.post_primary_failover.len(), 2);
}

#[test]
fn its_author_learns_what_is_asked_in_vain() {
    assert_eq!(findings(SAMPLE), include_str!("orchestrator.conf.findings").trim_end());
}
