//! The right to act, reckoned from who acknowledged what when.
//!
//! A node that acknowledges a heartbeat votes for nobody else for [`crate::Timing::loyalty`] from then on. So a leader whose
//! majority acknowledged what it *sent* at `t` knows that nobody else leads before `t + loyalty`. It takes less for itself
//! ([`crate::Timing::lease`]): clocks may run at different speeds, by as much as the two differ.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::NodeId;

/// When each node last acknowledged something that was sent in one term.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acks {
    term: u64,
    /// What was sent before does not count.
    floor: Option<Instant>,
    sent: BTreeMap<NodeId, Instant>,
}

impl Acks {
    /// Notes that `node` acknowledged, in `term`, what was sent to it at `sent`.
    pub(crate) fn note(&mut self, term: u64, node: NodeId, sent: Instant) {
        if term > self.term {
            *self = Self { term, ..Self::default() };
        }
        if term == self.term && self.floor.is_none_or(|floor| sent >= floor) {
            let newest = self.sent.entry(node).or_insert(sent);
            *newest = sent.max(*newest);
        }
    }

    /// Forgets what was acknowledged: only what is sent from `now` on counts, whenever earlier answers come.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.sent.clear();
        self.floor = Some(now);
    }

    /// Returns the moment since which a majority of each of `configs` is known to have heard this node in `term`, itself
    /// included, or none. A membership that is being changed has two configurations, and needs a majority of both.
    pub(crate) fn heard_by_majority(
        &self,
        term: u64,
        me: NodeId,
        now: Instant,
        configs: &[BTreeSet<NodeId>],
    ) -> Option<Instant> {
        let of_one = |voters: &BTreeSet<NodeId>| {
            let mut times: Vec<Instant> = voters
                .iter()
                .filter_map(|voter| if *voter == me { Some(now) } else { self.sent.get(voter).copied() })
                .collect();
            times.sort();
            let majority = voters.len() / 2 + 1;
            times.len().checked_sub(majority).map(|index| times[index])
        };
        if term != self.term && configs.iter().any(|voters| voters.iter().any(|voter| *voter != me)) {
            return None;
        }
        configs.iter().map(of_one).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(millis: u64) -> Instant {
        // One zero for all: an instant cannot be made from nothing.
        static ZERO: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *ZERO.get_or_init(Instant::now) + Duration::from_millis(millis)
    }

    fn acks(term: u64, sent: &[(NodeId, u64)]) -> Acks {
        let mut acks = Acks::default();
        for (node, millis) in sent {
            acks.note(term, *node, after(*millis));
        }
        acks
    }

    fn voters(ids: &[NodeId]) -> BTreeSet<NodeId> {
        ids.iter().copied().collect()
    }

    #[test]
    fn a_node_that_is_the_only_voter_is_its_own_majority() {
        let heard = Acks::default().heard_by_majority(3, 1, after(50), &[voters(&[1])]);
        assert_eq!(heard, Some(after(50)));
    }

    #[test]
    fn of_three_the_better_of_the_two_others_counts() {
        let acks = acks(3, &[(2, 10), (3, 40)]);
        assert_eq!(acks.heard_by_majority(3, 1, after(50), &[voters(&[1, 2, 3])]), Some(after(40)));
    }

    #[test]
    fn of_five_two_others_are_needed() {
        let silent = acks(3, &[(2, 40)]);
        assert_eq!(silent.heard_by_majority(3, 1, after(50), &[voters(&[1, 2, 3, 4, 5])]), None);
        let enough = acks(3, &[(2, 40), (5, 20), (4, 5)]);
        assert_eq!(enough.heard_by_majority(3, 1, after(50), &[voters(&[1, 2, 3, 4, 5])]), Some(after(20)));
    }

    #[test]
    fn while_membership_changes_both_majorities_are_needed() {
        let acks = acks(3, &[(2, 40), (4, 10)]);
        let configs = [voters(&[1, 2, 3]), voters(&[1, 4, 5])];
        assert_eq!(acks.heard_by_majority(3, 1, after(50), &configs), Some(after(10)));
        let configs = [voters(&[1, 2, 3]), voters(&[1, 5, 6])];
        assert_eq!(acks.heard_by_majority(3, 1, after(50), &configs), None);
    }

    #[test]
    fn an_earlier_term_counts_for_nothing() {
        let mut acks = acks(3, &[(2, 40)]);
        assert_eq!(acks.heard_by_majority(4, 1, after(50), &[voters(&[1, 2, 3])]), None);
        acks.note(4, 3, after(45));
        acks.note(3, 2, after(49));
        assert_eq!(acks.heard_by_majority(4, 1, after(50), &[voters(&[1, 2, 3])]), Some(after(45)));
    }

    #[test]
    fn an_answer_to_what_was_sent_before_all_was_forgotten_counts_for_nothing() {
        let mut acks = acks(3, &[(2, 40)]);
        acks.forget(after(50));
        acks.note(3, 2, after(45));
        assert_eq!(acks.heard_by_majority(3, 1, after(60), &[voters(&[1, 2, 3])]), None);
        acks.note(3, 2, after(55));
        assert_eq!(acks.heard_by_majority(3, 1, after(60), &[voters(&[1, 2, 3])]), Some(after(55)));
    }

    #[test]
    fn a_late_answer_to_an_early_heartbeat_does_not_set_the_clock_back() {
        let mut acks = acks(3, &[(2, 40)]);
        acks.note(3, 2, after(10));
        assert_eq!(acks.heard_by_majority(3, 1, after(50), &[voters(&[1, 2, 3])]), Some(after(40)));
    }
}
