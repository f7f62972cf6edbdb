//! A replaced primary that comes back must not take writes.

use std::sync::Arc;
use std::time::Duration;

use mysql::Closing;
use topology::{Demoted, Instance, InstanceKey};

use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::returning::Attention;
use crate::{audit, hands, returning};

/// Looks at `key`, which was just read: a server on record as demoted is closed when it is writable; if not, it is seen to what
/// becomes of it.
pub(crate) fn look_at(hub: &Arc<Hub>, key: &InstanceKey) {
    let declared = hub.store.declared();
    if declared.demoted.is_empty() {
        return;
    }
    // Who only watches leaves it to the leader, who looks at it as often.
    let Ok(mandate) = hub.office.mandate() else { return };
    let Some(watched) = hub.observatory.get(key) else { return };
    let Some(instance) = &watched.instance else { return };
    // Another server that was given the address is not meant.
    let Some(demoted) = declared.demotion(instance).cloned() else { return };
    // What was seen before it was replaced says nothing.
    if is_undecided(hub, &demoted) || watched.seen.is_none_or(|seen| seen < demoted.at) {
        return;
    }
    if instance.writes.is_writable() && !is_primary_again(hub, key, &demoted) {
        let Some(attention) = Attention::urgent(hub, key) else { return };
        let (hub_of_task, key, instance) = (Arc::clone(hub), key.clone(), Arc::clone(instance));
        hub.spawn(async move {
            mandate.run(close(&hub_of_task, &mandate, &key, &demoted, &instance)).await;
            drop(attention);
            crate::watcher::probe_kept(&hub_of_task, &key).await;
        });
    } else if !is_being_replaced(hub, &demoted) {
        returning::attend(hub, &mandate, key);
    }
}

/// Keeps looking at every replaced primary: whoever begins to lead may have thought of polling it much later.
pub(crate) fn keep_looking(hub: &Arc<Hub>) {
    const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
    let is_late = |key: &&InstanceKey| {
        let attempted = hub.observatory.get(key).and_then(|watched| watched.attempted);
        attempted.is_none_or(|attempted| hub.now().since(attempted) > AT_LEAST_EVERY)
    };
    let snapshot = hub.snapshot();
    for key in snapshot.replaced().filter(is_late) {
        crate::watcher::poke(hub, key);
    }
}

/// Returns the replaced primary that may be at `key`: by its address, whoever was last seen there, or by who was.
pub(crate) fn awaited(hub: &Hub, key: &InstanceKey) -> Option<Demoted> {
    let declared = hub.store.declared();
    if declared.demoted.is_empty() || declared.demoted.contains_key(key) {
        return declared.demoted.get(key).cloned();
    }
    let instance = hub.observatory.get(key)?.instance.clone()?;
    declared.demotion(&instance).cloned()
}

/// Meets a replaced primary that accepted a connection this very moment: it is closed before anything else is asked.
pub(crate) async fn meet(hub: &Arc<Hub>, key: &InstanceKey) {
    let Some(demoted) = awaited(hub, key) else { return };
    let (Ok(mandate), Some(watched)) = (hub.office.mandate(), hub.observatory.get(key)) else { return };
    let Some(instance) = &watched.instance else { return };
    if is_undecided(hub, &demoted) || is_primary_again(hub, key, &demoted) {
        return;
    }
    if let Some(attention) = Attention::urgent(hub, key) {
        mandate.run(close(hub, &mandate, key, &demoted, instance)).await;
        drop(attention);
    }
}

/// True while nobody was promoted: the recovery itself sees to it.
fn is_undecided(hub: &Hub, demoted: &Demoted) -> bool {
    lock(&hub.undecided).contains(&demoted.recovery_uid)
}

/// True while the recovery that replaces it runs here. A candidate that is about to be opened looks like the closed replica of
/// a primary that is one again.
pub(crate) fn is_being_replaced(hub: &Hub, demoted: &Demoted) -> bool {
    lock(&hub.recovering).values().any(|uid| *uid == demoted.recovery_uid)
}

fn is_primary_again(hub: &Hub, key: &InstanceKey, demoted: &Demoted) -> bool {
    let view = hub.view();
    planner::is_primary_again(&view.snapshot, &view.graph, key, demoted)
}

/// Closes the server at `key` if it is the replaced one. `seen` is who was last seen there.
async fn close(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey, demoted: &Demoted, seen: &Instance) {
    let successor = &demoted.successor;
    let who = hands::who(demoted.uuid.as_ref(), demoted.server_id, seen);
    let doubt = if demoted.is_surely(seen) { String::new() } else { doubt(demoted, key) };
    let message = match hands::close_at_once(hub, mandate, key, &who).await {
        Ok(Closing::Stranger | Closing::WasClosed) => return,
        Ok(Closing::Closed { ended, took }) => {
            let took = took.as_millis();
            tracing::warn!(instance = %key, %successor, ended, took, %doubt, "a replaced primary came back writable: made read-only");
            format!(
                "came back writable after it was replaced by {successor}: made read-only within {took} ms, {ended} clients ended{doubt}"
            )
        }
        // It starts, and the next look is a moment away.
        Err(crate::Error::Server(error)) if error.unreachable().looks_dead() => return,
        Err(error) => {
            tracing::error!(instance = %key, %successor, %error, "A REPLACED PRIMARY IS WRITABLE and cannot be made read-only");
            format!("came back writable after it was replaced by {successor}, and cannot be made read-only: {error}")
        }
    };
    // Kept beside the way: what is next does not wait for the disk.
    let (hub_of_task, key) = (Arc::clone(hub), key.clone());
    hub.spawn(async move { audit::record(&hub_of_task, "fence-returned-primary", Some(&key), "", &message).await });
}

/// Returns how a server without an identity was recognised, and what to do if it is another one.
fn doubt(demoted: &Demoted, key: &InstanceKey) -> String {
    let server_id = demoted.server_id.map(|id| format!("server_id {id}"));
    let by: Vec<String> = ["its address".to_owned()].into_iter().chain(server_id).collect();
    format!(
        "; recognised by {} only: if it is another server, orchestrator-client -c set-writeable -i {key}",
        by.join(" and ")
    )
}
