//! Dead primary and some replicas: like `dead_primary`, and some replicas do not answer either.
//!
//! Evidence: confirmed failures of our own probes; some replicas read since; at least one of them cannot connect, none is
//! connected and none was answered with an error; not so many nodes of ours reach the primary that it is certain to live.
//! Look-alikes: as of `dead_primary`.
//! Differs from Orchestrator: as `dead_primary` does.
//! Recovery: dead primary.
//! Compat code: `DeadMasterAndSomeReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadPrimaryAndSomeReplicas, priority: 40, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.is_witnessed_dead() && facts.valid_replicas < facts.replicas.len()
}
