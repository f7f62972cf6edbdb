//! Recorded answers as the values that they were made from.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use topology::{
    Binlog, BinlogCoordinates, BinlogFormat, Channel, Gtid, GtidMode, GtidSet, Instance, InstanceKey, Labels,
    ProbeFailure, SemiSync, SemiSyncRole, ServerUuid, Snapshot, ThreadState, Timestamp, TlsProfile, Unreachable,
    Version, Watched, WritePolicy,
};

pub(crate) fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).expect(name)).expect(name)
}

pub(crate) fn instances(name: &str) -> Vec<wire::Instance> {
    let mut instances: Vec<wire::Instance> = serde_json::from_value(recorded(name)).expect(name);
    for instance in &mut instances {
        // We measure microseconds.
        instance.last_discovery_latency -= instance.last_discovery_latency % 1000;
    }
    instances
}

pub(crate) fn moment(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().expect(text).as_microsecond())
}

/// Returns what a node knew that showed these instances at `now`.
pub(crate) fn snapshot(name: &str, now: &str) -> Snapshot {
    let now = moment(now);
    let watched =
        instances(name).iter().map(|shown| watched(shown, now)).map(|w| (w.key.clone(), Arc::new(w))).collect();
    Snapshot { now, watched, ..Snapshot::default() }
}

pub(crate) fn watched(shown: &wire::Instance, now: Timestamp) -> Watched {
    let key = InstanceKey::new(shown.key.host.clone(), shown.key.port);
    let seen = moment(&shown.last_seen_timestamp);
    let failure = (!shown.is_last_check_valid).then(|| ProbeFailure {
        kind: Unreachable::Refused,
        message: "connection refused".to_owned(),
        partial: false,
    });
    Watched {
        key: key.clone(),
        instance: Some(Arc::new(instance(shown, key))),
        seen: Some(seen),
        checked: Some(now),
        attempted: Some(now),
        failing_since: failure.as_ref().map(|_| seen),
        failures: u32::from(failure.is_some()) * 3,
        failure,
        latency_us: shown.last_discovery_latency / 1000,
        first_heard: seen,
        ..Watched::default()
    }
}

fn instance(shown: &wire::Instance, key: InstanceKey) -> Instance {
    let set = |text: &str| GtidSet::parse(text).expect("a GTID set");
    let role = |enabled| SemiSyncRole { available: shown.semi_sync_available, enabled, ..SemiSyncRole::default() };
    Instance {
        key,
        uuid: ServerUuid::new(&shown.server_uuid),
        server_id: u32::try_from(shown.server_id).expect("32 bits"),
        version: Version::parse(&shown.version, &shown.version_comment),
        version_comment: shown.version_comment.clone(),
        uptime_secs: shown.uptime,
        writes: if shown.read_only { WritePolicy::ReadOnly } else { WritePolicy::Writable },
        binlog: Binlog {
            enabled: shown.log_bin_enabled,
            format: BinlogFormat::parse(&shown.binlog_format),
            row_image: shown.binlog_row_image.clone(),
            logs_replica_updates: shown.log_replication_updates_enabled,
            coordinates: coordinates(&shown.self_binlog_coordinates),
        },
        gtid: Gtid {
            mode: GtidMode::parse(&shown.gtid_mode),
            executed: set(&shown.executed_gtid_set),
            purged: set(&shown.gtid_purged),
            ..Gtid::default()
        },
        channels: if shown.master_key.port > 0 { vec![channel(shown)] } else { Vec::new() },
        semi_sync: SemiSync {
            source: role(shown.semi_sync_master_enabled),
            replica: role(shown.semi_sync_replica_enabled),
            timeout_ms: shown.semi_sync_master_timeout,
            ..SemiSync::default()
        },
        labels: Labels { cluster_alias: shown.suggested_cluster_alias.clone(), ..Labels::default() },
        credentials_available: shown.replication_credentials_available,
        ..Instance::default()
    }
}

fn channel(shown: &wire::Instance) -> Channel {
    let thread = |state| match state {
        1 => ThreadState::Running,
        2 => ThreadState::Connecting,
        _ => ThreadState::Stopped,
    };
    let receiver_error = shown.last_io_error.trim_matches('"').to_owned();
    Channel {
        source: InstanceKey::new(shown.master_key.host.clone(), shown.master_key.port),
        source_uuid: ServerUuid::new(&shown.master_uuid).filter(|uuid| uuid.as_str() != "no"),
        user: if shown.has_replication_credentials { "repl".to_owned() } else { String::new() },
        receiver: thread(shown.replication_io_thread_state),
        applier: thread(shown.replication_sql_thread_state),
        receiver_errno: if receiver_error.is_empty() { 0 } else { 2003 },
        receiver_error,
        applier_error: shown.last_sql_error.trim_matches('"').to_owned(),
        read: coordinates(&shown.read_binlog_coordinates),
        executed: coordinates(&shown.exec_binlog_coordinates),
        relay: coordinates(&shown.relaylog_coordinates),
        auto_position: shown.using_oracle_gtid || shown.using_mariadb_gtid,
        lag_secs: shown
            .seconds_behind_master
            .valid
            .then(|| u64::try_from(shown.seconds_behind_master.value).expect("a lag")),
        delay_secs: shown.sql_delay,
        tls: TlsProfile { enabled: shown.allow_tls, ..TlsProfile::default() },
        ..Channel::default()
    }
}

fn coordinates(shown: &wire::Coordinates) -> BinlogCoordinates {
    BinlogCoordinates::new(shown.file.clone(), shown.pos)
}

/// Three nodes as one of them sees them: those that the answers about raft were recorded of.
pub(crate) mod nodes {
    use std::time::Duration;

    use consensus::{Card, Member, Peer, Role, Standing, Status};

    /// Returns what the first node sees, which leads in term 7.
    pub(crate) fn seen_by_leader() -> Status {
        Status { standing: Standing::Leader { term: 7 }, ..seen_by(0) }
    }

    /// Returns what the second node sees, which follows the first.
    pub(crate) fn seen_by_follower() -> Status {
        Status { standing: Standing::Follower { leader: Some(member(0).peer) }, ..seen_by(1) }
    }

    /// Returns what the second node sees while nobody leads.
    pub(crate) fn seen_without_leader() -> Status {
        Status { standing: Standing::Follower { leader: None }, leader: None, leader_card: None, ..seen_by(1) }
    }

    fn seen_by(own: usize) -> Status {
        let node = member(own).peer;
        Status {
            standing: Standing::Candidate,
            bind: node.address.clone(),
            node,
            term: 7,
            leader: Some(member(0).peer),
            leader_card: member(0).card,
            members: (0..3).map(member).collect(),
            configured_only: Vec::new(),
            members_only: Vec::new(),
            last_log: 120,
            applied: 118,
            snapshot: 100,
        }
    }

    fn member(number: usize) -> Member {
        let host = format!("127.0.0.1{}", number + 1);
        Member {
            peer: Peer { id: 1000 + number as u64, address: format!("{host}:10108") },
            role: Role::Voter,
            card: Some(Card {
                hostname: format!("orch{}.example.com", number + 1),
                http: format!("http://{host}:3100"),
                version: "0.1.0".to_owned(),
            }),
            heard: Some(Duration::from_millis(100 * number as u64)),
            applied: Some(118),
        }
    }
}
