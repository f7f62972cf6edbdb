//! The plan that opens a primary for writes that is read-only and should not be.
//!
//! Never one that was replaced, and never while another server of the cluster takes writes, or did when it was last seen.

use analysis::Facts;
use topology::{Graph, InstanceKey, Snapshot};

use crate::steps::Steps;
use crate::{Action, Choice, Context, Hold, HookList, Kind, Plan};

/// Returns the plan.
pub(crate) fn plan(context: Context<'_>, graph: &Graph, facts: &Facts) -> Result<Plan, Hold> {
    let Context { snapshot, request, .. } = context;
    if let Some(writable) = another_writable(snapshot, graph, facts) {
        return Err(Hold::AnotherWritable { key: writable });
    }
    let mut steps = Steps::default();
    if !request.skip_hooks {
        steps.stage(true, [Action::RunHooks(HookList::PreFailover)]);
    }
    steps.stage(true, [Action::Open { server: facts.key.clone() }]);
    if !request.skip_hooks {
        steps.stage(false, [Action::RunHooks(HookList::PostFailover)]);
    }
    Ok(Plan {
        kind: Kind::NonWritablePrimary,
        cluster: facts.cluster_name.clone(),
        failed: facts.key.clone(),
        successor: facts.key.clone(),
        command: request.command.clone(),
        choice: Choice::default(),
        certificate: None,
        lost: Vec::new(),
        steps: steps.list,
    })
}

/// Returns a server of the same cluster, or the head of another of the same alias, that takes writes as far as is known.
fn another_writable(snapshot: &Snapshot, graph: &Graph, facts: &Facts) -> Option<InstanceKey> {
    let own = graph.cluster_of(&facts.key)?;
    let namesakes = graph.clusters().iter().filter(|cluster| cluster.alias == own.alias && cluster.name != own.name);
    let is_writable = |key: &&InstanceKey| snapshot.instance(key).is_some_and(|server| server.writes.is_writable());
    let others = own.members.iter().chain(namesakes.map(|cluster| &cluster.head));
    others.filter(|key| **key != facts.key).find(is_writable).cloned()
}
