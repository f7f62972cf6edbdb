//! Going on with recoveries that the journal shows as running and that nobody carries out: an earlier process of ours was
//! killed, or leadership came here from another node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use planner::{Action, Kind, Outcome, Plan};
use store::{Applied, Command, Ending, PlanRecord, PlanState, Recovery, StepOutcome};
use topology::InstanceKey;

use crate::claim::Claim;
use crate::executor::Run;
use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::{Error, discovery, executor, hands, hooks, narrator, recovery, watcher};

/// A recovery to go on with, and the claim on its cluster.
pub(crate) struct Left {
    recovery: Recovery,
    claim: Claim,
}

/// Claims every recovery that runs and that this process does not carry out.
pub(crate) fn enter(hub: &Arc<Hub>) -> Result<Vec<Left>, Error> {
    let running = hub.store.running_recoveries()?;
    // One whose cluster is claimed is being carried out here.
    let claimed = running.into_iter().filter_map(|recovery| {
        // One whose plan cannot be read is closed.
        let record = hub.store.plan(&recovery.uid).ok().flatten();
        let plan = record.and_then(|record| serde_json::from_str::<Plan>(&record.plan).ok());
        let claim = Claim::lay(hub, &recovery.cluster_name, plan.as_ref(), &recovery.uid).ok()?;
        Some(Left { recovery, claim })
    });
    Ok(claimed.collect())
}

/// Goes on with each of `left`, or closes it, in tasks of their own.
pub(crate) fn go_on_with(hub: &Arc<Hub>, mandate: &Mandate, left: Vec<Left>) {
    for Left { recovery, claim } in left {
        let (hub_of_task, mandate) = (Arc::clone(hub), mandate.clone());
        hub.spawn(async move {
            let (uid, key) = (recovery.uid.clone(), recovery.key.clone());
            let (hub_of_recovery, under) = (Arc::clone(&hub_of_task), mandate.clone());
            let resumed = hub_of_task.recover(&mandate, async move {
                let resumed = resume(&hub_of_recovery, &under, recovery).await;
                drop(claim);
                resumed
            });
            match resumed.await {
                // Its mandate ended, and that was told.
                Ok(()) | Err(Error::Consensus(consensus::Error::NotLeader { .. })) => {}
                Err(error) if recovery::is_news(&hub_of_task, &key, &error.to_string()) => {
                    tracing::error!(recovery = %uid, %error, "a recovery that is not over cannot be gone on with");
                }
                Err(_) => {}
            }
        });
    }
}

/// Goes on with recoveries that turn up in the journal and that nobody carries out: their executor lost its leadership
/// while it began them, and did not learn that they were begun.
pub(crate) fn adopt(hub: &Arc<Hub>, mandate: &Mandate) {
    let declared = hub.store.declared();
    let is_known = |cluster: &String| lock(&hub.recovering).contains_key(cluster);
    if declared.recovering.iter().all(is_known) {
        return;
    }
    match enter(hub) {
        Ok(left) => go_on_with(hub, mandate, left),
        Err(error) => tracing::warn!(%error, "cannot read which recoveries are not over"),
    }
}

fn journal(hub: &Hub, uid: &str) -> Result<PlanRecord, Error> {
    hub.store.plan(uid)?.ok_or_else(|| Error::Unexpected(format!("recovery {uid} is running and has no plan")))
}

async fn resume(hub: &Arc<Hub>, mandate: &Mandate, recovery: Recovery) -> Result<(), Error> {
    let uid = recovery.uid.clone();
    let before = journal(hub, &uid)?;
    if before.state != PlanState::Running {
        // It ended between the look at the journal and the claim.
        return Ok(());
    }
    let epoch = take_over(hub, &before).await?;
    // Read only now: from here on, who carried it out before can journal nothing, and so begin nothing.
    let record = journal(hub, &uid)?;
    let plan: Plan = match serde_json::from_str(&record.plan) {
        Ok(plan) => plan,
        Err(error) => return close(hub, &uid, epoch, &format!("its plan cannot be read: {error}")).await,
    };
    let from = &before.node.hostname;
    let sentence = if hub.office.seat().voters() > 1 {
        format!("leadership passed on in the middle of this recovery, which {from} carried out")
    } else {
        "the manager was restarted in the middle of this recovery".to_owned()
    };
    narrator::tell(hub, &uid, sentence);
    let began = |step: u32| record.steps.iter().any(|done| done.number == step && done.started.is_some());
    let was_promoting = began(plan.point_of_no_return());
    look_at_servers(hub, &plan).await;
    let old_primary_lives = hub.observatory.get(&plan.failed).is_some_and(|watched| watched.is_valid());
    let told = told_again(hub, &recovery, &plan);
    let mut run = Run::new(mandate, uid, epoch, plan, told);
    run.begun_before = record.steps.iter().filter(|step| step.started.is_some()).map(|step| step.number).collect();
    run.finished = finished_steps(&record);
    // One that was to be replaced although it lived is no less to be replaced for living.
    let supposed_dead = run.plan.kind.is_about_a_death() && !run.plan.replaces_a_living_one();
    if old_primary_lives && supposed_dead && !was_promoting {
        return executor::give_up(hub, run, "it came back, and nobody had taken its place").await;
    }
    go_on(hub, run, &record, was_promoting).await
}

