//! A replaced primary that comes back must not take writes.

use std::sync::Arc;

use store::Command;
use topology::InstanceKey;

use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::{audit, hands};

/// Looks at `key`, which was just read: a server on record as demoted is fenced when it is writable; one that replicates
/// again has found its place, and its record is taken back.
pub(crate) fn look_at(hub: &Arc<Hub>, key: &InstanceKey) {
    let declared = hub.store.declared();
    // Who only watches leaves it to the leader, who looks at it as often.
    let Ok(mandate) = hub.office.mandate() else { return };
    let Some(demoted) = declared.demoted.get(key) else { return };
    let Some(watched) = hub.observatory.get(key) else { return };
    let Some(instance) = &watched.instance else { return };
    if demoted.uuid.is_some() && instance.uuid != demoted.uuid {
        // Another server was given the address.
        return;
    }
    if lock(&hub.undecided).contains(&demoted.recovery_uid) {
        // Nobody was promoted yet: the recovery itself sees to it.
        return;
    }
    // What was seen before it was replaced says nothing.
    if watched.seen.is_none_or(|seen| seen < demoted.at) {
        return;
    }
    let replicates = instance.channel().is_some_and(topology::Channel::is_replicating);
    let writable = instance.writes.is_writable();
    let (hub_of_task, key, successor) = (Arc::clone(hub), key.clone(), demoted.successor.clone());
    if writable {
        hub.spawn(async move {
            mandate.run(fence(&hub_of_task, &mandate, &key, &successor)).await;
        });
    } else if replicates {
        hub.spawn(async move {
            if let Err(error) = hub_of_task.declare(Command::Reinstate { key: key.clone() }).await {
                tracing::warn!(instance = %key, %error, "cannot take back that it is demoted");
            }
        });
    }
}

async fn fence(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey, successor: &InstanceKey) {
    let message = match hands::make_read_only(hub, mandate, key).await {
        Ok(()) => {
            tracing::warn!(instance = %key, %successor, "a replaced primary came back writable: made read-only");
            format!("came back writable after it was replaced by {successor}: made read-only")
        }
        Err(error) => {
            tracing::error!(instance = %key, %successor, %error, "A REPLACED PRIMARY IS WRITABLE and cannot be made read-only");
            format!("came back writable after it was replaced by {successor}, and cannot be made read-only: {error}")
        }
    };
    audit::record(hub, "fence-returned-primary", Some(key), "", &message).await;
    crate::watcher::probe_kept(hub, key).await;
}
