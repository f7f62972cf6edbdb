//! Nobody replaces a server that answers: neither this node nor a majority reached it without a break for [`ALIVE`] before
//! the recovery was put on record.

use std::collections::BTreeMap;

use planner::Kind;

use super::{Moment, number, running_plan};
use crate::fleet::{Met, Place};

/// Milliseconds for which a server must have been reached to count as certainly alive. A death may be over before it is on
/// record: the two rounds of probes and questions in between take this long at most.
const ALIVE: u64 = 4000;

#[derive(Default)]
pub(super) struct Witnessed {
    known: Option<String>,
    /// When somebody last failed to reach a server.
    missed: BTreeMap<(Place, u8), u64>,
}

impl Witnessed {
    pub(super) fn check(&mut self, moment: &Moment<'_>) {
        let (fleet, voters) = (&*moment.fleet, moment.voters);
        for server in &fleet.servers {
            for from in (0..voters).map(Place::Manager) {
                if fleet.meets(from, &server.key) != Met::Answers {
                    self.missed.insert((from, server.id), fleet.now);
                }
            }
        }
        let Some(node) = moment.node else { return };
        if node.store().declared().recovering.is_empty() {
            self.known = None;
            return;
        }
        if self.known.is_some() {
            return;
        }
        let Some((recovery, plan)) = running_plan(node) else { return };
        // Its replicas cannot connect to it, whoever else can: they are what is mended.
        let says_it_lives = recovery.code.contains("FailingToConnect");
        self.known = Some(recovery.uid);
        if says_it_lives || !matches!(plan.kind, Kind::DeadPrimary | Kind::DeadCoPrimary | Kind::DeadIntermediate) {
            return;
        }
        let failed = number(fleet, &plan.failed);
        let reached = |from: Place| {
            let missed = self.missed.get(&(from, failed)).copied();
            missed.is_none_or(|missed| fleet.now - missed > ALIVE)
        };
        // Its leader may have passed on since.
        let began_here = fleet.now - fleet.leads_since > ALIVE;
        assert!(
            !(began_here && reached(fleet.managed_from)),
            "s{failed} is being replaced, and the manager reached it all the time"
        );
        let count = (0..voters).map(Place::Manager).filter(|from| reached(*from)).count();
        assert!(
            count * 2 <= usize::from(voters),
            "s{failed} is being replaced, and {count} managers reached it all the time"
        );
    }
}
