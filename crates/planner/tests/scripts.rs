//! Scenarios as golden scripts: a fleet in a few words, something happens to it, and the transcript shows the diagnosis
//! and what would be done. `UPDATE_GOLDENFILES=1 cargo test -p orchestrator-planner` records anew; read the difference.

#![allow(clippy::unwrap_used)]

#[path = "../../analysis/tests/words/mod.rs"]
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use analysis::{ClusterFilter, DataLoss, KeyFilter, Policy};
use goldenscript::{ArgumentConsumer, Command};
use planner::{Context, Decision, Fault, Kind, PastRecovery, Request, Undo, Wish};
use topology::{
    BinlogCoordinates, Channel, Declared, Demoted, Downtime, Flavor, Graph, GroupMember, GroupMembership, GtidMode,
    GtidSet, Instance, InstanceKey, Maintenance, NodeSays, NodeView, ProbeFailure, RegisteredRule, SemiSyncRole,
    ServerUuid, Snapshot, ThreadState, Timestamp, Unreachable, Version, Watched, WritePolicy,
};

use crate::words::{Failure, key, number, set_common_fact, state, uuid};

/// Each script is a story about one fleet.
#[test]
fn scripts() {
    let mut ran = 0;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        goldenscript::run(&mut Story::default(), &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        ran += 1;
    }
    assert!(ran > 0);
}

struct Story {
    now: Timestamp,
    servers: BTreeMap<InstanceKey, Watched>,
    declared: Declared,
    policy: Policy,
    past: Vec<PastRecovery>,
    voters: usize,
    /// What was seen when all were last looked at.
    looked: BTreeMap<InstanceKey, (Arc<Instance>, Timestamp)>,
}

impl Default for Story {
    fn default() -> Self {
        let recovers_primary = ClusterFilter::new(|_| true);
        let recovers_intermediate = ClusterFilter::new(|_| true);
        Self {
            now: Timestamp::from_secs(1000),
            servers: BTreeMap::new(),
            declared: Declared::default(),
            policy: Policy { recovers_primary, recovers_intermediate, ..Policy::default() },
            past: Vec::new(),
            voters: 1,
            looked: BTreeMap::new(),
        }
    }
}

impl goldenscript::Runner for Story {
    fn run(&mut self, command: &Command) -> Result<String, Failure> {
        let mut args = command.consume_args();
        let output = match command.name.as_str() {
            "fleet" => self.fleet(&mut args)?,
            "write" => self.write(&mut args)?,
            "lag" => self.lag(&mut args)?,
            "set" => self.set(&mut args)?,
            "kill" => self.fail(&mut args, Unreachable::Refused, 1)?,
            "hang" => self.fail(&mut args, Unreachable::Hung, 2)?,
            "timeout" => self.fail(&mut args, Unreachable::Hung, 1)?,
            "refuse-account" => self.fail(&mut args, Unreachable::AccessDenied, 1)?,
            "voters" => {
                self.voters = args.next_pos().ok_or("how many?")?.value.parse()?;
                String::new()
            }
            "node" => self.node(&mut args)?,
            "look" => self.look(&mut args),
            "lose" => self.lose(&mut args)?,
            "demoted" => self.demoted(&mut args)?,
            "left-closed" => self.left_closed(&mut args)?,
            "replicate" => self.replicate(&mut args)?,
            "group" => self.group(&mut args)?,
            "revive" => self.revive(&mut args)?,
            "downtime" => self.downtime(&mut args)?,
            "maintenance" => self.maintenance(&mut args)?,
            "rule" => self.rule(&mut args)?,
            "recovered" => self.recovered(&mut args)?,
            "disable-recoveries" => {
                self.declared.recoveries_disabled = true;
                String::new()
            }
            "policy" => self.configure(&mut args)?,
            "wait" => {
                let span = Duration::from_millis(args.next_pos().ok_or("how many ms?")?.value.parse()?);
                self.now = self.now.plus(span);
                for watched in self.servers.values_mut() {
                    let instance = watched.instance.as_mut().ok_or("it was never seen")?;
                    Arc::make_mut(instance).uptime_secs += span.as_secs();
                }
                String::new()
            }
            "diagnose" => self.diagnose(),
            "decide" => self.decide(&mut args)?,
            "suppose" => self.suppose(&mut args)?,
            "takeover" => self.takeover(&mut args)?,
            "explain" => self.explain()?,
            "receivers" => self.receivers(),
            other => return Err(format!("unknown command {other}").into()),
        };
        args.reject_rest()?;
        Ok(output)
    }
}

