//! Locked semi-sync primary: its commits wait for more replicas than are connected, and nothing moves any more.
//!
//! Evidence: semi-sync enabled and in effect; fewer semi-sync clients than it waits for; neither its binary log nor that state
//! has changed for longer than is reasonable; and it does not say that no session waits.
//! Look-alikes: not for long yet, or nobody commits anything → `locked_semi_sync_primary_hypothesis`; semi-sync gave up after its
//! timeout → the remark `NotEnoughValidSemiSyncReplicasStructureWarning`.
//! Differs from Orchestrator: an idle primary with too few replicas is not locked: the server is asked how many sessions
//! wait. A log that stood still before the replicas were lost does not count.
//! Recovery: semi-sync replicas.
//! Compat code: `LockedSemiSyncMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::LockedSemiSyncPrimary, priority: 80, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.waits_for_semi_sync() && facts.is_still && facts.semi_sync.waiting_sessions != Some(0)
}
