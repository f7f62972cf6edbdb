//! A replaced primary comes back: what is decided about it, case by case.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use analysis::{ClusterFilter, Policy, ReturnedPrimary};
use planner::{Reception, Returning, Stay};
use topology::{
    Binlog, BinlogState, Channel, Declared, Demoted, Downtime, Graph, Gtid, GtidMode, GtidSet, Instance, InstanceKey,
    ServerUuid, Snapshot, ThreadState, Timestamp, Version, Watched, WritePolicy,
};

const OLD: &str = "00000000-0000-0000-0000-000000000001";
const NEW: &str = "00000000-0000-0000-0000-000000000002";

/// `old` was replaced by `new`, which has the replica `other`; `old` is closed and replicates from nobody.
struct Farm {
    servers: BTreeMap<InstanceKey, Instance>,
    declared: Declared,
    policy: Policy,
    recorded: bool,
    incomplete: Option<&'static str>,
    asked: bool,
    rebuild: bool,
}

fn key(name: &str) -> InstanceKey {
    InstanceKey::new(name, 3306)
}

fn server(name: &str, uuid: &str, executed: &str) -> Instance {
    Instance {
        key: key(name),
        uuid: ServerUuid::new(uuid),
        version: Version::parse("9.7.0", ""),
        writes: WritePolicy::SuperReadOnly,
        binlog: Binlog { enabled: true, logs_replica_updates: true, ..Binlog::default() },
        gtid: Gtid { mode: GtidMode::On, executed: GtidSet::parse_mysql(executed).unwrap(), ..Gtid::default() },
        credentials_available: true,
        ..Instance::default()
    }
}

fn below(source: &str) -> Vec<Channel> {
    vec![Channel {
        source: key(source),
        user: "repl".to_owned(),
        receiver: ThreadState::Running,
        applier: ThreadState::Running,
        auto_position: true,
        ..Channel::default()
    }]
}

impl Farm {
    fn with(old_has: &str) -> Self {
        let executed = format!("{OLD}:1-100,{NEW}:1-20");
        let new = Instance { writes: WritePolicy::Writable, ..server("new", NEW, &executed) };
        let other =
            Instance { channels: below("new"), ..server("other", "00000000-0000-0000-0000-000000000003", &executed) };
        let servers = [server("old", OLD, old_has), new, other];
        let demoted = Demoted {
            key: key("old"),
            uuid: ServerUuid::new(OLD),
            server_id: None,
            successor: key("new"),
            recovery_uid: "r1".to_owned(),
            at: Timestamp::from_secs(1),
        };
        Self {
            servers: servers.into_iter().map(|server| (server.key.clone(), server)).collect(),
            declared: Declared { demoted: BTreeMap::from([(key("old"), demoted)]), ..Declared::default() },
            policy: Policy {
                recovers_primary: ClusterFilter::new(|_| true),
                returned_primary: ReturnedPrimary::Subset,
                ..Policy::default()
            },
            recorded: false,
            incomplete: None,
            asked: false,
            rebuild: false,
        }
    }

    fn change(mut self, name: &str, change: impl FnOnce(&mut Instance)) -> Self {
        change(self.servers.get_mut(&key(name)).unwrap());
        self
    }

    fn reception(&self) -> Reception {
        let watched = self.servers.values().map(|server| {
            let seen = Timestamp::from_secs(100);
            let watched = Watched {
                key: server.key.clone(),
                instance: Some(Arc::new(server.clone())),
                seen: Some(seen),
                checked: Some(seen),
                ..Watched::default()
            };
            (server.key.clone(), Arc::new(watched))
        });
        let snapshot = Snapshot {
            now: Timestamp::from_secs(100),
            watched: watched.collect(),
            declared: Arc::new(self.declared.clone()),
            voters: 1,
        };
        let graph = Graph::of(&snapshot);
        let (_, demoted) = self.declared.demoted.first_key_value().unwrap();
        planner::receive(Returning {
            snapshot: &snapshot,
            graph: &graph,
            policy: &self.policy,
            key: &key("old"),
            demoted,
            recorded: self.recorded,
            incomplete: self.incomplete,
            asked: self.asked,
            rebuild: self.rebuild,
        })
    }

