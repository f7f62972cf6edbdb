//! Dead primary without replicas: it does not answer, and nobody replicates from it. There is nothing to promote, and
//! nobody who could witness its death.
//!
//! Evidence: last probe failed as a dead server's does; no replica known.
//! Look-alikes: a server that refuses our account, or is saturated, lives: no diagnosis here, the probe's error shows.
//! Compat code: `DeadMasterWithoutReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadPrimaryWithoutReplicas, priority: 10, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_primary && !facts.is_valid && facts.replicas.is_empty()
}
