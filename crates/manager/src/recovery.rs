//! From a diagnosis to a recovery: on record, decided, and handed to the executor.

use std::sync::Arc;
use std::time::Duration;

use analysis::Diagnosis;
use planner::{Context, Decision, Hold, HookList, Kind, PastRecovery, Plan, Request};
use store::{Applied, Command, DetectionFilter, NewDetection, NewRecovery, Page, Recovery, RecoveryFilter};
use topology::{Graph, InstanceKey, Snapshot};

use crate::claim::Claim;
use crate::holds::{self, Reason};
use crate::hub::{Hub, lock};
use crate::mandate::Mandate;
use crate::{Error, executor, hooks, narrator};

/// How a recovery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Its id.
    pub uid: String,
    /// The new primary; none when nobody was promoted.
    pub successor: Option<InstanceKey>,
    /// What went wrong, a sentence each.
    pub errors: Vec<String>,
}

/// Puts `diagnosis` on record, decides about it, and carries a recovery through to its end, under `mandate`.
///
/// # Errors
/// [`Error::Held`] when it was decided not to act; [`Error::Refused`] when a hook refused; [`Error::Store`] when nothing
/// could be put on record, in which case nothing was done.
pub(crate) async fn consider(
    hub: &Arc<Hub>,
    mandate: &Mandate,
    snapshot: &Snapshot,
    diagnosis: &Diagnosis,
    request: &Request,
) -> Result<Recovered, Error> {
    let policy = hub.policy();
    let facts = &diagnosis.facts;
    let cluster = &facts.cluster_name;
    let running = lock(&hub.recovering).get(cluster).cloned();
    let past = past_recoveries(hub, diagnosis)?;
    let graph = Graph::of(snapshot);
    let context =
        Context { snapshot, graph: &graph, policy: &policy, past: &past, running: running.as_deref(), request };
    let decision = planner::decide(diagnosis, context);
    if let Decision::Hold(hold) = &decision
        && !request.forced
        && !matches!(hold, Hold::Running { .. })
    {
        holds::note(hub, diagnosis, Reason::Hold(hold.clone()));
    }
    match decision {
        Decision::Hold(
            hold @ (Hold::RestartGrace { .. }
            | Hold::Running { .. }
            | Hold::AboveFirst { .. }
            | Hold::StillApplying { .. }
            | Hold::CannotBeClosed { .. }),
        ) => return Err(Error::Held(hold)),
        // Told and not put on record: by all that is known it is no failure, or the others were not heard yet.
        Decision::Hold(hold @ Hold::SeenByOthers { .. }) => {
            hold_back(hub, diagnosis, &hold).await;
            return Err(Error::Held(hold));
        }
        Decision::Hold(hold @ Hold::TooFewWitnesses { .. }) if !drags_on(diagnosis) => return Err(Error::Held(hold)),
        _ => {}
    }
    let outcome = async {
        let detection = detect(hub, diagnosis, !request.skip_hooks).await?;
        match decision {
            Decision::Hold(hold) => {
                hold_back(hub, diagnosis, &hold).await;
                Err(Error::Held(hold))
            }
            Decision::Act(plan) => begin(hub, mandate, diagnosis, detection, *plan, &past).await,
        }
    };
    let outcome = outcome.await;
    holds::note_attempt(hub, diagnosis, &outcome);
    outcome
}

/// True when a failure lasts longer than the other nodes need for an answer.
fn drags_on(diagnosis: &Diagnosis) -> bool {
    const FOR_LONG: Duration = Duration::from_secs(5);
    diagnosis.facts.failing_since.is_some_and(|since| diagnosis.facts.at.since(since) > FOR_LONG)
}

