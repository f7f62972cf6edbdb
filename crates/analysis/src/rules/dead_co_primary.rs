//! Dead co-primary: this node cannot reach one of two that replicate from each other, and its replicas, the other one among
//! them, all answer and cannot reach it either.
//!
//! Evidence: confirmed failures of our own probes; every replica read since; at least one cannot connect, none is connected
//! and none was answered with an error; not so many nodes of ours reach it that it is certain to live.
//! Look-alikes: replicas that were stopped, or still believe in it → `unreachable_co_primary`; some do not answer →
//! `dead_co_primary_and_some_replicas`; none does → `dead_intermediate_and_replicas`.
//! Differs from Orchestrator: as `dead_primary` does.
//! Recovery: dead co-primary.
//! Compat code: `DeadCoMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadCoPrimary, priority: 160, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_ring() && facts.is_witnessed_dead() && facts.valid_replicas == facts.replicas.len()
}
