//! What must be done now and then: keeping observations, ageing, telling that this node lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use store::{ClusterFacts, Command, NodeReport, ObservedInstance, Retention};
use topology::{Downtime, Instance, InstanceKey, Watched};

use crate::hub::{Hub, lock};
use crate::{hands, watcher};

/// Tells every second that this node lives.
pub(crate) async fn tell_alive(hub: Arc<Hub>) {
    const EVERY: Duration = Duration::from_secs(1);
    let mut repeats = 0;
    loop {
        let report = NodeReport {
            node: hub.node.clone(),
            mode: "HttpMode".to_owned(),
            command: "http".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            backend: hub.store.path().display().to_string(),
            active: hub.office.mandate().is_ok(),
            started: hub.started,
            at: hub.now(),
        };
        let told = hub.note(Command::RegisterNode(report)).await;
        note_trouble(&hub, told.err().map(|error| error.to_string()), &mut repeats);
        tokio::time::sleep(EVERY).await;
    }
}

/// Keeps why nothing can be put on record, and says so when it begins, once a minute, and when it is over: a disk that
/// is full must not be filled with complaints about it.
fn note_trouble(hub: &Hub, trouble: Option<String>, repeats: &mut u32) {
    const EVERY_SO_MANY: u32 = 60;
    let before = std::mem::replace(&mut *lock(&hub.trouble), trouble.clone());
    *repeats = if before == trouble { *repeats + 1 } else { 0 };
    match trouble {
        Some(error) if (*repeats).is_multiple_of(EVERY_SO_MANY) => {
            tracing::error!(%error, "NOTHING CAN BE PUT ON RECORD: servers are watched, and no recovery begins");
        }
        None if before.is_some() => tracing::warn!("the database takes writes again"),
        _ => {}
    }
}

/// Writes what was observed to the store, for a warm start and for people who look.
pub(crate) async fn keep_observations(hub: Arc<Hub>) {
    const EVERY: Duration = Duration::from_secs(5);
    let mut kept = BTreeMap::<InstanceKey, Arc<Watched>>::new();
    let mut in_haste = true;
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep(EVERY) => {}
            () = topology_changes(&hub, &kept), if in_haste => {}
        }
        let saved = keep_changes(&hub, &kept).await;
        // A store that takes nothing, such as a full disk, is not tried five times a second.
        in_haste = saved.is_some();
        kept = saved.unwrap_or(kept);
    }
}

/// Waits until the topology is not as in `kept`. Whoever asked for a discovery was told that it is done, and a promotion is
/// done: a crash a moment later must not forget who replicates from whom, and with it the death of a primary.
async fn topology_changes(hub: &Hub, kept: &BTreeMap<InstanceKey, Arc<Watched>>) {
    const LOOK: Duration = Duration::from_millis(200);
    while !differs(hub, kept) {
        tokio::time::sleep(LOOK).await;
    }
}

fn differs(hub: &Hub, kept: &BTreeMap<InstanceKey, Arc<Watched>>) -> bool {
    let place = |instance: &Instance| {
        (instance.channel().map(|channel| channel.source.clone()), instance.uuid.clone(), instance.writes.is_writable())
    };
    let moved = |watched: &Arc<Watched>| match (kept.get(&watched.key), &watched.instance) {
        (_, None) => false,
        (Some(known), Some(_)) if Arc::ptr_eq(known, watched) => false,
        (Some(known), Some(instance)) => known.instance.as_ref().is_none_or(|known| place(known) != place(instance)),
        (None, Some(_)) => true,
    };
    hub.snapshot().watched.values().any(moved)
}

/// Writes what changed since `kept`, and returns what is kept now; nothing when the store did not take it.
pub(crate) async fn keep_changes(
    hub: &Arc<Hub>,
    kept: &BTreeMap<InstanceKey, Arc<Watched>>,
) -> Option<BTreeMap<InstanceKey, Arc<Watched>>> {
    let view = hub.view();
    let is_news = |watched: &&Arc<Watched>| kept.get(&watched.key).is_none_or(|old| !Arc::ptr_eq(old, watched));
    let news: Vec<ObservedInstance> = view
        .snapshot
        .watched
        .values()
        .filter(|watched| watched.instance.is_some())
        .filter(is_news)
        .map(|watched| ObservedInstance { watched: Arc::clone(watched), facts: facts(&view, &watched.key) })
        .collect();
    match save(hub, news).await {
        Ok(Ok(())) => Some(view.snapshot.watched.clone()),
        Ok(Err(error)) if lock(&hub.trouble).is_some() => {
            tracing::debug!(%error, "observations were not kept");
            None
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "observations were not kept: a restart will have to find the topology again");
            None
        }
        Err(_) => None,
    }
}

