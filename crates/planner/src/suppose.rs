//! A snapshot as it would be if something failed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use topology::{
    Instance, InstanceKey, ProbeFailure, Snapshot, ThreadState, Timestamp, Unreachable, Watched, WritePolicy,
};

/// Something that is supposed to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The mysqld of this server is gone, and its host lives.
    Kill(InstanceKey),
    /// This data centre is cut off: nobody outside reaches a server inside, and none of those reaches anybody outside.
    Cut(String),
    /// Both threads of replication of this server were stopped by somebody.
    StopReplication(InstanceKey),
}

/// What is supposed to happen to something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// No such server.
    #[error("there is no instance {0}: all-instances lists them")]
    NoInstance(InstanceKey),
    /// The server is no replica.
    #[error("{0} is no replica: it has no replication to stop")]
    NoReplica(InstanceKey),
    /// No server is there.
    #[error("no instance is in the data centre {wanted:?}; they are in: {}", .known.join(", "))]
    NoDataCenter {
        /// The data centre.
        wanted: String,
        /// Where servers are.
        known: Vec<String>,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(key) => write!(out, "the mysqld of {key} is gone"),
            Self::Cut(data_center) => write!(out, "the data centre {data_center} is cut off"),
            Self::StopReplication(key) => write!(out, "replication is stopped on {key}"),
        }
    }
}

/// How long ago it happened, when everybody has noticed: receivers had their time to try, and every server that answers was
/// read since.
const AGO: Duration = Duration::from_secs(5);

/// As many probes failed as confirm each other.
const FAILURES: u32 = 3;

/// A source that waits for replicas that are gone goes on without them within this time, or is taken to wait for ever.
const PATIENCE_MS: u64 = 600_000;

/// Returns `snapshot` as it would be a few seconds after `faults` happened, seen by all of our nodes alike.
///
/// # Errors
/// [`Impossible`].
pub fn suppose(snapshot: &Snapshot, faults: &[Fault]) -> Result<Snapshot, Impossible> {
    let victims = Victims::of(snapshot, faults)?;
    let mut supposed = Snapshot { voters: 1, ..snapshot.clone() };
    for watched in supposed.watched.values_mut() {
        let watched = Arc::make_mut(watched);
        watched.elsewhere.clear();
        match victims.how(&watched.key) {
            Some(how) => fail(watched, how, snapshot.now),
            None => stay(watched, &victims, snapshot.now),
        }
    }
    regroup(snapshot, &mut supposed, &victims);
    count_acknowledgers(snapshot, &mut supposed, &victims);
    Ok(supposed)
}

/// Who is struck.
#[derive(Default)]
struct Victims {
    killed: BTreeSet<InstanceKey>,
    cut: BTreeSet<InstanceKey>,
    stopped: BTreeSet<InstanceKey>,
}

impl Victims {
    fn of(snapshot: &Snapshot, faults: &[Fault]) -> Result<Self, Impossible> {
        let mut victims = Self::default();
        for fault in faults {
            match fault {
                Fault::Kill(key) => {
                    snapshot.get(key).ok_or_else(|| Impossible::NoInstance(key.clone()))?;
                    victims.killed.insert(key.clone());
                }
                Fault::StopReplication(key) => {
                    snapshot.get(key).ok_or_else(|| Impossible::NoInstance(key.clone()))?;
                    let is_replica = snapshot.instance(key).is_some_and(Instance::is_replica);
                    if !is_replica {
                        return Err(Impossible::NoReplica(key.clone()));
                    }
                    victims.stopped.insert(key.clone());
                }
                Fault::Cut(data_center) => victims.cut.extend(inhabitants(snapshot, data_center)?),
            }
        }
        Ok(victims)
    }

    /// Returns how a server cannot be reached; none when it can.
    fn how(&self, key: &InstanceKey) -> Option<Unreachable> {
        match (self.cut.contains(key), self.killed.contains(key)) {
            (true, _) => Some(Unreachable::NoAnswer),
            (false, true) => Some(Unreachable::Refused),
            (false, false) => None,
        }
    }
}

fn inhabitants(snapshot: &Snapshot, data_center: &str) -> Result<Vec<InstanceKey>, Impossible> {
    let place = |instance: &Instance| instance.placement.data_center.clone();
    let there = snapshot.instances().filter(|(_, instance)| place(instance) == data_center);
    let there: Vec<InstanceKey> = there.map(|(watched, _)| watched.key.clone()).collect();
    if there.is_empty() || data_center.is_empty() {
        let known: BTreeSet<String> = snapshot.instances().map(|(_, instance)| place(instance)).collect();
        let known = known.into_iter().map(|name| if name.is_empty() { "(unknown)".to_owned() } else { name }).collect();
        return Err(Impossible::NoDataCenter { wanted: data_center.to_owned(), known });
    }
    Ok(there)
}

