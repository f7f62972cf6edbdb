//! Primary with too many semi-sync replicas: more acknowledge than it waits for, where policy wants exactly as many. An
//! acknowledgement of any of them would do, also of one that should not be promoted.
//!
//! Evidence: `EnforceExactSemiSyncReplicas`; semi-sync enabled and in effect; more semi-sync clients than it waits for.
//! Recovery: semi-sync replicas.
//! Compat code: `MasterWithTooManySemiSyncReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::PrimaryWithTooManySemiSyncReplicas, priority: 100, examine };

fn examine(facts: &Facts) -> bool {
    let semi_sync = &facts.semi_sync;
    facts.exact_semi_sync
        && facts.heads_tree()
        && semi_sync.source.enabled
        && semi_sync.source.active
        && semi_sync.wait_count > 0
        && semi_sync.clients > semi_sync.wait_count
}
