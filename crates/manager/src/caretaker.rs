//! What must be done now and then: keeping observations, ageing, telling that this node lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use store::{ClusterFacts, Command, NodeReport, ObservedInstance, Retention};
use topology::{Instance, InstanceKey, Watched};

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

/// Ends the downtime of servers that a recovery lost and that replicate again.
async fn welcome_back(hub: &Arc<Hub>) {
    /// Long enough for the recovery and its aftermath to be over.
    const SETTLED: Duration = Duration::from_secs(60);
    let view = hub.view();
    let now = view.snapshot.now;
    for (key, downtime) in &view.snapshot.declared.downtimes {
        let is_lost = downtime.reason == hands::LOST_IN_RECOVERY && now.since(downtime.begins) > SETTLED;
        let replicates = view.snapshot.get(key).is_some_and(|watched| {
            let channel = watched.instance.as_ref().and_then(|instance| instance.channel());
            watched.is_valid() && channel.is_some_and(topology::Channel::is_replicating)
        });
        if is_lost && replicates {
            if let Err(error) = hub.declare(Command::EndDowntime { key: key.clone() }).await {
                tracing::warn!(instance = %key, %error, "the downtime of a server that came back was not ended");
            }
            crate::audit::record(hub, "end-downtime", Some(key), "", "lost in a recovery, replicates again").await;
        }
    }
}
