//! Unreachable primary with lagging replicas: it does not answer here, its replicas do not confirm its death, and all of
//! them lag: their receivers may be stuck on a dead connection.
//!
//! Evidence: last probe failed; every replica lags or has a lag that nobody knows, not all of them by a configured delay; at
//! least one replicates; death not witnessed.
//! Look-alikes: `unreachable_primary` where a replica keeps up.
//! Differs from Orchestrator: a replica without a known lag, as one whose applier stands, does not hide that all others lag.
//! Recovery: none; receivers that believe in it are restarted by the leader, and only by it.
//! Compat code: `UnreachableMasterWithLaggingReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::UnreachablePrimaryWithLaggingReplicas, priority: 50, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.is_unreachable() && facts.all_replicas_lag() && facts.replicating_replicas > 0
}
