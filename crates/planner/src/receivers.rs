//! Receivers that still believe in a silent source.
//!
//! A server that hangs, or whose network is cut without a reset, leaves the receivers of its replicas waiting on a dead
//! connection for `replica_net_timeout` (60 s by default). Restarting them makes them find out at once.

use std::time::Duration;

use analysis::{Diagnosis, Policy, Testimony};
use topology::{InstanceKey, Snapshot};

/// How long the receivers of one source are left alone after they were restarted, while the same failure lasts.
const RESTART_AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// Returns the replicas whose receivers should be restarted to see whether they can connect. Empty in downtime, and unless the source is
/// silent here for longer than the policy allows, and they still say that they are connected.
///
/// Never a MariaDB replica with received and not yet applied transactions: by GTID it drops its relay log when the
/// receiver starts (MariaDB Knowledge Base, "Global Transaction ID", section on `CHANGE MASTER`).
pub fn receivers_to_restart(diagnosis: &Diagnosis, snapshot: &Snapshot, policy: &Policy) -> Vec<InstanceKey> {
    let facts = &diagnosis.facts;
    let unreachable = diagnosis.code.is_unreachable() && !diagnosis.is_skippable();
    let long_enough = facts.failing_since.is_some_and(|since| facts.at.since(since) >= policy.receiver_restart_after);
    // A restart in an earlier failure says nothing about this one: a promoted server may fail again soon.
    let in_this_failure =
        facts.receivers_restarted.filter(|last| facts.failing_since.is_some_and(|since| *last >= since));
    let restarted_lately = in_this_failure.is_some_and(|last| facts.at.since(last) < RESTART_AT_MOST_EVERY);
    let looks_dead = facts.failure.as_ref().is_some_and(|failure| failure.kind.looks_dead());
    // Too many nodes of ours reach it: there is nothing to find out.
    if facts.quorum().is_seen() {
        return Vec::new();
    }
    if !unreachable || !looks_dead || !long_enough || restarted_lately {
        return Vec::new();
    }
    let connected = facts.witnesses.iter().filter(|witness| witness.says == Testimony::Connected);
    connected
        .filter(|witness| keeps_what_it_received(snapshot, &witness.key))
        .map(|witness| witness.key.clone())
        .collect()
}

fn keeps_what_it_received(snapshot: &Snapshot, key: &InstanceKey) -> bool {
    snapshot
        .instance(key)
        .is_some_and(|replica| !replica.version.is_mariadb() || replica.gtid.executed.contains(&replica.held()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use analysis::{Code, Facts, Witness};
    use std::sync::Arc;
    use topology::{Instance, ProbeFailure, Timestamp, Unreachable, Watched};

    /// One replica believes in a source that has been silent for a minute.
    fn believed_in(code: Code) -> (Diagnosis, Snapshot) {
        let (now, key) = (Timestamp::from_secs(1000), InstanceKey::new("db2", 3306));
        let instance = Some(Arc::new(Instance { key: key.clone(), ..Instance::default() }));
        let watched = Watched { key: key.clone(), instance, ..Watched::default() };
        let snapshot = Snapshot { now, watched: [(key.clone(), Arc::new(watched))].into(), ..Snapshot::default() };
        let witness = Witness { key: key.clone(), says: Testimony::Connected, seen: Some(now), applier_running: true };
        let failure = ProbeFailure { kind: Unreachable::Hung, message: String::new(), partial: false };
        let facts = Facts {
            failing_since: Some(now.minus(Duration::from_secs(60))),
            failure: Some(failure),
            replicas: vec![key],
            witnesses: vec![witness],
            at: now,
            ..Facts::default()
        };
        (Diagnosis { subject: InstanceKey::new("db1", 3306), code, structure: Vec::new(), facts }, snapshot)
    }

    #[test]
    fn below_any_source_that_is_silent_and_below_no_other() {
        for code in Code::ALL {
            let (diagnosis, snapshot) = believed_in(*code);
            let restarted = receivers_to_restart(&diagnosis, &snapshot, &Policy::default());
            assert_eq!(!restarted.is_empty(), code.is_unreachable(), "{code:?}");
        }
    }

    #[test]
    fn downtime_keeps_hands_off() {
        let (mut diagnosis, snapshot) = believed_in(Code::UnreachableIntermediate);
        diagnosis.facts.downtime_ends = Some(snapshot.now.plus(Duration::from_secs(60)));
        assert_eq!(receivers_to_restart(&diagnosis, &snapshot, &Policy::default()), []);
    }
}
