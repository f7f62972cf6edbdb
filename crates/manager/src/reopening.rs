//! Primaries that were closed in a recovery that was given up, and that nobody could open again.
//!
//! The order to refuse writes may lie in the connection of a primary that hangs, and is carried out when it goes on. Whoever
//! gave the recovery up opens it then (`hands::fence`), unless he is gone by that time: the order outlives him. And a primary
//! that was frozen for a takeover may die before the takeover is undone: it comes back closed, perhaps attached to the
//! candidate, which replicates from it.

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
    /// Who was to take its place.
    successor: InstanceKey,
    /// The candidate that it may be attached to.
    attached_to: Option<InstanceKey>,
    /// What was seen before says nothing.
    since: Timestamp,
    until: Timestamp,
}

impl Closed {
    /// Returns the primary that `plan` closed, if it did, in a step that `may_be_done`.
    fn by(plan: &Plan, may_be_done: impl Fn(u32) -> bool, since: Timestamp, until: Timestamp) -> Option<Self> {
        let done = || plan.steps.iter().filter(|step| may_be_done(step.number));
        let (key, uuid) = done().find_map(|step| match &step.action {
            Action::Fence { server, uuid, was_writable: true, .. }
            | Action::Freeze { server, uuid, was_writable: true, .. } => Some((server.clone(), uuid.clone())),
            _ => None,
        })?;
        let attached_to = done().find_map(|step| match &step.action {
            Action::Attach { server, source, .. } if *server == key => Some(source.clone()),
            _ => None,
        });
        Some(Self { key, uuid, successor: plan.successor.clone(), attached_to, since, until })
    }
}

/// Opens the frozen primary of `plan` when it answers again.
pub(crate) fn open_later(hub: &Arc<Hub>, mandate: &Mandate, plan: &Plan) {
    let now = hub.now();
    if let Some(closed) = Closed::by(plan, |_| true, now, now.plus(FOR_LONG)) {
        watch_for(hub, mandate, closed);
    }
}

/// Looks after all of them for as long as `mandate` lasts.
pub(crate) fn look_after(hub: &Arc<Hub>, mandate: &Mandate) {
    match left_closed(hub) {
        Ok(closed) => closed.into_iter().for_each(|closed| watch_for(hub, mandate, closed)),
        Err(error) => tracing::warn!(%error, "cannot read which primaries recoveries closed"),
    }
}

fn watch_for(hub: &Arc<Hub>, mandate: &Mandate, closed: Closed) {
    let (hub_of_task, mandate) = (Arc::clone(hub), mandate.clone());
    hub.spawn(async move {
        let opening = open_when_met(&hub_of_task, &mandate, closed);
        mandate.run(opening).await;
    });
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
    Ok(Closed::by(&plan, may_be_done, hub.started, ended.plus(FOR_LONG)))
}

/// Opens `closed` when it is met and refuses writes, unless it has another place by then.
async fn open_when_met(hub: &Arc<Hub>, mandate: &Mandate, closed: Closed) {
    const LOOK: Duration = Duration::from_millis(500);
    let Closed { key, uuid, successor, attached_to, since, mut until } = closed;
    while hub.now() < until && hub.snapshot().demotion_at(&key).is_none() {
        let known = hub.observatory.get(&key).filter(|watched| watched.is_valid());
        let met = known.and_then(|watched| watched.seen.zip(watched.instance.clone()));
        if let Some((_, instance)) = met.filter(|(seen, _)| *seen >= since) {
            let is_attached = instance.source().is_some() && instance.source() == attached_to.as_ref();
            if (instance.is_replica() && !is_attached) || (uuid.is_some() && instance.uuid != uuid) {
                return;
            }
            until = until.min(hub.now().plus(ON_ITS_WAY));
            let may_leave = !is_attached || attached_to.as_ref().is_some_and(|to| follows_closed(hub, to, &key));
            if may_reopen(hub, &key, &successor) && may_leave && (is_attached || !instance.writes.is_writable()) {
                open(hub, mandate, &key, is_attached).await;
                return;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// True when nothing is against opening `key` at this moment: nobody else takes writes in its place, no recovery runs, and no
/// person has taken it in hand.
fn may_reopen(hub: &Hub, key: &InstanceKey, successor: &InstanceKey) -> bool {
    let view = hub.examine();
    let declared = &view.snapshot.declared;
    let is_open = |key: &InstanceKey| view.snapshot.instance(key).is_some_and(|own| own.writes.is_writable());
    let members = view.graph.cluster_of(key).map(|cluster| cluster.members.as_slice()).unwrap_or_default();
    declared.recovering.is_empty()
        && view.snapshot.demotion_at(key).is_none()
        && declared.downtime(key, view.snapshot.now).is_none()
        && declared.maintenance(key, view.snapshot.now).is_none()
        && !members.iter().chain([successor]).any(|other| other != key && is_open(other))
}

/// True when `candidate` is seen to replicate from `primary` and to refuse writes: it has nothing of its own.
fn follows_closed(hub: &Hub, candidate: &InstanceKey, primary: &InstanceKey) -> bool {
    let known = hub.observatory.get(candidate).filter(|watched| watched.is_valid());
    known
        .and_then(|watched| watched.instance.clone())
        .is_some_and(|candidate| candidate.source() == Some(primary) && !candidate.writes.is_writable())
}

async fn open(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey, is_attached: bool) {
    let opened = async {
        if is_attached {
            hands::forget_sources(hub, mandate, key).await?;
        }
        hands::thaw_now(hub, mandate, key).await
    };
    let message = match opened.await {
        Ok(()) => "had carried out the order of a recovery that was given up: takes writes again".to_owned(),
        Err(error) => format!("is read-only after a recovery that was given up, and cannot be opened: {error}"),
    };
    tracing::warn!(instance = %key, "{message}");
    audit::record(hub, "take-fence-back", Some(key), "", &message).await;
    crate::watcher::probe_kept(hub, key).await;
}
