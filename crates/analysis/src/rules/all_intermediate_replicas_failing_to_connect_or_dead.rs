//! No replica of a living intermediate source can connect to it: cut off from them, full, or it refuses their account.
//!
//! Evidence: last probe good; more than one replica; some read; each of these has a running applier, and a receiver that
//! reports an error of connecting.
//! Look-alikes: one of them was stopped, or broke otherwise → `all_intermediate_replicas_not_replicating`.
//! Differs from Orchestrator: error numbers decide, not texts.
//! Recovery: dead intermediate source.
//! Compat code: `AllIntermediateMasterReplicasFailingToConnectOrDead`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule =
    Rule { code: Code::AllIntermediateReplicasFailingToConnectOrDead, priority: 270, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below()
        && facts.is_valid
        && facts.replicas.len() > 1
        && facts.replicating_replicas == 0
        && facts.failing_replicas > 0
        && facts.failing_replicas == facts.valid_replicas
}