    /// Returns what is done, a step a line; what settles it; or why it stays.
    fn says(&self) -> String {
        match self.reception() {
            Reception::Settled(why) => format!("settled: {why}"),
            Reception::Stay(stay) => format!("stays: {stay}"),
            Reception::Act(plan) => {
                plan.steps.iter().map(|step| step.action.to_string()).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

#[test]
fn one_that_replicates_may_show_what_the_primary_wrote_since_that_was_read() {
    let farm = Farm::with(&format!("{OLD}:1-100,{NEW}:1-25"));
    assert_eq!(
        farm.says(),
        format!("stays: it has transactions that new:3306 has not: {NEW}:21-25; they are not on record yet")
    );
    let replicates = farm.change("old", |old| old.channels = below("new"));
    assert_eq!(replicates.says(), "settled: it replicates below new:3306");
    let own = replicates.change("old", |old| {
        old.gtid.executed = GtidSet::parse_mysql(&format!("{OLD}:1-101,{NEW}:1-25")).unwrap();
    });
    assert_eq!(
        own.says(),
        format!("stays: it has transactions that new:3306 has not: {OLD}:101; they are not on record yet")
    );
}

#[test]
fn one_that_has_nothing_of_its_own_is_attached() {
    let farm = Farm::with(&format!("{OLD}:1-100"));
    assert_eq!(
        farm.says(),
        "see that old:3306 is closed and has nothing that new:3306 has not\n\
         let old:3306 replicate from new:3306\n\
         take back that old:3306 is demoted"
    );
    let Reception::Act(plan) = farm.reception() else { unreachable!("it was one just now") };
    assert_eq!(plan.cluster, "old:3306", "a failover of its cluster does not wait for it");
}

#[test]
fn one_that_has_more_stays_and_is_put_on_record() {
    let mut farm = Farm::with(&format!("{OLD}:1-103"));
    assert_eq!(
        farm.says(),
        format!("stays: it has transactions that new:3306 has not: {OLD}:101-103; they are not on record yet")
    );
    farm.recorded = true;
    assert!(farm.says().ends_with("they are on record"), "{}", farm.says());
    farm.asked = true;
    assert!(farm.says().starts_with("stays: it has transactions"), "not even a person's word attaches it");
}

#[test]
fn it_is_rebuilt_only_where_that_is_wanted_and_all_of_it_is_kept() {
    let mut farm = Farm::with(&format!("{OLD}:1-103"));
    farm.policy.returned_primary = ReturnedPrimary::Clone;
    assert!(farm.says().contains("they are not on record yet"));
    farm.recorded = true;
    assert_eq!(
        farm.says(),
        "see that old:3306 is closed and what it has beyond new:3306 is on record\n\
         replace all data of old:3306 by a copy of other:3306\n\
         let old:3306 replicate from new:3306\n\
         take back that old:3306 is demoted"
    );
    farm.incomplete = Some("cut after 7 changes");
    assert_eq!(farm.says(), "stays: it cannot be rebuilt: what it changed is not kept whole: cut after 7 changes");
    farm.incomplete = None;
    let farm = farm.change("other", |other| other.version = Version::parse("9.7.1", ""));
    assert!(farm.says().contains("by a copy of new:3306"), "only a server of its very version will do");
    let farm = farm.change("other", |other| other.channels = below("old"));
    assert_eq!(farm.says(), "stays: it cannot be rebuilt: other:3306 still replicates from it: move that one first");
}

#[test]
fn what_the_primary_purged_it_cannot_get() {
    let farm = Farm::with(&format!("{OLD}:1-90"));
    let farm = farm.change("new", |new| {
        new.gtid.purged = GtidSet::parse_mysql(&format!("{OLD}:1-95")).unwrap();
    });
    let purged = format!("stays: it lacks transactions that the primary has purged: {OLD}:91-95");
    assert_eq!(farm.says(), purged);
    let rebuilt = Farm { rebuild: true, ..farm };
    assert!(rebuilt.says().contains("by a copy of other:3306"), "nothing of its own is lost by that");
}

#[test]
fn policy_filters_downtime_and_the_switch_hold_it_back_and_a_person_overrules_them() {
    let subset = || Farm::with(&format!("{OLD}:1-100"));
    let mut off = subset();
    off.policy.returned_primary = ReturnedPrimary::Off;
    let mut filtered = subset();
    filtered.policy.recovers_primary = ClusterFilter::new(|_| false);
    let mut disabled = subset();
    disabled.declared.recoveries_disabled = true;
    let mut downtimed = subset();
    let (begins, ends) = (Timestamp::from_secs(1), Timestamp::from_secs(1000));
    let downtime = |owner: &str, reason: &str| {
        BTreeMap::from([(key("old"), Downtime { owner: owner.to_owned(), reason: reason.to_owned(), begins, ends })])
    };
    downtimed.declared.downtimes = downtime("ann", "new disks");
    let mut lost = subset();
    lost.declared.downtimes = downtime("orchestrator", "lost-in-recovery");
    assert!(lost.says().starts_with("see that"), "its own recovery's downtime is no reason");
    for (mut farm, why) in [
        (off, "ReturnedPrimaryPolicy is off"),
        (filtered, "the cluster matches no entry of RecoverMasterClusterFilters"),
        (disabled, "automatic recoveries are disabled globally"),
        (downtimed, "it is in downtime (by ann: new disks)"),
    ] {
        assert_eq!(farm.says(), format!("stays: {why}"));
        let Reception::Stay(stay) = farm.reception() else { unreachable!("it said so") };
        assert_eq!(stay.remedy(&key("old")).unwrap(), "orchestrator-client -c rejoin -i old:3306");
        farm.asked = true;
        assert!(farm.says().starts_with("see that"), "{why}");
    }
}

#[test]
fn a_present_primary_is_never_a_target() {
    // Somebody switched back by other means: the successor is its replica now.
    let farm = Farm::with(&format!("{OLD}:1-110"))
        .change("new", |new| (new.writes, new.channels) = (WritePolicy::ReadOnly, below("old")))
        .change("old", |old| old.writes = WritePolicy::Writable);
    assert_eq!(farm.says(), "settled: new:3306 replicates from it: it is the primary again");
    // A successor that is open and still configured to replicate from it is the primary.
    let farm = farm.change("new", |new| new.writes = WritePolicy::Writable);
    assert!(farm.says().starts_with("stays: there is no primary"), "{}", farm.says());
}

#[test]
fn it_goes_below_whoever_leads_now() {
    let mut farm = Farm::with(&format!("{OLD}:1-100"))
        .change("other", |other| (other.writes, other.channels) = (WritePolicy::Writable, Vec::new()));
    let demoted = Demoted {
        key: key("new"),
        uuid: ServerUuid::new(NEW),
        server_id: None,
        successor: key("other"),
        recovery_uid: "r2".to_owned(),
        at: Timestamp::from_secs(50),
    };
    farm.declared.demoted.insert(key("new"), demoted);
    let first = farm.declared.demoted.remove(&key("old")).unwrap();
    farm.declared.demoted.insert(key("a-before-new"), first);
    assert!(farm.says().contains("let old:3306 replicate from other:3306"), "{}", farm.says());
    let farm = farm.change("other", |other| other.credentials_available = false);
    assert!(farm.says().starts_with("stays: no account"), "{}", farm.says());
    let farm = farm.change("old", |old| {
        old.channels = below("gone");
        old.channels[0].receiver = ThreadState::Connecting;
    });
    assert!(farm.says().contains("let old:3306 replicate from other:3306"), "{}", farm.says());
}

#[test]
fn one_that_replicates_again_is_settled_unless_it_hides_something() {
    let attached = |has: &str| Farm::with(has).change("old", |old| old.channels = below("new"));
    assert_eq!(attached(&format!("{OLD}:1-100")).says(), "settled: it replicates below new:3306");
    let mut hides = attached(&format!("{OLD}:1-101"));
    assert!(hides.says().starts_with("stays: it has transactions"));
    hides.recorded = true;
    assert_eq!(hides.says(), "settled: it replicates below new:3306");
}

#[test]
fn one_that_replicates_and_is_writable_keeps_its_record() {
    let farm = Farm::with(&format!("{OLD}:1-100")).change("old", |old| {
        old.channels = below("new");
        old.writes = WritePolicy::Writable;
    });
    assert_eq!(farm.says(), "stays: it is not closed to writes yet");
}

#[test]
fn one_that_a_person_left_stopped_stays_stopped() {
    let mut farm = Farm::with(&format!("{OLD}:1-100")).change("old", |old| {
        old.channels = below("new");
        (old.channels[0].receiver, old.channels[0].applier) = (ThreadState::Stopped, ThreadState::Stopped);
    });
    assert_eq!(farm.says(), "stays: it is configured below new:3306 and does not replicate");
    farm.asked = true;
    assert!(farm.says().contains("let old:3306 replicate from new:3306"));
}

#[test]
fn on_mariadb_what_it_wrote_alone_shows_behind_its_successors_writes() {
    let mariadb = |server: &mut Instance, state: &str, replicated: &str| {
        server.uuid = None;
        server.version = Version::parse("11.8.2-MariaDB", "");
        let replicated = GtidSet::parse_mariadb(replicated).unwrap();
        let executed = GtidSet::parse_mariadb(state).unwrap().union(&replicated);
        server.gtid =
            Gtid { executed, binlog_state: BinlogState::parse(state).unwrap(), replicated, ..Gtid::default() };
        server.credentials_available = false;
    };
    let farm = |old: &str| {
        let mut farm = Farm::with("")
            .change("old", |server| mariadb(server, old, ""))
            .change("new", |server| mariadb(server, "0-1-100,0-2-140", "0-1-100"))
            .change("other", |server| mariadb(server, "0-1-100,0-2-140", "0-2-140"));
        farm.declared.demoted.get_mut(&key("old")).unwrap().uuid = None;
        farm
    };
    assert!(farm("0-1-103").says().contains("has not: 0-1-101..103"), "{}", farm("0-1-103").says());
    assert_eq!(farm("0-1-100").says(), "stays: no account is known by which it could replicate");
    let known = farm("0-1-100").change("other", |other| other.credentials_available = true);
    assert!(known.says().contains("let old:3306 replicate from new:3306"));
    let mut clone = farm("0-1-103");
    (clone.recorded, clone.rebuild) = (true, true);
    assert!(matches!(clone.reception(), Reception::Stay(Stay::CannotRebuild { .. })), "{}", clone.says());
}
