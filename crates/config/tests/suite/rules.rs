//! Rules between keys.

use std::time::Duration;

use config::{AuthMethod, ServerNameMethod, TlsUse, UnappliedPolicy};

use crate::{accept, findings, refuse};

#[test]
fn half_a_certificate_and_an_empty_password_are_suspicious() {
    let text = "{\n\"MySQLTopologySSLCertFile\": \"/c.pem\",\n\"HTTPAuthUser\": \"dba\",\n\"AuthenticationMethod\": \"basic\"}";
    assert_eq!(
        findings(text),
        "! orc.json:2: MySQLTopologySSLCertFile is of no use without MySQLTopologySSLPrivateKeyFile\n\
         ! orc.json:4: AuthenticationMethod \"basic\" without HTTPAuthPassword: the password is empty"
    );
}

/// Each rule that refuses, with the line it points at.
#[test]
fn impossible_combinations_are_refused() {
    let cases = [
        (
            "{\"ReplicationLagQuery\": \"select 1\",\n\"SlaveLagQuery\": \"select 2\"}",
            "orc.json:2: SlaveLagQuery is the old name of ReplicationLagQuery and they differ (the other is at \
             orc.json:1): keep ReplicationLagQuery",
        ),
        (
            "{\"PostponeReplicaRecoveryOnLagMinutes\": 1,\n\"PostponeSlaveRecoveryOnLagMinutes\": 2}",
            "orc.json:2: PostponeSlaveRecoveryOnLagMinutes is the old name of PostponeReplicaRecoveryOnLagMinutes and \
             they differ (the other is at orc.json:1): keep PostponeReplicaRecoveryOnLagMinutes",
        ),
        (
            "{\n\"FailMasterPromotionIfSQLThreadNotUpToDate\": true, \"DelayMasterPromotionIfSQLThreadNotUpToDate\": true}",
            "orc.json:2: FailMasterPromotionIfSQLThreadNotUpToDate and DelayMasterPromotionIfSQLThreadNotUpToDate \
             exclude each other: choose one",
        ),
        (
            "{\"FailMasterPromotionOnLagMinutes\": 5}",
            "orc.json:1: FailMasterPromotionOnLagMinutes needs ReplicationLagQuery: give one, or set it to 0",
        ),
        (
            "{\"DataLossPolicy\": \"never\"}",
            "orc.json:1: DataLossPolicy: expected \"allow\", \"refuse\" or \"wait:N\" with a number of seconds, found \"never\"",
        ),
        (
            "{\"DataLossPolicy\": \"wait:\"}",
            "orc.json:1: DataLossPolicy: expected \"allow\", \"refuse\" or \"wait:N\" with a number of seconds, found \"wait:\"",
        ),
        (
            "{\"BackendDB\": \"sqlite3\"}",
            "orc.json:1: BackendDB \"sqlite\" needs SQLite3DataFile: set it to the path of the file",
        ),
        (
            "{\"BackendDB\": \"mysql\", \"MySQLOrchestratorHost\": \"db\"}",
            "orc.json:1: BackendDB: the MySQL backend is not supported yet: set BackendDB to \"sqlite\" and \
             SQLite3DataFile to a path",
        ),
        (
            "{\n\"MySQLOrchestratorHost\": \"db\"}",
            "orc.json:2: MySQLOrchestratorHost: the MySQL backend is not supported yet: set BackendDB to \"sqlite\" \
             and SQLite3DataFile to a path",
        ),
        ("{\"BackendDB\": \"postgres\"}", "orc.json:1: BackendDB: expected \"sqlite\", found \"postgres\""),
        (
            "{\"DeadInstancePollSecondsMultiplyFactor\": 0.5}",
            "orc.json:1: DeadInstancePollSecondsMultiplyFactor must be at least 1, found 0.5",
        ),
        (
            "{\"InstancePollSeconds\": 400}",
            "orc.json:1: DeadInstancePollSecondsMax (300) must not be below InstancePollSeconds (400): raise it to 400",
        ),
        (
            "{\"AuthenticationMethod\": \"Multi\"}",
            "orc.json:1: AuthenticationMethod \"Multi\" needs HTTPAuthUser: set it",
        ),
        (
            "{\"AuthenticationMethod\": \"basic\"}",
            "orc.json:1: AuthenticationMethod \"basic\" needs HTTPAuthUser: set it",
        ),
        (
            "{\"AuthenticationMethod\": \"ldap\"}",
            "orc.json:1: AuthenticationMethod: expected \"basic\", \"multi\", \"proxy\", \"token\", \"oauth\" or \"\", \
             found \"ldap\", with which everyone could do everything",
        ),
        ("{\"UseSSL\": true}", "orc.json:1: UseSSL needs SSLCertFile and SSLPrivateKeyFile: set both"),
        ("{\"ListenAddress\": \"3000\"}", "orc.json:1: ListenAddress: expected host:port or :port, found \"3000\""),
        (
            "{\"MySQLTopologyUseMutualTLS\": true, \"MySQLTopologySSLCertFile\": \"/c.pem\"}",
            "orc.json:1: MySQLTopologyUseMutualTLS needs MySQLTopologySSLCertFile and MySQLTopologySSLPrivateKeyFile: set \
             both",
        ),
        (
            "{\"ProcessesShellCommand\": \" \"}",
            "orc.json:1: ProcessesShellCommand must name the shell that runs the hooks, such as \"bash\"",
        ),
        ("{\"InstancePollSeconds\": 0}", "orc.json:1: InstancePollSeconds must be at least 1, found 0"),
        ("{\"DefaultInstancePort\": 70000}", "orc.json:1: DefaultInstancePort must be at most 65535, found 70000"),
        ("{\"MySQLConnectTimeoutSeconds\": -2}", "orc.json:1: MySQLConnectTimeoutSeconds must be at least 1, found -2"),
    ];
    for (text, expected) in cases {
        assert_eq!(refuse(text), expected, "{text}");
    }
}

