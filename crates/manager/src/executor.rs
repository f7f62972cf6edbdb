//! Carries a plan out, step by step, with each step in the journal before and after.
//!
//! Nothing is chosen here. Steps of one stage run side by side; a required step that fails ends the plan. Before the new
//! primary takes writes, the end is a retreat: stopped receivers are started again, and the next cycle decides anew.
//! After that there is no way back: the plan goes on, and what fails is reported. When the mandate ends, nothing more is
//! done, undone or journaled here: the next leader goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};
use futures::stream::{self, StreamExt, TryStreamExt};
use planner::{Action, HookList, Kind, Outcome, Plan, Step, Undo};
use store::{Command, Ending, Refusal, StepOutcome};
use tokio::time::Instant;
use topology::InstanceKey;

use crate::hands::Lines;
use crate::hooks::{self, Facts, Report, Shell};
use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::recovery::Recovered;
use crate::{Error, hands, mending, narrator};

/// Why a takeover is undone that took too long.
const TIME_IS_UP: &str = "TakeoverWriteBlockSeconds were over before the new primary could be opened";

/// How much longer than the time that is left a step may take that keeps it itself.
const GRACE: Duration = Duration::from_millis(500);

/// A plan that is being carried out.
pub(crate) struct Run {
    /// The right to do so.
    pub(crate) mandate: Mandate,
    pub(crate) uid: String,
    pub(crate) epoch: u64,
    pub(crate) plan: Plan,
    pub(crate) told: Facts,
    /// Steps that have an outcome, by number; also those that an earlier executor did.
    pub(crate) finished: BTreeMap<u32, Outcome>,
    /// Steps that an earlier executor began: what they do may have been done.
    pub(crate) begun_before: BTreeSet<u32>,
    /// Until when a new primary must be open, while nobody takes writes since a living one was frozen.
    pub(crate) block_ends: Option<Instant>,
    /// Sessions that are kept from step to step.
    pub(crate) lines: Lines,
    /// The candidate was told to take writes, or may have been.
    pub(crate) may_be_open: AtomicBool,
}

impl Run {
    /// Returns the run of a plan that nobody began.
    pub(crate) fn new(mandate: &Mandate, uid: String, epoch: u64, plan: Plan, told: Facts) -> Self {
        let mandate = mandate.clone();
        let (finished, begun_before) = (BTreeMap::new(), BTreeSet::new());
        let (lines, may_be_open) = (Lines::default(), AtomicBool::new(false));
        Self { mandate, uid, epoch, plan, told, finished, begun_before, block_ends: None, lines, may_be_open }
    }
}

/// What hooks are run for.
pub(crate) enum Occasion {
    /// A detection.
    Detection {
        /// Its number.
        id: i64,
        /// An earlier executor may have run them.
        again: bool,
    },
    /// A recovery.
    Recovery {
        /// Which.
        uid: String,
        /// An earlier executor may have run them.
        again: bool,
    },
}

/// What one step came to.
struct Ended {
    number: u32,
    /// It may have done something.
    begun: bool,
    outcome: Outcome,
    message: String,
}

