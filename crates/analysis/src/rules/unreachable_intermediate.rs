//! Unreachable intermediate source: it does not answer here, and its replicas do not confirm that it is dead.
//!
//! Evidence: last probe failed; replicas are known; death not witnessed. Not where the server answered a part of that probe
//! while a replica replicates.
//! Look-alikes: `dead_intermediate` a moment later; a leaf that does not answer has no diagnosis: its probe's error shows.
//! Differs from Orchestrator: also when no replica replicates but nothing witnesses a death. It is looked into at once, as
//! an unreachable primary is; there it waited for the next poll.
//! Recovery: none; it and its replicas are probed again and again, receivers that believe in it are restarted.
//! Compat code: `UnreachableIntermediateMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::UnreachableIntermediate, priority: 260, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_below() && facts.is_unreachable() && !facts.is_hiccup()
}
