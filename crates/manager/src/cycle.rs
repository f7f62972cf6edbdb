//! One management cycle: what is wrong, what is done about it, in one sentence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analysis::{Code, Diagnosis};
use planner::Kind;
use topology::{InstanceKey, Timestamp};

use crate::hub::Hub;
use crate::{changelog, emergency, fencing, holds, pulse, recovery, resume, suspicion};

const EVERY: Duration = Duration::from_secs(1);

/// How long a problem that leads to no recovery must last before it is put on record and hooks are told. A primary that
/// dies passes through such states for a moment.
const SETTLES: Duration = Duration::from_secs(3);

/// Runs cycles until the process stops: every second, and when something happened.
pub(crate) async fn run(hub: Arc<Hub>) {
    let mut since: BTreeMap<(InstanceKey, Code), Timestamp> = BTreeMap::new();
    let mut refreshed = Timestamp::default();
    loop {
        let due = tokio::time::sleep(EVERY);
        tokio::select! {
            () = due => {}
            () = hub.nudge.notified() => {}
        }
        if let Ok(mandate) = hub.office.mandate() {
            resume::adopt(&hub, &mandate);
            fencing::keep_looking(&hub);
        }
        let view = hub.view();
        pulse::keep_all(&hub, &view);
        changelog::note_all(&hub, &view);
        emergency::probe(&hub, &view);
        since.retain(|(key, code), _| {
            view.diagnoses.iter().any(|diagnosis| &diagnosis.subject == key && diagnosis.code == *code)
        });
        for diagnosis in &view.diagnoses {
            let first = *since.entry((diagnosis.subject.clone(), diagnosis.code)).or_insert(view.snapshot.now);
            let settled = view.snapshot.now.since(first) >= SETTLES;
            attend(&hub, diagnosis, settled);
        }
        // Attempts note what they meet by themselves; a burst of nudges has no news for the rest.
        if view.snapshot.now.since(refreshed) >= EVERY / 2 {
            refreshed = view.snapshot.now;
            holds::refresh(&hub, &view);
        }
    }
}

/// Attends to one diagnosis. A death is looked into on fresh evidence before anything is decided: here nothing is.
fn attend(hub: &Arc<Hub>, diagnosis: &Diagnosis, settled: bool) {
    if diagnosis.code.doubts_life() {
        suspicion::suspect(hub, &diagnosis.subject);
    }
    // What is wrong with a server that answers is looked at once more, too; a moment's state is left alone.
    let lasts = settled || diagnosis.code == Code::LockedSemiSyncPrimary;
    if diagnosis.facts.is_valid && lasts && Kind::that_repairs(diagnosis.code).is_some() {
        suspicion::look_into(hub, &diagnosis.subject, diagnosis.code);
    }
    if settled
        && diagnosis.code.is_told()
        && !diagnosis.is_skippable()
        && let Ok(mandate) = hub.office.mandate()
    {
        // Hooks may take long, and the next cycle must not wait for them.
        let (hub_of_task, diagnosis) = (Arc::clone(hub), diagnosis.clone());
        hub.spawn(async move {
            if let Some(Err(error)) = mandate.run(recovery::detect(&hub_of_task, &diagnosis, true)).await {
                tracing::warn!(instance = %diagnosis.subject, code = %diagnosis.code, %error, "a detection was not told");
            }
        });
    }
}