/// Carries `run` through to its end. What fails ends up in the journal and in what is returned.
///
/// # Errors
/// [`Error::Consensus`] and [`Error::Store`] when the recovery is not this node's any more: nothing is undone then, and
/// nothing journaled. Whoever leads goes on from the journal.
pub(crate) async fn execute(hub: &Arc<Hub>, mut run: Run) -> Result<Recovered, Error> {
    let mut errors = Vec::new();
    let mut lost: Vec<InstanceKey> = run.plan.lost.iter().map(|lost| lost.key.clone()).collect();
    let mut succeeded = run.plan.succeeded(&run.finished);
    let (mut refused, mut given_up) = (false, BTreeSet::new());
    if succeeded {
        // An earlier executor promoted it: who was replaced is fenced when it is met.
        lock(&hub.undecided).remove(&run.uid);
    } else {
        lock(&hub.undecided).insert(run.uid.clone());
    }
    for stage in stages(&run.plan) {
        run.told.set("isSuccessful", succeeded.to_string());
        if let Some(successor) = hub.snapshot().instance(&run.plan.successor).filter(|_| succeeded) {
            run.told.set("successorBinlogCoordinates", successor.binlog.coordinates.to_string());
        }
        run.told.set("lostReplicas", narrator::list(&lost));
        run.told.set("countLostReplicas", lost.len().to_string());
        if let Some(late) = begin_block(&mut run, &stage) {
            errors.push(late);
            break;
        }
        let ended = perform_stage(hub, &run, &stage).await?;
        for (step, ended) in stage.iter().zip(ended) {
            if ended.outcome == Outcome::Failed {
                errors.push(format!("{}: {}", step.action, ended.message));
                refused |= step.required;
                if let Some((replica, _)) = step.action.moves() {
                    lost.push(replica.clone());
                }
            }
            if ended.begun {
                run.finished.insert(ended.number, ended.outcome);
            }
        }
        succeeded = run.plan.succeeded(&run.finished);
        if refused && !succeeded {
            break;
        }
        abandoned(hub, &run, succeeded, &mut given_up).await;
    }
    if !succeeded {
        hub.office.check(&run.mandate)?;
        retreat(hub, &mut run).await;
    }
    // What could not be undone is the next leader's to undo: it must not find this closed.
    hub.office.check(&run.mandate)?;
    Ok(close(hub, run, succeeded, lost, errors).await)
}

/// Gives up replicas whose move failed, once there is something to be lost from: the plan could not know of them.
async fn abandoned(hub: &Arc<Hub>, run: &Run, succeeded: bool, given_up: &mut BTreeSet<u32>) {
    let failed = |step: &&Step| run.finished.get(&step.number) == Some(&Outcome::Failed);
    for step in run.plan.steps.iter().filter(failed).filter(|_| succeeded) {
        if let Action::Repoint { replica, .. } | Action::Align { replica, .. } = &step.action
            && given_up.insert(step.number)
        {
            mending::abandon(hub, run, replica).await;
        }
    }
}

/// Ends a recovery in which an earlier executor had failed before anybody was promoted: undoes what must not stay.
///
/// # Errors
/// [`Error::Consensus`] when the recovery is not this node's any more.
pub(crate) async fn give_up(hub: &Arc<Hub>, mut run: Run, why: &str) -> Result<(), Error> {
    let lost = run.plan.lost.iter().map(|lost| lost.key.clone()).collect();
    retreat(hub, &mut run).await;
    hub.office.check(&run.mandate)?;
    close(hub, run, false, lost, vec![why.to_owned()]).await;
    Ok(())
}

