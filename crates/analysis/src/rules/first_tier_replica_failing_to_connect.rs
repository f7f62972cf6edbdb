//! A direct replica of the primary cannot connect to it.
//!
//! Evidence: one step below the head; its receiver reports an error number of the connection itself.
//! Compat code: `FirstTierReplicaFailingToConnectToMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::FirstTierReplicaFailingToConnect, priority: 300, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_valid && facts.depth == 1 && !facts.is_co_primary && facts.is_failing_to_connect
}