async fn save(hub: &Hub, news: Vec<ObservedInstance>) -> Result<Result<(), store::Error>, tokio::task::JoinError> {
    let store = hub.store.clone();
    if store.is_inline() {
        return Ok(store.save_instances(news));
    }
    tokio::task::spawn_blocking(move || store.save_instances(news)).await
}

fn facts(view: &crate::View, key: &InstanceKey) -> ClusterFacts {
    let cluster = view.graph.cluster_of(key);
    let errant = view
        .diagnoses
        .iter()
        .flat_map(|diagnosis| &diagnosis.facts.errant)
        .find(|(replica, _)| replica == key)
        .map(|(_, errant)| errant.to_string());
    ClusterFacts {
        cluster_name: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
        cluster_alias: cluster.map(|cluster| cluster.alias.clone()).unwrap_or_default(),
        depth: view.graph.depth(key),
        is_co_primary: view.graph.is_co_primary(key),
        ancestry: ancestry(view, key),
        errant: errant.unwrap_or_default(),
    }
}

/// Returns the UUIDs from the head of the cluster down to `key`, joined by commas.
fn ancestry(view: &crate::View, key: &InstanceKey) -> String {
    let mut uuids = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut next = Some(key);
    while let Some(key) = next.filter(|key| seen.insert((*key).clone())) {
        uuids.extend(view.snapshot.instance(key).and_then(|instance| instance.uuid.as_ref()).map(ToString::to_string));
        next = view.graph.source(key);
    }
    uuids.reverse();
    uuids.join(",")
}

/// Lets old rows go, and instances that nobody has seen for long.
pub(crate) async fn age(hub: Arc<Hub>) {
    const EVERY: Duration = Duration::from_secs(10);
    let mut names_asked = hub.now();
    loop {
        tokio::time::sleep(EVERY).await;
        let config = hub.config();
        let retention = Retention {
            audit: config.audit.keep,
            candidates: config.candidates.rule_expiry,
            unseen: config.discovery.forget_after,
            resolves: config.resolve.expiry,
            detection_block: config.recovery.detection_block,
            recovery_block: config.recovery.recovery_block,
            ..Retention::default()
        };
        // One node lets rows of all go.
        let mandate = hub.office.mandate().ok();
        if let Some(mandate) = &mandate
            && let Some(Err(error)) = mandate.run(hub.declare(Command::Expire { now: hub.now(), retention })).await
        {
            tracing::debug!(%error, "old rows were not removed");
        }
        if hub.now().since(names_asked) >= config.resolve.expiry {
            hub.names.expire_hosts();
            names_asked = hub.now();
        }
        if let Err(error) = hub.store.age_changelog(hub.now().minus(config.discovery.forget_after)) {
            tracing::debug!(%error, "old changes of diagnoses were not removed");
        }
        forget_unseen(&hub, config.discovery.forget_after, mandate.is_some()).await;
        if let Some(mandate) = mandate {
            mandate.run(welcome_back(&hub)).await;
        }
    }
}

/// Forgets what this node has not seen for long. What all nodes watch is taken from all of them, by the one that acts.
async fn forget_unseen(hub: &Hub, after: Duration, acts: bool) {
    let snapshot = hub.snapshot();
    let now = snapshot.now;
    let unseen = snapshot
        .watched
        .values()
        .filter(|watched| now.since(watched.seen.unwrap_or(watched.first_heard)) > after)
        .map(|watched| watched.key.clone());
    let (shared, own): (Vec<_>, Vec<_>) = unseen.partition(|key| snapshot.declared.watched.contains(key));
    if !own.is_empty() {
        tracing::info!(count = own.len(), "forgetting instances that were not seen for long");
        watcher::unwatch(hub, &own);
        if let Err(error) = hub.store.forget_instances(own) {
            tracing::warn!(%error, "instances were not removed from the store");
        }
    }
    if acts && !shared.is_empty() {
        tracing::info!(count = shared.len(), "forgetting instances that were not seen for long, on all nodes");
        // Whoever finds one of them again may watch it at once.
        if let Err(error) = hub.declare(Command::Forget { keys: shared, at: now, until: now }).await {
            tracing::warn!(%error, "instances were not forgotten");
        }
    }
}

/// Ends the downtime of servers that a recovery lost and that have found a place again.
async fn welcome_back(hub: &Arc<Hub>) {
    let view = hub.view();
    for (key, downtime) in &view.snapshot.declared.downtimes {
        let Some(how) = found_a_place(&view, key, downtime) else { continue };
        if let Err(error) = hub.declare(Command::EndDowntime { key: key.clone() }).await {
            tracing::warn!(instance = %key, %error, "the downtime of a server that came back was not ended");
        }
        crate::audit::record(hub, "end-downtime", Some(key), "", &format!("lost in a recovery, {how}")).await;
    }
}

