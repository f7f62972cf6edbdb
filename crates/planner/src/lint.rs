//! Checks any plan against the rules that no plan may break. Run in tests and before every execution.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use topology::{Graph, InstanceKey, Snapshot};

use crate::{Action, Kind, Plan, rehoming, rejoin};

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flaw {
    /// It opens more than one server for writes, or another than its successor.
    SecondWritable(InstanceKey),
    /// It promotes before the old primary was fenced as far as it can be reached.
    PromotesUnfenced,
    /// It promotes before the successor applied all it received.
    PromotesUndrained,
    /// It attaches a replica to something else than the new primary, or below a server that failed or is lost.
    StrayTree(InstanceKey),
    /// It attaches a replica that has transactions which its new source lacks.
    AttachesAhead(InstanceKey),
    /// It moves a server that is already above its new source: a ring.
    Ring(InstanceKey),
    /// Its steps are not numbered from 1 without gaps, or their stages go back.
    BadNumbers,
    /// It leaves a replica of the failed server neither moved nor named as lost.
    Forgets(InstanceKey),
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecondWritable(key) => write!(out, "it would open a second server for writes: {key}"),
            Self::PromotesUnfenced => write!(out, "it promotes before the old primary is fenced"),
            Self::PromotesUndrained => write!(out, "it promotes before everything received is applied"),
            Self::StrayTree(key) => {
                write!(out, "it attaches {key} to a server that is not the new primary, or is lost")
            }
            Self::AttachesAhead(key) => write!(out, "it attaches {key}, which is ahead of its new source"),
            Self::Ring(key) => write!(out, "it would close a ring at {key}"),
            Self::BadNumbers => write!(out, "its steps are not in order"),
            Self::Forgets(key) => write!(out, "it neither moves {key} nor names it as lost"),
        }
    }
}

/// Returns every rule that `plan` breaks on `snapshot`; nothing when it is sound.
pub fn lint(plan: &Plan, snapshot: &Snapshot) -> Vec<Flaw> {
    within(plan, snapshot, &Graph::of(snapshot))
}

/// Returns the same, where it is known who replicates from whom.
pub(crate) fn within(plan: &Plan, snapshot: &Snapshot, graph: &Graph) -> Vec<Flaw> {
    if plan.kind == Kind::Return {
        return rejoin::flaws(plan, snapshot);
    }
    let mut flaws = Vec::new();
    let numbered = plan.steps.iter().zip(1..).all(|(step, number)| step.number == number);
    if !numbered || !plan.steps.windows(2).all(|pair| pair[0].stage <= pair[1].stage) {
        flaws.push(Flaw::BadNumbers);
    }
    if plan.kind.promotes() {
        flaws.extend(flaws_of_promotion(plan));
    }
    flaws.extend(flaws_of_opening(plan, snapshot, graph));
    let after = Tree::after(plan, graph);
    let moves: Vec<_> = plan.steps.iter().filter_map(|step| step.action.moves()).collect();
    for (replica, source) in &moves {
        flaws.extend(flaw_of_move(plan, snapshot, graph, &after, replica, source));
    }
    let attached = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Attach { server, source, .. } => Some((server, source)),
        _ => None,
    });
    let strays = attached.filter(|pair| *pair != (&plan.failed, &plan.successor));
    flaws.extend(strays.map(|(server, _)| Flaw::StrayTree(server.clone())));
    if plan.kind.is_about_a_death() || plan.kind.promotes() {
        let mut settled: BTreeSet<&InstanceKey> = plan.lost.iter().map(|lost| &lost.key).collect();
        settled.extend(moves.iter().map(|(replica, _)| *replica));
        settled.insert(&plan.successor);
        // A secondary of a replication group hangs below its primary without replicating from it.
        let follows =
            |key: &&InstanceKey| snapshot.instance(key).is_some_and(|replica| replica.source() == Some(&plan.failed));
        let forgotten = graph.replicas(&plan.failed).iter().filter(follows).filter(|key| !settled.contains(key));
        flaws.extend(forgotten.map(|key| Flaw::Forgets(key.clone())));
    }
    flaws
}

