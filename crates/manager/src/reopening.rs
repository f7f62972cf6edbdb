//! Primaries that an earlier process of ours closed in a recovery that was given up, and that nobody opened again.
//!
//! The order to refuse writes may lie in the connection of a primary that hangs, and is carried out when it goes on. Whoever
//! gave the recovery up opens it then (`hands::fence`), unless he is gone by that time: the order outlives him.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use planner::{Action, Kind, Plan};
use store::{Page, Recovery, RecoveryFilter, StepOutcome};
use topology::{InstanceKey, ServerUuid, Timestamp};

use crate::hub::Hub;
use crate::mandate::Mandate;
use crate::{Error, audit, hands};

/// For how long after the end of a recovery its order may still be carried out.
const FOR_LONG: Duration = Duration::from_secs(3600);

/// For how long after the server was met again: the order may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(120);

/// A primary that may be found closed.
struct Closed {
    key: InstanceKey,
    uuid: Option<ServerUuid>,
    until: Timestamp,
}

/// Looks after all of them for as long as `mandate` lasts.
pub(crate) fn look_after(hub: &Arc<Hub>, mandate: &Mandate) {
    match left_closed(hub) {
        Ok(closed) => closed.into_iter().for_each(|closed| {
            let (hub_of_task, mandate) = (Arc::clone(hub), mandate.clone());
            hub.spawn(async move {
                let opening = open_when_met(&hub_of_task, &mandate, closed);
                mandate.run(opening).await;
            });
        }),
        Err(error) => tracing::warn!(%error, "cannot read which primaries recoveries closed"),
    }
}

fn left_closed(hub: &Hub) -> Result<Vec<Closed>, Error> {
    let mut found = Vec::new();
    let mut newer = BTreeSet::new();
    for recovery in hub.store.recoveries(RecoveryFilter::default(), Page::nth(0))? {
        // The newest one about a server decides.
        if newer.insert(recovery.key.clone()) {
            found.extend(closed_by(hub, &recovery)?);
        }
    }
    Ok(found)
}

/// Returns the primary that `recovery` fenced in vain.
fn closed_by(hub: &Hub, recovery: &Recovery) -> Result<Option<Closed>, Error> {
    let Some(ended) = recovery.ended else { return Ok(None) };
    let was_given_up = recovery.successor.is_none() && Kind::from_name(&recovery.kind).is_some_and(Kind::promotes);
    if !was_given_up || hub.now().since(ended) > FOR_LONG {
        return Ok(None);
    }
    let Some(record) = hub.store.plan(&recovery.uid)? else { return Ok(None) };
    let Ok(plan) = serde_json::from_str::<Plan>(&record.plan) else { return Ok(None) };
    let may_be_done = |number: u32| {
        let step = record.steps.iter().find(|step| step.number == number);
        step.is_some_and(|step| matches!(step.outcome, None | Some(StepOutcome::Done)))
    };
    Ok(plan.steps.iter().filter(|step| may_be_done(step.number)).find_map(|step| match &step.action {
        Action::Fence { server, uuid, .. } => {
            Some(Closed { key: server.clone(), uuid: uuid.clone(), until: ended.plus(FOR_LONG) })
        }
        _ => None,
    }))
}

/// Opens `closed` when it is met and refuses writes, unless it has another place by then.
async fn open_when_met(hub: &Arc<Hub>, mandate: &Mandate, closed: Closed) {
    const LOOK: Duration = Duration::from_millis(500);
    let Closed { key, uuid, mut until } = closed;
    while hub.now() < until && !hub.store.declared().demoted.contains_key(&key) {
        let known = hub.observatory.get(&key).filter(|watched| watched.is_valid());
        let met = known.and_then(|watched| watched.seen.zip(watched.instance.clone()));
        if let Some((_, instance)) = met.filter(|(seen, _)| *seen >= hub.started) {
            if instance.is_replica() || (uuid.is_some() && instance.uuid != uuid) {
                return;
            }
            until = until.min(hub.now().plus(ON_ITS_WAY));
            if !instance.writes.is_writable() && hub.store.declared().recovering.is_empty() {
                open(hub, mandate, &key).await;
                return;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn open(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey) {
    let message = match hands::set_writable(hub, mandate, key).await {
        Ok(()) => "had carried out the order of a recovery that was given up: takes writes again".to_owned(),
        Err(error) => format!("is read-only after a recovery that was given up, and cannot be opened: {error}"),
    };
    tracing::warn!(instance = %key, "{message}");
    audit::record(hub, "take-fence-back", Some(key), "", &message).await;
    crate::watcher::probe_kept(hub, key).await;
}
