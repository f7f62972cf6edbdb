//! At most one server takes writes of clients at a time.
//!
//! The exception, which no manager can avoid: a replaced primary that clients reach and the manager does not. It is counted,
//! and so is what it acknowledges. From the moment in which the manager reaches it, [`BUDGET`] is left.

use std::collections::{BTreeMap, BTreeSet};

use super::{Counts, Moment};
use crate::fleet::{Fleet, Met};
use crate::trx::Trx;

/// Milliseconds in which a writable second primary within reach must be fenced: it is knocked at ten times a second, then
/// read, and closed on another connection; the first may have been lost in a cut, and is waited for.
const BUDGET: u64 = 3000;

#[derive(Default)]
pub(super) struct OneWritable {
    checked: u64,
    /// Since when a second one is within reach.
    within_reach: BTreeMap<u8, u64>,
    seen: usize,
    strays: BTreeSet<Trx>,
}

impl OneWritable {
    pub(super) fn is_stray(&self, trx: Trx) -> bool {
        self.strays.contains(&trx)
    }

    pub(super) fn check(&mut self, moment: &Moment<'_>, counts: &mut Counts) {
        let fleet = &*moment.fleet;
        let current = fleet.opened.last().map_or(0, |(id, _)| *id);
        let takes_writes = |fleet: &Fleet, id: u8| {
            let server = fleet.server(id);
            server.runs() && server.takes_writes() && fleet.is_head(id) && fleet.serves_clients(id)
        };
        let elapsed = fleet.now - self.checked;
        self.checked = fleet.now;
        let is_second = |id: &u8| *id != current && takes_writes(fleet, *id) && takes_writes(fleet, current);
        let seconds: BTreeSet<u8> = fleet.servers.iter().map(|server| server.id).filter(is_second).collect();
        self.within_reach.retain(|id, _| seconds.contains(id));
        for id in &seconds {
            let is_met =
                moment.node.is_some() && fleet.meets(fleet.managed_from, &fleet.server(*id).key) == Met::Answers;
            if !is_met {
                self.within_reach.remove(id);
                counts.unreachable_ms += elapsed;
                continue;
            }
            let since = *self.within_reach.entry(*id).or_insert(fleet.now);
            let unfenced = fleet.now - since;
            counts.longest_unfenced_ms = counts.longest_unfenced_ms.max(unfenced);
            assert!(
                unfenced <= BUDGET,
                "s{id} takes writes beside s{current} for {unfenced} ms within the manager's reach"
            );
        }
        for one in &fleet.acknowledged[self.seen..] {
            // Who was the last that had been opened by then.
            let opened = fleet.opened.iter().rev().find(|(_, at)| *at <= one.at);
            let (current, opened_at) = opened.copied().unwrap_or((0, 0));
            if one.by != current && one.at > opened_at {
                self.strays.insert(one.trx);
                counts.stray += 1;
            }
        }
        self.seen = fleet.acknowledged.len();
    }
}
