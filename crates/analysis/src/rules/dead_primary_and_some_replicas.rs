//! Dead primary and some replicas: like `dead_primary`, and some replicas do not answer either.
//!
//! Evidence: confirmed failures of our own probes; some replicas read since; at least one of them cannot connect, none is
//! connected and none was answered with an error.
//! Compat code: `DeadMasterAndSomeReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadPrimaryAndSomeReplicas, priority: 40, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_primary && facts.is_witnessed_dead() && facts.valid_replicas < facts.replicas.len()
}
