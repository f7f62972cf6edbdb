//! What would be done if somebody asked for it now: read, decided, and not done.

use std::sync::Arc;

use analysis::Diagnosis;
use planner::{Choice, Context, Decision, Hold, Request};
use topology::InstanceKey;

use crate::hub::{Hub, View, lock};
use crate::{Error, nodes, suspicion, watcher};

/// What would be done, and what it rests on.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// The server that it is about, and what is known of it.
    pub diagnosis: Diagnosis,
    /// Every candidate as if nobody was named, best first; empty where nobody is to be promoted.
    pub choice: Choice,
    /// What would be done, or why nothing.
    pub decision: Decision,
    /// Nothing would be done, and a person could have the primary replaced all the same (`force-master-failover`).
    pub can_be_forced: bool,
}

/// Gathers the evidence about `key` as a recovery that a person asks for does, and decides.
pub(crate) async fn of_recovery(hub: &Arc<Hub>, key: &InstanceKey, request: &Request) -> Result<Rehearsed, Error> {
    if hub.observatory.get(key).is_none() {
        return Err(Error::Unknown(key.clone()));
    }
    watcher::probe_anew(hub, key).await;
    tokio::join!(suspicion::ask_replicas(hub, key), nodes::ask(hub, key, nodes::PATIENT));
    let (view, policy) = (hub.examine(), hub.policy());
    let found = analysis::diagnose_one(&view.snapshot, &view.graph, &policy, key);
    let diagnosis = found.ok_or_else(|| Error::Unknown(key.clone()))?;
    let running = lock(&hub.recovering).get(&diagnosis.facts.cluster_name).cloned();
    let (snapshot, graph) = (&view.snapshot, &view.graph);
    let decided = |request: &Request| {
        let context = Context { snapshot, graph, policy: &policy, past: &[], running: running.as_deref(), request };
        planner::decide(&diagnosis, context)
    };
    let decision = decided(request);
    let choice = match decided(&Request { candidate: None, ..request.clone() }) {
        Decision::Act(plan) => plan.choice,
        Decision::Hold(Hold::NoCandidate { choice }) => *choice,
        Decision::Hold(_) => if_it_died(hub, &view, key),
    };
    let command = "force-master-failover".to_owned();
    let forced = || decided(&Request { command, ..request.clone() });
    let can_be_forced = matches!(decision, Decision::Hold(_))
        && request.command.is_empty()
        && diagnosis.facts.is_primary
        && matches!(forced(), Decision::Act(_));
    Ok(Rehearsed { diagnosis, choice, decision, can_be_forced })
}

/// Returns who could follow `key` if it is a primary and died now.
fn if_it_died(hub: &Hub, view: &View, key: &InstanceKey) -> Choice {
    let cluster = view.graph.cluster_of(key).filter(|cluster| cluster.head == *key);
    let rehearsal =
        cluster.and_then(|of| planner::readiness(&view.snapshot, &view.graph, &hub.policy(), of, &[], None));
    rehearsal.map(|rehearsal| rehearsal.choice).unwrap_or_default()
}
