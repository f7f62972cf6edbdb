//! Whether to act, and how.

use std::time::Duration;

use analysis::{Code, DataLoss, Diagnosis, Facts, Policy, Testimony};
use serde::{Deserialize, Serialize};
use topology::{Graph, InstanceKey, Snapshot, Timestamp};

use crate::{
    Choice, Hold, Kind, Plan, Rejection, against_reopening, by_position, dead_co_primary, dead_group_member,
    dead_intermediate, dead_primary, lint, living_primary, non_writable, semi_sync,
};

/// What to do about a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Nothing, for this reason.
    Hold(Hold),
    /// This.
    Act(Box<Plan>),
}

/// What a person asks for beyond the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The server to promote; none to choose the best.
    pub candidate: Option<InstanceKey>,
    /// Run no hooks (`recover-lite`).
    pub skip_hooks: bool,
    /// A person wants it: filters, downtime, cooldown and the global switch do not hold it back.
    pub forced: bool,
    /// The command by which a person asks that the primary be replaced, whatever is wrong with it
    /// (`force-master-failover`); empty where it is for what is wrong.
    pub command: String,
}

/// An earlier recovery that touched a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRecovery {
    /// Its number, as the API shows it.
    pub id: i64,
    /// Its unique id.
    pub uid: String,
    /// What it repaired.
    pub kind: Kind,
    /// Name of the cluster then.
    pub cluster: String,
    /// The server it promoted.
    pub successor: Option<InstanceKey>,
    /// When it began.
    pub began: Timestamp,
    /// Somebody acknowledged it: it blocks nothing any more.
    pub acknowledged: bool,
    /// It promoted somebody or, where nobody is to be promoted, changed a server. One that was refused or failed before
    /// that blocks nothing.
    pub changed_servers: bool,
}

/// What deciding rests on, beside the diagnosis.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// All that is known.
    pub snapshot: &'a Snapshot,
    /// Who replicates from whom in it. To find that out takes as long as the farm is large.
    pub graph: &'a Graph,
    /// What operators configured.
    pub policy: &'a Policy,
    /// Earlier recoveries of the cooldown period, newest first.
    pub past: &'a [PastRecovery],
    /// The recovery that is running on the cluster.
    pub running: Option<&'a str>,
    /// What a person asks for; the default for an automatic recovery.
    pub request: &'a Request,
}

/// Decides what to do about `diagnosis`.
pub fn decide(diagnosis: &Diagnosis, context: Context<'_>) -> Decision {
    match plan_about(diagnosis, context) {
        Err(hold) => Decision::Hold(hold),
        Ok(plan) => {
            let flaws = lint::within(&plan, context.snapshot, context.graph);
            if !flaws.is_empty() {
                return Decision::Hold(Hold::UnsafePlan { flaws });
            }
            match may_lose(&plan, &diagnosis.facts, context) {
                Some(hold) => Decision::Hold(hold),
                None => Decision::Act(Box::new(plan)),
            }
        }
    }
}

