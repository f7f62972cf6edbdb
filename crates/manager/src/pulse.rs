//! The pulse of those who have replicas: an open connection that tells of their death at once.

use std::sync::Arc;
use std::time::Duration;

use mysql::{FenceLine, PulseEvent, Rhythm};
use tokio_util::sync::CancellationToken;
use topology::{InstanceKey, Observation, ProbeFailure, Unreachable};

use crate::hub::{Hub, View, lock};
use crate::observatory::Via;
use crate::{reach, suspicion};

/// How late a sign of life may be. A loaded server that is later than that is looked at, and answers: nothing follows
/// from a lost pulse alone.
const SLACK: Duration = Duration::from_secs(1);

/// The pulse of one source, and the line to fence it by.
pub(crate) struct Pulse {
    pub(crate) line: FenceLine,
    ended: CancellationToken,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// Begins to hold the pulse of `key`, unless that is being done.
pub(crate) fn begin(hub: &Arc<Hub>, key: &InstanceKey) {
    let mut pulses = lock(&hub.pulses);
    if pulses.contains_key(key) || !lock(&hub.watchers).contains_key(key) {
        return;
    }
    let (line, ended) = (FenceLine::default(), CancellationToken::new());
    pulses.insert(key.clone(), Pulse { line: line.clone(), ended: ended.clone() });
    drop(pulses);
    let (hub_of_task, key) = (Arc::clone(hub), key.clone());
    hub.spawn(async move {
        tokio::select! {
            biased;
            () = ended.cancelled() => {}
            () = hold(&hub_of_task, &key, line) => {}
        }
    });
}

/// Ends the pulse of `key`.
pub(crate) fn end(hub: &Hub, key: &InstanceKey) {
    lock(&hub.pulses).remove(key);
}

/// Holds the pulse of every source in `view`, and of nobody else.
pub(crate) fn keep_all(hub: &Arc<Hub>, view: &View) {
    let is_source = |key: &InstanceKey| !view.graph.replicas(key).is_empty();
    lock(&hub.pulses).retain(|key, _| is_source(key));
    for (watched, _) in view.snapshot.instances().filter(|(watched, _)| watched.is_valid() && is_source(&watched.key)) {
        begin(hub, &watched.key);
    }
}

async fn hold(hub: &Arc<Hub>, key: &InstanceKey, line: FenceLine) {
    let settings = hub.settings();
    let rhythm = Rhythm { every: settings.config.recovery.heartbeat, slack: SLACK, ..Rhythm::default() };
    let tell = |event| {
        let PulseEvent::Lost { how, at, message } = event else { return };
        tracing::info!(instance = %key, %how, %message, "lost the pulse");
        if how == Unreachable::Hung {
            // A connection that was silent for the heartbeat and its slack is a failed probe on a connection of its own.
            let failure = ProbeFailure { kind: how, message, partial: false };
            let seen = Observation { key: key.clone(), began: at, ended: at, outcome: Err(failure) };
            hub.observatory.record(seen, Via::OwnConnection);
        }
        suspicion::suspect(hub, key);
    };
    let held = reach::Pulse { key: key.clone(), access: settings.probing.clone(), rhythm, line };
    hub.reach.pulse(held, hub.clock, Box::new(tell)).await;
}
