//! Dead primary and replicas: neither the primary nor any replica answers. A lost site, or this node is cut off: from here
//! the two look the same, so nothing is done.
//!
//! Evidence: confirmed failures of our own probes; replicas are known and none was read since; not so many nodes of ours
//! reach the primary that it is certain to live.
//! Look-alikes: the others reach it, so it is this node that is cut off → `unreachable_primary`, and a leader that cannot
//! see what the majority sees hands leadership over.
//! Differs from Orchestrator: there a node that is cut off says the same as one that watches a site die.
//! Recovery: none; a person decides what is true.
//! Compat code: `DeadMasterAndReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadPrimaryAndReplicas, priority: 30, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.is_dead_with_all_replicas()
}