/// Makes a server unreachable. What it was read to be stays as it was; it did not answer before either, perhaps.
fn fail(watched: &mut Watched, how: Unreachable, now: Timestamp) {
    let since = watched.failing_since.unwrap_or(now.minus(AGO));
    if watched.failure.is_none() {
        // Others that died with it may have acknowledged what it committed since it was read.
        watched.seen = Some(since.minus(Duration::from_millis(1)));
        watched.ledger.failed(how, since);
    }
    watched.failure = Some(ProbeFailure { kind: how, message: how.to_string(), partial: false });
    watched.failing_since = Some(since);
    watched.failures = FAILURES;
    watched.checked = Some(now);
}

/// Lets a server that nothing struck notice what struck others.
fn stay(watched: &mut Watched, victims: &Victims, now: Timestamp) {
    if !watched.is_valid() {
        return;
    }
    let Some(instance) = &mut watched.instance else { return };
    if let Some(seen) = watched.seen.replace(now) {
        Arc::make_mut(instance).uptime_secs += now.since(seen).as_secs();
    }
    watched.checked = Some(now);
    for at in 0..instance.channels.len() {
        let source = &instance.channels[at].source;
        let (how, is_stopped) = (victims.how(source), victims.stopped.contains(&watched.key));
        if how.is_none() && !is_stopped {
            continue;
        }
        let source = source.clone();
        let instance = Arc::make_mut(instance);
        instance.labels.lag_secs = None;
        let channel = &mut instance.channels[at];
        channel.lag_secs = None;
        if is_stopped {
            (channel.receiver, channel.applier) = (ThreadState::Stopped, ThreadState::Stopped);
            (channel.receiver_errno, channel.applier_errno) = (0, 0);
            channel.receiver_error.clear();
            channel.applier_error.clear();
        } else if channel.receiver != ThreadState::Stopped {
            let os_error = if how == Some(Unreachable::Refused) { 111 } else { 110 };
            channel.receiver = ThreadState::Connecting;
            channel.receiver_errno = 2003;
            channel.receiver_error = format!(
                "error connecting to source '{source}'. Message: Can't connect to MySQL server on '{source}' ({os_error})"
            );
        }
    }
}

/// Lets replication groups go on without their struck members, where a majority is left. If the primary is among them, the group
/// elects another: with equal weights the one whose UUID is the smallest.
fn regroup(before: &Snapshot, supposed: &mut Snapshot, victims: &Victims) {
    let mut groups: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
    for (watched, instance) in before.instances() {
        if let Some(group) =
            instance.group.as_ref().filter(|_| watched.is_valid() && victims.how(&watched.key).is_none())
        {
            groups.entry(&group.name).or_default().push(instance);
        }
    }
    for survivors in groups.into_values() {
        let Some(group) = survivors.first().and_then(|survivor| survivor.group.as_ref()) else { continue };
        let is_whole = group.members.iter().all(|member| victims.how(&member.key).is_none());
        if is_whole || survivors.len() * 2 <= group.members.len() + 1 {
            continue;
        }
        let primary = survivors.iter().find(|survivor| survivor.group.as_ref().is_some_and(|group| group.is_primary));
        let elected =
            primary.or_else(|| survivors.iter().min_by_key(|survivor| &survivor.uuid)).map(|elected| &elected.key);
        let single = group.single_primary;
        for survivor in &survivors {
            let Some(watched) = supposed.watched.get_mut(&survivor.key) else { continue };
            let Some(instance) = &mut Arc::make_mut(watched).instance else { continue };
            let instance = Arc::make_mut(instance);
            let Some(group) = &mut instance.group else { continue };
            group.members.retain(|member| victims.how(&member.key).is_none());
            if single {
                group.is_primary = elected == Some(&survivor.key);
                group.members.iter_mut().for_each(|member| member.is_primary = elected == Some(&member.key));
                instance.writes = if group.is_primary { WritePolicy::Writable } else { instance.writes };
            }
        }
    }
}

/// Takes the replicas that no longer acknowledge from those that sources count.
fn count_acknowledgers(before: &Snapshot, supposed: &mut Snapshot, victims: &Victims) {
    let is_gone = |key: &InstanceKey| victims.how(key).is_some() || victims.stopped.contains(key);
    for (watched, replica) in before.instances() {
        let acknowledges =
            replica.semi_sync.replica.enabled && replica.channel().is_some_and(topology::Channel::is_replicating);
        let source = replica.source().filter(|source| victims.how(source).is_none());
        let Some(source) = source.filter(|_| acknowledges && watched.is_valid() && is_gone(&watched.key)) else {
            continue;
        };
        let Some(source) = supposed.watched.get_mut(source).filter(|source| source.is_valid()) else { continue };
        let source = Arc::make_mut(source);
        let Some(instance) = &mut source.instance else { continue };
        let semi_sync = &mut Arc::make_mut(instance).semi_sync;
        semi_sync.clients = semi_sync.clients.saturating_sub(1);
        if semi_sync.clients >= semi_sync.wait_count.max(1) {
            continue;
        }
        if semi_sync.timeout_ms <= PATIENCE_MS {
            semi_sync.source.active = false;
        } else {
            // Somebody commits something, and waits.
            semi_sync.waiting_sessions = Some(semi_sync.waiting_sessions.unwrap_or_default().max(1));
            source.ledger.stuck_since = Some(Timestamp::FIRST);
        }
    }
}