/// Puts `diagnosis` on record; runs the detection hooks when it is news. Returns the number of the record.
pub(crate) async fn detect(hub: &Arc<Hub>, diagnosis: &Diagnosis, with_hooks: bool) -> Result<i64, Error> {
    let facts = &diagnosis.facts;
    let identity = |snapshot: Snapshot| snapshot.instance(&facts.key).and_then(|instance| instance.uuid.clone());
    let applied = hub
        .declare(Command::RegisterDetection(NewDetection {
            key: facts.key.clone(),
            uuid: identity(hub.snapshot()),
            code: diagnosis.code.compat().to_owned(),
            cluster_name: facts.cluster_name.clone(),
            cluster_alias: facts.cluster_alias.clone(),
            replicas: facts.replicas.clone(),
            actionable: Kind::that_repairs(diagnosis.code).is_some(),
            at: hub.now(),
            node: hub.node.clone(),
            block: hub.config().recovery.detection_block,
        }))
        .await?;
    let Applied::Detection { id, fresh } = applied else { return Ok(0) };
    if !owes_hooks(hub, id, fresh)? {
        return Ok(id);
    }
    if fresh {
        tracing::warn!(instance = %facts.key, cluster = %facts.cluster_name, code = %diagnosis.code, "detected");
        let message = format!("{}; {}", diagnosis.code.description(), narrator::evidence(facts));
        crate::audit::record(hub, "detected", Some(&facts.key), &facts.cluster_name, &message).await;
    }
    if with_hooks {
        let told = narrator::facts_of_detection(hub, diagnosis);
        let of_detection = executor::Occasion::Detection { id, again: !fresh };
        for report in executor::run_hooks(hub, HookList::OnFailureDetection, &told, &of_detection).await {
            if let Some(failure) = report.failure {
                let why = hooks::complaint(&failure, &report.output);
                return Err(Error::Refused { by: HookList::OnFailureDetection.key().to_owned(), why });
            }
        }
    }
    Ok(id)
}

/// True when this process does not run the hooks of detection `id` yet, and should: it was put on record just now, or a
/// moment ago by an executor that is no more, and nothing shows that the hooks ran. They run at least once.
fn owes_hooks(hub: &Hub, id: i64, fresh: bool) -> Result<bool, Error> {
    const A_MOMENT: Duration = Duration::from_secs(60);
    if !lock(&hub.known_detections).insert(id) || fresh {
        return Ok(fresh);
    }
    let filter = DetectionFilter { id: Some(id), ..DetectionFilter::default() };
    let found = hub.store.detections(filter, Page::nth(0))?;
    let is_recent = |at| hub.now().since(at) < A_MOMENT;
    Ok(found.iter().any(|detection| detection.recovery_id == 0 && is_recent(detection.at)))
}

/// True when the failure of `key` was not left alone for this reason before: reasons are told once.
pub(crate) fn is_news(hub: &Hub, key: &InstanceKey, reason: &str) -> bool {
    lock(&hub.holds).insert(key.clone(), reason.to_owned()).as_deref() != Some(reason)
}

async fn hold_back(hub: &Arc<Hub>, diagnosis: &Diagnosis, hold: &Hold) {
    let facts = &diagnosis.facts;
    if is_news(hub, &facts.key, &hold.to_string()) {
        tracing::warn!(instance = %facts.key, cluster = %facts.cluster_name, code = %diagnosis.code, reason = %hold, "held");
    }
    if let Some(blocking_recovery_id) = hold.blocking_recovery() {
        let (key, cluster, code) = (facts.key.clone(), facts.cluster_name.clone(), diagnosis.code.compat().to_owned());
        let command = Command::BlockRecovery { key, cluster, code, blocking_recovery_id, at: hub.now() };
        if let Err(error) = hub.declare(command).await {
            tracing::warn!(%error, "cannot put a blocked recovery on record");
        }
    }
}

async fn begin(
    hub: &Arc<Hub>,
    mandate: &Mandate,
    diagnosis: &Diagnosis,
    detection_id: i64,
    plan: Plan,
    past: &[PastRecovery],
) -> Result<Recovered, Error> {
    let facts = &diagnosis.facts;
    let claim = Claim::lay(hub, &facts.cluster_name, Some(&plan), &new_uid(hub))
        .map_err(|uid| Error::Held(Hold::Running { uid }))?;
    lock(&hub.holds).remove(&facts.key);
    lock(&hub.held).remove(&facts.key);
    run(hub, mandate, diagnosis, detection_id, plan, past, claim.uid().to_owned()).await
}