fn plan_about(diagnosis: &Diagnosis, context: Context<'_>) -> Result<Plan, Hold> {
    let Context { snapshot, graph, policy, request, .. } = context;
    let facts = &diagnosis.facts;
    if let Some(hold) = seen_by_others(diagnosis) {
        return Err(hold);
    }
    let kind = match request.command.as_str() {
        "" => Kind::that_repairs(diagnosis.code).ok_or_else(|| not_recoverable(diagnosis.code))?,
        _ if facts.is_co_primary => Kind::DeadCoPrimary,
        _ => Kind::DeadPrimary,
    };
    // What is left of a cluster below a replaced primary goes by the policy for the cluster that it belongs to.
    let recovers_intermediate =
        facts.recovers_intermediate || dead_intermediate::is_automated_above(context, graph, &facts.key);
    if kind == Kind::NonWritablePrimary && !request.forced {
        left_closed(graph, facts, context).map_or(Ok(()), Err)?;
    }
    let adapted = Diagnosis { facts: Facts { recovers_intermediate, ..facts.clone() }, ..diagnosis.clone() };
    let (diagnosis, facts) = (&adapted, &adapted.facts);
    if let Some(hold) = held_back(kind, diagnosis, context) {
        return Err(hold);
    }
    match kind {
        Kind::DeadPrimary => plan_for(snapshot, policy, facts, request),
        Kind::DeadCoPrimary => dead_co_primary::plan(context, facts),
        Kind::DeadIntermediate => match dead_intermediate::waits_for_above(diagnosis, context, graph) {
            Some(hold) => Err(hold),
            None => dead_intermediate::plan(context, graph, facts),
        },
        Kind::DeadGroupMember => dead_group_member::plan(context, graph, facts),
        Kind::LockedSemiSync | Kind::TooManySemiSync => semi_sync::plan(context, facts, kind),
        Kind::NonWritablePrimary => non_writable::plan(context, graph, facts),
        Kind::Takeover | Kind::Return => Err(Hold::NothingToRecover),
    }
}

/// Returns that `plan` may lose something, where `DataLossPolicy` does not allow it (yet) and nobody asks for it.
pub(crate) fn may_lose(plan: &Plan, facts: &Facts, context: Context<'_>) -> Option<Hold> {
    let Context { snapshot, policy, request, .. } = context;
    let certificate = plan.certificate.as_ref().filter(|certificate| !certificate.proves_nothing_lost())?;
    let until = match policy.data_loss {
        DataLoss::Allow => return None,
        DataLoss::Refuse => None,
        DataLoss::Wait(span) => Some(facts.failing_since.unwrap_or(snapshot.now).plus(span)),
    };
    if request.forced || until.is_some_and(|until| until <= snapshot.now) {
        return None;
    }
    Some(Hold::MayLose { successor: plan.successor.clone(), certificate: Box::new(certificate.clone()), until })
}

/// Returns the plan that would replace the server that `facts` are about, whether or not it failed.
pub(crate) fn plan_for(snapshot: &Snapshot, policy: &Policy, facts: &Facts, request: &Request) -> Result<Plan, Hold> {
    if let Some(hold) = lives_unclosed(facts, request) {
        return Err(hold);
    }
    let by_gtid = facts.mysql_gtid_replicas + facts.mariadb_gtid_replicas > 0;
    let lives = !request.command.is_empty() && facts.is_valid;
    if !by_gtid && facts.valid_replicas > 0 {
        return if lives { Err(Hold::NoGtid) } else { by_position::plan(snapshot, policy, facts, request) };
    }
    let answers = dead_primary::answers(snapshot, facts);
    let asked = request.candidate.as_ref();
    let choice = Choice::among(snapshot, policy, facts, asked, &answers);
    if let Some(asked) = asked
        && choice.chosen.as_ref() != Some(asked)
    {
        let why = match choice.candidate(asked) {
            None => format!("it is no direct replica of {}", facts.key),
            Some(candidate) => reasons(&candidate.rejections),
        };
        return Err(Hold::WrongCandidate { asked: asked.clone(), why });
    }
    let Some(successor) = choice.chosen.clone() else {
        return Err(Hold::NoCandidate { choice: Box::new(choice) });
    };
    drop(answers);
    Ok(if lives {
        living_primary::plan(snapshot, policy, facts, choice, &successor, request)
    } else {
        dead_primary::plan(snapshot, policy, facts, choice, &successor, request)
    })
}