/// `1-5` of `db1` as a GTID set of its flavour.
fn gtids(of: &InstanceKey, is_mariadb: bool, last: u64) -> GtidSet {
    let text = match (last, is_mariadb) {
        (0, _) => String::new(),
        (_, true) => format!("0-{}-{last}", number(of)),
        (_, false) => format!("{}:1-{last}", uuid(of)),
    };
    GtidSet::parse(&text).unwrap()
}

impl Story {
    fn snapshot(&self) -> Snapshot {
        let watched = self.servers.iter().map(|(key, watched)| (key.clone(), Arc::new(watched.clone()))).collect();
        Snapshot { now: self.now, watched, declared: Arc::new(self.declared.clone()), voters: self.voters }
    }

    fn change(&mut self, key: &InstanceKey, change: impl FnOnce(&mut Instance)) -> Result<(), Failure> {
        let watched = self.servers.get_mut(key).ok_or_else(|| format!("no server {key}"))?;
        let instance = watched.instance.as_mut().ok_or("it was never seen")?;
        change(Arc::make_mut(instance));
        Ok(())
    }

    fn fleet(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let primary = key(lookup(args, "primary").unwrap_or("db1"));
        let replicas: Vec<InstanceKey> =
            lookup(args, "replicas").unwrap_or("").split(',').filter(|name| !name.is_empty()).map(key).collect();
        let is_mariadb = lookup(args, "flavor") == Some("mariadb");
        let semi_sync: u32 = args.lookup_parse("semi-sync")?.unwrap_or(0);
        for (position, server) in std::iter::once(&primary).chain(&replicas).enumerate() {
            let mut instance = healthy(server, is_mariadb);
            if position == 0 {
                instance.writes = WritePolicy::Writable;
                instance.semi_sync.wait_count = semi_sync;
                instance.semi_sync.timeout_ms = 10_000;
                instance.semi_sync.lossless = true;
                instance.semi_sync.clients = if semi_sync > 0 { u32::try_from(replicas.len())? } else { 0 };
                instance.semi_sync.waiting_sessions = Some(0);
                let on = semi_sync > 0;
                instance.semi_sync.source = SemiSyncRole { available: on, enabled: on, active: on, new_names: true };
                instance.semi_sync.replica.available = on;
            } else {
                instance.channels.push(channel(&primary, is_mariadb));
                let on = semi_sync > 0;
                instance.semi_sync.source.available = on;
                instance.semi_sync.replica = SemiSyncRole { available: on, enabled: on, active: on, new_names: true };
            }
            let watched = Watched {
                key: server.clone(),
                instance: Some(Arc::new(instance)),
                seen: Some(self.now),
                checked: Some(self.now),
                ..Watched::default()
            };
            self.servers.insert(server.clone(), watched);
        }
        Ok(String::new())
    }

    /// Servers replicate from another one, as they did from their source before: the tree beyond the first tier, and rings.
    fn replicate(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let source = key(lookup(args, "from").ok_or("from=?")?);
        for name in args.next_pos().ok_or("who?")?.value.split(',') {
            self.change(&key(name), |instance| {
                let is_mariadb = instance.version.is_mariadb();
                let old = instance.channels.pop().unwrap_or_else(|| channel(&source, is_mariadb));
                instance.channels.push(Channel { source: source.clone(), ..old });
            })?;
        }
        Ok(String::new())
    }

