//! Unreachable intermediate source with lagging replicas: it does not answer here, its replicas do not confirm its death,
//! and all of them lag: their receivers may be stuck on a dead connection.
//!
//! Evidence: last probe failed; every replica lags or has a lag that nobody knows, not all of them by a configured delay; at
//! least one replicates; death not witnessed.
//! Look-alikes: `unreachable_intermediate` where a replica keeps up.
//! Differs from Orchestrator: a replica without a known lag does not hide that all others lag.
//! Recovery: none; receivers that believe in it are restarted by the leader, and only by it.
//! Compat code: `UnreachableIntermediateMasterWithLaggingReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::UnreachableIntermediateWithLaggingReplicas, priority: 250, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below() && facts.is_unreachable() && facts.all_replicas_lag() && facts.replicating_replicas > 0
}
