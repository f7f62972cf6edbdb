//! Unreachable primary: it does not answer here, and its replicas do not confirm that it is dead: some are connected, or
//! were answered by it, or none can tell because their receivers are stopped. Or too many other nodes of ours reach it.
//!
//! Evidence: last probe failed; at least one replica read since, or the other nodes see it; death not witnessed.
//! Look-alikes: `dead_primary` a moment later, once receivers notice or are restarted; our own blind spot.
//! Differs from Orchestrator: also when the replicas do not replicate but nothing witnesses a death; there this was taken
//! for a dead primary.
//! Compat code: `UnreachableMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::UnreachablePrimary, priority: 60, examine };

fn examine(facts: &Facts) -> bool {
    let somebody_answers = facts.valid_replicas > 0 || (!facts.replicas.is_empty() && facts.quorum().is_seen());
    facts.is_primary && !facts.is_valid && somebody_answers && !facts.is_witnessed_dead()
}
