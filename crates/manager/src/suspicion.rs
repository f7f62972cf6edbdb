//! Looking into the death of a source, at once and on fresh evidence.
//!
//! A lost pulse or a failed probe makes a source *suspect*. From then on two things go on side by side: it is probed
//! again and again on connections of its own, and its replicas are asked in rounds what they know. After each complete
//! round the diagnosis is made and decided upon; never between, because a replica that was not asked yet would look
//! like a lost one.

use std::sync::Arc;
use std::time::Duration;

use analysis::Code;
use futures::future::join_all;
use planner::{Kind, Request};
use topology::InstanceKey;

use crate::hub::{Hub, lock};
use crate::{Error, changelog, hands, nodes, recovery, watcher};

/// Pauses between looks: short at first, when a death is fresh, and longer when it drags on.
#[derive(Default)]
struct Patience {
    looks: u32,
}

impl Patience {
    /// Waits until the next look is due. A node that only watches takes its time, until it is the one that acts.
    async fn pause(&mut self, hub: &Hub) {
        const EAGER_LOOKS: u32 = 40;
        let mut changes = hub.office.changes();
        let eager_looks = if changes.borrow_and_update().is_some() { EAGER_LOOKS } else { 4 };
        let millis = match self.looks {
            0..4 => 20 << self.looks,
            looks if looks < eager_looks => 250,
            _ => 1000,
        };
        self.looks += 1;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(millis)) => {}
            _ = changes.changed() => self.looks = 0,
        }
    }
}

/// How long one round waits for a replica that answered until now.
const ROUND: Duration = Duration::from_millis(3500);

/// Looks into `key`, unless that is being done. Only sources are of interest.
pub(crate) fn suspect(hub: &Arc<Hub>, key: &InstanceKey) {
    if hub.view().graph.replicas(key).is_empty() || !lock(&hub.suspects).insert(key.clone()) {
        return;
    }
    let (hub_of_task, key) = (Arc::clone(hub), key.clone());
    hub.spawn(async move {
        let asking = async {
            tokio::select! {
                () = probe_again_and_again(&hub_of_task, &key) => {}
                () = ask_replicas_in_rounds(&hub_of_task, &key) => {}
            }
        };
        Box::pin(asking).await;
        lock(&hub_of_task.suspects).remove(&key);
        hub_of_task.nudge.notify_one();
    });
}

/// How long a server that answers is left alone after it was looked into.
const BETWEEN_MENDINGS: Duration = Duration::from_secs(3);

/// Looks once more at `key`, which answers, and at those around it, and mends what is wrong with it if that is still `code`.
pub(crate) fn look_into(hub: &Arc<Hub>, key: &InstanceKey, code: Code) {
    if hub.office.mandate().is_err() || !lock(&hub.mending).insert(key.clone()) {
        return;
    }
    let (hub_of_task, key) = (Arc::clone(hub), key.clone());
    hub.spawn(async move {
        Box::pin(mend(&hub_of_task, &key, code)).await;
        // What is held back is not held back anew each second.
        tokio::time::sleep(BETWEEN_MENDINGS).await;
        lock(&hub_of_task.mending).remove(&key);
    });
}

async fn mend(hub: &Arc<Hub>, key: &InstanceKey, code: Code) {
    let Ok(mandate) = hub.office.mandate() else { return };
    tokio::join!(watcher::probe_anew(hub, key), ask_replicas(hub, key));
    let view = hub.examine();
    let diagnosis = analysis::diagnose_one(&view.snapshot, &view.graph, &hub.policy(), key);
    let Some(diagnosis) = diagnosis.filter(|found| found.code == code && found.facts.is_valid) else { return };
    let (hub_of_task, under, snapshot) = (Arc::clone(hub), mandate.clone(), view.snapshot);
    let recovery =
        async move { recovery::consider(&hub_of_task, &under, &snapshot, &diagnosis, &Request::default()).await };
    if let Err(error) = hub.recover(&mandate, recovery).await {
        tell_why_not(hub, key, &error);
    }
}

/// Probes `key` until it answers.
async fn probe_again_and_again(hub: &Arc<Hub>, key: &InstanceKey) {
    let mut patience = Patience::default();
    loop {
        watcher::probe_anew(hub, key).await;
        if hub.observatory.get(key).is_none_or(|watched| watched.is_valid()) {
            tracing::info!(instance = %key, "is not dead: it answers on a new connection");
            return;
        }
        patience.pause(hub).await;
    }
}