/// Puts `plan` in the journal and carries it out.
pub(crate) async fn run(
    hub: &Arc<Hub>,
    mandate: &Mandate,
    diagnosis: &Diagnosis,
    detection_id: i64,
    plan: Plan,
    past: &[PastRecovery],
    uid: String,
) -> Result<Recovered, Error> {
    let facts = &diagnosis.facts;
    let epoch = match hub.declare(Command::RaiseEpoch { cluster: facts.cluster_name.clone() }).await? {
        Applied::Epoch(epoch) => epoch,
        other => return Err(Error::Unexpected(format!("{other:?}"))),
    };
    let failed_before = past.iter().find(|past| !past.changed_servers && past.successor.is_none());
    hub.declare(Command::BeginRecovery(NewRecovery {
        uid: uid.clone(),
        detection_id,
        key: facts.key.clone(),
        code: diagnosis.code.compat().to_owned(),
        cluster_name: facts.cluster_name.clone(),
        cluster_alias: facts.cluster_alias.clone(),
        replicas: facts.replicas.clone(),
        kind: plan.kind.name(),
        at: hub.now(),
        node: hub.node.clone(),
        epoch,
        plan: serde_json::to_string(&plan).map_err(|error| Error::Unexpected(error.to_string()))?,
        parent: failed_before.map(|past| past.uid.clone()),
    }))
    .await?;
    tracing::warn!(cluster = %facts.cluster_name, failed = %facts.key, successor = %plan.successor, recovery = %uid, epoch, "recovering");
    let told = narrator::facts_of_recovery(hub, diagnosis, &plan, &uid);
    narrator::tell_plan(hub, &uid, diagnosis, &plan);
    executor::execute(hub, executor::Run::new(mandate, uid, epoch, plan, told)).await
}

/// Returns earlier recoveries that the cooldown may count, newest first.
pub(crate) fn past_recoveries(hub: &Hub, diagnosis: &Diagnosis) -> Result<Vec<PastRecovery>, Error> {
    const WHILE_FAILING: Duration = Duration::from_secs(60);
    let facts = &diagnosis.facts;
    let since = hub.now().minus(hub.policy().cooldown.max(WHILE_FAILING));
    let mut rows = hub.store.blocking_recoveries(&facts.cluster_name, std::slice::from_ref(&facts.key), since)?;
    // Those that ended before their first change block nothing, and still count as tried.
    let of_this_server = RecoveryFilter { key: Some(facts.key.clone()), ..RecoveryFilter::default() };
    let lately = hub.now().minus(WHILE_FAILING);
    let tried = hub.store.recoveries(of_this_server, Page::nth(0))?.into_iter().filter(|row| row.started > lately);
    rows.extend(tried.filter(|row| row.successor.is_none()));
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.dedup_by_key(|row| row.id);
    Ok(rows.into_iter().map(past_recovery).collect())
}

pub(crate) fn past_recovery(row: Recovery) -> PastRecovery {
    // One of a kind that this version does not know blocks like the most serious.
    let kind = Kind::from_name(&row.kind).unwrap_or(Kind::DeadPrimary);
    PastRecovery {
        id: row.id,
        uid: row.uid,
        kind,
        cluster: row.cluster_name,
        // Only a recovery that promoted somebody may block the next: one that failed before must be followed by another.
        // Where nobody is to be promoted, the store keeps those active that changed a server.
        changed_servers: row.successor.is_some() || (!kind.promotes() && row.ended.is_some() && row.is_active),
        successor: row.successor,
        began: row.started,
        acknowledged: row.acknowledged.is_some() || !row.is_active,
    }
}

/// Returns a recovery's id in Orchestrator's form: `<unix nanoseconds>:<64 hex digits>`.
pub(crate) fn new_uid(hub: &Hub) -> String {
    format!("{}:{}", hub.now().0.saturating_mul(1000), crate::random_hex())
}
