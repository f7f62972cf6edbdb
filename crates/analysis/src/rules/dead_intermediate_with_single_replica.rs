//! Dead intermediate source, and its only replica does not replicate for a reason of its own: somebody stopped it, or its
//! applier broke. Where it was stopped, nothing but our own probes speaks for the death.
//!
//! Evidence: confirmed failures of our own probes; one replica, read since, that does not replicate, is not connected and was
//! not answered with an error; not so many nodes of ours reach the server that it is certain to live.
//! Look-alikes: the replica tries and cannot connect → `dead_intermediate_with_single_replica_failing_to_connect`.
//! Recovery: none; a replica that somebody stopped is left alone.
//! Compat code: `DeadIntermediateMasterWithSingleReplica`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadIntermediateWithSingleReplica, priority: 210, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below()
        && facts.is_confirmed_dead
        && facts.replicas.len() == 1
        && facts.valid_replicas == 1
        && facts.replicating_replicas == 0
        && !facts.a_replica_sees_it_alive()
        && !facts.quorum().is_seen()
}