    /// Servers form a replication group, the first being its primary; the others replicate by the group alone.
    fn group(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let members: Vec<InstanceKey> = args.next_pos().ok_or("who?")?.value.split(',').map(key).collect();
        for (position, member) in members.iter().enumerate() {
            let other = |other: &&InstanceKey| *other != member;
            let as_member = |other: &InstanceKey| GroupMember { key: other.clone(), is_primary: *other == members[0] };
            let others = members.iter().filter(other).map(as_member).collect();
            self.change(member, |instance| {
                instance.channels.clear();
                instance.group = Some(GroupMembership {
                    name: "00000000-0000-0000-0000-00000000000a".to_owned(),
                    single_primary: true,
                    state: "ONLINE".to_owned(),
                    is_primary: position == 0,
                    members: others,
                });
            })?;
        }
        Ok(String::new())
    }

    /// A server answers again.
    fn revive(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let watched = self.servers.get_mut(&server).ok_or("who?")?;
        (watched.failure, watched.failing_since, watched.failures, watched.seen) = (None, None, 0, Some(self.now));
        Ok(String::new())
    }

    /// The primary commits transactions, and every replica gets and applies them.
    fn write(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let primary = key(&args.next_pos().ok_or("who?")?.value);
        let last: u64 = args.lookup_parse("trx")?.ok_or("trx=?")?;
        let names: Vec<InstanceKey> = self.servers.keys().cloned().collect();
        for name in names {
            self.change(&name, |instance| {
                let set = gtids(&primary, instance.version.is_mariadb(), last);
                instance.gtid.executed = instance.gtid.executed.union(&set);
                if let Some(channel) = instance.channels.first_mut() {
                    channel.retrieved = channel.retrieved.union(&set);
                }
            })?;
        }
        Ok(String::new())
    }

    /// A replica has received or applied only so many.
    fn lag(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let replica = key(&args.next_pos().ok_or("who?")?.value);
        let of = key(lookup(args, "of").unwrap_or("db1"));
        let received: Option<u64> = args.lookup_parse("received")?;
        let applied: Option<u64> = args.lookup_parse("applied")?;
        let secs: Option<u64> = args.lookup_parse("secs")?;
        self.change(&replica, |instance| {
            let is_mariadb = instance.version.is_mariadb();
            let channel = instance.channels.first_mut().expect("a replica");
            if let Some(received) = received {
                channel.retrieved = gtids(&of, is_mariadb, received);
                instance.gtid.executed = gtids(&of, is_mariadb, received);
            }
            if let Some(applied) = applied {
                instance.gtid.executed = gtids(&of, is_mariadb, applied);
            }
            channel.lag_secs = secs.or(channel.lag_secs);
        })?;
        Ok(String::new())
    }

    fn set(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let settings = args.rest().into_iter().map(|arg| (arg.key.clone().unwrap_or_default(), arg.value.clone()));
        for (name, value) in settings.collect::<Vec<_>>() {
            let now = self.now;
            if name == "still-since" {
                let since = Timestamp::from_secs(value.parse()?);
                let server = self.servers.get_mut(&server).ok_or("who?")?;
                (server.unchanged_since, server.ledger.stuck_since) = (Some(since), Some(since));
                continue;
            }
            if name == "receivers-restarted" {
                self.servers.get_mut(&server).ok_or("who?")?.receivers_restarted = Some(now);
                continue;
            }
            self.change(&server, |instance| set_fact(instance, &name, &value))?;
        }
        Ok(String::new())
    }

    /// All that answer, or the one that is named, are probed now, and what is remembered of them is brought up to date.
    fn look(&mut self, args: &mut ArgumentConsumer) -> String {
        let named = args.next_pos().map(|arg| key(&arg.value));
        let answering = self.servers.values().filter(|watched| watched.failure.is_none());
        let meant =
            answering.map(|watched| watched.key.clone()).filter(|key| named.as_ref().is_none_or(|one| one == key));
        for key in meant.collect::<Vec<_>>() {
            self.probe(&key);
        }
        String::new()
    }

