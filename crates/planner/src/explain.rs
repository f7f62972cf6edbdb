//! What would happen now, and why.

use analysis::{Diagnosis, Policy};
use serde::{Deserialize, Serialize};
use topology::{Cluster, Graph, InstanceKey, ProbeFailure, Snapshot, Unreachable};

use crate::decide::{held_back, may_lose, plan_for};
use crate::{Certificate, Choice, Context, Decision, Hold, PastRecovery, Request, dead_co_primary, decide};

/// What would happen to a cluster now, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Name of the cluster.
    pub cluster: String,
    /// Its alias.
    pub alias: String,
    /// Its primary.
    pub primary: InstanceKey,
    /// What is wrong in it, the most urgent first; empty when nothing is.
    pub diagnoses: Vec<Diagnosis>,
    /// What is done about the primary now; holding because nothing is wrong, in the good case.
    pub decision: Decision,
    /// What would be done if the primary died at this moment and everybody else stayed as they are.
    pub if_primary_died: Rehearsal,
}

/// What a recovery of the primary would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// What would hold it back; none when it would go ahead.
    pub hold: Option<Hold>,
    /// Every candidate, best first, with the reasons of those rejected.
    pub choice: Choice,
    /// What would be lost; none when there is no candidate.
    pub certificate: Option<Certificate>,
    /// The steps, in words.
    pub steps: Vec<String>,
}

impl Explanation {
    /// Returns the same on a node that does nothing at all because of `hold`. What is held back anyway keeps its reason.
    #[must_use]
    pub fn held_by(mut self, hold: Hold) -> Self {
        self.if_primary_died.hold.get_or_insert_with(|| hold.clone());
        if let Decision::Act(_) = self.decision {
            self.decision = Decision::Hold(hold);
        }
        self
    }
}

/// Explains `cluster`.
pub fn explain(
    snapshot: &Snapshot,
    graph: &Graph,
    policy: &Policy,
    cluster: &Cluster,
    past: &[PastRecovery],
    running: Option<&str>,
) -> Option<Explanation> {
    let request = Request::default();
    let context = Context { snapshot, graph, policy, past, running, request: &request };
    let own = analysis::diagnose_one(snapshot, graph, policy, &cluster.head)?;
    let diagnoses = analysis::diagnose(snapshot, graph, policy)
        .into_iter()
        .filter(|diagnosis| cluster.members.contains(&diagnosis.subject))
        .collect();
    Some(Explanation {
        cluster: cluster.name.clone(),
        alias: cluster.alias.clone(),
        primary: cluster.head.clone(),
        decision: decide(&own, context),
        diagnoses,
        if_primary_died: rehearse(&own, context, Check::Done),
    })
}

/// Returns what a recovery of the primary of `cluster` would do if it died now: cheaper than [`explain`], as it leaves out
/// what is wrong now and the check of the plan. None when the primary is not known.
pub fn readiness(
    snapshot: &Snapshot,
    graph: &Graph,
    policy: &Policy,
    cluster: &Cluster,
    past: &[PastRecovery],
    running: Option<&str>,
) -> Option<Rehearsal> {
    let request = Request::default();
    let own = analysis::diagnose_one(snapshot, graph, policy, &cluster.head)?;
    let context = Context { snapshot, graph, policy, past, running, request: &request };
    Some(rehearse(&own, context, Check::Skipped))
}

/// Whether a rehearsed plan is checked against the rules that no plan may break.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Done,
    Skipped,
}

fn rehearse(primary: &Diagnosis, context: Context<'_>, check: Check) -> Rehearsal {
    // As if it had failed just now: everything known is then as old as the failure.
    let mut supposed = primary.clone();
    let heads_ring = supposed.facts.is_co_primary;
    supposed.code = if heads_ring { analysis::Code::DeadCoPrimary } else { analysis::Code::DeadPrimary };
    // Every node of ours would see that, as this one does.
    supposed.facts.is_confirmed_dead = true;
    let failure = ProbeFailure { kind: Unreachable::Refused, message: String::new(), partial: false };
    supposed.facts.failure = Some(failure);
    supposed.facts.voters = 1;
    supposed.facts.elsewhere.clear();
    let planned = match heads_ring {
        true => dead_co_primary::plan(context, &supposed.facts),
        false => plan_for(context.snapshot, context.policy, &supposed.facts, context.request),
    };
    let hold = match (&planned, check) {
        _ if supposed.facts.replicas.is_empty() => Some(Hold::NoReplicas),
        (Ok(plan), Check::Skipped) => {
            held_back(plan.kind, &supposed, context).or_else(|| may_lose(plan, &supposed.facts, context))
        }
        _ => match decide(&supposed, context) {
            Decision::Hold(hold) => Some(hold),
            Decision::Act(_) => None,
        },
    };
    match planned {
        Ok(plan) => Rehearsal {
            hold,
            steps: plan.steps.iter().map(|step| step.action.to_string()).collect(),
            certificate: plan.certificate,
            choice: plan.choice,
        },
        Err(refusal) => {
            let choice = match &refusal {
                Hold::NoCandidate { choice } => (**choice).clone(),
                _ => Choice::default(),
            };
            Rehearsal { hold: Some(hold.unwrap_or(refusal)), choice, certificate: None, steps: Vec::new() }
        }
    }
}
