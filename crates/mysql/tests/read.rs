//! Answers of many versions become instances. What can be run was recorded; the rest has the columns of the manual.

use std::sync::Arc;

use mysql::Row;
use mysql::read::{Answers, Variables, instance_from};
use topology::{
    BinlogCoordinates, BinlogFormat, Flavor, GtidMode, GtidSet, Instance, InstanceKey, ThreadState, WritePolicy,
};

/// Reads a file of sections: `== name`, then `column: value` lines. A section that occurs again is a further row.
fn answers(text: &str) -> Answers {
    let mut answers = Answers::default();
    for section in text.split("\n== ").skip(1) {
        let (name, lines) = section.split_once('\n').expect("a section has lines");
        let row = row(lines);
        match name {
            "variables" => answers.variables = Variables::of_row(&row),
            "status" => answers.status = Variables::of_row(&row),
            "channels" => answers.channels.push(row),
            "binlog" => answers.binlog.push(row),
            "group" => answers.group.push(row),
            other => panic!("unknown section {other}"),
        }
    }
    answers
}

fn row(lines: &str) -> Row {
    let pairs = lines.lines().filter_map(|line| line.split_once(':'));
    let (columns, values): (Vec<_>, Vec<_>) = pairs
        .map(|(name, value)| (name.trim().to_owned(), Some(value.trim().to_owned()).filter(|value| value != "NULL")))
        .unzip();
    Row::new(Arc::from(columns), values)
}

fn key() -> InstanceKey {
    InstanceKey::new("db2", 4306)
}

fn read(text: &str) -> Instance {
    instance_from(&key(), &answers(text)).expect("the answers can be read")
}

fn gtids(text: &str) -> GtidSet {
    GtidSet::parse(text).expect("a set")
}

const DB1: &str = "f2632bc1-e6b7-11f1-9ffb-02fc00000001";

#[test]
fn mysql_5_7_has_channels_and_old_names() {
    let instance = read(include_str!("recorded/mysql-5.7.txt"));
    assert_eq!(instance.version.number, (5, 7, 44));
    let names: Vec<&str> = instance.channels.iter().map(|channel| channel.name.as_str()).collect();
    assert_eq!(names, ["", "west"], "the default channel comes first, whatever the order of rows");
    let [default, west] = &instance.channels[..] else { panic!("two channels") };
    assert_eq!((&default.source, default.is_replicating()), (&InstanceKey::new("db1", 3306), true));
    assert_eq!(default.tls.get_public_key, None, "5.7 has no such column");
    assert_eq!((west.receiver, west.applier), (ThreadState::Running, ThreadState::Stopped));
    assert_eq!((west.applier_errno, west.lag_secs), (1062, None));
    assert!(west.has_filters && !default.has_filters);
    assert_eq!(instance.held(), gtids(&format!("{DB1}:1-6, 11111111-2222-3333-4444-555555555555:1-9")));
    let semi_sync = instance.semi_sync;
    assert!(semi_sync.source.available && semi_sync.source.enabled && semi_sync.source.active);
    assert!(semi_sync.replica.enabled && !semi_sync.replica.active && !semi_sync.source.new_names);
    assert_eq!((semi_sync.wait_count, semi_sync.timeout_ms, semi_sync.clients), (2, 1000, 3));
    assert!(semi_sync.lossless);
    assert_eq!((semi_sync.unacknowledged, semi_sync.waiting_sessions), (17, Some(2)));
}

#[test]
fn mysql_8_0_21_tells_why_it_cannot_connect_and_its_whole_tls_profile() {
    let instance = read(include_str!("recorded/mysql-8.0.21.txt"));
    assert_eq!(instance.writes, WritePolicy::SuperReadOnly);
    let channel = instance.channel().expect("a replica");
    assert_eq!((channel.receiver, channel.receiver_errno), (ThreadState::Connecting, 2003));
    assert_eq!((channel.tls.crl.as_str(), channel.tls.crl_path.as_str()), ("/etc/crl.pem", "/etc/crl"));
    assert_eq!(channel.tls.public_key_path, "/etc/key.pem");
    assert_eq!((channel.tls.verify_server_cert, channel.tls.get_public_key), (Some(true), Some(false)));
    assert!(!instance.semi_sync.source.available && !instance.semi_sync.replica.available);
}

#[test]
fn percona_8_0_36_speaks_new_words_with_an_old_plugin() {
    let instance = read(include_str!("recorded/mysql-8.0.36.txt"));
    assert_eq!(instance.version.flavor, Flavor::Percona);
    let channel = instance.channel().expect("a replica");
    assert_eq!((channel.delay_secs, channel.lag_secs), (3600, Some(3601)));
    assert!(instance.semi_sync.source.enabled && !instance.semi_sync.source.new_names);
    assert_eq!(instance.writes, WritePolicy::ReadOnly);
    assert_eq!(instance.uuid.expect("an identity").as_str(), "f2feeb68-e6b7-11f1-afe6-02fc00000001");
}

