//! Dead co-primary and some replicas: like `dead_co_primary`, and some replicas do not answer either.
//!
//! Evidence: as of `dead_co_primary`, by those replicas that were read since the failure.
//! Look-alikes: as of `dead_co_primary`.
//! Differs from Orchestrator: as `dead_primary` does.
//! Recovery: dead co-primary.
//! Compat code: `DeadCoMasterAndSomeReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadCoPrimaryAndSomeReplicas, priority: 170, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_ring() && facts.is_witnessed_dead() && facts.valid_replicas < facts.replicas.len()
}
