//! Locked semi-sync primary: its commits wait for more replicas than are connected, and nothing moves any more.
//!
//! Evidence: semi-sync enabled and in effect; fewer semi-sync clients than it waits for; and for longer than is reasonable
//! sessions have been waiting, by its own word, and no commit was acknowledged. Of one that does not tell: neither its binary log
//! nor that state has changed for so long.
//! Look-alikes: not for long yet, or nobody commits anything → `locked_semi_sync_primary_hypothesis`; semi-sync gave up after its
//! timeout → the remark `NotEnoughValidSemiSyncReplicasStructureWarning`.
//! Differs from Orchestrator: the server is asked how many sessions wait. An idle primary with too few replicas is not locked;
//! one whose log goes on growing is, as each commit that comes in is written there before it waits. A log that stood still
//! before the replicas were lost does not count.
//! Recovery: semi-sync replicas.
//! Compat code: `LockedSemiSyncMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::LockedSemiSyncPrimary, priority: 80, examine };

fn examine(facts: &Facts) -> bool {
    // Who waits is in the binary log already (`AFTER_SYNC`), and every newcomer moves its end.
    let are_waiting = match facts.semi_sync.waiting_sessions {
        Some(_) => facts.is_stuck,
        None => facts.is_still,
    };
    facts.heads_tree() && facts.waits_for_semi_sync() && are_waiting
}
