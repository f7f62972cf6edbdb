//! After a crash: recoveries that an earlier process of ours began and did not end.

use std::collections::BTreeMap;
use std::sync::Arc;

use planner::{Action, Outcome, Plan};
use store::{Applied, Command, Ending, PlanRecord, Recovery, StepOutcome};
use topology::InstanceKey;

use crate::hub::{Hub, lock};
use crate::{Error, discovery, executor, hands, hooks, narrator, watcher};

/// Goes on with every recovery that was left, or closes it. Called once, before the first cycle.
pub(crate) async fn resume_all(hub: &Arc<Hub>) -> Result<(), Error> {
    for recovery in hub.store.running_recoveries()? {
        lock(&hub.recovering).insert(recovery.cluster_name.clone(), recovery.uid.clone());
        // Whether the old primary has a successor is looked into now; until then it is left as it is.
        lock(&hub.undecided).insert(recovery.uid.clone());
        let hub_of_task = Arc::clone(hub);
        hub.spawn(async move {
            let (uid, cluster) = (recovery.uid.clone(), recovery.cluster_name.clone());
            let hub_of_recovery = Arc::clone(&hub_of_task);
            let resumed = hub_of_task.recover(async move { resume(&hub_of_recovery, recovery).await });
            if let Err(error) = resumed.await {
                tracing::error!(recovery = %uid, %error, "a recovery of an earlier process cannot be gone on with");
            }
            lock(&hub_of_task.recovering).remove(&cluster);
            lock(&hub_of_task.undecided).remove(&uid);
            hub_of_task.nudge.notify_one();
        });
    }
    Ok(())
}

async fn resume(hub: &Arc<Hub>, recovery: Recovery) -> Result<(), Error> {
    let uid = recovery.uid.clone();
    let Some(record) = hub.store.plan(&uid)? else { return close(hub, &recovery, "it has no plan").await };
    let plan: Plan = match serde_json::from_str(&record.plan) {
        Ok(plan) => plan,
        Err(error) => return close(hub, &recovery, &format!("its plan cannot be read: {error}")).await,
    };
    narrator::tell(hub, &uid, "the manager was restarted in the middle of this recovery".to_owned());
    let began = |step: u32| record.steps.iter().any(|done| done.number == step && done.started.is_some());
    let was_promoting = began(plan.point_of_no_return());
    let servers: Vec<InstanceKey> = plan.steps.iter().filter_map(|step| step.action.server().cloned()).collect();
    for key in std::iter::once(&plan.failed).chain(&servers) {
        // One that is filtered by now is not looked at, and its steps fail with a message.
        drop(discovery::hear_of(hub, key).await);
        watcher::probe_anew(hub, key).await;
    }
    let old_primary_lives = hub.observatory.get(&plan.failed).is_some_and(|watched| watched.is_valid());
    if old_primary_lives && !was_promoting {
        start_receivers_again(hub, &plan, &record).await;
        let fenced = plan.steps.iter().find(|step| matches!(step.action, Action::Fence { .. }));
        let outcome = fenced.and_then(|fence| record.steps.iter().find(|done| done.number == fence.number));
        // One that began and is not known to have failed may have been done.
        let was_fenced = outcome.is_some_and(|done| matches!(done.outcome, None | Some(StepOutcome::Done)));
        hands::unfence(hub, &plan.failed, was_fenced).await?;
        return close(hub, &recovery, "the primary came back, and nobody had been promoted").await;
    }
    go_on(hub, &recovery, plan, &record).await
}

async fn go_on(hub: &Arc<Hub>, recovery: &Recovery, plan: Plan, record: &PlanRecord) -> Result<(), Error> {
    let uid = recovery.uid.clone();
    let cluster = record.cluster_name.clone();
    let Applied::Epoch(epoch) = hub.declare(Command::RaiseEpoch { cluster }).await? else {
        return Err(Error::Unexpected("raising the epoch gave no epoch".to_owned()));
    };
    let resumed = Command::ResumeRecovery { uid: uid.clone(), epoch, node: hub.node.clone(), at: hub.now() };
    hub.declare(resumed).await?;
    let finished = finished_steps(&plan, record);
    narrator::tell(hub, &uid, format!("going on with it: {} of {} steps are done", finished.len(), plan.steps.len()));
    let told = told_again(hub, recovery, &plan);
    let ended = executor::execute(hub, executor::Run { uid, epoch, plan, told, finished }).await;
    tracing::warn!(recovery = %ended.uid, successor = ?ended.successor, "ended a recovery of an earlier process");
    Ok(())
}

/// Returns the steps that need not be done again. Until the new primary is open for writes, the old one is fenced again:
/// it may have come back in the meantime.
fn finished_steps(plan: &Plan, record: &PlanRecord) -> BTreeMap<u32, Outcome> {
    let mut finished: BTreeMap<u32, Outcome> = record
        .steps
        .iter()
        .filter_map(|step| match step.outcome? {
            StepOutcome::Done => Some((step.number, Outcome::Done)),
            StepOutcome::Skipped => Some((step.number, Outcome::Skipped)),
            StepOutcome::Failed => None,
        })
        .collect();
    if !finished.contains_key(&plan.point_of_no_return()) {
        let fences = plan.steps.iter().filter(|step| matches!(step.action, Action::Fence { .. }));
        for step in fences {
            finished.remove(&step.number);
        }
    }
    finished
}

async fn start_receivers_again(hub: &Arc<Hub>, plan: &Plan, record: &PlanRecord) {
    let began = |step: u32| record.steps.iter().any(|done| done.number == step && done.started.is_some());
    for step in plan.steps.iter().filter(|step| began(step.number)) {
        if let Action::StopReceiver { replica, .. } = &step.action
            && let Err(error) = hands::start_receiver(hub, replica).await
        {
            let text = format!("cannot start the receiver of {replica} again: {error}");
            narrator::tell(hub, &record.uid, text);
        }
    }
}

async fn close(hub: &Arc<Hub>, recovery: &Recovery, why: &str) -> Result<(), Error> {
    let uid = recovery.uid.clone();
    narrator::tell(hub, &uid, format!("closed: {why}"));
    hub.declare(Command::EndRecovery(Ending {
        uid,
        epoch: recovery.epoch,
        successful: false,
        mutated: false,
        successor: None,
        successor_alias: String::new(),
        lost: Vec::new(),
        participating: Vec::new(),
        errors: vec![why.to_owned()],
        certificate: None,
        at: hub.now(),
    }))
    .await?;
    Ok(())
}

/// Returns what hooks are told when the diagnosis itself is history: what the journal kept of it.
fn told_again(hub: &Hub, recovery: &Recovery, plan: &Plan) -> hooks::Facts {
    let code = analysis::Code::from_compat(&recovery.code).unwrap_or(analysis::Code::DeadPrimary);
    let facts = analysis::Facts {
        key: recovery.key.clone(),
        cluster_name: recovery.cluster_name.clone(),
        cluster_alias: recovery.cluster_alias.clone(),
        is_primary: true,
        replicas: recovery.replicas.clone(),
        recovers_primary: true,
        ..analysis::Facts::default()
    };
    let diagnosis = analysis::Diagnosis { subject: recovery.key.clone(), code, structure: Vec::new(), facts };
    narrator::facts_of_recovery(hub, &diagnosis, plan, &recovery.uid)
}
