//! Carries a plan out, step by step, with each step in the journal before and after.
//!
//! Nothing is chosen here. Steps of one stage run side by side; a required step that fails ends the plan. Before the new
//! primary takes writes, the end is a retreat: stopped receivers are started again, and the next cycle decides anew.
//! After that there is no way back: the plan goes on, and what fails is reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use planner::{Action, HookList, Outcome, Plan, Step};
use store::{Command, Ending, StepOutcome};
use topology::InstanceKey;

use crate::hooks::{self, Facts, Report, Shell};
use crate::hub::{Hub, lock};
use crate::recovery::Recovered;
use crate::{hands, narrator};

/// A plan that is being carried out.
pub(crate) struct Run {
    pub(crate) uid: String,
    pub(crate) epoch: u64,
    pub(crate) plan: Plan,
    pub(crate) told: Facts,
    /// Steps that an earlier process finished, by number.
    pub(crate) finished: BTreeMap<u32, Outcome>,
}

/// What one step came to.
struct Ended {
    number: u32,
    outcome: Outcome,
    message: String,
}

/// Carries `run` through to its end. Errors end up in the journal and in what is returned.
pub(crate) async fn execute(hub: &Arc<Hub>, mut run: Run) -> Recovered {
    let mut errors = Vec::new();
    let mut lost: Vec<InstanceKey> = run.plan.lost.iter().map(|lost| lost.key.clone()).collect();
    let mut promoted = run.finished.get(&run.plan.point_of_no_return()) == Some(&Outcome::Done);
    let mut refused = false;
    if !promoted {
        lock(&hub.undecided).insert(run.uid.clone());
    }
    for stage in stages(&run.plan) {
        run.told.set("isSuccessful", promoted.to_string());
        if let Some(successor) = hub.snapshot().instance(&run.plan.successor).filter(|_| promoted) {
            run.told.set("successorBinlogCoordinates", successor.binlog.coordinates.to_string());
        }
        run.told.set("lostReplicas", narrator::list(&lost));
        run.told.set("countLostReplicas", lost.len().to_string());
        let ended = perform_stage(hub, &run, &stage).await;
        for (step, ended) in stage.iter().zip(ended) {
            match (&step.action, ended.outcome) {
                (_, Outcome::Failed) => {
                    errors.push(format!("{}: {}", step.action, ended.message));
                    refused |= step.required;
                    if let Action::Repoint { replica, .. } = &step.action {
                        lost.push(replica.clone());
                    }
                }
                (Action::Promote { .. }, _) => promoted = true,
                _ => {}
            }
            run.finished.insert(ended.number, ended.outcome);
        }
        if refused && !promoted {
            break;
        }
    }
    if !promoted {
        retreat(hub, &mut run).await;
    }
    close(hub, run, promoted, lost, errors).await
}

fn stages(plan: &Plan) -> Vec<Vec<Step>> {
    let mut stages: Vec<Vec<Step>> = Vec::new();
    for step in &plan.steps {
        match stages.last_mut() {
            Some(stage) if stage[0].stage == step.stage => stage.push(step.clone()),
            _ => stages.push(vec![step.clone()]),
        }
    }
    stages
}

async fn perform_stage(hub: &Arc<Hub>, run: &Run, stage: &[Step]) -> Vec<Ended> {
    let side_by_side = hub.policy().parallel_moves.max(1);
    let steps: Vec<BoxFuture<'_, Ended>> = stage.iter().map(|step| perform_step(hub, run, step).boxed()).collect();
    stream::iter(steps).buffered(side_by_side).collect().await
}

async fn perform_step(hub: &Arc<Hub>, run: &Run, step: &Step) -> Ended {
    let number = step.number;
    if let Some(outcome) = run.finished.get(&number) {
        return Ended { number, outcome: *outcome, message: "done before".to_owned() };
    }
    let (uid, epoch) = (run.uid.clone(), run.epoch);
    let journaled = hub.declare(Command::StepStarted { uid: uid.clone(), epoch, number, at: hub.now() }).await;
    if let Err(error) = journaled {
        // What is not in the journal is not done: nobody could go on with it.
        return Ended { number, outcome: Outcome::Failed, message: format!("not begun: {error}") };
    }
    let (outcome, message) = match perform(hub, run, &step.action).await {
        Ok((outcome, message)) => (outcome, message),
        Err(message) => (Outcome::Failed, message),
    };
    if hub.halt_in_step == Some(number) {
        tracing::warn!(recovery = %uid, step = number, "drill: halting here");
        return std::future::pending().await;
    }
    let stored = match outcome {
        Outcome::Done => StepOutcome::Done,
        Outcome::Skipped => StepOutcome::Skipped,
        Outcome::Failed => StepOutcome::Failed,
    };
    let finished = Command::StepFinished {
        uid: uid.clone(),
        epoch,
        number,
        outcome: stored,
        message: message.clone(),
        at: hub.now(),
    };
    // The next step waits until its own beginning is on disk, and this entry is queued before it.
    let journaled = hub.declare(finished);
    let uid_of_task = uid.clone();
    hub.tasks.spawn(async move {
        if let Err(error) = journaled.await {
            tracing::error!(recovery = %uid_of_task, step = number, %error, "a step was done and could not be journaled");
        }
    });
    narrator::tell_step(hub, &uid, step, outcome, &message);
    Ended { number, outcome, message }
}

