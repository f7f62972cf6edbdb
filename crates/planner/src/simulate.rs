//! What would follow if something failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use analysis::{ClusterFilter, Code, Diagnosis, Policy};
use serde::{Deserialize, Serialize};
use topology::{Graph, InstanceKey, Snapshot};

use crate::{Context, Decision, Fault, Hold, Impossible, Request, decide, suppose};

/// What would follow if something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// What is supposed to happen.
    pub faults: Vec<Fault>,
    /// What would then be found, and done about it: the most urgent first.
    pub found: Vec<Consequence>,
    /// Servers that would not answer, of which nothing is found: nothing depends on them.
    pub silent: Vec<InstanceKey>,
}

/// A diagnosis, and what would be done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consequence {
    /// What would be found.
    pub diagnosis: Diagnosis,
    /// What would be done if the cluster were recovered without asking.
    pub decision: Decision,
    /// The configuration key whose filters do not name the cluster, so that somebody has to ask for it; none where it is
    /// recovered without asking.
    pub not_automated: Option<String>,
}

/// Returns what would follow from `faults`, a few seconds later. Recoveries of the past hold nothing back, and nobody waits for
/// a server to come back by itself.
///
/// # Errors
/// [`Impossible`].
pub fn simulate(snapshot: &Snapshot, policy: &Policy, faults: &[Fault]) -> Result<Simulation, Impossible> {
    let supposed = suppose(snapshot, faults)?;
    let policy = Policy { restart_grace: Duration::ZERO, ..policy.clone() };
    let everything = Policy {
        recovers_primary: ClusterFilter::new(|_| true),
        recovers_intermediate: ClusterFilter::new(|_| true),
        ..policy.clone()
    };
    let graph = Graph::of(&supposed);
    let request = Request::default();
    let decided = |diagnosis: &Diagnosis, policy| {
        let (snapshot, graph) = (&supposed, &graph);
        decide(diagnosis, Context { snapshot, graph, policy, past: &[], running: None, request: &request })
    };
    let as_configured = analysis::diagnose(&supposed, &graph, &policy).into_iter();
    let as_configured: BTreeMap<InstanceKey, Diagnosis> =
        as_configured.map(|diagnosis| (diagnosis.subject.clone(), diagnosis)).collect();
    let found = analysis::diagnose(&supposed, &graph, &everything).into_iter().map(|diagnosis| {
        let configured = as_configured.get(&diagnosis.subject);
        let not_automated = match configured.map(|configured| decided(configured, &policy)) {
            Some(Decision::Hold(Hold::NotAutomated { key })) => Some(key),
            _ => None,
        };
        Consequence { decision: decided(&diagnosis, &everything), diagnosis, not_automated }
    });
    let found: Vec<Consequence> = found.collect();
    let problems = found.iter().filter(|found| found.diagnosis.code != Code::NoProblem);
    let found_out: BTreeSet<&InstanceKey> = problems.map(|found| &found.diagnosis.subject).collect();
    let failing = supposed.watched.values().filter(|watched| watched.failure.is_some());
    let silent = failing.map(|watched| watched.key.clone()).filter(|key| !found_out.contains(key)).collect();
    Ok(Simulation { faults: faults.to_vec(), found, silent })
}

impl Consequence {
    /// True when something is wrong, and a recovery from it exists.
    pub fn is_decided(&self) -> bool {
        self.diagnosis.code != Code::NoProblem && self.decision != Decision::Hold(Hold::NothingToRecover)
    }

    /// True when something is wrong that no recovery mends.
    pub fn is_left(&self) -> bool {
        self.diagnosis.code != Code::NoProblem && !self.is_decided()
    }
}
