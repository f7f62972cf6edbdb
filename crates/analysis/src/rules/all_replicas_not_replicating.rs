//! No replica of a living primary replicates, and all answer: somebody stopped them, or they broke together.
//!
//! Evidence: primary's last probe good; more than one replica; all read; none replicates.
//! Look-alikes: some do not answer → `all_replicas_not_replicating_or_dead`; the primary does not answer either, and nothing
//! witnesses its death → `unreachable_primary`.
//! Recovery: none; the primary is probed again at once.
//! Compat code: `AllMasterReplicasNotReplicating`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::AllPrimaryReplicasNotReplicating, priority: 140, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree()
        && facts.is_valid
        && facts.replicas.len() > 1
        && facts.valid_replicas == facts.replicas.len()
        && facts.replicating_replicas == 0
}