    fn probe(&mut self, key: &InstanceKey) {
        let Some(watched) = self.servers.get_mut(key) else { return };
        let instance = watched.instance.as_mut().expect("seen");
        let before = self.looked.get(key).map(|(instance, then)| (instance.as_ref(), *then));
        watched.ledger = watched.ledger.after(before, instance, self.now, self.now);
        watched.seen = Some(self.now);
        self.looked.insert(key.clone(), (Arc::clone(instance), self.now));
    }

    /// A server fails now. Replicas that are read afterwards know it, unless `replicas=believe`.
    fn fail(&mut self, args: &mut ArgumentConsumer, kind: Unreachable, failures: u32) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let believe = lookup(args, "replicas") == Some("believe");
        let since = self.now;
        self.now = self.now.plus(Duration::from_millis(5));
        let failed = self.servers.get_mut(&server).ok_or("who?")?;
        failed.failure = Some(ProbeFailure { kind, message: kind.to_string(), partial: false });
        failed.failing_since = Some(since);
        failed.failures = failures;
        failed.ledger.failed(kind, since);
        for watched in self.servers.values_mut().filter(|watched| watched.key != server && watched.failure.is_none()) {
            let instance = Arc::make_mut(watched.instance.as_mut().expect("seen"));
            for channel in instance.channels.iter_mut().filter(|channel| channel.source == server) {
                if !believe && channel.receiver == ThreadState::Running {
                    channel.receiver = ThreadState::Connecting;
                    channel.receiver_errno = if kind == Unreachable::Refused { 2003 } else { 0 };
                }
            }
        }
        let others: Vec<InstanceKey> = self
            .servers
            .values()
            .filter(|watched| watched.failure.is_none())
            .map(|watched| watched.key.clone())
            .collect();
        others.iter().for_each(|other| self.probe(other));
        Ok(String::new())
    }

    /// Another node of ours was asked about a server just now, or `age-ms` ago.
    fn node(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let node = args.next_pos().ok_or("which node?")?.value.clone();
        let word = args.next_pos().ok_or("what does it say?")?.value.clone();
        let server = key(lookup(args, "of").unwrap_or("db1"));
        let age: u64 = args.lookup_parse("age-ms")?.unwrap_or(0);
        let failed =
            |kind: Unreachable| NodeSays::Failed(ProbeFailure { kind, message: kind.to_string(), partial: false });
        let says = match word.as_str() {
            "sees-it" => NodeSays::Reached,
            "refused" => failed(Unreachable::Refused),
            "no-answer" => failed(Unreachable::NoAnswer),
            "access-denied" => failed(Unreachable::AccessDenied),
            "unknown-host" => failed(Unreachable::UnknownHost),
            "silent" => NodeSays::Nothing("no answer within 1.5 s".to_owned()),
            other => return Err(format!("what does {other} mean?").into()),
        };
        let asked = self.now.minus(Duration::from_millis(age));
        let watched = self.servers.get_mut(&server).ok_or("who?")?;
        watched.elsewhere.retain(|view| view.node != node);
        watched.elsewhere.push(NodeView { node, asked, answered: self.now, says });
        Ok(String::new())
    }

    /// A server does not answer, and it is no primary's failure.
    fn lose(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let lost = self.servers.get_mut(&server).ok_or("who?")?;
        let kind = Unreachable::NoAnswer;
        lost.failure = Some(ProbeFailure { kind, message: kind.to_string(), partial: false });
        lost.failing_since = Some(self.now);
        lost.failures = 2;
        if lookup(args, "refused").is_some() {
            lost.ledger.failed(Unreachable::Refused, self.now);
        }
        Ok(String::new())
    }

    /// A server was replaced by another one in an earlier recovery, `under` an address that it had then.
    fn demoted(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let successor = key(&args.next_pos().ok_or("by whom?")?.value);
        let under = lookup(args, "under").map_or_else(|| server.clone(), key);
        let demoted = Demoted {
            key: under.clone(),
            uuid: ServerUuid::new(&uuid(&server)),
            server_id: None,
            successor,
            recovery_uid: "recovery-1".to_owned(),
            at: self.now,
        };
        self.declared.demoted.insert(under, demoted);
        Ok(String::new())
    }

    /// A recovery closed a server to put another one in its place, and was given up.
    fn left_closed(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        self.demoted(args)?;
        let (server, record) = self.declared.demoted.pop_first().ok_or("no record")?;
        let instance = self.servers.get(&server).and_then(|watched| watched.instance.clone());
        let record = Demoted { uuid: None, ..record }.known_as(instance.as_deref());
        self.declared.left_closed.insert(server, record);
        Ok(String::new())
    }

    fn downtime(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let ends = self.now.plus(Duration::from_secs(600));
        let (owner, reason) = ("ann".to_owned(), "disk change".to_owned());
        self.declared.downtimes.insert(server, Downtime { owner, reason, begins: self.now, ends });
        Ok(String::new())
    }

    fn maintenance(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let ends = self.now.plus(Duration::from_secs(600));
        let (owner, reason) = ("ann".to_owned(), "moving".to_owned());
        self.declared.maintenance.insert(server, Maintenance { id: 1, owner, reason, begins: self.now, ends });
        Ok(String::new())
    }

    fn rule(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let server = key(&args.next_pos().ok_or("who?")?.value);
        let rule = args.next_pos().ok_or("which?")?.value.parse()?;
        self.declared.promotion_rules.insert(server, RegisteredRule { rule, at: self.now });
        Ok(String::new())
    }

    fn recovered(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let cluster = format!("{}:3306", args.next_pos().ok_or("which cluster?")?.value);
        let secs_ago: u64 = args.lookup_parse("secs-ago")?.unwrap_or(0);
        let promoted = lookup(args, "promoted").map(key);
        let kind = Kind::from_name(lookup(args, "kind").unwrap_or("DeadPrimary")).ok_or("what kind?")?;
        let id = i64::try_from(self.past.len())? + 1;
        self.past.insert(
            0,
            PastRecovery {
                id,
                uid: format!("recovery-{id}"),
                kind,
                cluster,
                changed_servers: promoted.is_some(),
                successor: promoted,
                began: self.now.minus(Duration::from_secs(secs_ago)),
                acknowledged: lookup(args, "acknowledged").is_some(),
            },
        );
        Ok(String::new())
    }

    fn configure(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        for arg in args.rest() {
            let value = arg.value.clone();
            match arg.key.as_deref() {
                Some("automated") => {
                    let on = value == "true";
                    self.policy.recovers_primary = ClusterFilter::new(move |_| on);
                }
                Some("automated-intermediate") => {
                    let on = value == "true";
                    self.policy.recovers_intermediate = ClusterFilter::new(move |_| on);
                }
                Some("exact-semi-sync") => self.policy.exact_semi_sync = value == "true",
                Some("unlock-semi-sync") => self.policy.unlock_semi_sync = value == "true",
                Some("recover-non-writable") => self.policy.recover_non_writable = value == "true",
                Some("only-other-co-primary") => self.policy.only_other_co_primary = value == "true",
                Some("never-promote") => self.policy.never_promote = KeyFilter::new(move |key| key.host == value),
                Some("grace-secs") => self.policy.restart_grace = Duration::from_secs(value.parse()?),
                Some("same-data-center") => self.policy.same_data_center = value == "true",
                Some("max-lag-secs") => self.policy.max_promotion_lag = Some(Duration::from_secs(value.parse()?)),
                Some("refuse-unapplied") => self.policy.refuse_unapplied = value == "true",
                Some("data-loss") => {
                    self.policy.data_loss = match value.as_str() {
                        "allow" => DataLoss::Allow,
                        "refuse" => DataLoss::Refuse,
                        secs => DataLoss::Wait(Duration::from_secs(secs.parse()?)),
                    }
                }
                Some("postpone-lag-secs") => {
                    self.policy.postpone_above_lag = Some(Duration::from_secs(value.parse()?));
                }
                Some("apply-promotion") => self.policy.apply_promotion = value == "true",
                Some("detach-promoted") => self.policy.detach_promoted = value == "true",
                Some("detach-lost") => self.policy.detach_lost = value == "true",
                other => return Err(format!("unknown policy {other:?}").into()),
            }
        }
        Ok(String::new())
    }

    fn diagnose(&self) -> String {
        let snapshot = self.snapshot();
        let mut text = String::new();
        for diagnosis in analysis::diagnose(&snapshot, &Graph::of(&snapshot), &self.policy) {
            let facts = &diagnosis.facts;
            let structure: String = diagnosis.structure.iter().map(|remark| format!(" +{remark:?}")).collect();
            writeln!(
                text,
                "{} {:?} replicas={} valid={} replicating={} cut-off={}{structure}",
                diagnosis.subject.host,
                diagnosis.code,
                facts.replicas.len(),
                facts.valid_replicas,
                facts.replicating_replicas,
                facts.cut_off_replicas(),
            )
            .unwrap();
        }
        text
    }

    fn decide(&self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let subject = key(&args.next_pos().map_or("db1".to_owned(), |arg| arg.value.clone()));
        let request = Request {
            candidate: lookup(args, "candidate").map(key),
            skip_hooks: true,
            command: lookup(args, "command").unwrap_or("").to_owned(),
            forced: lookup(args, "forced").is_some(),
        };
        let snapshot = self.snapshot();
        let graph = Graph::of(&snapshot);
        let diagnosis = analysis::diagnose_one(&snapshot, &graph, &self.policy, &subject).ok_or("who?")?;
        let running = lookup(args, "running").map(str::to_owned);
        let context = Context {
            snapshot: &snapshot,
            graph: &graph,
            policy: &self.policy,
            past: &self.past,
            running: running.as_deref(),
            request: &request,
        };
        let plan = match planner::decide(&diagnosis, context) {
            Decision::Hold(hold) => return Ok(format!("hold: {hold}\n").replace(":3306", "")),
            Decision::Act(plan) => plan,
        };
        match args.lookup_parse("dies-in")? {
            Some(step) => way_back(&plan, step),
            None => Ok(render(&plan)),
        }
    }

    /// The fleet becomes what it is supposed to be.
    fn suppose(&mut self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let mut faults = Vec::new();
        for arg in args.rest() {
            faults.push(match arg.key.as_deref() {
                Some("kill") => Fault::Kill(key(&arg.value)),
                Some("cut") => Fault::Cut(arg.value.clone()),
                Some("stop-replication") => Fault::StopReplication(key(&arg.value)),
                other => return Err(format!("what is {other:?}?").into()),
            });
        }
        match planner::suppose(&self.snapshot(), &faults) {
            Err(impossible) => Ok(format!("{impossible}\n")),
            Ok(supposed) => {
                let servers = supposed.watched.into_iter().map(|(key, watched)| (key, watched.as_ref().clone()));
                self.servers = servers.collect();
                Ok(self.diagnose())
            }
        }
    }

    /// Somebody wants another primary. With `dies-in=N`, the way back from a takeover that was given up in step N.
    fn takeover(&self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let designated = args.next_pos().map(|arg| key(&arg.value));
        let wish = Wish { designated, auto: lookup(args, "auto").is_some() };
        let dies_in: Option<u32> = args.lookup_parse("dies-in")?;
        let snapshot = self.snapshot();
        let graph = Graph::of(&snapshot);
        let diagnosis = analysis::diagnose_one(&snapshot, &graph, &self.policy, &key("db1")).ok_or("who?")?;
        let request = Request { skip_hooks: lookup(args, "hooks").is_none(), ..Request::default() };
        let running = lookup(args, "running");
        let context = Context {
            snapshot: &snapshot,
            graph: &graph,
            policy: &self.policy,
            past: &self.past,
            running,
            request: &request,
        };
        let plan = match planner::takeover(&diagnosis.facts, context, &wish) {
            Decision::Hold(hold) => return Ok(format!("hold: {hold}\n").replace(":3306", "")),
            Decision::Act(plan) => plan,
        };
        let Some(step) = dies_in else { return Ok(render(&plan)) };
        way_back(&plan, step)
    }

    fn explain(&self) -> Result<String, Failure> {
        let snapshot = self.snapshot();
        let graph = Graph::of(&snapshot);
        let cluster = graph.clusters().first().ok_or("no cluster")?;
        let explanation = planner::explain(&snapshot, &graph, &self.policy, cluster, &self.past, None).ok_or("?")?;
        let rehearsal = explanation.if_primary_died;
        let mut text = format!("primary {}\n", explanation.primary.host);
        if let Some(hold) = rehearsal.hold {
            writeln!(text, "would hold: {hold}")?;
        }
        for candidate in rehearsal.choice.candidates {
            writeln!(
                text,
                "candidate {}: {}",
                candidate.key.host,
                candidate.why_not().unwrap_or_else(|| "fit".to_owned())
            )?;
        }
        if let Some(certificate) = rehearsal.certificate {
            writeln!(text, "{certificate}")?;
        }
        Ok(text.replace(":3306", ""))
    }

    fn receivers(&self) -> String {
        let snapshot = self.snapshot();
        let graph = Graph::of(&snapshot);
        let mut text = String::new();
        for diagnosis in analysis::diagnose(&snapshot, &graph, &self.policy) {
            for replica in planner::receivers_to_restart(&diagnosis, &snapshot, &self.policy) {
                writeln!(text, "restart the receiver of {}", replica.host).unwrap();
            }
        }
        text
    }
}

