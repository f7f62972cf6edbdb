//! What must hold at every moment, and what must hold in the end. One file each.

mod acknowledged;
mod brief;
mod one_writable;
mod same_data;
mod whole;
mod witnessed;

use planner::Plan;
use store::{Page, Recovery, RecoveryFilter};
use topology::InstanceKey;

use crate::fleet::Fleet;
use crate::node::Node;

pub(crate) use same_data::why_not_same;
pub(crate) use whole::why_not_whole;

/// One moment of a schedule.
pub(crate) struct Moment<'a> {
    pub(crate) fleet: &'a mut Fleet,
    /// The manager that acts, if one does.
    pub(crate) node: Option<&'a Node>,
    /// How many managers there are.
    pub(crate) voters: u8,
    /// Faults are over.
    pub(crate) is_calm: bool,
    /// Returned primaries that are no further than the present one are to be attached again.
    pub(crate) attaches_returned: bool,
}

/// What was counted, for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) schedules: u64,
    pub(crate) acknowledged: u64,
    pub(crate) recoveries: u64,
    pub(crate) promotions: u64,
    /// Promotions whose certificate says that nothing is lost.
    pub(crate) proven: u64,
    /// Acknowledged transactions that a certificate named as possibly lost, and that were.
    pub(crate) lost_as_certified: u64,
    /// Acknowledged by a replaced primary that clients reached and the manager did not, or not yet.
    pub(crate) stray: u64,
    /// Milliseconds during which there was such a primary, out of the manager's reach.
    pub(crate) unreachable_ms: u64,
    /// The longest time for which there was one within its reach.
    pub(crate) longest_unfenced_ms: u64,
    /// The longest recovery.
    pub(crate) longest_recovery_ms: u64,
    /// Servers that were left to operators in the end.
    pub(crate) left_out: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.acknowledged += other.acknowledged;
        self.recoveries += other.recoveries;
        self.promotions += other.promotions;
        self.proven += other.proven;
        self.lost_as_certified += other.lost_as_certified;
        self.stray += other.stray;
        self.unreachable_ms += other.unreachable_ms;
        self.longest_unfenced_ms = self.longest_unfenced_ms.max(other.longest_unfenced_ms);
        self.longest_recovery_ms = self.longest_recovery_ms.max(other.longest_recovery_ms);
        self.left_out += other.left_out;
    }
}

/// All that is checked at every moment.
#[derive(Default)]
pub(crate) struct Invariants {
    acknowledged: acknowledged::Acknowledged,
    brief: brief::Brief,
    one_writable: one_writable::OneWritable,
    witnessed: witnessed::Witnessed,
}

impl Invariants {
    /// Checks all of them.
    pub(crate) fn check(&mut self, moment: &mut Moment<'_>, counts: &mut Counts) {
        self.witnessed.check(moment);
        self.one_writable.check(moment, counts);
        self.acknowledged.check(moment, &self.one_writable, counts);
        self.brief.check(moment, counts);
    }

    /// Checks what must hold of acknowledged transactions in the end.
    pub(crate) fn check_end(&mut self, moment: &mut Moment<'_>) {
        self.acknowledged.check_end(moment, &self.one_writable);
    }
}

/// Returns the recovery that is being carried out, if one is, and its plan.
fn running_plan(node: &Node) -> Option<(Recovery, Plan)> {
    let running = node.store().running_recoveries().unwrap().into_iter().next()?;
    let record = node.store().plan(&running.uid).unwrap()?;
    Some((running, serde_json::from_str(&record.plan).unwrap()))
}

/// Returns the newest plan that promotes somebody, whether or not it is over.
fn latest_plan(node: &Node) -> Option<(String, Plan)> {
    let recoveries = node.store().recoveries(RecoveryFilter::default(), Page::nth(0)).unwrap().into_iter();
    let plans = recoveries.filter_map(|recovery| {
        let record = node.store().plan(&recovery.uid).unwrap()?;
        Some((recovery.uid, serde_json::from_str::<Plan>(&record.plan).unwrap()))
    });
    plans.into_iter().find(|(_, plan)| plan.kind.promotes())
}

/// Returns the number of a server by its address.
fn number(fleet: &Fleet, key: &InstanceKey) -> u8 {
    fleet.find(key).unwrap_or_else(|| panic!("{key} is none of the servers"))
}
