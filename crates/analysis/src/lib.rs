//! Snapshot and policy in, diagnoses out.
//!
//! A *diagnosis* says what is wrong with one instance, with the [`Facts`] it rests on: what each replica testified, and
//! when. Same snapshot and policy, same answer.
//!
//! Invariants: total, never fails, never waits; no I/O, no clock ("now" is in the snapshot), no randomness. It knows
//! nothing of plans: what to do about a diagnosis is the planner's business.
//!
//! A failure mode is one file in `rules/`, and one row of [`rules::ALL`]; precedence is the declared `priority`, not the
//! order of the rows.
#![warn(missing_docs)]

mod code;
mod facts;
mod policy;
mod quorum;
mod rules;
mod testimony;

pub use code::{Code, Structure};
pub use facts::{Facts, errant_of};
pub use policy::{ClusterFilter, DataLoss, Filter, KeyFilter, Policy, ReturnedPrimary};
pub use quorum::Quorum;
pub use testimony::{Testimony, Witness};

use serde::{Deserialize, Serialize};
use topology::{Graph, InstanceKey, Snapshot, Watched};

/// What is wrong with one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The instance.
    pub subject: InstanceKey,
    /// What is wrong; [`Code::NoProblem`] when only structural remarks apply.
    pub code: Code,
    /// Structural remarks, sorted.
    pub structure: Vec<Structure>,
    /// What it rests on.
    pub facts: Facts,
}

impl Diagnosis {
    /// True when it is about replicas that fail, and all of them are in downtime.
    pub fn is_in_downtime_of_replicas(&self) -> bool {
        let Facts { replicas, downtimed_replicas, .. } = &self.facts;
        self.code.is_about_replicas() && !replicas.is_empty() && *downtimed_replicas == replicas.len()
    }

    /// True when downtime, its own or that of all its replicas, says that nothing is to be done about it unasked.
    pub fn is_skippable(&self) -> bool {
        self.facts.downtime_ends.is_some() || self.is_in_downtime_of_replicas()
    }

    /// True for a server that answers, replicates from where it should, and has no replicas.
    fn is_healthy_leaf(&self) -> bool {
        let facts = &self.facts;
        self.code == Code::NoProblem && facts.is_valid && facts.replicas.is_empty() && !facts.is_failing_to_connect
    }
}

/// Returns a diagnosis for each instance that has a problem or a structural remark: primaries first, then those after
/// which a cluster is named, then instances with more replicas, then by key. Those in downtime are among them, and say so;
/// instances in maintenance, ignored hosts and, where policy says so, healthy leaves are absent.
pub fn diagnose(snapshot: &Snapshot, graph: &Graph, policy: &Policy) -> Vec<Diagnosis> {
    let mut found: Vec<Diagnosis> = examine_all(snapshot, graph, policy)
        .filter(|diagnosis| diagnosis.code != Code::NoProblem || !diagnosis.structure.is_empty())
        .filter(|diagnosis| !(policy.reduce_analysis && diagnosis.is_healthy_leaf()))
        .collect();
    found.sort_by_cached_key(|diagnosis| {
        let facts = &diagnosis.facts;
        let names_cluster = facts.cluster_name == diagnosis.subject.to_string();
        let more_replicas_first = std::cmp::Reverse(facts.replicas.len());
        (!facts.is_primary, !names_cluster, more_replicas_first, diagnosis.subject.clone())
    });
    found
}

/// Returns the diagnosis of one instance, also when nothing is wrong with it. None when it is unknown.
pub fn diagnose_one(snapshot: &Snapshot, graph: &Graph, policy: &Policy, key: &InstanceKey) -> Option<Diagnosis> {
    let watched = snapshot.get(key)?;
    Some(examine(Facts::gather(snapshot, graph, policy, watched)))
}

fn examine_all<'a>(
    snapshot: &'a Snapshot,
    graph: &'a Graph,
    policy: &'a Policy,
) -> impl Iterator<Item = Diagnosis> + 'a {
    let hidden =
        |key: &InstanceKey| snapshot.declared.maintenance(key, snapshot.now).is_some() || policy.ignores.holds(key);
    // Nobody knows whether there is a server at an address that never answered and from which nobody replicates.
    let known = |watched: &Watched| watched.instance.is_some() || !graph.replicas(&watched.key).is_empty();
    snapshot
        .watched
        .values()
        .filter(move |watched| known(watched) && !hidden(&watched.key))
        .map(move |watched| examine(Facts::gather(snapshot, graph, policy, watched)))
}

fn examine(facts: Facts) -> Diagnosis {
    let code = rules::ALL
        .iter()
        .filter(|rule| (rule.examine)(&facts))
        .min_by_key(|rule| rule.priority)
        .map_or(Code::NoProblem, |rule| rule.code);
    Diagnosis { subject: facts.key.clone(), code, structure: rules::structure(&facts), facts }
}