/// Returns how a server that a recovery lost has found a place again: it replicates, or it heads a cluster that has no other
/// head. Nothing while it has not, or its downtime is somebody's own.
fn found_a_place(view: &crate::View, key: &InstanceKey, downtime: &Downtime) -> Option<&'static str> {
    /// Long enough for the recovery and its aftermath to be over.
    const SETTLED: Duration = Duration::from_secs(60);
    let is_lost = downtime.reason == hands::LOST_IN_RECOVERY && view.snapshot.now.since(downtime.begins) > SETTLED;
    let watched = view.snapshot.get(key).filter(|watched| is_lost && watched.is_valid())?;
    let instance = watched.instance.as_ref()?;
    if let Some(channel) = instance.channel() {
        return channel.is_replicating().then_some("replicates again");
    }
    // A primary that was replaced heads a cluster of its own when it comes back, and is none.
    let cluster = view.graph.cluster_of(key).filter(|cluster| &cluster.head == key)?;
    let is_alone = view.graph.clusters().iter().filter(|other| other.alias == cluster.alias).count() == 1;
    let is_replaced = view.snapshot.demotion(instance).is_some();
    (is_alone && !is_replaced && instance.writes.is_writable()).then_some("is a primary again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::{Channel, Declared, Demoted, Graph, Snapshot, ThreadState, Timestamp, WritePolicy};

    fn key(host: &str) -> InstanceKey {
        InstanceKey::new(host, 3306)
    }

    /// db1 was lost at second 100; this is second `now`.
    fn view(now: i64, channels: Vec<Channel>, change: impl FnOnce(&mut Instance, &mut Declared)) -> crate::View {
        let mut instance = Instance { key: key("db1"), channels, ..Instance::default() };
        let mut declared = Declared::default();
        declared.downtimes.insert(key("db1"), lost());
        change(&mut instance, &mut declared);
        let now = Timestamp::from_secs(now);
        let watched =
            Watched { key: key("db1"), instance: Some(Arc::new(instance)), seen: Some(now), ..Watched::default() };
        let snapshot = Snapshot {
            now,
            watched: BTreeMap::from([(key("db1"), Arc::new(watched))]),
            declared: Arc::new(declared),
            ..Snapshot::default()
        };
        crate::View { graph: Graph::of(&snapshot), diagnoses: Vec::new(), snapshot }
    }

    fn lost() -> Downtime {
        let (owner, reason) = ("orchestrator".to_owned(), hands::LOST_IN_RECOVERY.to_owned());
        Downtime { owner, reason, begins: Timestamp::from_secs(100), ends: Timestamp::from_secs(1_000_000) }
    }

    fn replicating(applier: ThreadState) -> Vec<Channel> {
        vec![Channel { source: key("db2"), receiver: ThreadState::Running, applier, ..Channel::default() }]
    }

    fn how(view: &crate::View) -> Option<&'static str> {
        found_a_place(view, &key("db1"), &view.snapshot.declared.downtimes[&key("db1")])
    }

    #[test]
    fn a_lost_replica_is_welcome_when_it_replicates_and_the_recovery_is_long_over() {
        let unchanged = |_: &mut Instance, _: &mut Declared| {};
        assert_eq!(how(&view(161, replicating(ThreadState::Running), unchanged)), Some("replicates again"));
        assert_eq!(how(&view(159, replicating(ThreadState::Running), unchanged)), None, "too soon");
        assert_eq!(how(&view(161, replicating(ThreadState::Stopped), unchanged)), None);
        let by_ann = |_: &mut Instance, declared: &mut Declared| {
            let own = Downtime { reason: "disk change".to_owned(), ..lost() };
            declared.downtimes.insert(key("db1"), own);
        };
        assert_eq!(how(&view(161, replicating(ThreadState::Running), by_ann)), None, "somebody's own");
    }

    #[test]
    fn a_lost_primary_is_welcome_when_it_is_a_primary_again() {
        let unchanged = |_: &mut Instance, _: &mut Declared| {};
        assert_eq!(how(&view(161, Vec::new(), unchanged)), Some("is a primary again"));
        let read_only = |instance: &mut Instance, _: &mut Declared| instance.writes = WritePolicy::ReadOnly;
        assert_eq!(how(&view(161, Vec::new(), read_only)), None);
        let replaced = |_: &mut Instance, declared: &mut Declared| {
            let demoted = Demoted {
                key: key("db1"),
                uuid: None,
                server_id: None,
                successor: key("db2"),
                recovery_uid: String::new(),
                at: Timestamp::from_secs(100),
            };
            declared.demoted.insert(key("db1"), demoted);
        };
        assert_eq!(how(&view(161, Vec::new(), replaced)), None, "it was replaced, and is fenced");
    }
}
