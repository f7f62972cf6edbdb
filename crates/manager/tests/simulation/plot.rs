//! From dice to a topology and a configuration.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use topology::{InstanceKey, Version, WritePolicy};

use crate::clients::Client;
use crate::fleet::Fleet;
use crate::server::{Server, Setup, Tracking};

/// Returns a fleet in which nothing is out of the ordinary: `s0` and replicas of it, and one client.
pub(crate) fn plain(replicas: u8, change: impl Fn(&mut Setup)) -> Fleet {
    let mut servers: Vec<Server> = (0..=replicas)
        .map(|id| {
            let mut setup = Setup {
                version: Version::parse("8.4.3", ""),
                tracking: Tracking::Gtid,
                data_center: "north".to_owned(),
                starts_as: WritePolicy::Writable,
                semi_source: false,
                semi_replica: false,
                wait_count: 1,
                semi_timeout_ms: 10_000,
                gives_up_alone: false,
                relay_log_recovery: false,
                logs_updates: true,
                delay_secs: 0,
                apply_ms: 0,
                connect_retry_ms: 1000,
                net_timeout_ms: 60_000,
            };
            change(&mut setup);
            Server::new(id, InstanceKey::new(format!("s{id}"), 3306), setup)
        })
        .collect();
    servers[0].writes = WritePolicy::Writable;
    let source = servers[0].key.clone();
    servers.iter_mut().skip(1).for_each(|replica| replica.replicate_from(&source));
    let client = Client { at: 0, sticks: false, pause: 100, next: 0, connected: None, waits: None };
    Fleet::new(servers, vec![client], 0)
}

/// Returns a configuration that recovers everything, with `extra` keys.
pub(crate) fn configuration(extra: &str) -> String {
    format!(
        r#"{{
            "MySQLTopologyUser": "m", "MySQLTopologyPassword": "",
            "RecoverMasterClusterFilters": ["*"], "RecoverIntermediateMasterClusterFilters": ["*"],
            "HostnameResolveMethod": "none", "MySQLHostnameResolveMethod": "none" {extra}
        }}"#
    )
}

/// What a seed decides before anything happens.
pub(crate) struct Plot {
    pub(crate) fleet: Fleet,
    pub(crate) configuration: String,
    pub(crate) voters: u8,
}

impl Plot {
    pub(crate) fn draw(dice: &mut StdRng) -> Self {
        let mariadb = dice.random_ratio(1, 3);
        let tracking = match (mariadb, dice.random_range(0..7)) {
            (_, 0) => Tracking::Position,
            (true, 1..4) => Tracking::OwnDomains,
            _ => Tracking::Gtid,
        };
        // On MariaDB two who write need a domain each.
        let is_ring = dice.random_ratio(1, 5) && !(mariadb && tracking == Tracking::Gtid);
        let semi_sync = dice.random_ratio(2, 3);
        let replicas: u8 = dice.random_range(1..=6);
        let wait_count = if semi_sync && !mariadb { dice.random_range(1..=3.min(u32::from(replicas))) } else { 1 };
        let common = Common {
            mariadb,
            tracking,
            semi_sync,
            wait_count,
            timeout: *[1000, 10_000, 3_600_000].choose(dice).unwrap(),
        };
        let mut servers: Vec<Server> = (0..=replicas).map(|id| server(id, &common, dice)).collect();
        servers[0].writes = WritePolicy::Writable;
        let chains = dice.random_ratio(1, 3);
        for id in 1..=replicas {
            let above = if chains && id > 1 && dice.random_ratio(1, 2) { dice.random_range(1..id) } else { 0 };
            let source = servers[usize::from(above)].key.clone();
            servers[usize::from(id)].replicate_from(&source);
            if above > 0 {
                servers[usize::from(above)].setup.logs_updates = true;
            }
        }
        if is_ring {
            let other = servers[1].key.clone();
            servers[0].replicate_from(&other);
            // Whoever of the two restarts is an operator's to open.
            servers[..2].iter_mut().for_each(|server| server.setup.starts_as = WritePolicy::ReadOnly);
        }
        let clients = (0..dice.random_range(1..=3)).map(|at| client(at, dice)).collect();
        let mut fleet = Fleet::new(servers, clients, dice.random());
        fleet.is_ring = is_ring;
        let voters = if dice.random_ratio(1, 3) { 3 } else { 1 };
        Self { fleet, configuration: draw_configuration(dice), voters }
    }
}

