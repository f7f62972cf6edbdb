//! A takeover that somebody asks for: looked at, decided, and handed to the executor.

use std::sync::Arc;

use analysis::{Code, Diagnosis};
use futures::future::join_all;
use planner::{Context, Decision, Plan, Request, Wish};
use topology::{BinlogCoordinates, InstanceKey};

use crate::claim::Claim;
use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::recovery::{self, Recovered};
use crate::rehearsal::Rehearsed;
use crate::{Error, watcher};

/// How a takeover ended.
#[derive(Clone, Debug)]
pub struct TakenOver {
    /// How, as with any recovery.
    pub recovered: Recovered,
    /// The old primary, and what was known of it before.
    pub old: Diagnosis,
    /// Where the new primary's log stood when it was opened.
    pub coordinates: BinlogCoordinates,
}

/// Reads the primary and its replicas anew, and decides. Nothing is changed.
pub(crate) async fn rehearse(
    hub: &Arc<Hub>,
    primary: &InstanceKey,
    wish: &Wish,
    skip_hooks: bool,
) -> Result<Rehearsed, Error> {
    if hub.observatory.get(primary).is_none() {
        return Err(Error::Unknown(primary.clone()));
    }
    let view = hub.view();
    let members = view.graph.cluster_of(primary).map(|cluster| cluster.members.clone()).unwrap_or_default();
    // The primary last: what its replicas have, it has. And all of them: somebody may have moved one a moment ago.
    join_all(members.iter().filter(|key| *key != primary).map(|key| watcher::probe_anew(hub, key))).await;
    watcher::probe_anew(hub, primary).await;
    let (view, policy) = (hub.examine(), hub.policy());
    let found = analysis::diagnose_one(&view.snapshot, &view.graph, &policy, primary);
    let diagnosis = found.ok_or_else(|| Error::Unknown(primary.clone()))?;
    let running = lock(&hub.recovering).get(&diagnosis.facts.cluster_name).cloned();
    let request = Request { candidate: wish.designated.clone(), skip_hooks, forced: true, command: String::new() };
    let context = Context {
        snapshot: &view.snapshot,
        graph: &view.graph,
        policy: &policy,
        past: &[],
        running: running.as_deref(),
        request: &request,
    };
    let decision = planner::takeover(&diagnosis.facts, context, wish);
    let choice = planner::takeover_choice(&diagnosis.facts, context);
    Ok(Rehearsed { diagnosis, choice, decision, can_be_forced: false })
}

/// Lets another server take over from `primary`, through to the end, under `mandate`.
///
/// # Errors
/// [`Error::Held`] with what stands in the way; [`Error::Store`] and [`Error::Consensus`] when nothing could be put on
/// record. Nothing was done then.
pub(crate) async fn take_over(
    hub: &Arc<Hub>,
    mandate: &Mandate,
    primary: &InstanceKey,
    wish: &Wish,
    skip_hooks: bool,
) -> Result<TakenOver, Error> {
    let Rehearsed { diagnosis: mut old, decision, .. } = rehearse(hub, primary, wish, skip_hooks).await?;
    let plan = match decision {
        Decision::Hold(hold) => return Err(Error::Held(hold)),
        Decision::Act(plan) => plan,
    };
    // What hooks and the history show of it, as Orchestrator does.
    old.code = Code::DeadPrimary;
    let recovered = begin(hub, mandate, &old, *plan).await?;
    let successor = recovered.successor.as_ref().and_then(|key| hub.snapshot().instance(key).cloned());
    let coordinates = successor.map(|successor| successor.binlog.coordinates).unwrap_or_default();
    Ok(TakenOver { recovered, old, coordinates })
}

async fn begin(hub: &Arc<Hub>, mandate: &Mandate, old: &Diagnosis, plan: Plan) -> Result<Recovered, Error> {
    let uid = recovery::new_uid(hub);
    let claim = Claim::lay(hub, &old.facts.cluster_name, Some(&plan), &uid)
        .map_err(|uid| Error::Held(planner::Hold::Running { uid }))?;
    recovery::run(hub, mandate, old, 0, plan, &[], claim.uid().to_owned()).await
}