#[test]
fn an_advertised_uri_has_a_scheme_a_host_a_port_and_nothing_else() {
    let cases = [
        ("node1:3000", "the scheme is missing"),
        ("://node1:3000", "the scheme is missing"),
        ("http://:3000", "the host is missing"),
        ("http://node1", "the port is missing"),
        ("http://node1:http", "the port is not a number"),
        ("http://node1:3000/", "it must not have a path"),
        ("http://node1:3000?x", "it must not have a path"),
    ];
    for (uri, reason) in cases {
        let expected = format!("orc.json:1: HTTPAdvertise: expected scheme://host:port, found \"{uri}\": {reason}");
        assert_eq!(refuse(&format!("{{\"HTTPAdvertise\": \"{uri}\"}}")), expected);
    }
    accept(r#"{"HTTPAdvertise": "https://node1:3000"}"#);
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "{\n\"Debug\": 2,\n\"UseSSL\": true,\n\"DefaultInstancePort\": 0,\n\"RegionPattern\": \"(\"\n}";
    let lines: Vec<String> = refuse(text).lines().map(|line| line[..12].to_owned()).collect();
    assert_eq!(lines, ["orc.json:2: ", "orc.json:3: ", "orc.json:4: ", "orc.json:5: "]);
}

#[test]
fn a_value_that_could_not_be_read_breaks_no_further_rule() {
    let text = r#"{"RaftEnabled": true, "RaftDataDir": 5}"#;
    assert_eq!(refuse(text), "orc.json:1: RaftDataDir: expected a text in quotes, found 5: write \"5\"");
}

#[test]
fn without_a_word_about_the_backend_it_is_sqlite_and_the_caller_chooses_the_file() {
    assert_eq!(accept("{}").config.backend.sqlite_file, None);
    let named = accept(r#"{"SQLite3DataFile": "/x.db"}"#);
    assert_eq!(named.config.backend.sqlite_file.as_deref(), Some("/x.db".as_ref()));
    // Sample files fill in both kinds; the one that is named counts.
    let both = r#"{"BackendDB": "sqlite", "SQLite3DataFile": "/x.db", "MySQLOrchestratorHost": "127.0.0.1"}"#;
    assert_eq!(
        findings(both),
        "  orc.json:1: MySQLOrchestratorHost has no effect yet; it only matters with BackendDB \"mysql\""
    );
}

#[test]
fn lost_replicas_are_detached_unless_either_name_says_no() {
    let detach = |text: &str| accept(text).config.recovery.detach_lost_replicas;
    assert!(detach("{}"));
    assert!(!detach(r#"{"DetachLostReplicasAfterMasterFailover": false}"#), "Orchestrator would detach");
    assert!(!detach(r#"{"DetachLostSlavesAfterMasterFailover": false}"#));
    assert!(!detach(
        r#"{"DetachLostReplicasAfterMasterFailover": false, "DetachLostSlavesAfterMasterFailover": true}"#
    ));
    assert!(detach(r#"{"DetachLostReplicasAfterMasterFailover": true, "DetachLostSlavesAfterMasterFailover": false}"#));
    assert_eq!(
        findings("{\"DetachLostReplicasAfterMasterFailover\": false,\n\"DetachLostSlavesAfterMasterFailover\": true}"),
        "! orc.json:2: DetachLostReplicasAfterMasterFailover (false) counts, not its old name \
         DetachLostSlavesAfterMasterFailover"
    );
}

#[test]
fn minutes_of_the_recovery_block_count_unless_seconds_are_given() {
    let block = |text: &str| accept(text).config.recovery.recovery_block.as_secs();
    assert_eq!(block("{}"), 3600);
    assert_eq!(block(r#"{"RecoveryPeriodBlockMinutes": 5}"#), 300, "Orchestrator would block for an hour");
    assert_eq!(block(r#"{"RecoveryPeriodBlockSeconds": 30}"#), 30);
    assert_eq!(block(r#"{"RecoveryPeriodBlockSeconds": 30, "RecoveryPeriodBlockMinutes": 5}"#), 30);
    assert_eq!(block(r#"{"RecoveryPeriodBlockSeconds": 0, "RecoveryPeriodBlockMinutes": 5}"#), 300);
    assert_eq!(block(r#"{"RecoveryPeriodBlockSeconds": 0, "RecoveryPeriodBlockMinutes": 0}"#), 0);
    assert_eq!(block(r#"{"RecoveryPeriodBlockSeconds": 0}"#), 3600);
    assert_eq!(
        findings(r#"{"RecoveryPeriodBlockSeconds": 0}"#),
        "! orc.json:1: RecoveryPeriodBlockSeconds 0 means the default of RecoveryPeriodBlockMinutes, 60: set both to 0 \
         for no block at all"
    );
}

#[test]
fn old_names_move_their_values() {
    let loaded = accept(
        r#"{"SlaveLagQuery": "select 1", "PostponeSlaveRecoveryOnLagMinutes": 3, "FailMasterPromotionOnLagMinutes": 2,
            "MasterFailoverDetachSlaveMasterHost": true}"#,
    );
    assert_eq!(loaded.config.metadata.queries.replication_lag.as_deref(), Some("select 1"));
    assert_eq!(loaded.config.recovery.fail_on_lag, Some(Duration::from_secs(120)));
    assert!(loaded.config.recovery.detach_promoted);
    let dump = loaded.config.dump_json();
    assert!(dump.contains(r#""SlaveLagQuery": """#));
    assert!(dump.contains(r#""PostponeReplicaRecoveryOnLagMinutes": 3"#));
}

#[test]
fn slashes_are_brought_into_one_form() {
    let prefix = |text: &str| accept(&format!("{{\"URLPrefix\": \"{text}\"}}")).config.listen;
    for written in ["orc", "/orc", "orc/", "//orc//"] {
        assert_eq!(prefix(written).url_prefix, "/orc");
        assert_eq!(prefix(written).status_path, "/orc/api/status");
    }
    assert_eq!(prefix("/").url_prefix, "");
    let literal = accept(r#"{"URLPrefix": "/orc", "StatusEndpoint": "/up"}"#).config.listen;
    assert_eq!(literal.status_path, "/up", "a path of one's own is taken as it is");
    let key_prefix =
        |text: &str| accept(&format!("{{\"KVClusterMasterPrefix\": \"{text}\"}}")).config.kv.primary_prefix;
    assert_eq!((key_prefix("a/b").as_str(), key_prefix("a//").as_str(), key_prefix("/").as_str()), ("a/b/", "a/", "/"));
}

#[test]
fn numbers_become_units() {
    let config = accept(
        r#"{"UnseenInstanceForgetHours": 2, "AuditPurgeDays": 3, "CandidateInstanceExpireMinutes": 4,
            "HeartbeatMilliseconds": 250, "ExpiryHostnameResolvesMinutes": 0}"#,
    )
    .config;
    assert_eq!(config.discovery.forget_after, Duration::from_secs(7200));
    assert_eq!(config.audit.keep, Duration::from_secs(3 * 86_400));
    assert_eq!(config.candidates.rule_expiry, Duration::from_secs(240));
    assert_eq!(config.recovery.heartbeat, Duration::from_millis(250));
    assert_eq!(config.resolve.expiry, Duration::from_secs(60), "at least a minute");
    assert_eq!(config.recovery.lost_downtime, Duration::from_secs(365 * 86_400), "0 is a year");
    assert_eq!(config.topology_access.connection_lifetime, None, "0 is never");
}

#[test]
fn a_number_too_large_for_a_time_is_a_century() {
    let config = accept(r#"{"UnseenInstanceForgetHours": 9223372036854775807}"#).config;
    assert_eq!(config.discovery.forget_after.as_secs(), 100 * 365 * 86_400);
}

#[test]
fn words_become_choices() {
    let tls = |text: &str| accept(text).config.topology_access.tls;
    assert_eq!(tls("{}"), TlsUse::WhereDemanded);
    assert_eq!(tls(r#"{"MySQLTopologyUseMixedTLS": false}"#), TlsUse::Never);
    let files = r#""MySQLTopologySSLCertFile": "/c.pem", "MySQLTopologySSLPrivateKeyFile": "/k.pem""#;
    assert_eq!(tls(&format!("{{\"MySQLTopologyUseMutualTLS\": true, {files}}}")), TlsUse::Always);
    let unapplied = |text: &str| accept(text).config.recovery.unapplied;
    assert_eq!(unapplied("{}"), UnappliedPolicy::Promote);
    assert_eq!(unapplied(r#"{"FailMasterPromotionIfSQLThreadNotUpToDate": true}"#), UnappliedPolicy::Refuse);
    assert_eq!(unapplied(r#"{"DelayMasterPromotionIfSQLThreadNotUpToDate": true}"#), UnappliedPolicy::Wait);
    let named = |word: &str| accept(&format!("{{\"MySQLHostnameResolveMethod\": \"{word}\"}}")).config.resolve;
    assert_eq!(named("@@Report_Host").server_method, ServerNameMethod::ReportHost);
    assert_eq!(named("hostname").server_method, ServerNameMethod::Hostname);
    assert_eq!(named("reverse").server_method, ServerNameMethod::None);
    assert_eq!(
        findings(r#"{"MySQLHostnameResolveMethod": "reverse"}"#),
        "! orc.json:1: MySQLHostnameResolveMethod: expected \"none\", \"@@hostname\" or \"@@report_host\", found \
         \"reverse\", which acts as \"none\""
    );
    let multi = accept(r#"{"AuthenticationMethod": "MULTI", "HTTPAuthUser": "dba"}"#).config.auth;
    assert_eq!((multi.method, multi.user.as_str()), (AuthMethod::Multi, "dba"));
    assert_eq!(
        findings(r#"{"AuthenticationMethod": "token"}"#),
        "! orc.json:1: AuthenticationMethod \"token\" is not built yet: every write is denied"
    );
}

#[test]
fn automatic_pseudo_gtid_sets_its_four_keys() {
    let dump = accept(r#"{"AutoPseudoGTID": true}"#).config.dump_json();
    for expected in [
        r#""PseudoGTIDPattern": "drop view if exists `_pseudo_gtid_`""#,
        r#""PseudoGTIDPatternIsFixedSubstring": true"#,
        r#""PseudoGTIDMonotonicHint": "asc:""#,
        r#""DetectPseudoGTIDQuery": "select 1""#,
    ] {
        assert!(dump.contains(expected), "{expected}");
    }
    let most = |number: i64| accept(&format!("{{\"ConsulMaxKVsPerTransaction\": {number}}}")).config.dump_json();
    assert!(most(1).contains(r#""ConsulMaxKVsPerTransaction": 5"#));
    assert!(most(100).contains(r#""ConsulMaxKVsPerTransaction": 64"#));
}
