//! Dead intermediate source: this node cannot reach it, and its replicas, all answering, cannot either.
//!
//! Evidence: confirmed failures of our own probes; more than one replica, every one read since; at least one cannot connect,
//! none is connected and none was answered with an error; not so many nodes of ours reach the server that it is certain to
//! live.
//! Look-alikes: receivers that still believe in it, or were stopped → `unreachable_intermediate`; some replicas do not answer
//! → `dead_intermediate_and_some_replicas`; none does → `dead_intermediate_and_replicas`.
//! Differs from Orchestrator: as `dead_primary` does.
//! Recovery: dead intermediate source.
//! Compat code: `DeadIntermediateMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadIntermediate, priority: 220, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below()
        && facts.is_witnessed_dead()
        && facts.replicas.len() > 1
        && facts.valid_replicas == facts.replicas.len()
}
