//! Primaries that a recovery closed which was given up: they are opened again.
//!
//! Whoever gives a recovery up opens the primary at once. That may fail, as it hangs, restarts or cannot be reached; and the order
//! to refuse writes may still lie in its connection, to be carried out when it goes on. A primary that was frozen for a takeover
//! may come back attached to the candidate, which replicates from it. So the record of it stays until it has been open for a
//! while, and whoever leads looks after it until then.

use std::sync::Arc;
use std::time::Duration;

use planner::{Action, Plan};
use store::Command;
use topology::{Demoted, Instance, InstanceKey, Timestamp};

use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::{audit, hands, recovery};

/// For how long it must have been open: the order may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(120);

/// Looks after the primary at `key`, which is on record as left closed, for as long as `mandate` lasts.
pub(crate) fn open_later(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey) {
    let Some(watch) = Watch::over(hub, key) else { return };
    let (hub_of_task, mandate) = (Arc::clone(hub), mandate.clone());
    hub.spawn(async move {
        let opening = open_when_met(&hub_of_task, &mandate, &watch.key);
        mandate.run(opening).await;
        drop(watch);
    });
}

/// Looks after all of them.
pub(crate) fn look_after(hub: &Arc<Hub>, mandate: &Mandate) {
    for key in hub.store.declared().left_closed.keys() {
        open_later(hub, mandate, key);
    }
}

/// One that is looked after: nobody else does until this is dropped.
struct Watch {
    hub: Arc<Hub>,
    key: InstanceKey,
}

impl Watch {
    fn over(hub: &Arc<Hub>, key: &InstanceKey) -> Option<Self> {
        lock(&hub.reopening).insert(key.clone()).then(|| Self { hub: Arc::clone(hub), key: key.clone() })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.hub.reopening).remove(&self.key);
    }
}

/// Opens it when it is met and refuses writes, unless something speaks against that, until it was open for a while.
async fn open_when_met(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey) {
    const LOOK: Duration = Duration::from_millis(500);
    const AFTER_FAILURE: Duration = Duration::from_secs(5);
    let mut open_since = None;
    while let Some(record) = hub.store.declared().left_closed.get(key).cloned() {
        let mut pause = LOOK;
        if let Some(server) = met(hub, &record) {
            match what_next(hub, &server, &record) {
                Next::TakeBack => drop(hub.declare(Command::Reinstate { key: key.clone() }).await),
                Next::See => {
                    let since: Timestamp = *open_since.get_or_insert(hub.now());
                    if hub.now().since(since) >= ON_ITS_WAY {
                        drop(hub.declare(Command::Reinstate { key: key.clone() }).await);
                    }
                }
                Next::Open { is_attached } if !open(hub, mandate, &server.key, is_attached).await => {
                    pause = AFTER_FAILURE
                }
                Next::Open { .. } | Next::Wait => open_since = None,
            }
        } else {
            open_since = None;
        }
        tokio::time::sleep(pause).await;
    }
}

/// What to do about one that was met.
enum Next {
    /// It has another place by now.
    TakeBack,
    /// It is open.
    See,
    Open {
        /// It still replicates from the candidate that it was to be a replica of.
        is_attached: bool,
    },
    Wait,
}

/// Returns the server on record, if it was seen since this process looks, wherever it is by now.
fn met(hub: &Hub, record: &Demoted) -> Option<Instance> {
    hub.snapshot().whereabouts(record, record.at.max(hub.started)).cloned()
}

fn what_next(hub: &Hub, server: &Instance, record: &Demoted) -> Next {
    let is_attached = server.source() == Some(&record.successor) && attached(hub, record);
    let view = hub.examine();
    // Co-primaries replicate from each other before and after.
    if server.is_replica() && !is_attached && !view.graph.is_co_primary(&server.key) {
        return Next::TakeBack;
    }
    if server.writes.is_writable() && !is_attached {
        return Next::See;
    }
    let may_leave = !is_attached || follows_closed(hub, &record.successor, &server.key);
    let against = planner::against_reopening(&view.snapshot, &view.graph, &server.key, record);
    if may_leave && against.is_none() { Next::Open { is_attached } } else { Next::Wait }
}

/// True when the plan of that recovery makes the primary a replica of the candidate, which it was not before.
fn attached(hub: &Hub, record: &Demoted) -> bool {
    let plan = hub.store.plan(&record.recovery_uid).ok().flatten();
    let plan = plan.and_then(|found| serde_json::from_str::<Plan>(&found.plan).ok());
    let attaches =
        |action: &Action| matches!(action, Action::Attach { server, tls: Some(_), .. } if *server == record.key);
    plan.is_some_and(|plan| plan.steps.iter().any(|step| attaches(&step.action)))
}

/// True when `candidate` is seen to replicate from `primary` and to refuse writes: it has nothing of its own.
fn follows_closed(hub: &Hub, candidate: &InstanceKey, primary: &InstanceKey) -> bool {
    let known = hub.observatory.get(candidate).filter(|watched| watched.is_valid());
    known
        .and_then(|watched| watched.instance.clone())
        .is_some_and(|candidate| candidate.source() == Some(primary) && !candidate.writes.is_writable())
}

/// Opens it; false when that failed.
async fn open(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey, is_attached: bool) -> bool {
    let opened = async {
        if is_attached {
            hands::forget_sources(hub, mandate, key).await?;
        }
        hands::thaw_now(hub, mandate, key).await
    };
    let outcome = opened.await;
    let message = match &outcome {
        Ok(()) => "had carried out the order of a recovery that was given up: takes writes again".to_owned(),
        Err(error) => format!("is read-only after a recovery that was given up, and cannot be opened: {error}"),
    };
    if outcome.is_ok() || recovery::is_news(hub, key, &message) {
        tracing::warn!(instance = %key, "{message}");
        audit::record(hub, "take-fence-back", Some(key), "", &message).await;
    }
    crate::watcher::probe_kept(hub, key).await;
    outcome.is_ok()
}