async fn perform(hub: &Arc<Hub>, run: &Run, action: &Action) -> Result<(Outcome, String), String> {
    match action {
        Action::RunHooks(list) => {
            let mut told = run.told.clone();
            if *list == HookList::PreFailover {
                // Scripts take a named successor for the new primary, and nobody was promoted yet.
                told.clear_successor();
            }
            let reports = run_hooks(hub, *list, &told, Some(&run.uid)).await;
            let count = reports.len();
            match reports.into_iter().find_map(|report| report.failure) {
                Some(failure) => Err(failure),
                None if count == 0 => Ok((Outcome::Skipped, "none configured".to_owned())),
                None => Ok((Outcome::Done, format!("{count} hooks ran"))),
            }
        }
        _ => hands::perform(hub, run, action).await,
    }
}

/// Runs the hooks of `list` and returns how each went. Lists that may refuse stop at the first failure.
pub(crate) async fn run_hooks(hub: &Arc<Hub>, list: HookList, told: &Facts, uid: Option<&str>) -> Vec<Report> {
    let config = hub.config();
    let shell = Shell { command: config.hooks.shell.clone(), timeout: config.hooks.timeout };
    let hooks = match list {
        HookList::OnFailureDetection => &config.hooks.on_failure_detection,
        HookList::PreFailover => &config.hooks.pre_failover,
        HookList::PostMasterFailover => &config.hooks.post_primary_failover,
        HookList::PostFailover => &config.hooks.post_failover,
        HookList::PostUnsuccessfulFailover => &config.hooks.post_unsuccessful_failover,
    };
    let mut reports = Vec::new();
    for (number, hook) in hooks.iter().enumerate() {
        let name = format!("{} hook {} of {}", list.key(), number + 1, hooks.len());
        narrator::tell_hook_begins(hub, uid, &name, hook).await;
        let report = hooks::run(&shell, hook, told).await;
        narrator::tell_hook_ended(hub, uid, &name, &report).await;
        let failed = report.failure.is_some();
        reports.push(report);
        if failed && list.can_refuse() {
            break;
        }
    }
    reports
}

/// Undoes what must not stay when nobody was promoted: receivers that were stopped are started again. A candidate that
/// may have been opened for writes is on record as demoted, so that it is fenced when it is met again.
async fn retreat(hub: &Arc<Hub>, run: &mut Run) {
    // Scripts take a named successor for the new primary.
    run.told.clear_successor();
    for step in &run.plan.steps {
        match &step.action {
            Action::StopReceiver { replica, .. } if run.finished.get(&step.number) == Some(&Outcome::Done) => {
                if let Err(error) = hands::start_receiver(hub, replica).await {
                    narrator::tell(hub, &run.uid, format!("cannot start the receiver of {replica} again: {error}"));
                }
            }
            Action::Promote { server, .. } if run.finished.contains_key(&step.number) => {
                hands::disown(hub, run, server).await;
            }
            Action::Fence { server, .. } if run.finished.contains_key(&step.number) => {
                // A candidate that may have been opened for writes leaves the old primary closed.
                let promoting = run.finished.contains_key(&run.plan.point_of_no_return());
                let was_fenced = run.finished.get(&step.number) == Some(&Outcome::Done) && !promoting;
                if let Err(error) = hands::unfence(hub, server, was_fenced).await {
                    narrator::tell(hub, &run.uid, format!("{server} may still be read-only: {error}"));
                }
            }
            _ => {}
        }
    }
    lock(&hub.undecided).remove(&run.uid);
    if run.plan.steps.iter().any(|step| matches!(step.action, Action::RunHooks(_))) {
        run_hooks(hub, HookList::PostUnsuccessfulFailover, &run.told, Some(&run.uid)).await;
    }
}

async fn close(hub: &Arc<Hub>, run: Run, promoted: bool, lost: Vec<InstanceKey>, errors: Vec<String>) -> Recovered {
    let Run { uid, epoch, plan, .. } = run;
    let successor = promoted.then(|| plan.successor.clone());
    let mutated =
        plan.steps.iter().any(|step| step.action.changes_a_server() && run.finished.contains_key(&step.number));
    let alias = |key: &InstanceKey| hub.snapshot().instance(key).map(|server| server.labels.instance_alias.clone());
    let participating = plan.choice.candidates.iter().map(|candidate| candidate.key.clone()).collect();
    let summary = match &successor {
        Some(successor) => format!("done: {successor} is the primary; {}", plan.certificate),
        None => "ended without a promotion".to_owned(),
    };
    narrator::tell(hub, &uid, summary);
    let ending = Ending {
        uid: uid.clone(),
        epoch,
        successful: promoted,
        mutated,
        successor_alias: successor.as_ref().and_then(alias).unwrap_or_default(),
        successor: successor.clone(),
        lost,
        participating,
        errors: errors.clone(),
        certificate: serde_json::to_string(&plan.certificate).ok(),
        at: hub.now(),
    };
    if let Err(error) = hub.declare(Command::EndRecovery(ending)).await {
        tracing::error!(recovery = %uid, %error, "a recovery ended and could not be closed: the next start will close it");
    }
    let text = format!("successor: {}", successor.as_ref().map_or("none".to_owned(), ToString::to_string));
    crate::audit::record(hub, "recover-dead-master", Some(&plan.failed), &plan.cluster, &text).await;
    tracing::warn!(recovery = %uid, cluster = %plan.cluster, %text, errors = errors.len(), "recovery ended");
    Recovered { uid, successor, errors }
}
