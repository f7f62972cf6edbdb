//! Recoveries end: none runs for longer than [`LONGEST`] while a manager runs and nothing is broken.

use super::{Counts, Moment};

/// Milliseconds of calm after which nothing may be running that was begun before.
const LONGEST: u64 = 120_000;

#[derive(Default)]
pub(super) struct Brief {
    /// Since when there is a recovery, and since when in calm.
    running: Option<(u64, Option<u64>)>,
}

impl Brief {
    pub(super) fn check(&mut self, moment: &Moment<'_>, counts: &mut Counts) {
        let Some(node) = moment.node else { return };
        let now = moment.fleet.now;
        if node.store().declared().recovering.is_empty() {
            if let Some((began, _)) = self.running.take() {
                counts.recoveries += 1;
                counts.longest_recovery_ms = counts.longest_recovery_ms.max(now - began);
            }
            return;
        }
        let (_, calm_since) = self.running.get_or_insert((now, None));
        if moment.is_calm {
            let since = *calm_since.get_or_insert(now);
            assert!(now - since <= LONGEST, "a recovery is not over after {LONGEST} ms of calm");
        }
    }
}