pub(crate) fn reasons(rejections: &[Rejection]) -> String {
    rejections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns that a primary which somebody wants replaced lives and cannot be closed from here: a person's word stands for
/// missing witnesses, and not against those who see it alive.
fn lives_unclosed(facts: &Facts, request: &Request) -> Option<Hold> {
    if request.command.is_empty() || facts.is_valid {
        return None;
    }
    let failure = facts.failure.as_ref().filter(|failure| failure.partial || failure.kind.shows_life());
    let here = failure.map(|failure| format!("it answers here ({})", failure.kind));
    let sees_it = |says: Testimony| matches!(says, Testimony::Connected | Testimony::Answered(_));
    let witnesses = facts.witnesses.iter().filter(|witness| sees_it(witness.says));
    let signs: Vec<String> =
        here.into_iter().chain(witnesses.map(|witness| format!("{} reaches it", witness.key))).collect();
    (!signs.is_empty()).then_some(Hold::CannotBeClosed { signs })
}

/// Returns that the server is reached by other nodes of ours. Not even a person's word overrides that: to promote another
/// one then would make a second primary.
fn seen_by_others(diagnosis: &Diagnosis) -> Option<Hold> {
    let facts = &diagnosis.facts;
    if facts.is_valid {
        return None;
    }
    let quorum = facts.quorum();
    quorum.is_seen().then_some(Hold::SeenByOthers { by: quorum.seen_by, voters: quorum.voters })
}

/// Returns that no majority of our nodes affirms the death.
fn too_few_witnesses(facts: &Facts) -> Option<Hold> {
    let quorum = facts.quorum();
    let (affirm, needed) = (quorum.affirm, quorum.needed());
    let hold = Hold::TooFewWitnesses { affirm, needed, seen_by: quorum.seen_by, silent: quorum.silent };
    (affirm < needed).then_some(hold)
}

/// Returns why a diagnosis of this code leads to no recovery, whatever anybody asks.
fn not_recoverable(code: Code) -> Hold {
    match code {
        Code::HungPrimary | Code::UnreachableCoPrimary | Code::UnreachableIntermediate => Hold::NotWitnessed,
        Code::UnreachableIntermediateWithLaggingReplicas => Hold::NotWitnessed,
        Code::UnreachablePrimary | Code::UnreachablePrimaryWithLaggingReplicas => Hold::NotWitnessed,
        Code::DeadPrimaryAndReplicas | Code::DeadIntermediateAndReplicas => Hold::NobodyAnswers,
        Code::DeadPrimaryWithoutReplicas => Hold::NoReplicas,
        _ => Hold::NothingToRecover,
    }
}

/// Why servers are in downtime that a recovery lost (Orchestrator's word).
const LOST_IN_RECOVERY: &str = "lost-in-recovery";

/// Returns why a primary that we closed stays so: who opens it (the manager, as soon as it is seen) waits for the same.
fn left_closed(graph: &Graph, facts: &Facts, context: Context<'_>) -> Option<Hold> {
    let snapshot = context.snapshot;
    let record = snapshot.left_closed(snapshot.instance(&facts.key)?)?;
    if let Some(uid) = context.running {
        return Some(Hold::Running { uid: uid.to_owned() });
    }
    let against = against_reopening(snapshot, graph, &facts.key, record);
    let why = against.unwrap_or_else(|| "nothing speaks against it, and it is tried again and again".to_owned());
    Some(Hold::LeftClosed { uid: record.recovery_uid.clone(), why })
}

/// Returns that a death is too fresh, or witnessed by too few.
fn too_early(kind: Kind, facts: &Facts, policy: &Policy, now: Timestamp) -> Option<Hold> {
    let grace_ends = facts.failing_since.map(|since| since.plus(policy.restart_grace)).filter(|ends| *ends > now);
    if let Some(until) = grace_ends.filter(|_| kind.promotes()) {
        return Some(Hold::RestartGrace { until });
    }
    too_few_witnesses(facts)
}

/// Returns that nobody configured that such a recovery begins by itself.
fn not_automated(kind: Kind, facts: &Facts, policy: &Policy) -> Option<Hold> {
    let filter = |matches: bool, key: &str| (!matches).then(|| Hold::NotAutomated { key: key.to_owned() });
    let switch = |on: bool, keys: &str| (!on).then(|| Hold::SwitchedOff { keys: keys.to_owned() });
    match kind {
        Kind::DeadPrimary | Kind::DeadCoPrimary | Kind::Takeover | Kind::Return => {
            filter(facts.recovers_primary, "RecoverMasterClusterFilters")
        }
        Kind::DeadIntermediate | Kind::DeadGroupMember => {
            filter(facts.recovers_intermediate, "RecoverIntermediateMasterClusterFilters")
        }
        Kind::LockedSemiSync => switch(
            policy.exact_semi_sync || policy.unlock_semi_sync,
            "neither EnforceExactSemiSyncReplicas nor RecoverLockedSemiSyncMaster is set",
        ),
        Kind::TooManySemiSync => switch(policy.exact_semi_sync, "EnforceExactSemiSyncReplicas is not set"),
        Kind::NonWritablePrimary => switch(policy.recover_non_writable, "RecoverNonWriteableMaster is not set"),
    }
}

/// A recovery that failed before anybody was promoted is followed by another at once, on fresh evidence, but not for ever.
const RETRIES: usize = 3;
const RETRY_WINDOW: Duration = Duration::from_secs(60);

/// Returns what holds an otherwise possible recovery back. A person's request overrides all but a running one.
pub(crate) fn held_back(kind: Kind, diagnosis: &Diagnosis, context: Context<'_>) -> Option<Hold> {
    let Context { snapshot, policy, past, running, request, .. } = context;
    let facts = &diagnosis.facts;
    let now = snapshot.now;
    if let Some(uid) = running {
        return Some(Hold::Running { uid: uid.to_owned() });
    }
    // Not even a person's word may make a second primary; opening the replaced server for writes takes its record back.
    let opens = kind.promotes() || !kind.is_about_a_death();
    let demoted = snapshot.demotion_at(&facts.key);
    if let Some(demoted) = demoted.filter(|_| opens) {
        let (successor, uid) = (demoted.successor.clone(), demoted.recovery_uid.clone());
        return Some(Hold::Replaced { successor, uid });
    }
    if request.forced {
        return None;
    }
    if kind.is_about_a_death()
        && !facts.is_valid
        && let Some(hold) = too_early(kind, facts, policy, now)
    {
        return Some(hold);
    }
    if let Some(hold) = not_automated(kind, facts, policy) {
        return Some(hold);
    }
    // What an earlier recovery lost says nothing about its replicas, which lost nothing but their source.
    let is_lost = |reason: &str| kind.is_about_a_death() && !kind.promotes() && reason == LOST_IN_RECOVERY;
    if let Some(downtime) = snapshot.declared.downtime(&facts.key, now).filter(|downtime| !is_lost(&downtime.reason)) {
        let (by, reason, until) = (downtime.owner.clone(), downtime.reason.clone(), downtime.ends);
        return Some(Hold::Downtimed { by, reason, until });
    }
    if snapshot.declared.recoveries_disabled {
        return Some(Hold::Disabled);
    }
    let alike = |recovery: &PastRecovery| {
        let same_cluster = recovery.cluster == facts.cluster_name || recovery.successor.as_ref() == Some(&facts.key);
        recovery.kind == kind && same_cluster
    };
    let failed_lately = |recovery: &&PastRecovery| {
        alike(recovery) && !recovery.changed_servers && now.since(recovery.began) < RETRY_WINDOW
    };
    if past.iter().filter(failed_lately).count() >= RETRIES {
        let newest = past.iter().find(failed_lately)?;
        return Some(Hold::FailedRepeatedly { until: newest.began.plus(RETRY_WINDOW), uid: newest.uid.clone() });
    }
    let blocks = |recovery: &&PastRecovery| {
        alike(recovery)
            && recovery.changed_servers
            && !recovery.acknowledged
            && now.since(recovery.began) < policy.cooldown
    };
    past.iter().find(blocks).map(|recovery| Hold::Cooldown {
        until: recovery.began.plus(policy.cooldown),
        uid: recovery.uid.clone(),
        id: recovery.id,
    })
}
