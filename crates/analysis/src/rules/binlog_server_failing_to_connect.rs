//! A binlog server cannot connect to its source.
//!
//! Evidence: last probe good; it only relays binary logs; its receiver reports an error of connecting.
//! Look-alikes: any other direct replica of the primary → `first_tier_replica_failing_to_connect`.
//! Recovery: none.
//! Compat code: `BinlogServerFailingToConnectToMaster`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::BinlogServerFailingToConnect, priority: 290, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_binlog_server && !facts.is_group_member && facts.is_valid && facts.is_failing_to_connect
}
