//! Which servers all nodes watch: a set that is declared, beside what each node finds by itself.
//!
//! The leader adds what it reads and the set does not have yet. Every node watches what the set names, and stops when it
//! is taken out of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use store::Command;
use topology::InstanceKey;

use crate::hub::Hub;
use crate::{discovery, watcher};

/// Addresses per command: one that is applied in a few milliseconds.
const BATCH: usize = 500;

/// Keeps this node's watchers and the declared set together.
pub(crate) async fn keep(hub: Arc<Hub>) {
    const EVERY: Duration = Duration::from_secs(1);
    let mut known = Arc::default();
    loop {
        follow(&hub, &mut known).await;
        if let Ok(mandate) = hub.office.mandate() {
            // Who leads next publishes what was not published.
            mandate.run(publish(&hub)).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Watches what was added to the set since it was `known`, and nothing that was taken out of it or forgotten.
async fn follow(hub: &Arc<Hub>, known: &mut Arc<BTreeSet<InstanceKey>>) {
    let declared = hub.store.declared();
    if Arc::ptr_eq(known, &declared.watched) {
        return;
    }
    let now = hub.now();
    let forgotten = declared.forgotten.iter().filter(|(_, until)| **until > now).map(|(key, _)| key);
    let gone: Vec<InstanceKey> = known.difference(&declared.watched).chain(forgotten).cloned().collect();
    if !gone.is_empty() {
        watcher::unwatch(hub, &gone);
    }
    for key in declared.watched.difference(known) {
        // A filter of this node's configuration may name it.
        drop(discovery::hear_of(hub, key).await);
    }
    *known = Arc::clone(&declared.watched);
}

/// Adds servers that answer to the set, and takes out of it names that a server does not go by any more.
async fn publish(hub: &Arc<Hub>) {
    let snapshot = hub.snapshot();
    let declared = &snapshot.declared;
    let is_forgotten = |key: &InstanceKey| declared.forgotten.get(key).is_some_and(|until| *until > snapshot.now);
    let goes_by = |key: &InstanceKey| hub.names.known(key) == *key;
    let new: Vec<InstanceKey> = snapshot
        .watched
        .values()
        .filter(|watched| watched.is_valid() && !declared.watched.contains(&watched.key))
        .map(|watched| &watched.key)
        .filter(|key| goes_by(key) && !is_forgotten(key))
        .take(BATCH)
        .cloned()
        .collect();
    if !new.is_empty() {
        tell(hub, Command::Watch { keys: new, at: snapshot.now }).await;
        return;
    }
    let renamed: Vec<InstanceKey> = declared.watched.iter().filter(|key| !goes_by(key)).take(BATCH).cloned().collect();
    if !renamed.is_empty() {
        tell(hub, Command::Forget { keys: renamed, at: snapshot.now, until: snapshot.now }).await;
    }
}

async fn tell(hub: &Hub, command: Command) {
    if let Err(error) = hub.declare(command).await {
        tracing::debug!(%error, "what all nodes watch was not declared: tried again in a second");
    }
}
