//! One file per failure mode; this table is all that joins them.
//!
//! To add one: write its file, with a header that tells evidence and look-alikes, and add it to [`ALL`].

mod all_co_primary_replicas_not_replicating;
mod all_intermediate_replicas_failing_to_connect_or_dead;
mod all_intermediate_replicas_not_replicating;
mod all_replicas_not_replicating;
mod all_replicas_not_replicating_or_dead;
mod binlog_server_failing_to_connect;
mod co_primary_split_brain;
mod dead_co_primary;
mod dead_co_primary_and_some_replicas;
mod dead_group_member_with_replicas;
mod dead_intermediate;
mod dead_intermediate_and_replicas;
mod dead_intermediate_and_some_replicas;
mod dead_intermediate_with_single_replica;
mod dead_intermediate_with_single_replica_failing_to_connect;
mod dead_primary;
mod dead_primary_and_replicas;
mod dead_primary_and_some_replicas;
mod dead_primary_without_replicas;
mod first_tier_replica_failing_to_connect;
mod hung_primary;
mod locked_semi_sync_primary;
mod locked_semi_sync_primary_hypothesis;
mod no_writable_primary;
mod saturated_primary;
mod single_replica_dead;
mod single_replica_not_replicating;
mod structure;
mod too_many_semi_sync_replicas;
mod unreachable_co_primary;
mod unreachable_intermediate;
mod unreachable_intermediate_with_lagging_replicas;
mod unreachable_primary;
mod unreachable_primary_with_lagging_replicas;

pub(crate) use structure::structure;

use crate::{Code, Facts};

/// A failure mode.
pub(crate) struct Rule {
    /// What it is called.
    pub code: Code,
    /// Where several apply, the smallest wins. Orchestrator's order of precedence, in tens: what it does not know stands
    /// between.
    pub priority: u32,
    /// Whether the facts show it.
    pub examine: fn(&Facts) -> bool,
}

/// Every failure mode.
pub(crate) const ALL: &[Rule] = &[
    dead_primary_without_replicas::RULE,
    dead_primary::RULE,
    dead_primary_and_replicas::RULE,
    dead_primary_and_some_replicas::RULE,
    hung_primary::RULE,
    saturated_primary::RULE,
    unreachable_primary_with_lagging_replicas::RULE,
    unreachable_primary::RULE,
    locked_semi_sync_primary::RULE,
    locked_semi_sync_primary_hypothesis::RULE,
    too_many_semi_sync_replicas::RULE,
    no_writable_primary::RULE,
    single_replica_not_replicating::RULE,
    single_replica_dead::RULE,
    all_replicas_not_replicating::RULE,
    all_replicas_not_replicating_or_dead::RULE,
    dead_co_primary::RULE,
    dead_co_primary_and_some_replicas::RULE,
    unreachable_co_primary::RULE,
    all_co_primary_replicas_not_replicating::RULE,
    dead_intermediate_with_single_replica_failing_to_connect::RULE,
    dead_intermediate_with_single_replica::RULE,
    dead_intermediate::RULE,
    dead_intermediate_and_some_replicas::RULE,
    dead_intermediate_and_replicas::RULE,
    unreachable_intermediate_with_lagging_replicas::RULE,
    unreachable_intermediate::RULE,
    all_intermediate_replicas_failing_to_connect_or_dead::RULE,
    all_intermediate_replicas_not_replicating::RULE,
    binlog_server_failing_to_connect::RULE,
    first_tier_replica_failing_to_connect::RULE,
    dead_group_member_with_replicas::RULE,
    co_primary_split_brain::RULE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn priorities_are_a_total_order_and_no_code_is_missing() {
        let priorities: BTreeSet<u32> = ALL.iter().map(|rule| rule.priority).collect();
        assert_eq!(priorities.len(), ALL.len());
        let ruled: BTreeSet<Code> = ALL.iter().map(|rule| rule.code).collect();
        let named: BTreeSet<Code> = Code::ALL.iter().copied().filter(|code| *code != Code::NoProblem).collect();
        assert_eq!(ruled, named);
    }
}