fn render(plan: &planner::Plan) -> String {
    let mut text = match &plan.certificate {
        Some(certificate) => format!("promote {}; {certificate}\n", plan.successor.host),
        None => format!("{:?} → {}\n", plan.kind, plan.successor.host),
    };
    for lost in &plan.lost {
        writeln!(text, "lose {}: {}", lost.key, lost.why).unwrap();
    }
    for step in &plan.steps {
        writeln!(text, "{:>2} {}{}", step.stage, step.action, if step.required { "" } else { " (may fail)" }).unwrap();
    }
    text.replace(":3306", "")
}

/// Returns what takes `plan` back when it was given up in this step.
fn way_back(plan: &planner::Plan, step: u32) -> Result<String, Failure> {
    let mut text = format!("in: {}\n", plan.steps[step as usize - 1].action);
    for undo in planner::retreat(plan, &(1..=step).collect(), &BTreeMap::new()).into_iter().flatten() {
        writeln!(text, "  {}", short(&undo))?;
    }
    Ok(text.replace(":3306", ""))
}

fn short(undo: &Undo) -> String {
    match undo {
        Undo::StartReceiver { replica, .. } => format!("start the receiver of {replica}"),
        Undo::StartReplication { replica, .. } => format!("start {replica}"),
        Undo::Disown { server } => format!("disown {server}"),
        Undo::Close { server, waits: true, .. } => format!("close {server}, or leave all as it is; no waiting on it"),
        Undo::Close { server, .. } => format!("close {server}, or leave all as it is"),
        Undo::Unfence { server, open: true } => format!("unfence {server}"),
        Undo::Unfence { server, open: false } => format!("leave {server} as it is, and off the record"),
        Undo::Thaw { server, .. } => format!("open {server}"),
        Undo::MoveBack { replica, to, .. } => format!("move {replica} below {to}"),
        Undo::Realign { replica, to, at, .. } => format!("move {replica} below {to}, where it stood at {at}"),
        Undo::ReleaseBrake { primary } => format!("release the brake of {primary}"),
        Undo::FollowAgain { candidate } => format!("start {candidate}"),
        Undo::Detach { server, .. } => format!("detach {server}"),
        Undo::RestoreAcks { candidate, .. } => format!("no waiting on {candidate}"),
    }
}

