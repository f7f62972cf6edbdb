//! No replica of a living co-primary replicates, the other co-primary included.
//!
//! Evidence: last probe good; at least one replica; none replicates.
//! Look-alikes: what the survivor shows while the other co-primary is dead: that one has a diagnosis of its own.
//! Recovery: none.
//! Compat code: `AllCoMasterReplicasNotReplicating`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::AllCoPrimaryReplicasNotReplicating, priority: 190, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_ring() && facts.is_valid && !facts.replicas.is_empty() && facts.replicating_replicas == 0
}