/// Raises the epoch of the recovery's cluster and enters this node as who carries it out. Returns the epoch.
async fn take_over(hub: &Arc<Hub>, record: &PlanRecord) -> Result<u64, Error> {
    let cluster = record.cluster_name.clone();
    let Applied::Epoch(epoch) = hub.declare(Command::RaiseEpoch { cluster }).await? else {
        return Err(Error::Unexpected("raising the epoch gave no epoch".to_owned()));
    };
    let (uid, node) = (record.uid.clone(), hub.node.clone());
    hub.declare(Command::ResumeRecovery { uid, epoch, node, at: hub.now() }).await?;
    Ok(epoch)
}

/// Probes all servers that `plan` names, side by side: a dead one takes its time.
async fn look_at_servers(hub: &Arc<Hub>, plan: &Plan) {
    let named = plan.steps.iter().filter_map(|step| step.action.server());
    let servers: BTreeSet<&InstanceKey> = std::iter::once(&plan.failed).chain(named).collect();
    let looks = servers.into_iter().map(|key| async move {
        // One that is filtered by now is not looked at, and its steps fail with a message.
        drop(discovery::hear_of(hub, key).await);
        watcher::probe_anew(hub, key).await;
    });
    join_all(looks).await;
}

async fn go_on(hub: &Arc<Hub>, run: Run, record: &PlanRecord, was_promoting: bool) -> Result<(), Error> {
    let uid = run.uid.clone();
    let failed = |step: &&planner::Step| {
        let outcome = record.steps.iter().find(|done| done.number == step.number).and_then(|done| done.outcome);
        step.required && outcome == Some(StepOutcome::Failed)
    };
    if !was_promoting && run.plan.replaces_a_living_one() {
        // The old primary lives, and may be frozen: what began with another executor's clock is not gone on with.
        return executor::give_up(hub, run, "its executor went away before the promotion").await;
    }
    if !was_promoting && let Some(step) = run.plan.steps.iter().find(failed) {
        // Its executor was undoing it: receivers may run again, and what the plan rests on is not so any more.
        let why = format!("{} had failed", step.action);
        narrator::tell(hub, &uid, format!("not gone on with: {why}"));
        return executor::give_up(hub, run, &why).await;
    }
    let unfinished = !run.finished.contains_key(&run.plan.point_of_no_return());
    let is_open =
        |key| hub.observatory.get(key).is_some_and(|known: std::sync::Arc<topology::Watched>| takes_writes(&known));
    if unfinished && run.plan.replaces_a_living_one() && is_open(&run.plan.failed) {
        if !is_open(&run.plan.successor) {
            // It restarted meanwhile and took writes that the other one does not have.
            return executor::give_up(hub, run, "the old primary takes writes again").await;
        }
        hands::set_read_only(hub, &run.mandate, &run.plan.failed).await?;
    }
    narrator::tell(
        hub,
        &uid,
        format!("going on with it: {} of {} steps are done", run.finished.len(), run.plan.steps.len()),
    );
    if !run.finished.contains_key(&run.plan.point_of_no_return()) {
        fence_again(hub, &run).await;
    }
    let ended = executor::execute(hub, run).await?;
    tracing::warn!(recovery = %ended.uid, successor = ?ended.successor, "ended a recovery that another executor began");
    Ok(())
}

fn takes_writes(known: &topology::Watched) -> bool {
    known.is_valid() && known.instance.as_ref().is_some_and(|instance| instance.writes.is_writable())
}

/// Fences the old primary once more, if that was done before: it may have come back in the meantime.
async fn fence_again(hub: &Arc<Hub>, run: &Run) {
    let is_fence = |step: &&planner::Step| matches!(step.action, Action::Fence { .. });
    for step in run.plan.steps.iter().filter(is_fence).filter(|step| run.finished.contains_key(&step.number)) {
        let message = match hands::perform(hub, run, &step.action).await {
            Ok((_, message)) | Err(message) => message,
        };
        narrator::tell(hub, &run.uid, format!("once more: {}: {message}", step.action));
    }
}

/// Returns the steps that are not to be done again, by what the journal says of them.
fn finished_steps(record: &PlanRecord) -> BTreeMap<u32, Outcome> {
    let outcome = |step: &store::StepRecord| match step.outcome? {
        StepOutcome::Done => Some((step.number, Outcome::Done)),
        StepOutcome::Skipped => Some((step.number, Outcome::Skipped)),
        StepOutcome::Failed => None,
    };
    record.steps.iter().filter_map(outcome).collect()
}

async fn close(hub: &Arc<Hub>, uid: &str, epoch: u64, why: &str) -> Result<(), Error> {
    narrator::tell(hub, uid, format!("closed: {why}"));
    hub.declare(Command::EndRecovery(Ending {
        uid: uid.to_owned(),
        epoch,
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
        is_primary: !matches!(plan.kind, Kind::DeadCoPrimary | Kind::DeadIntermediate | Kind::DeadGroupMember),
        is_co_primary: plan.kind == Kind::DeadCoPrimary,
        is_group_member: plan.kind == Kind::DeadGroupMember,
        replicas: recovery.replicas.clone(),
        recovers_primary: plan.kind.promotes(),
        recovers_intermediate: matches!(plan.kind, Kind::DeadIntermediate | Kind::DeadGroupMember),
        ..analysis::Facts::default()
    };
    let diagnosis = analysis::Diagnosis { subject: recovery.key.clone(), code, structure: Vec::new(), facts };
    narrator::facts_of_recovery(hub, &diagnosis, plan, &recovery.uid)
}