fn healthy(server: &InstanceKey, is_mariadb: bool) -> Instance {
    let mut instance = words::healthy(server);
    instance.version = Version::parse(if is_mariadb { "10.11.19-MariaDB" } else { "9.7.4" }, "");
    if is_mariadb {
        (instance.uuid, instance.gtid.mode) = (None, GtidMode::None);
    }
    (instance.writes, instance.uptime_secs) = (WritePolicy::ReadOnly, 86_400);
    instance.credentials_available = true;
    instance
}

fn channel(source: &InstanceKey, is_mariadb: bool) -> Channel {
    let using_gtid = if is_mariadb { "Slave_Pos".to_owned() } else { String::new() };
    Channel { user: "repl".to_owned(), using_gtid, ..words::channel(source) }
}

fn set_fact(instance: &mut Instance, name: &str, value: &str) {
    if set_common_fact(instance, name, value).unwrap() {
        return;
    }
    match name {
        "identity-of" => instance.uuid = ServerUuid::new(&uuid(&key(value))),
        "gtid-mode" => instance.gtid.mode = GtidMode::parse(value),
        "data-center" => value.clone_into(&mut instance.placement.data_center),
        "executed" => instance.gtid.executed = GtidSet::parse(value).unwrap(),
        "purged" => instance.gtid.purged = GtidSet::parse(value).unwrap(),
        "uptime" => instance.uptime_secs = value.parse().unwrap(),
        "account" => instance.credentials_available = value == "true",
        "can-acknowledge" => instance.semi_sync.replica.available = value == "true",
        "filters" => instance.channels[0].has_filters = value == "true",
        "acknowledged" => instance.semi_sync.acknowledged = value.parse().unwrap(),
        "unacknowledged" => instance.semi_sync.unacknowledged = value.parse().unwrap(),
        "timeout-ms" => instance.semi_sync.timeout_ms = value.parse().unwrap(),
        "lossless" => instance.semi_sync.lossless = value == "true",
        "gives-up-alone" => instance.semi_sync.gives_up_alone = value == "true",
        "semi-sync-source" => instance.semi_sync.source.available = value == "true",
        "semi-sync-priority" => instance.semi_sync.priority = value.parse().unwrap(),
        "semi-sync" => instance.semi_sync.replica.enabled = value == "true",
        "flavor" => instance.version.flavor = if value == "percona" { Flavor::Percona } else { Flavor::MySql },
        "applier" => instance.channels[0].applier = state(value),
        "applier-errno" => instance.channels[0].applier_errno = value.parse().unwrap(),
        "lag-secs" => instance.channels[0].lag_secs = Some(value.parse().unwrap()),
        "format" => instance.binlog.format = topology::BinlogFormat::parse(value),
        "detached" => instance.channels.clear(),
        "read" => instance.channels[0].read = BinlogCoordinates::new("binlog.000002", value.parse().unwrap()),
        "applied-to" => instance.channels[0].executed = BinlogCoordinates::new("binlog.000002", value.parse().unwrap()),
        "acknowledging" => instance.semi_sync.replica.active = value == "true",
        "priority" => instance.semi_sync.priority = value.parse().unwrap(),
        "retrieved" => instance.channels[0].retrieved = GtidSet::parse(value).unwrap(),
        other => panic!("unknown fact {other}"),
    }
}

fn lookup<'a>(args: &mut ArgumentConsumer<'a>, name: &str) -> Option<&'a str> {
    args.lookup(name).map(|arg| arg.value.as_str())
}
