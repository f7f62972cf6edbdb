//! Hypothesis of a locked semi-sync primary: commits would wait for more replicas than are connected; whether any does,
//! and for how long, is not clear yet.
//!
//! Evidence: semi-sync enabled and in effect; fewer semi-sync clients than it waits for.
//! Look-alikes: `locked_semi_sync_primary` once it stands still for longer than is reasonable.
//! Recovery: none; the primary is probed again at once.
//! Compat code: `LockedSemiSyncMasterHypothesis`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::LockedSemiSyncPrimaryHypothesis, priority: 90, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.waits_for_semi_sync()
}
