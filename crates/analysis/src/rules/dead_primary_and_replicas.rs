//! Dead primary and replicas: neither the primary nor any replica answers. A lost site, or this node is cut off: from here
//! the two look the same, so nothing is done.
//!
//! Evidence: confirmed failures of our own probes; replicas are known and none was read since.
//! Compat code: `DeadMasterAndReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadPrimaryAndReplicas, priority: 30, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_primary && facts.is_confirmed_dead && !facts.replicas.is_empty() && facts.valid_replicas == 0
}
