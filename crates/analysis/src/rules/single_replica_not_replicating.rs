//! The only replica of a living primary does not replicate.
//!
//! Evidence: primary's last probe good; one replica, read, not replicating.
//! Look-alikes: more than one replica → `all_replicas_not_replicating`.
//! Recovery: none.
//! Compat code: `MasterSingleReplicaNotReplicating`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::PrimarySingleReplicaNotReplicating, priority: 120, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree()
        && facts.is_valid
        && facts.replicas.len() == 1
        && facts.valid_replicas == 1
        && facts.replicating_replicas == 0
}
