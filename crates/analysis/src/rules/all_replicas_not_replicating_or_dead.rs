//! No replica of a living primary replicates, and some do not answer.
//!
//! Evidence: primary's last probe good; more than one replica; some but not all read; none replicates.
//! Look-alikes: all answer → `all_replicas_not_replicating`.
//! Recovery: none; the primary is probed again at once.
//! Compat code: `AllMasterReplicasNotReplicatingOrDead`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::AllPrimaryReplicasNotReplicatingOrDead, priority: 150, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree()
        && facts.is_valid
        && facts.replicas.len() > 1
        && facts.valid_replicas > 0
        && facts.valid_replicas < facts.replicas.len()
        && facts.replicating_replicas == 0
}
