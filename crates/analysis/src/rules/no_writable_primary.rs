//! No writable primary: it answers, its replicas replicate, and it refuses writes. Reported as a problem of its own only
//! where `RecoverNonWriteableMaster` is set; else it is a structural remark.
//!
//! Evidence: last probe good; read-only; at least one replica replicates.
//! Look-alikes: a planned switchover in its frozen moment; a fenced old primary (which is recorded as demoted).
//! Recovery: make it writable.
//! Compat code: `NoWriteableMasterStructureWarning`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::NoWritablePrimary, priority: 110, examine };

fn examine(facts: &Facts) -> bool {
    facts.recovers_non_writable
        && facts.heads_tree()
        && facts.is_valid
        && facts.is_read_only
        && facts.replicating_replicas > 0
}