/// Asks the replicas of `key` in rounds, and the other nodes of ours beside them, and acts on what they say, until it has
/// no replicas any more.
async fn ask_replicas_in_rounds(hub: &Arc<Hub>, key: &InstanceKey) {
    let mut patience = Patience::default();
    loop {
        // A failure must be on record first: what replicas say counts from then on.
        if hub.observatory.get(key).is_some_and(|watched| watched.failing_since.is_some()) {
            let limit = nodes::patience(hub, key);
            let (asked, ()) = tokio::join!(ask_replicas(hub, key), nodes::ask(hub, key, limit));
            let view = hub.examine();
            if view.graph.replicas(key).is_empty() {
                return;
            }
            // One that turned up meanwhile, as after a restart, was not asked: it would look as if it did not answer.
            if view.graph.replicas(key).iter().any(|replica| !asked.contains(replica)) {
                continue;
            }
            if act(hub, key).await {
                patience = Patience::default();
            }
        }
        patience.pause(hub).await;
    }
}

/// Reads every replica of `key` anew, and returns which they were. One that did not answer before is asked too, and not
/// waited for; that an earlier process of ours had no answer counts for nothing. Where they may have to go elsewhere, the
/// servers that could be their source are read too.
pub(crate) async fn ask_replicas(hub: &Arc<Hub>, key: &InstanceKey) -> Vec<InstanceKey> {
    let view = hub.examine();
    let replicas = view.graph.replicas(key).to_vec();
    let mut read = planner::possible_sources(&view.snapshot, &view.graph, key);
    read.retain(|source| !replicas.contains(source));
    read.extend(replicas.iter().cloned());
    let is_waited_for = |replica: &InstanceKey| {
        let known = hub.observatory.get(replica);
        known.is_some_and(|known| known.is_valid() || known.checked.is_none_or(|checked| checked < hub.started))
    };
    let (answering, silent): (Vec<_>, Vec<_>) = read.into_iter().partition(is_waited_for);
    for replica in silent {
        let hub_of_task = Arc::clone(hub);
        hub.spawn(async move { watcher::probe_kept(&hub_of_task, &replica).await });
    }
    let round = join_all(answering.iter().map(|replica| watcher::probe_kept(hub, replica)));
    // Who does not answer within the round is absent from it: its facts are older than the failure.
    if tokio::time::timeout(ROUND, round).await.is_err() {
        tracing::warn!(instance = %key, "not all replicas answered in time");
    }
    replicas
}

/// Decides on the present evidence about `key`; true when something was done. A node that only watches does nothing.
async fn act(hub: &Arc<Hub>, key: &InstanceKey) -> bool {
    let Ok(mandate) = hub.office.mandate() else { return false };
    let view = hub.examine();
    let policy = hub.policy();
    let Some(diagnosis) = analysis::diagnose_one(&view.snapshot, &view.graph, &policy, key) else { return false };
    changelog::note(hub, &diagnosis);
    let receivers = planner::receivers_to_restart(&diagnosis, &view.snapshot, &policy);
    if !receivers.is_empty() && !view.snapshot.declared.recoveries_disabled {
        tracing::info!(instance = %key, replicas = receivers.len(), "restarting receivers that still believe in it");
        hub.observatory.receivers_restarted(key, hub.now());
        let restarting = join_all(receivers.iter().map(|replica| hands::restart_receiver(hub, &mandate, replica)));
        mandate.run(restarting).await;
        hub.observatory.receivers_restarted(key, hub.now());
        return true;
    }
    if Kind::that_repairs(diagnosis.code).is_some_and(Kind::is_about_a_death) {
        // The source may answer again in the middle of it: then this suspicion ends, and the recovery does not.
        let (hub_of_task, under, snapshot) = (Arc::clone(hub), mandate.clone(), view.snapshot);
        let recovery =
            async move { recovery::consider(&hub_of_task, &under, &snapshot, &diagnosis, &Request::default()).await };
        return match hub.recover(&mandate, recovery).await {
            Ok(recovered) => recovered.successor.is_some(),
            Err(error) => {
                tell_why_not(hub, key, &error);
                false
            }
        };
    }
    false
}

/// Says once why a recovery did not begin. A hold has been told where it was decided, and so has the end of a mandate.
fn tell_why_not(hub: &Hub, key: &InstanceKey, error: &Error) {
    if matches!(error, Error::Held(_) | Error::Consensus(consensus::Error::NotLeader { .. })) {
        return;
    }
    if recovery::is_news(hub, key, &error.to_string()) {
        tracing::error!(instance = %key, %error, "A RECOVERY IS NEEDED AND DOES NOT BEGIN: it is tried again and again");
    }
}
