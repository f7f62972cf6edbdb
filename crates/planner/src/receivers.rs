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
