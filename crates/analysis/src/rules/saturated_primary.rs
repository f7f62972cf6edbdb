//! Saturated primary: it lives and refuses us, because it has as many connections as it allows.
//!
//! Evidence: last probe failed with one of the server's own errors about connections (1040, 1203, 1226).
//! Look-alikes: a connection that is refused by the kernel → `dead_primary`.
//! Differs from Orchestrator: there it is unreachable, or dead once its replicas were stopped.
//! Recovery: none; a failover would move the load that saturates it.
//! Compat code: `SaturatedMaster`.

use topology::Unreachable;

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::SaturatedPrimary, priority: 46, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && !facts.is_valid && !facts.is_hiccup() && facts.fails_by(Unreachable::TooManyConnections)
}
