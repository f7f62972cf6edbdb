//! From what one probe saw to who should be probed too.

use std::collections::BTreeSet;
use std::sync::Arc;

use config::Config;
use mysql::Probe;
use store::Command;
use topology::{Instance, InstanceKey, Observation, Placement, ThreadState};

use crate::hub::{Hub, lock};
use crate::observatory::Via;
use crate::{fencing, hands, names, pulse, suspicion, watcher};

/// Why an address is not watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// A filter of the configuration names it.
    Filtered,
    /// An operator had it forgotten a moment ago.
    Forgotten,
    /// It is no address that could be connected to.
    Invalid,
}

/// Watches `key` from now on, under the name that it is known by, unless it is filtered or was forgotten.
pub(crate) async fn hear_of(hub: &Arc<Hub>, key: &InstanceKey) -> Result<InstanceKey, Passed> {
    let config = hub.config();
    if !key.is_valid() {
        return Err(Passed::Invalid);
    }
    let known = known_key(hub, &config, key).await;
    if config.discovery.ignore.matches(&known.host, known.port) {
        return Err(Passed::Filtered);
    }
    let declared = hub.store.declared();
    if declared.forgotten.get(&known).is_some_and(|until| *until > hub.now()) {
        return Err(Passed::Forgotten);
    }
    watcher::watch(hub, &known);
    Ok(known)
}

/// Returns the name that `key` is known by: its host resolved, and other names of the same server joined.
pub(crate) async fn known_key(hub: &Hub, config: &Config, key: &InstanceKey) -> InstanceKey {
    let known = hub.names.known(key);
    if &known != key {
        return known;
    }
    match names::resolve(&key.host, &config.resolve).await {
        Ok(resolved) => {
            if hub.names.learn_host(&key.host, &resolved) {
                let (from, to, at) = (key.host.clone(), resolved.clone(), hub.now());
                if let Err(error) = hub.note(Command::PutHostnameResolve { from, to, at }).await {
                    tracing::warn!(%error, "cannot keep what a host name resolves to");
                }
            }
            hub.names.known(&InstanceKey::new(resolved, key.port))
        }
        Err(error) => {
            tracing::debug!(instance = %key, %error, "keeps its name");
            key.clone()
        }
    }
}

/// Takes in what a probe of `key` saw: records it, follows sources and replicas, and looks into failures.
pub(crate) async fn take_in(hub: &Arc<Hub>, key: &InstanceKey, probe: Probe) {
    let Probe { mut observation, reported, notes, fresh, .. } = probe;
    let via = if fresh { Via::OwnConnection } else { Via::KeptConnection };
    for note in notes {
        tracing::debug!(instance = %key, about = note.about, why = %note.why, "a question brought no answer");
    }
    let config = hub.config();
    let mut neighbours = BTreeSet::new();
    if let Ok(instance) = &mut observation.outcome {
        if is_filtered_by_user(&config, instance) {
            tracing::debug!(instance = %key, "ignored: its replication user is filtered");
            return;
        }
        place(&config, instance);
        label_cluster(&config, instance);
        neighbours = join_names(hub, &config, instance).await;
    }
    let was_valid = hub.observatory.get(key).is_none_or(|watched| watched.failure.is_none());
    report_change(key, was_valid, &observation);
    let failed = observation.outcome.is_err();
    let source = observation.outcome.as_ref().ok().and_then(|instance| instance.source().cloned());
    let connected = observation.outcome.as_ref().ok().and_then(|instance| newly_connected(hub, instance));
    hub.observatory.record(observation, via);
    if failed {
        if was_valid {
            suspicion::suspect(hub, key);
        }
        drop_if_never_there(hub, key);
        return;
    }
    for neighbour in neighbours {
        // Filtered and forgotten ones are passed over on purpose.
        drop(hear_of(hub, &neighbour).await);
    }
    if let Some(source) = source {
        pulse::begin(hub, &source);
    }
    if let Some(source) = connected {
        // Who may acknowledge its commits has changed: what is known of it counts from now on.
        let hub_of_task = Arc::clone(hub);
        hub.spawn(async move { watcher::probe_kept(&hub_of_task, &source).await });
    }
    fencing::look_at(hub, key);
    release_brake(hub, key);
    if let Some(reported) = reported {
        go_by(hub, key, reported).await;
    }
}

/// Returns the source to which `instance` is connected, and was not when it was last read.
fn newly_connected(hub: &Hub, instance: &Instance) -> Option<InstanceKey> {
    let connection = |instance: &Instance| {
        let is_running = instance.channel().is_some_and(|channel| channel.receiver == ThreadState::Running);
        instance.source().filter(|_| is_running).cloned()
    };
    let known = hub.observatory.get(&instance.key).filter(|known| known.failure.is_none());
    let before = known.and_then(|known| known.instance.as_deref().and_then(connection));
    connection(instance).filter(|source| before.as_ref() != Some(source))
}

fn report_change(key: &InstanceKey, was_valid: bool, observation: &Observation) {
    match &observation.outcome {
        Err(failure) if was_valid => {
            tracing::warn!(instance = %key, kind = %failure.kind, error = %failure.message, "probe failed");
        }
        Ok(_) if !was_valid => tracing::info!(instance = %key, "answers again"),
        _ => {}
    }
}

fn is_filtered_by_user(config: &Config, instance: &Instance) -> bool {
    instance.channel().is_some_and(|channel| config.discovery.ignore_replication_users.matches(&channel.user))
}

