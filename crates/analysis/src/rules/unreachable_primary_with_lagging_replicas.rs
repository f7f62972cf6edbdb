//! Unreachable primary with lagging replicas: it does not answer here, its replicas do not confirm its death, and all of
//! them lag: their receivers may be stuck on a dead connection.
//!
//! Evidence: last probe failed; every replica lags, not all of them by a configured delay; at least one replicates.
//! Compat code: `UnreachableMasterWithLaggingReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::UnreachablePrimaryWithLaggingReplicas, priority: 50, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_primary
        && !facts.is_valid
        && !facts.replicas.is_empty()
        && facts.lagging_replicas == facts.replicas.len()
        && facts.delayed_replicas < facts.replicas.len()
        && facts.replicating_replicas > 0
}
