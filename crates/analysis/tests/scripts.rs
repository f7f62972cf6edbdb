//! Diagnoses as golden scripts: a fleet in a few words, facts that are changed one at a time, and what is diagnosed then.
//! One file per failure mode pins each clause of its condition from both sides. `UPDATE_GOLDENFILES=1 cargo test -p
//! orchestrator-analysis --test scripts` records anew; read the difference.

#![allow(clippy::unwrap_used)]

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use analysis::{Code, Diagnosis, KeyFilter, Policy, Structure};
use goldenscript::{Argument, ArgumentConsumer, Command};
use topology::{
    BinlogCoordinates, BinlogFormat, Declared, Downtime, Graph, GroupMember, GroupMembership, GtidMode, GtidSet,
    Instance, InstanceKey, Maintenance, NodeSays, NodeView, ProbeFailure, Snapshot, ThreadState, Timestamp,
    Unreachable, Watched, WritePolicy,
};

use crate::words::{Failure, channel, healthy, key, set_common_fact, state, uuid};

fn paths() -> Vec<PathBuf> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn scripts() {
    for path in paths() {
        goldenscript::run(&mut Story::default(), &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[test]
fn every_code_and_every_remark_is_met_in_a_script() {
    let texts: String = paths().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let met: BTreeSet<&str> = texts.split_whitespace().collect();
    let names = Code::ALL.iter().map(|code| format!("{code:?}"));
    let names = names.chain(Structure::ALL.iter().map(|remark| format!("+{remark:?}")));
    let missing: Vec<String> = names.filter(|name| !met.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no script shows {missing:?}");
}

/// A fleet and what happened to it.
struct Story {
    now: Timestamp,
    servers: BTreeMap<InstanceKey, Watched>,
    declared: Declared,
    policy: Policy,
    voters: usize,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            now: Timestamp::from_secs(1000),
            servers: BTreeMap::new(),
            declared: Declared::default(),
            policy: Policy::default(),
            voters: 1,
        }
    }
}

impl goldenscript::Runner for Story {
    fn run(&mut self, command: &Command) -> Result<String, Failure> {
        let mut args = command.consume_args();
        let mut output = String::new();
        match command.name.as_str() {
            "fleet" => {
                *self = Self::default();
                self.fleet(&mut args);
            }
            "fleet-below" => self.fleet(&mut args),
            "group" => self.group(&mut args),
            "set" => self.set(&mut args)?,
            "kill" => self.kill(&mut args)?,
            "fail" => self.fail(&mut args)?,
            "cut" => self.each(&mut args, |story, key| story.cut(key))?,
            "node" => self.node(&mut args)?,
            "downtime" => self.each(&mut args, Self::downtime)?,
            "maintenance" => self.each(&mut args, Self::maintenance)?,
            "heard-of" => self.each(&mut args, Self::hear_of)?,
            "voters" => self.voters = args.next_pos().ok_or("how many?")?.value.parse()?,
            "policy" => self.configure(&mut args)?,
            "wait" => self.wait(Duration::from_millis(args.next_pos().ok_or("how many ms?")?.value.parse()?)),
            "diagnose" => output = self.diagnose(&mut args)?,
            other => return Err(format!("unknown command {other}").into()),
        }
        args.reject_rest()?;
        Ok(output)
    }
}

fn word(arg: Option<&Argument>) -> String {
    arg.map(|arg| arg.value.clone()).unwrap_or_default()
}

impl Story {
    /// Healthy servers: `db1` replicates from nobody, `db2=db1` from db1.
    fn fleet(&mut self, args: &mut ArgumentConsumer) {
        for arg in args.rest() {
            let server = key(arg.key.as_deref().unwrap_or(&arg.value));
            let mut instance = healthy(&server);
            if arg.key.is_some() {
                instance.writes = WritePolicy::SuperReadOnly;
                instance.channels.push(channel(&key(&arg.value)));
            }
            self.add(instance);
        }
    }

    /// Servers form a replication group; the first is its primary.
    fn group(&mut self, args: &mut ArgumentConsumer) {
        *self = Self::default();
        let members: Vec<InstanceKey> = args.rest_pos().iter().map(|arg| key(&arg.value)).collect();
        for member in &members {
            let mut instance = healthy(member);
            let is_primary = *member == members[0];
            let others = members.iter().filter(|other| *other != member);
            instance.group = Some(GroupMembership {
                name: "7c4f7b6a-2c5e-11ee-9b8f-0242ac120002".to_owned(),
                single_primary: true,
                state: "ONLINE".to_owned(),
                is_primary,
                members: others
                    .map(|other| GroupMember { key: other.clone(), is_primary: *other == members[0] })
                    .collect(),
            });
            instance.writes = if is_primary { WritePolicy::Writable } else { WritePolicy::SuperReadOnly };
            self.add(instance);
        }
    }

    fn add(&mut self, instance: Instance) {
        let key = instance.key.clone();
        let (seen, checked) = (Some(self.now), Some(self.now));
        let watched =
            Watched { key: key.clone(), instance: Some(Arc::new(instance)), seen, checked, ..Watched::default() };
        self.servers.insert(key, watched);
    }

    fn watched(&mut self, key: &InstanceKey) -> Result<&mut Watched, Failure> {
        self.servers.get_mut(key).ok_or_else(|| format!("no server {key}").into())
    }

    fn each(
        &mut self,
        args: &mut ArgumentConsumer,
        change: impl Fn(&mut Self, &InstanceKey) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        args.rest_pos().iter().try_for_each(|arg| change(self, &key(&arg.value)))
    }

    /// Facts of the servers that stand first.
    fn set(&mut self, args: &mut ArgumentConsumer) -> Result<(), Failure> {
        let servers: Vec<InstanceKey> = args.rest_pos().iter().map(|arg| key(&arg.value)).collect();
        for arg in args.rest_key() {
            for server in &servers {
                let (name, now) = (arg.key.clone().unwrap_or_default(), self.now);
                let watched = self.watched(server)?;
                if name == "unchanged-secs" {
                    watched.unchanged_since = Some(now.minus(Duration::from_secs(arg.value.parse()?)));
                } else if name == "stuck-secs" {
                    watched.ledger.stuck_since = Some(now.minus(Duration::from_secs(arg.value.parse()?)));
                } else {
                    let instance = watched.instance.as_mut().ok_or("it was never seen")?;
                    set_fact(Arc::make_mut(instance), &name, &arg.value)?;
                }
            }
        }
        Ok(())
    }

    /// The process of a server is gone: its port refuses, and its replicas know.
    fn kill(&mut self, args: &mut ArgumentConsumer) -> Result<(), Failure> {
        let servers: Vec<InstanceKey> = args.rest_pos().iter().map(|arg| key(&arg.value)).collect();
        for server in &servers {
            self.broken(server, Unreachable::Refused, 1, false)?;
        }
        for server in self.servers.keys().cloned().collect::<Vec<_>>() {
            let source = self.servers[&server].instance.as_deref().and_then(Instance::source).cloned();
            if source.is_some_and(|source| servers.contains(&source)) && !servers.contains(&server) {
                self.cut(&server)?;
            }
        }
        Ok(())
    }

    /// Probes of a server fail, and nobody else notices.
    fn fail(&mut self, args: &mut ArgumentConsumer) -> Result<(), Failure> {
        let kind = match args.lookup("by").map_or("refused", |arg| arg.value.as_str()) {
            "refused" => Unreachable::Refused,
            "no-answer" => Unreachable::NoAnswer,
            "hung" => Unreachable::Hung,
            "account" => Unreachable::AccessDenied,
            "connections" => Unreachable::TooManyConnections,
            "unknown-host" => Unreachable::UnknownHost,
            other => return Err(format!("what failure is {other}?").into()),
        };
        let times = args.lookup_parse("times")?.unwrap_or(2);
        let partial = args.lookup_parse("partial")?.unwrap_or(false);
        args.rest_pos().iter().try_for_each(|arg| self.broken(&key(&arg.value), kind, times, partial))
    }

    fn broken(&mut self, server: &InstanceKey, kind: Unreachable, times: u32, partial: bool) -> Result<(), Failure> {
        let since = self.now;
        let watched = self.watched(server)?;
        watched.failure = Some(ProbeFailure { kind, message: kind.to_string(), partial });
        watched.failing_since = Some(since);
        watched.failures = times;
        self.wait(Duration::from_millis(5));
        Ok(())
    }

    /// The receiver of a replica cannot connect.
    fn cut(&mut self, server: &InstanceKey) -> Result<(), Failure> {
        let instance = Arc::make_mut(self.watched(server)?.instance.as_mut().ok_or("it was never seen")?);
        let channel = instance.channels.first_mut().ok_or("it is no replica")?;
        (channel.receiver, channel.receiver_errno) = (ThreadState::Connecting, 2003);
        Ok(())
    }

    /// Another node of ours was asked about a server just now.
    fn node(&mut self, args: &mut ArgumentConsumer) -> Result<(), Failure> {
        let (node, says) = (word(args.next_pos()), word(args.next_pos()));
        let server = key(args.lookup("of").map_or("db1", |arg| arg.value.as_str()));
        let failure = ProbeFailure { kind: Unreachable::NoAnswer, message: String::new(), partial: false };
        let says = if says == "sees-it" { NodeSays::Reached } else { NodeSays::Failed(failure) };
        let now = self.now;
        self.watched(&server)?.elsewhere.push(NodeView { node, asked: now, answered: now, says });
        Ok(())
    }

    fn downtime(&mut self, server: &InstanceKey) -> Result<(), Failure> {
        let ends = self.now.plus(Duration::from_secs(600));
        let (owner, reason) = ("ann".to_owned(), "disk change".to_owned());
        self.declared.downtimes.insert(server.clone(), Downtime { owner, reason, begins: self.now, ends });
        Ok(())
    }

    fn maintenance(&mut self, server: &InstanceKey) -> Result<(), Failure> {
        let ends = self.now.plus(Duration::from_secs(600));
        let (owner, reason) = ("ann".to_owned(), "moving".to_owned());
        let maintenance = Maintenance { id: 1, owner, reason, begins: self.now, ends };
        self.declared.maintenance.insert(server.clone(), maintenance);
        Ok(())
    }

    /// An address from which nothing was ever read.
    fn hear_of(&mut self, server: &InstanceKey) -> Result<(), Failure> {
        self.servers.insert(server.clone(), Watched { key: server.clone(), ..Watched::default() });
        self.broken(server, Unreachable::Refused, 3, false)
    }

    fn configure(&mut self, args: &mut ArgumentConsumer) -> Result<(), Failure> {
        for arg in args.rest_key() {
            let value = arg.value.clone();
            match arg.key.as_deref().unwrap_or_default() {
                "ignore" => self.policy.ignores = KeyFilter::new(move |key| key.host == value),
                "exact-semi-sync" => self.policy.exact_semi_sync = value.parse()?,
                "locked-after-secs" => self.policy.locked_semi_sync_after = Duration::from_secs(value.parse()?),
                "recover-non-writable" => self.policy.recover_non_writable = value.parse()?,
                "reduce" => self.policy.reduce_analysis = value.parse()?,
                other => return Err(format!("unknown policy {other}").into()),
            }
        }
        Ok(())
    }

    /// Time passes; every server that answers is read again.
    fn wait(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        for watched in self.servers.values_mut().filter(|watched| watched.is_valid()) {
            watched.seen = Some(self.now);
        }
    }

    /// What is wrong with all servers, or with those that are named.
    fn diagnose(&self, args: &mut ArgumentConsumer) -> Result<String, Failure> {
        let snapshot = Snapshot {
            now: self.now,
            watched: self.servers.iter().map(|(key, watched)| (key.clone(), Arc::new(watched.clone()))).collect(),
            declared: Arc::new(self.declared.clone()),
            voters: self.voters,
        };
        let graph = Graph::of(&snapshot);
        let named: Vec<InstanceKey> = args.rest_pos().iter().map(|arg| key(&arg.value)).collect();
        let found = if named.is_empty() {
            analysis::diagnose(&snapshot, &graph, &self.policy)
        } else {
            let one = |key| analysis::diagnose_one(&snapshot, &graph, &self.policy, key).ok_or("no such server");
            named.iter().map(one).collect::<Result<_, _>>()?
        };
        if found.is_empty() {
            return Ok("nothing to tell\n".to_owned());
        }
        Ok(found.iter().map(line).collect())
    }
}

fn line(diagnosis: &Diagnosis) -> String {
    let Diagnosis { subject, code, structure, facts } = diagnosis;
    let mut text = format!("{} {code:?}", subject.host);
    for remark in structure {
        write!(text, " +{remark:?}").unwrap();
    }
    for (replica, set) in &facts.errant {
        write!(text, " ({} has {})", replica.host, set.to_string().trim_start_matches("00000000-0000-0000-0000-"))
            .unwrap();
    }
    if facts.downtime_ends.is_some() {
        text += " (in downtime)";
    }
    if diagnosis.is_in_downtime_of_replicas() {
        text += " (all its replicas are in downtime)";
    }
    text + "\n"
}

fn set_fact(instance: &mut Instance, name: &str, value: &str) -> Result<(), Failure> {
    if set_common_fact(instance, name, value)? {
        return Ok(());
    }
    match name {
        "format" => instance.binlog.format = BinlogFormat::parse(value),
        "position" => {
            instance.binlog.coordinates = BinlogCoordinates { file: "binlog.000001".to_owned(), pos: value.parse()? };
        }
        "gtid-mode" => instance.gtid.mode = GtidMode::parse(value),
        "executed" => instance.gtid.executed = executed(value)?,
        "semi-sync" => instance.semi_sync.source.enabled = value.parse()?,
        _ => {
            let channel = instance.channels.first_mut().ok_or("no replica")?;
            match name {
                "source" => channel.source = key(value),
                "applier" => {
                    channel.applier = state(value);
                    channel.lag_secs = channel.lag_secs.filter(|_| channel.applier == ThreadState::Running);
                }
                "lag-secs" => channel.lag_secs = Some(value.parse()?),
                "using-gtid" => {
                    (channel.using_gtid, channel.auto_position) = (value.to_owned(), value != "No");
                }
                other => return Err(format!("unknown fact {other}").into()),
            }
        }
    }
    Ok(())
}

/// `1:1-5 2:1` is what servers 1 and 2 wrote.
fn executed(text: &str) -> Result<GtidSet, Failure> {
    let sets = text.split_whitespace().map(|part| {
        let (server, numbers) = part.split_once(':').ok_or("write server:numbers")?;
        Ok::<_, Failure>(format!("{}:{numbers}", uuid(&key(&format!("db{server}")))))
    });
    let joined = sets.collect::<Result<Vec<_>, _>>()?.join(",");
    Ok(GtidSet::parse(&joined)?)
}