/// Whoever is promoted is the only one, comes after the fence, and has applied everything.
fn flaws_of_promotion(plan: &Plan) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let stage_of =
        |wanted: fn(&Action) -> bool| plan.steps.iter().find(|step| wanted(&step.action)).map(|step| step.stage);
    let promotes = stage_of(|action| matches!(action, Action::Promote { .. })).unwrap_or(u32::MAX);
    if stage_of(|action| matches!(action, Action::Fence { .. } | Action::Freeze { .. }))
        .is_none_or(|stage| stage >= promotes)
    {
        flaws.push(Flaw::PromotesUnfenced);
    }
    let applies =
        |action: &Action| matches!(action, Action::Drain { .. } | Action::FollowToEnd { .. } | Action::Settle { .. });
    if stage_of(applies).is_none_or(|stage| stage >= promotes) {
        flaws.push(Flaw::PromotesUndrained);
    }
    let promoted = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Promote { server, .. } => Some(server),
        _ => None,
    });
    let others = promoted.enumerate().filter(|(count, server)| *count > 0 || *server != &plan.successor);
    flaws.extend(others.map(|(_, server)| Flaw::SecondWritable(server.clone())));
    flaws
}

/// Nobody is opened for writes beside one that takes them, and nobody that was replaced.
fn flaws_of_opening(plan: &Plan, snapshot: &Snapshot, graph: &Graph) -> Vec<Flaw> {
    let opened = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Open { server } => Some(server),
        _ => None,
    });
    let is_unsafe = |server: &&InstanceKey| {
        let members = graph.cluster_of(server).map_or(&[][..], |cluster| &cluster.members);
        let is_writable = |key: &InstanceKey| snapshot.instance(key).is_some_and(|one| one.writes.is_writable());
        let demoted = snapshot.demotion_at(server);
        demoted.is_some() || members.iter().any(|key| key != *server && is_writable(key))
    };
    opened.filter(is_unsafe).map(|server| Flaw::SecondWritable(server.clone())).collect()
}

/// Who replicates from whom once a plan is carried out.
struct Tree(BTreeMap<InstanceKey, InstanceKey>);

impl Tree {
    fn after(plan: &Plan, graph: &Graph) -> Self {
        let mut sources: BTreeMap<InstanceKey, InstanceKey> = BTreeMap::new();
        for key in graph.clusters().iter().flat_map(|cluster| &cluster.members) {
            sources.extend(graph.source(key).map(|source| (key.clone(), source.clone())));
        }
        for step in &plan.steps {
            if let Some((replica, source)) = step.action.moves() {
                sources.insert(replica.clone(), source.clone());
            } else if let Action::Promote { server, .. } = &step.action {
                sources.remove(server);
            }
        }
        Self(sources)
    }

    /// Returns everybody above `key`, nearest first; none when there is no end to them.
    fn above(&self, key: &InstanceKey) -> Option<Vec<&InstanceKey>> {
        let mut found = Vec::new();
        let mut next = self.0.get(key);
        while let Some(source) = next {
            if source == key || found.contains(&source) {
                return None;
            }
            found.push(source);
            next = self.0.get(source);
        }
        Some(found)
    }
}

fn flaw_of_move(
    plan: &Plan,
    snapshot: &Snapshot,
    graph: &Graph,
    after: &Tree,
    replica: &InstanceKey,
    source: &InstanceKey,
) -> Option<Flaw> {
    if plan.kind.promotes() && source != &plan.successor {
        return Some(Flaw::StrayTree(replica.clone()));
    }
    let Some(above) = after.above(replica) else { return Some(Flaw::Ring(replica.clone())) };
    let is_lost = |key: &&InstanceKey| plan.lost.iter().any(|lost| &lost.key == *key);
    if above.iter().any(|key| *key == &plan.failed || is_lost(key)) {
        return Some(Flaw::StrayTree(replica.clone()));
    }
    let own = snapshot.instance(replica)?;
    let is_ahead = match &plan.certificate {
        Some(certificate) => !certificate.holds.contains(&own.gtid.executed),
        None => {
            let via = after.0.get(source).filter(|_| graph.source(source) == Some(&plan.failed)).unwrap_or(source);
            let ahead = |new| !rehoming::ahead(snapshot, graph, own, new, via).is_empty();
            snapshot.instance(source).is_some_and(ahead)
        }
    };
    is_ahead.then(|| Flaw::AttachesAhead(replica.clone()))
}
