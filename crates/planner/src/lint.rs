//! Checks any plan against the rules that no plan may break. Run in tests and before every execution.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use topology::{Graph, InstanceKey, Snapshot};

use crate::{Action, Kind, Plan, rejoin};

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flaw {
    /// It opens more than one server for writes, or another than its successor.
    SecondWritable(InstanceKey),
    /// It promotes before the old primary was fenced as far as it can be reached.
    PromotesUnfenced,
    /// It promotes before the successor applied all it received.
    PromotesUndrained,
    /// It attaches a replica to something else than the new primary.
    StrayTree(InstanceKey),
    /// It attaches a replica that has transactions which the new primary lacks.
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
            Self::StrayTree(key) => write!(out, "it attaches {key} to a server that is not the new primary"),
            Self::AttachesAhead(key) => write!(out, "it attaches {key}, which is ahead of the new primary"),
            Self::Ring(key) => write!(out, "it would close a ring at {key}"),
            Self::BadNumbers => write!(out, "its steps are not in order"),
            Self::Forgets(key) => write!(out, "it neither moves {key} nor names it as lost"),
        }
    }
}

/// Returns every rule that `plan` breaks on `snapshot`; nothing when it is sound.
pub fn lint(plan: &Plan, snapshot: &Snapshot) -> Vec<Flaw> {
    if plan.kind == Kind::Return {
        return rejoin::flaws(plan, snapshot);
    }
    let mut flaws = Vec::new();
    let numbered = plan.steps.iter().zip(1..).all(|(step, number)| step.number == number);
    if !numbered || !plan.steps.windows(2).all(|pair| pair[0].stage <= pair[1].stage) {
        flaws.push(Flaw::BadNumbers);
    }
    let stage_of =
        |wanted: fn(&Action) -> bool| plan.steps.iter().find(|step| wanted(&step.action)).map(|step| step.stage);
    let promotes = stage_of(|action| matches!(action, Action::Promote { .. })).unwrap_or(u32::MAX);
    if stage_of(|action| matches!(action, Action::Fence { .. } | Action::Freeze { .. }))
        .is_none_or(|stage| stage >= promotes)
    {
        flaws.push(Flaw::PromotesUnfenced);
    }
    if stage_of(|action| matches!(action, Action::Drain { .. } | Action::FollowToEnd { .. }))
        .is_none_or(|stage| stage >= promotes)
    {
        flaws.push(Flaw::PromotesUndrained);
    }
    let graph = Graph::of(snapshot);
    let mut settled: BTreeSet<&InstanceKey> = plan.lost.iter().map(|lost| &lost.key).collect();
    settled.insert(&plan.successor);
    let mut promoted = 0;
    for step in &plan.steps {
        match &step.action {
            Action::Promote { server, .. } => {
                promoted += 1;
                if server != &plan.successor || promoted > 1 {
                    flaws.push(Flaw::SecondWritable(server.clone()));
                }
            }
            Action::Repoint { replica, source, .. } | Action::Relocate { replica, to: source, .. } => {
                settled.insert(replica);
                flaws.extend(flaw_of_move(plan, snapshot, &graph, replica, source));
            }
            Action::Attach { server, source, .. } if (server, source) != (&plan.failed, &plan.successor) => {
                flaws.push(Flaw::StrayTree(server.clone()));
            }
            _ => {}
        }
    }
    let forgotten = graph.replicas(&plan.failed).iter().filter(|key| !settled.contains(key));
    flaws.extend(forgotten.map(|key| Flaw::Forgets(key.clone())));
    flaws
}

fn flaw_of_move(
    plan: &Plan,
    snapshot: &Snapshot,
    graph: &Graph,
    replica: &InstanceKey,
    source: &InstanceKey,
) -> Option<Flaw> {
    if source != &plan.successor {
        return Some(Flaw::StrayTree(replica.clone()));
    }
    if replica == source || graph.descendants(replica).contains(source) {
        return Some(Flaw::Ring(replica.clone()));
    }
    let executed = &snapshot.instance(replica)?.gtid.executed;
    let holds = &plan.certificate.as_ref()?.holds;
    (!holds.contains(executed)).then(|| Flaw::AttachesAhead(replica.clone()))
}