#[test]
fn mysql_8_2_detached_by_file_and_position() {
    let instance = read(include_str!("recorded/mysql-8.2.txt"));
    let channel = instance.channel().expect("a detached replica is a replica");
    assert!(channel.source.is_detached() && instance.source().is_none());
    assert_eq!((channel.auto_position, channel.lag_secs), (false, Some(0)));
    assert_eq!(channel.executed, BinlogCoordinates::new("binlog.000002", 198));
    assert_eq!((instance.gtid.mode, &instance.gtid.executed), (GtidMode::OffPermissive, &GtidSet::default()));
    assert!(!instance.can_be_source());
    assert_eq!(instance.binlog.format, BinlogFormat::Statement);
    assert_eq!(instance.binlog.coordinates, BinlogCoordinates::new("binlog.000007", 1234));
}

#[test]
fn mysql_8_4_in_a_group_with_tags_and_a_row_without_a_source() {
    let instance = read(include_str!("recorded/mysql-8.4.txt"));
    assert!(!instance.is_replica(), "a row without a source host is no channel");
    assert_eq!(instance.gtid.executed, gtids(&format!("{DB1}:1-6:backup:1-3")));
    assert_eq!(instance.gtid.purged, gtids(&format!("{DB1}:1-2")));
    let group = instance.group.expect("in a group");
    assert!(group.is_primary && group.single_primary);
    assert_eq!(group.state, "ONLINE");
    let members: Vec<String> = group.members.iter().map(|member| member.key.to_string()).collect();
    assert_eq!(members, ["db1:3306"], "who is offline is no member");
}

#[test]
fn mysql_9_7_as_recorded() {
    let instance = read(include_str!("recorded/mysql-9.7.txt"));
    assert_eq!((instance.version.number, instance.server_id), ((9, 7, 4), 2));
    assert_eq!(instance.writes, WritePolicy::Writable);
    let channel = instance.channel().expect("a replica");
    assert_eq!(channel.source, InstanceKey::new("db1", 4306));
    assert_eq!(channel.source_uuid.as_ref().map(|uuid| uuid.as_str()), Some(DB1));
    assert!(channel.is_replicating() && channel.auto_position && channel.tls.enabled);
    assert_eq!((channel.user.as_str(), channel.lag_secs), ("repl", Some(0)));
    assert_eq!(channel.tls.get_public_key, Some(true));
    assert!(instance.semi_sync.source.available && instance.semi_sync.source.new_names);
    assert!(instance.binlog.enabled && instance.can_be_source());
}

#[test]
fn mariadb_10_11_as_recorded() {
    let instance = read(include_str!("recorded/mariadb-10.11.txt"));
    assert_eq!((instance.version.flavor, instance.uuid.as_ref()), (Flavor::MariaDb, None));
    let channel = instance.channel().expect("a replica");
    assert!(channel.auto_position && channel.is_replicating());
    assert_eq!(channel.using_gtid, "Slave_Pos");
    assert_eq!(channel.retrieved, instance.gtid.executed);
    assert_eq!((instance.semi_sync.source.available, instance.semi_sync.wait_count), (true, 1));
    assert_eq!((instance.gtid.mode, &instance.gtid.purged), (GtidMode::None, &GtidSet::default()));
}

#[test]
fn mariadb_11_8_as_recorded_has_named_connections() {
    let instance = read(include_str!("recorded/mariadb-11.8.txt"));
    let [default, east] = &instance.channels[..] else { panic!("two connections") };
    assert_eq!((default.receiver, default.receiver_errno), (ThreadState::Connecting, 2003));
    assert_eq!((east.name.as_str(), east.is_replicating()), ("east", true));
    assert_eq!(instance.gtid.executed, gtids("0-11-15,3-13-4"), "what it replicated and what it wrote");
}

#[test]
fn no_answers_are_an_unknown_server_and_no_panic() {
    let instance = instance_from(&key(), &Answers::default()).expect("nothing to misread");
    assert!(!instance.is_replica() && instance.group.is_none() && instance.uuid.is_none());
}

#[test]
fn a_set_that_cannot_be_read_is_an_error_and_never_an_empty_set() {
    let mut broken = answers(include_str!("recorded/mysql-9.7.txt"));
    broken.variables.update(Variables::of_row(&row("gtid_executed: f2632bc1:1-")));
    let error = instance_from(&key(), &broken).expect_err("half a set");
    assert!(error.to_string().starts_with("gtid_executed cannot be read"), "{error}");
}
