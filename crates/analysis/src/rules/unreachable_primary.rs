//! Unreachable primary: it does not answer here, and its replicas do not confirm that it is dead: some are connected, or
//! were answered by it, or none can tell because their receivers are stopped. Or too many other nodes of ours reach it.
//!
//! Evidence: last probe failed; replicas are known; death not witnessed. Where the server answered a part of that probe, it
//! also takes a replica that cannot connect, or that none replicates: else it is noise.
//! Look-alikes: `dead_primary` a moment later, once receivers notice or are restarted; our own blind spot; a server that
//! accepts connections and answers nothing → `hung_primary`; one without free connections → `saturated_primary`.
//! Differs from Orchestrator: also when no replica replicates but nothing witnesses a death; there this was taken for a dead
//! primary, as was one that answered a part of the probe.
//! Recovery: none; the primary and its replicas are probed again and again, receivers that believe in it are restarted.
//! Compat code: `UnreachableMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::UnreachablePrimary, priority: 60, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.is_unreachable() && (!facts.is_hiccup() || facts.failing_replicas > 0)
}
