//! Dead intermediate source, and its only replica cannot connect to it.
//!
//! Evidence: confirmed failures of our own probes; one replica, read since, whose receiver cannot connect while its applier
//! runs; not so many nodes of ours reach the server that it is certain to live.
//! Look-alikes: the replica was stopped, or its applier broke → `dead_intermediate_with_single_replica`; it is connected →
//! `unreachable_intermediate`.
//! Differs from Orchestrator: error numbers decide, not texts; a receiver that is still trying long after the failure
//! counts, as below a hung server.
//! Recovery: dead intermediate source.
//! Compat code: `DeadIntermediateMasterWithSingleReplicaFailingToConnect`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule =
    Rule { code: Code::DeadIntermediateWithSingleReplicaFailingToConnect, priority: 200, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below()
        && facts.is_witnessed_dead()
        && facts.replicas.len() == 1
        && facts.witnesses.iter().all(|witness| witness.applier_running)
}
