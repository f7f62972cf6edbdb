//! Dead primary without replicas: it does not answer, and nobody replicates from it. There is nothing to promote, and
//! nobody who could witness its death.
//!
//! Evidence: last probe failed, and not in a way that shows life; no replica known.
//! Look-alikes: a server that refuses our account lives, as does one that answered a part of the probe: no diagnosis here,
//! the probe's error shows; one without free connections → `saturated_primary`.
//! Differs from Orchestrator: there any failed probe counts, also one that shows that the server lives.
//! Recovery: none; there is nobody to promote.
//! Compat code: `DeadMasterWithoutReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadPrimaryWithoutReplicas, priority: 10, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.replicas.is_empty() && !facts.is_valid && !facts.shows_life()
}
