//! A replaced primary that comes back must not take writes.

use std::sync::Arc;
use std::time::Duration;

use mysql::{Closing, Identity};
use topology::{Demoted, InstanceKey};

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
        let (hub_of_task, key, server_id) = (Arc::clone(hub), key.clone(), instance.server_id);
        hub.spawn(async move {
            mandate.run(close(&hub_of_task, &mandate, &key, &demoted, server_id)).await;
            drop(attention);
            crate::watcher::probe_kept(&hub_of_task, &key).await;
        });
    } else {
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
    for key in hub.store.declared().demoted.keys().filter(is_late) {
        crate::watcher::poke(hub, key);
    }
}

/// Meets a replaced primary that accepted a connection this very moment: it is closed before anything else is asked.
pub(crate) async fn meet(hub: &Arc<Hub>, key: &InstanceKey) {
    let Some(demoted) = hub.store.declared().demoted.get(key).cloned() else { return };
    let (Ok(mandate), Some(watched)) = (hub.office.mandate(), hub.observatory.get(key)) else { return };
    let Some(instance) = &watched.instance else { return };
    if is_undecided(hub, &demoted) || is_primary_again(hub, key, &demoted) {
        return;
    }
    if let Some(attention) = Attention::urgent(hub, key) {
        mandate.run(close(hub, &mandate, key, &demoted, instance.server_id)).await;
        drop(attention);
    }
}

/// True while nobody was promoted: the recovery itself sees to it.
fn is_undecided(hub: &Hub, demoted: &Demoted) -> bool {
    lock(&hub.undecided).contains(&demoted.recovery_uid)
}

fn is_primary_again(hub: &Hub, key: &InstanceKey, demoted: &Demoted) -> bool {
    let view = hub.view();
    planner::is_primary_again(&view.snapshot, &view.graph, key, demoted)
}

async fn close(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey, demoted: &Demoted, server_id: u32) {
    let successor = &demoted.successor;
    let uuid = demoted.uuid.clone();
    let who = Identity { server_id: if uuid.is_none() { server_id } else { 0 }, uuid };
    let message = match hands::close_at_once(hub, mandate, key, &who).await {
        Ok(Closing::Stranger | Closing::WasClosed) => return,
        Ok(Closing::Closed { ended, took }) => {
            let took = took.as_millis();
            tracing::warn!(instance = %key, %successor, ended, took, "a replaced primary came back writable: made read-only");
            format!(
                "came back writable after it was replaced by {successor}: made read-only within {took} ms, {ended} clients ended"
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
