//! Dead intermediate source and replicas: neither it nor any of its replicas answers. A lost site, or this node is cut off.
//! A co-primary that is lost with all its replicas shows itself so too.
//!
//! Evidence: confirmed failures of our own probes; replicas are known and none was read since; not so many nodes of ours
//! reach the server that it is certain to live.
//! Look-alikes: the others reach it → `unreachable_intermediate`.
//! Differs from Orchestrator: one failed probe is not enough, and one node's view is not where several vote.
//! Recovery: none; there is nobody to move.
//! Compat code: `DeadIntermediateMasterAndReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadIntermediateAndReplicas, priority: 240, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below() && facts.is_dead_with_all_replicas()
}
