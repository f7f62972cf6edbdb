//! The only replica of a living primary does not answer.
//!
//! Evidence: primary's last probe good; one replica, whose last probe failed.
//! Look-alikes: more than one replica, and none answers: no diagnosis of the primary; each replica's probe error shows.
//! Recovery: none.
//! Compat code: `MasterSingleReplicaDead`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::PrimarySingleReplicaDead, priority: 130, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.is_valid && facts.replicas.len() == 1 && facts.valid_replicas == 0
}