struct Common {
    mariadb: bool,
    tracking: Tracking,
    semi_sync: bool,
    wait_count: u32,
    timeout: u64,
}

fn server(id: u8, common: &Common, dice: &mut StdRng) -> Server {
    let versions = match common.mariadb {
        true => ["10.11.19-MariaDB-log", "10.11.19-MariaDB-log", "11.8.5-MariaDB-log"],
        false => ["8.0.36", "8.4.3", "9.7.0"],
    };
    // Most farms are of one version; in a mixed one the primary is of the oldest.
    let newer = if id > 0 && dice.random_ratio(1, 5) { dice.random_range(0..3) } else { 0 };
    let setup = Setup {
        version: Version::parse(versions[newer], ""),
        tracking: common.tracking,
        data_center: if dice.random_ratio(1, 4) { "south" } else { "north" }.to_owned(),
        starts_as: if dice.random_ratio(1, 2) { WritePolicy::ReadOnly } else { WritePolicy::Writable },
        semi_source: common.semi_sync,
        semi_replica: common.semi_sync && dice.random_ratio(4, 5),
        wait_count: common.wait_count,
        semi_timeout_ms: common.timeout,
        gives_up_alone: dice.random_ratio(1, 10),
        relay_log_recovery: dice.random_ratio(1, 2),
        logs_updates: common.mariadb || dice.random_ratio(9, 10),
        delay_secs: match dice.random_range(0..16) {
            0 if id > 1 => dice.random_range(5..60),
            1 if id > 1 => 3600,
            _ => 0,
        },
        apply_ms: if dice.random_ratio(1, 4) { dice.random_range(10..40) } else { 0 },
        connect_retry_ms: *[1000, 5000, 10_000, 60_000].choose(dice).unwrap(),
        net_timeout_ms: *[4000, 10_000, 60_000].choose(dice).unwrap(),
    };
    Server::new(id, InstanceKey::new(format!("s{id}"), 3306), setup)
}

fn client(at: u8, dice: &mut StdRng) -> Client {
    Client {
        at,
        sticks: dice.random_ratio(1, 3),
        pause: dice.random_range(100..800),
        next: 0,
        connected: None,
        waits: None,
    }
}

fn draw_configuration(dice: &mut StdRng) -> String {
    let block = *[1, 30, 3600].choose(dice).unwrap();
    let poll = *[1, 5].choose(dice).unwrap();
    let mut extra = format!(r#", "InstancePollSeconds": {poll}, "RecoveryPeriodBlockSeconds": {block}"#);
    for (ratio, key) in [
        (6, r#""PreventCrossDataCenterMasterFailover": true"#),
        (6, r#""PrimaryRestartGraceSeconds": 5"#),
        (6, r#""DelayMasterPromotionIfSQLThreadNotUpToDate": true"#),
        (2, r#""ReturnedPrimaryPolicy": "subset""#),
        (8, r#""DataLossPolicy": "refuse""#),
        (8, r#""DataLossPolicy": "wait:20""#),
        (4, r#""CoMasterRecoveryMustPromoteOtherCoMaster": false"#),
        (4, r#""DetachLostReplicasAfterMasterFailover": false"#),
    ] {
        if dice.random_ratio(1, ratio) {
            extra.push_str(", ");
            extra.push_str(key);
        }
    }
    configuration(&extra)
}
