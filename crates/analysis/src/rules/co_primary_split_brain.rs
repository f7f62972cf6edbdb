//! Split brain of co-primaries: more than one server of a ring accepts writes. Each write to both of them may contradict
//! the other, and replication will carry it over or break on it.
//!
//! Evidence: its last probe and that of another one of the same ring were good; both are writable.
//! Look-alikes: one of them read-only: the usual pair of an active and a passive co-primary; several writable members of a
//! replication group certify what they write, and are no ring.
//! Differs from Orchestrator: it knows no such code. This one comes last, so that it hides none of Orchestrator's.
//! Recovery: none; a person decides which one is to be read-only.
//! Compat code: `CoMasterSplitBrain`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::CoPrimarySplitBrain, priority: 320, examine };

fn examine(facts: &Facts) -> bool {
    !facts.is_group_member && !facts.writable_rivals.is_empty()
}
