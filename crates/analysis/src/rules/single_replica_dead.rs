//! The only replica of a living primary does not answer.
//!
//! Evidence: primary's last probe good; one replica, whose last probe failed.
//! Compat code: `MasterSingleReplicaDead`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::PrimarySingleReplicaDead, priority: 130, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_primary && facts.is_valid && facts.replicas.len() == 1 && facts.valid_replicas == 0
}