/// Keeps the time from the freeze of a living primary to the promotion. Returns a sentence when it is up and the promotion
/// has not begun.
fn begin_block(run: &mut Run, stage: &[Step]) -> Option<String> {
    for step in stage {
        match &step.action {
            Action::Freeze { budget, .. } => run.block_ends = Some(Instant::now() + *budget),
            Action::Promote { .. } => {
                let is_late = run.block_ends.take().is_some_and(|ends| Instant::now() > ends);
                return is_late.then(|| TIME_IS_UP.to_owned());
            }
            _ => {}
        }
    }
    None
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

async fn perform_stage(hub: &Arc<Hub>, run: &Run, stage: &[Step]) -> Result<Vec<Ended>, Error> {
    // While writes wait nothing waits its turn.
    let side_by_side = if run.block_ends.is_some() { stage.len() } else { hub.policy().parallel_moves.max(1) };
    let steps: Vec<BoxFuture<'_, Result<Ended, Error>>> =
        stage.iter().map(|step| perform_step(hub, run, step).boxed()).collect();
    stream::iter(steps).buffered(side_by_side).try_collect().await
}

async fn perform_step(hub: &Arc<Hub>, run: &Run, step: &Step) -> Result<Ended, Error> {
    let number = step.number;
    if let Some(outcome) = run.finished.get(&number) {
        return Ok(Ended { number, begun: true, outcome: *outcome, message: "done before".to_owned() });
    }
    let not_begun = |message: String| Ended { number, begun: false, outcome: Outcome::Failed, message };
    if number == run.plan.point_of_no_return()
        && !run.begun_before.contains(&number)
        && let Some(why) = hands::lives_again(hub, run).await
    {
        narrator::tell(hub, &run.uid, format!("{} is not begun: {why}", step.action));
        return Ok(not_begun(why));
    }
    let (uid, epoch) = (run.uid.clone(), run.epoch);
    let journaled = hub.declare(Command::StepStarted { uid: uid.clone(), epoch, number, at: hub.now() }).await;
    if let Err(error) = journaled {
        if is_taken_from_us(&error) {
            if error.refusal().is_none() {
                // Without a majority nothing goes on here; with it back, this is begun anew from the journal.
                run.mandate.end();
            }
            return Err(error.into());
        }
        // What is not in the journal is not done: nobody could go on with it.
        return Ok(not_begun(format!("not begun: {error}")));
    }
    // Confirming the beginning may have taken longer than the lease.
    hub.office.check(&run.mandate)?;
    let performed = match run.block_ends {
        Some(ends) => {
            let kept = tokio::time::timeout_at(ends + GRACE, perform(hub, run, step)).await;
            kept.unwrap_or_else(|_| Err(TIME_IS_UP.to_owned()))
        }
        None => perform(hub, run, step).await,
    };
    let (outcome, message) = match performed {
        Ok((outcome, message)) => (outcome, message),
        // One that failed because this node may not act any more has not failed: the next leader does it.
        Err(message) => hub.office.check(&run.mandate).map(|()| (Outcome::Failed, message))?,
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
    Ok(Ended { number, begun: true, outcome, message })
}

/// True when a recovery that cannot journal this way is not this node's any more, or may not be: another one leads, no
/// majority confirms, or another executor raised the epoch.
fn is_taken_from_us(error: &consensus::Error) -> bool {
    match error {
        consensus::Error::Store(_) => matches!(
            error.refusal(),
            Some(Refusal::StaleEpoch { .. } | Refusal::RecoveryEnded { .. } | Refusal::UnknownRecovery { .. })
        ),
        _ => true,
    }
}

async fn perform(hub: &Arc<Hub>, run: &Run, step: &Step) -> Result<(Outcome, String), String> {
    match &step.action {
        Action::RunHooks(list) => {
            let mut told = run.told.clone();
            if list.can_refuse() && run.plan.kind != Kind::Takeover {
                // Scripts take a named successor for the new primary, and nobody was promoted yet.
                told.clear_successor();
            }
            let again = run.begun_before.contains(&step.number);
            let occasion = Occasion::Recovery { uid: run.uid.clone(), again };
            let reports = run_hooks(hub, *list, &told, &occasion).await;
            let count = reports.len();
            let complains = |report: Report| Some(hooks::complaint(report.failure.as_deref()?, &report.output));
            match reports.into_iter().find_map(complains) {
                Some(failure) => Err(failure),
                None if count == 0 => Ok((Outcome::Skipped, "none configured".to_owned())),
                None => Ok((Outcome::Done, format!("{count} hooks ran"))),
            }
        }
        action => hands::perform(hub, run, action).await,
    }
}

/// Runs the hooks of `list` and returns how each went. Lists that may refuse stop at the first failure.
///
/// A hook that runs when this is dropped is left alone: half a hook is worse than one that is run again, and each knows by
/// its id whether it is.
pub(crate) async fn run_hooks(hub: &Arc<Hub>, list: HookList, told: &Facts, occasion: &Occasion) -> Vec<Report> {
    let (uid, about, again) = match occasion {
        Occasion::Detection { id, again } => (None, format!("detection-{id}"), *again),
        Occasion::Recovery { uid, again } => (Some(uid.as_str()), uid.clone(), *again),
    };
    let config = hub.config();
    let shell = Shell { command: config.hooks.shell.clone(), timeout: config.hooks.timeout };
    let hooks = match list {
        HookList::OnFailureDetection => &config.hooks.on_failure_detection,
        HookList::PreGracefulTakeover => &config.hooks.pre_graceful_takeover,
        HookList::PreFailover => &config.hooks.pre_failover,
        HookList::PostMasterFailover => &config.hooks.post_primary_failover,
        HookList::PostIntermediateFailover => &config.hooks.post_intermediate_failover,
        HookList::PostFailover => &config.hooks.post_failover,
        HookList::PostUnsuccessfulFailover => &config.hooks.post_unsuccessful_failover,
        HookList::PostGracefulTakeover => &config.hooks.post_graceful_takeover,
    };
    let mut reports = Vec::new();
    for (number, hook) in hooks.iter().enumerate() {
        let name = format!("{} hook {} of {}", list.key(), number + 1, hooks.len());
        narrator::tell_hook_begins(hub, uid, &name, hook).await;
        let mut told = told.clone();
        told.set("hookID", format!("{about}/{}/{}", list.key(), number + 1));
        told.set("hookRepeat", again.to_string());
        let report = run_hook(hub, shell.clone(), hook.clone(), told).await;
        narrator::tell_hook_ended(hub, uid, &name, &report).await;
        let failed = report.failure.is_some();
        reports.push(report);
        if failed && list.can_refuse() {
            break;
        }
    }
    reports
}

/// Runs one hook as a task of its own, which ends with the hook, or with this process.
async fn run_hook(hub: &Arc<Hub>, shell: Shell, hook: String, told: Facts) -> Report {
    let abandoned = hub.abandoned.clone();
    let running = hub.tasks.spawn(async move {
        tokio::select! {
            biased;
            () = abandoned.cancelled() => None,
            report = hooks::run(&shell, &hook, &told) => Some(report),
        }
    });
    running.await.ok().flatten().unwrap_or_else(|| Report {
        took: Duration::ZERO,
        output: String::new(),
        failure: Some("abandoned: the manager stops".to_owned()),
    })
}

/// Undoes what must not stay when nobody was promoted, last first.
async fn retreat(hub: &Arc<Hub>, run: &mut Run) {
    // Scripts take a named successor for the new primary.
    run.told.clear_successor();
    // What is undone keeps no writes waiting but those that it ends.
    run.block_ends = None;
    let begun = run.begun_before.iter().chain(run.finished.keys()).copied().collect();
    for stage in planner::retreat(&run.plan, &begun, &run.finished) {
        let undone = join_all(stage.iter().map(|undo| take_back(hub, run, undo))).await;
        if undone.into_iter().any(|goes_on| !goes_on) {
            break;
        }
    }
    lock(&hub.undecided).remove(&run.uid);
    if run.plan.steps.iter().any(|step| matches!(step.action, Action::RunHooks(_))) {
        let occasion = Occasion::Recovery { uid: run.uid.clone(), again: !run.begun_before.is_empty() };
        run_hooks(hub, HookList::PostUnsuccessfulFailover, &run.told, &occasion).await;
    }
}

/// Takes one step back, and tells what came of it. False when what is before it must stay as it is.
async fn take_back(hub: &Arc<Hub>, run: &Run, undo: &Undo) -> bool {
    let sentence = match undo {
        Undo::StartReceiver { replica, only_if_it_answers } => {
            // One that failed since its server went away is not waited for once more.
            let answers = hub.observatory.get(replica).is_some_and(|watched| watched.is_valid());
            if *only_if_it_answers && !answers {
                return true;
            }
            let started = hands::start_receiver(hub, &run.mandate, replica).await;
            started.err().map(|error| format!("cannot start the receiver of {replica} again: {error}"))
        }
        Undo::StartReplication { replica, only_if_it_answers } => {
            let answers = hub.observatory.get(replica).is_some_and(|watched| watched.is_valid());
            if *only_if_it_answers && !answers {
                return true;
            }
            let started = hands::start_replication(hub, &run.mandate, replica).await;
            started.err().map(|error| format!("cannot start replication on {replica} again: {error}"))
        }
        Undo::Disown { server } => {
            hands::disown(hub, run, server).await;
            None
        }
        Undo::Unfence { server, open } => {
            let unfenced = hands::unfence(hub, &run.mandate, server, *open).await;
            unfenced.err().map(|error| format!("{server} may still be read-only: {error}"))
        }
        Undo::Close { server, primary, waits } => {
            let tls = run.plan.steps.iter().find_map(|step| match &step.action {
                Action::Attach { tls, .. } => tls.as_deref(),
                _ => None,
            });
            let Err(why) = hands::close_candidate(hub, run, server, primary, tls, *waits).await else { return true };
            tracing::error!(candidate = %server, %primary, %why, "NO SERVER MAY BE OPENED: the takeover failed in the middle of the promotion");
            let text = format!("{server} may be open to writes ({why}): {primary} stays read-only");
            narrator::tell(hub, &run.uid, text);
            return false;
        }
        Undo::Thaw { server, uuid } => Some(match hands::thaw(hub, run, server, uuid.as_ref()).await {
            Ok(()) => narrator::takes_writes_again(server),
            Err(error) => format!("{server} may still be read-only, and is opened when it answers: {error}"),
        }),
        Undo::MoveBack { replica, to, start } => Some(match hands::move_back(hub, run, replica, to, *start).await {
            Ok(()) => format!("{replica} is below {to} again"),
            Err(why) => format!("{replica} could not be moved back below {to}: {why}"),
        }),
        Undo::Realign { replica, to, at, start } => {
            Some(match mending::realign(hub, run, replica, to, at, *start).await {
                Ok(()) => format!("{replica} is below {to} again"),
                Err(why) => format!("{replica} stays where it is, and not below {to}: {why}"),
            })
        }
        Undo::Detach { server, forget_source, acked } => {
            let detached = hands::detach_primary(hub, run, server, *forget_source, *acked).await;
            detached.err().map(|error| format!("{server} is still configured as a replica: {error}"))
        }
        Undo::ReleaseBrake { primary } => {
            let released = hands::release_brake(hub, run, primary).await;
            released
                .err()
                .map(|error| format!("commits on {primary} may still be slowed down, until it is seen again: {error}"))
        }
        Undo::FollowAgain { candidate } => {
            let follows = hands::follow_again(hub, run, candidate).await;
            follows.err().map(|error| format!("cannot start replication on {candidate} again: {error}"))
        }
        Undo::RestoreAcks { candidate, acks } => {
            let restored = hands::restore_acks(hub, run, candidate, *acks).await;
            restored.err().map(|error| format!("commits on {candidate} still wait for replicas: {error}"))
        }
    };
    if let Some(sentence) = sentence {
        narrator::tell(hub, &run.uid, sentence);
    }
    true
}

async fn close(hub: &Arc<Hub>, run: Run, succeeded: bool, lost: Vec<InstanceKey>, errors: Vec<String>) -> Recovered {
    let Run { uid, epoch, plan, .. } = run;
    let successor = succeeded.then(|| plan.successor.clone());
    let mutated =
        plan.steps.iter().any(|step| step.action.changes_a_server() && run.finished.contains_key(&step.number));
    let alias = |key: &InstanceKey| hub.snapshot().instance(key).map(|server| server.labels.instance_alias.clone());
    let participating = plan.choice.candidates.iter().map(|candidate| candidate.key.clone()).collect();
    let summary = match (&successor, &plan.certificate) {
        (Some(successor), Some(certificate)) => format!("done: {successor} is the primary; {certificate}"),
        (Some(successor), None) => format!("done: {successor}"),
        (None, _) if plan.kind.promotes() => "ended without a promotion".to_owned(),
        (None, _) => "ended without success".to_owned(),
    };
    narrator::tell(hub, &uid, summary);
    let ending = Ending {
        uid: uid.clone(),
        epoch,
        successful: succeeded,
        mutated,
        successor_alias: successor.as_ref().and_then(alias).unwrap_or_default(),
        successor: successor.clone(),
        lost,
        participating,
        errors: errors.clone(),
        certificate: plan.certificate.as_ref().and_then(|certificate| serde_json::to_string(certificate).ok()),
        at: hub.now(),
    };
    if let Err(error) = hub.declare(Command::EndRecovery(ending)).await {
        tracing::error!(recovery = %uid, %error, "a recovery ended and could not be closed: the next start will close it");
    }
    let text = format!("successor: {}", successor.as_ref().map_or("none".to_owned(), ToString::to_string));
    crate::audit::record(hub, plan.kind.audit(), Some(&plan.failed), &plan.cluster, &text).await;
    tracing::warn!(recovery = %uid, cluster = %plan.cluster, %text, errors = errors.len(), "recovery ended");
    Recovered { uid, successor, errors }
}
