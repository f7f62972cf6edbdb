//! Dead primary: this node cannot reach it, and its replicas, all answering, cannot either.
//!
//! Evidence: confirmed failures of our own probes; every replica read since; at least one cannot connect, none is connected
//! and none was answered with an error; not so many nodes of ours reach the primary that it is certain to live.
//! Look-alikes: receivers that still believe in it, or were stopped by an operator → `unreachable_primary`; some replicas
//! do not answer → `dead_primary_and_some_replicas`; none does → `dead_primary_and_replicas`.
//! Differs from Orchestrator: "not replicating" is no evidence, since an operator or a broken applier may be the cause; one
//! failed probe is none either; replicas that were last read before the failure do not testify; error numbers decide, not
//! texts; and one node's view does not suffice where several vote.
//! Recovery: dead primary.
//! Compat code: `DeadMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadPrimary, priority: 20, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.is_witnessed_dead() && facts.valid_replicas == facts.replicas.len()
}
