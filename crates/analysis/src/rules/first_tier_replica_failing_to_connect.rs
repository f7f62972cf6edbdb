//! A direct replica of the primary cannot connect to it.
//!
//! Evidence: last probe good; one step below the head; its receiver reports an error of connecting, its applier runs.
//! Look-alikes: the primary is dead: that one has a diagnosis of its own.
//! Differs from Orchestrator: error numbers decide, not texts; what it said before it stopped answering does not count.
//! Recovery: none; its source is probed again at once.
//! Compat code: `FirstTierReplicaFailingToConnectToMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::FirstTierReplicaFailingToConnect, priority: 300, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_valid && !facts.is_group_member && facts.depth == 1 && facts.is_failing_to_connect
}
