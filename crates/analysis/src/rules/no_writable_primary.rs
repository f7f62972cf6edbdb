//! No writable primary: it answers, its replicas replicate, and it refuses writes. Reported as a problem of its own
//! where `RecoverNonWriteableMaster` is set, and where a recovery of ours closed it and was given up; else it is a structural
//! remark.
//!
//! Evidence: last probe good; read-only; at least one replica replicates.
//! Look-alikes: a planned switchover in its frozen moment; a fenced old primary (which is recorded as demoted).
//! Recovery: make it writable. One that we closed is opened as soon as it is seen, if it is the one primary still and nothing is
//! newer; until then the hold says what speaks against it, and the command that opens it.
//! Compat code: `NoWriteableMasterStructureWarning`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::NoWritablePrimary, priority: 110, examine };

fn examine(facts: &Facts) -> bool {
    (facts.recovers_non_writable || facts.left_closed)
        && facts.heads_tree()
        && facts.is_valid
        && facts.is_read_only
        && facts.replicating_replicas > 0
}
