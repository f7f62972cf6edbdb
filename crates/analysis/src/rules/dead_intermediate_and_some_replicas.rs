//! Dead intermediate source and some replicas: like `dead_intermediate`, and some replicas do not answer either.
//!
//! Evidence: as of `dead_intermediate`, by those replicas that were read since the failure.
//! Look-alikes: as of `dead_intermediate`.
//! Differs from Orchestrator: as `dead_primary` does.
//! Recovery: dead intermediate source.
//! Compat code: `DeadIntermediateMasterAndSomeReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadIntermediateAndSomeReplicas, priority: 230, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below() && facts.is_witnessed_dead() && facts.valid_replicas < facts.replicas.len()
}