/// Fills in from patterns on the host name what no query said.
fn place(config: &Config, instance: &mut Instance) {
    let host = instance.key.host.clone();
    let Placement { data_center, region, environment } = &mut instance.placement;
    for (value, pattern) in [
        (data_center, &config.metadata.data_center_pattern),
        (region, &config.metadata.region_pattern),
        (environment, &config.metadata.environment_pattern),
    ] {
        if value.is_empty()
            && let Some(label) = pattern.as_ref().and_then(|pattern| pattern.label(&host))
        {
            label.clone_into(value);
        }
    }
}

/// `ClusterNameToAlias`: the alias of a cluster by its name, which is its head's address.
fn label_cluster(config: &Config, instance: &mut Instance) {
    if instance.labels.cluster_alias.is_empty()
        && !instance.is_replica()
        && let Some(alias) = config.metadata.aliases.alias_of(&instance.key.to_string())
    {
        alias.clone_into(&mut instance.labels.cluster_alias);
    }
}

/// Replaces the addresses that `instance` names by those they are known by, and returns the ones to watch.
async fn join_names(hub: &Hub, config: &Config, instance: &mut Instance) -> BTreeSet<InstanceKey> {
    let mut neighbours = BTreeSet::new();
    for channel in &mut instance.channels {
        if channel.source.is_valid() {
            channel.source = known_key(hub, config, &channel.source).await;
            if !config.discovery.ignore_sources.matches(&channel.source.host, channel.source.port) {
                neighbours.insert(channel.source.clone());
            }
        }
    }
    let mut replicas = BTreeSet::new();
    for replica in &instance.replicas {
        replicas.insert(known_key(hub, config, replica).await);
    }
    instance.replicas = replicas.into_iter().collect();
    let wanted = |key: &&InstanceKey| !config.discovery.ignore_replicas.matches(&key.host, key.port);
    neighbours.extend(instance.replicas.iter().filter(wanted).cloned());
    if let Some(group) = &mut instance.group {
        for member in &mut group.members {
            member.key = known_key(hub, config, &member.key).await;
            neighbours.insert(member.key.clone());
        }
    }
    neighbours.remove(&instance.key);
    neighbours
}

/// Ends what a planned takeover slowed down and could not let go, as the server did not answer then: it is known by its mark,
/// whoever left it.
fn release_brake(hub: &Arc<Hub>, key: &InstanceKey) {
    let is_braked = |watched: &topology::Watched| watched.instance.as_ref().is_some_and(|own| own.binlog.is_braked);
    if !hub.observatory.get(key).is_some_and(|watched| is_braked(&watched)) {
        return;
    }
    // Whoever takes over at this moment goes on with it.
    let (view, declared) = (hub.view(), hub.store.declared());
    let name = view.graph.cluster_of(key).map(|cluster| cluster.name.as_str()).unwrap_or_default();
    let is_busy = lock(&hub.recovering).contains_key(name) || declared.recovering.contains(name);
    let Ok(mandate) = hub.office.mandate() else { return };
    if is_busy {
        return;
    }
    let (hub_of_task, key) = (Arc::clone(hub), key.clone());
    hub.spawn(async move {
        let released = mandate.run(hands::release_brake_of(&hub_of_task, &mandate, &key)).await;
        match released {
            Some(Ok(())) => {
                let message = "its commits had been slowed down by a takeover that was given up: they are not any more";
                crate::audit::record(&hub_of_task, "release-brake", Some(&key), "", message).await;
            }
            Some(Err(error)) => {
                tracing::warn!(instance = %key, %error, "commits are slowed down, and that cannot be ended")
            }
            None => {}
        }
    });
}

/// The process list of a source tells hosts of replicas, not their ports: a guess that nobody ever answered at is no
/// instance, unless a replica names it as its source, or another node of ours did read it.
fn drop_if_never_there(hub: &Hub, key: &InstanceKey) {
    const ENOUGH: u32 = 3;
    let hopeless = hub.observatory.get(key).is_some_and(|watched| watched.seen.is_none() && watched.failures >= ENOUGH);
    let is_declared = hub.store.declared().watched.contains(key);
    if hopeless && !is_declared && hub.view().graph.replicas(key).is_empty() {
        tracing::info!(instance = %key, "never answered: not watched any more");
        watcher::unwatch(hub, std::slice::from_ref(key));
    }
}

/// Lets the instance at `key` go by the name that its server reports, once it is certain that this name leads to the
/// very same server: two servers may report one name (containers, address translation), and a name may lead nowhere.
async fn go_by(hub: &Arc<Hub>, key: &InstanceKey, reported: InstanceKey) {
    let config = hub.config();
    let wanted = known_key(hub, &config, &reported).await;
    if &wanted == key || hub.names.known(key) != *key || !lock(&hub.asked_names).insert((key.clone(), wanted.clone())) {
        return;
    }
    let there = hub.prober(&wanted).probe(hub.clock).await.observation.outcome;
    let here = hub.observatory.get(key).and_then(|watched| watched.instance.clone());
    let same = match (&here, &there) {
        (Some(here), Ok(there)) => here.uuid == there.uuid && here.server_id == there.server_id,
        _ => false,
    };
    if !same {
        tracing::info!(instance = %key, reported = %wanted, "keeps its address: the name it reports does not lead to it");
        return;
    }
    tracing::info!(instance = %key, known_as = %wanted, "goes by the name it reports");
    hub.names.learn(key.clone(), wanted.clone());
    watcher::watch(hub, &wanted);
    watcher::unwatch(hub, std::slice::from_ref(key));
}
