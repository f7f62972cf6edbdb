//! No replica of a living intermediate source replicates.
//!
//! Evidence: last probe good; at least one replica read; none replicates.
//! Look-alikes: all of them cannot connect → `all_intermediate_replicas_failing_to_connect_or_dead`.
//! Recovery: none.
//! Compat code: `AllIntermediateMasterReplicasNotReplicating`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::AllIntermediateReplicasNotReplicating, priority: 280, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below() && facts.is_valid && facts.valid_replicas > 0 && facts.replicating_replicas == 0
}
