//! Probes out of turn: where the next poll would come late for a diagnosis that depends on it.
//!
//! Only on the node that acts: the others learn it at their own pace. Sources whose life is in doubt are `suspicion`'s.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use analysis::{Code, Diagnosis};
use topology::InstanceKey;

use crate::hub::{Hub, View};
use crate::watcher;

/// Whoever was probed this lately is not probed again for the same reason.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Probes whom the diagnoses of `view` ask about.
pub(crate) fn probe(hub: &Arc<Hub>, view: &View) {
    if hub.office.mandate().is_err() {
        return;
    }
    let unasked = view.diagnoses.iter().filter(|diagnosis| !diagnosis.is_skippable());
    let due: BTreeSet<InstanceKey> = unasked.filter_map(in_question).cloned().collect();
    for key in due {
        let is_fresh = |attempted| hub.now().since(attempted) < AT_MOST_EVERY;
        if hub.observatory.get(&key).and_then(|watched| watched.attempted).is_some_and(is_fresh) {
            continue;
        }
        let hub_of_task = Arc::clone(hub);
        hub.spawn(async move { watcher::probe_kept(&hub_of_task, &key).await });
    }
}

/// Returns whose state the diagnosis hangs on.
fn in_question(diagnosis: &Diagnosis) -> Option<&InstanceKey> {
    match diagnosis.code {
        Code::LockedSemiSyncPrimary
        | Code::LockedSemiSyncPrimaryHypothesis
        | Code::AllPrimaryReplicasNotReplicating
        | Code::AllPrimaryReplicasNotReplicatingOrDead => Some(&diagnosis.subject),
        Code::FirstTierReplicaFailingToConnect => diagnosis.facts.source.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use analysis::Facts;

    #[test]
    fn a_replica_that_cannot_connect_asks_about_its_source() {
        let (source, replica) = (InstanceKey::new("db1", 3306), InstanceKey::new("db2", 3306));
        let facts = Facts { key: replica.clone(), source: Some(source.clone()), ..Facts::default() };
        let of = |code| Diagnosis { subject: replica.clone(), code, structure: Vec::new(), facts: facts.clone() };
        assert_eq!(in_question(&of(Code::FirstTierReplicaFailingToConnect)), Some(&source));
        assert_eq!(in_question(&of(Code::LockedSemiSyncPrimaryHypothesis)), Some(&replica));
        assert_eq!(in_question(&of(Code::SaturatedPrimary)), None);
    }
}
