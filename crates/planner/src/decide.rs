//! Whether to act, and how.

use std::time::Duration;

use analysis::{Code, DataLoss, Diagnosis, Facts, Policy};
use serde::{Deserialize, Serialize};
use topology::{InstanceKey, Snapshot, Timestamp};

use crate::{Choice, Hold, Kind, Plan, dead_primary, lint};

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
    /// It promoted somebody. One that was refused or failed before that blocks nothing.
    pub changed_servers: bool,
}

/// What deciding rests on, beside the diagnosis.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// All that is known.
    pub snapshot: &'a Snapshot,
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
    let Context { snapshot, policy, request, .. } = context;
    if let Some(hold) = seen_by_others(diagnosis) {
        return Decision::Hold(hold);
    }
    let Some(kind) = Kind::that_repairs(diagnosis.code) else {
        return Decision::Hold(not_recoverable(diagnosis.code));
    };
    if let Some(hold) = held_back(kind, diagnosis, context) {
        return Decision::Hold(hold);
    }
    match plan_for(snapshot, policy, &diagnosis.facts, request) {
        Err(hold) => Decision::Hold(hold),
        Ok(plan) => {
            let flaws = lint(&plan, snapshot);
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

/// Returns that `plan` may lose something, where `DataLossPolicy` does not allow it (yet) and nobody asks for it.
fn may_lose(plan: &Plan, facts: &Facts, context: Context<'_>) -> Option<Hold> {
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
    if facts.mysql_gtid_replicas + facts.mariadb_gtid_replicas == 0 && facts.valid_replicas > 0 {
        return Err(Hold::NoGtid);
    }
    let answers = dead_primary::answers(snapshot, facts);
    let asked = request.candidate.as_ref();
    let choice = Choice::among(snapshot, policy, facts, asked, &answers);
    if let Some(asked) = asked
        && choice.chosen.as_ref() != Some(asked)
    {
        let why = match choice.candidate(asked) {
            None => format!("it is no direct replica of {}", facts.key),
            Some(candidate) => candidate.rejections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        return Err(Hold::WrongCandidate { asked: asked.clone(), why });
    }
    let Some(successor) = choice.chosen.clone() else {
        return Err(Hold::NoCandidate { choice: Box::new(choice) });
    };
    drop(answers);
    Ok(dead_primary::plan(snapshot, policy, facts, choice, &successor, !request.skip_hooks))
}

/// Returns that the server is reached by other nodes of ours. Not even a person's word overrides that: to promote another
/// one then would make a second primary.
fn seen_by_others(diagnosis: &Diagnosis) -> Option<Hold> {
    let facts = &diagnosis.facts;
    if !facts.is_primary || facts.is_valid {
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
        Code::UnreachablePrimary | Code::UnreachablePrimaryWithLaggingReplicas | Code::HungPrimary => {
            Hold::NotWitnessed
        }
        Code::DeadPrimaryAndReplicas => Hold::NobodyAnswers,
        Code::DeadPrimaryWithoutReplicas => Hold::NoReplicas,
        _ => Hold::NothingToRecover,
    }
}

/// A recovery that failed before anybody was promoted is followed by another at once, on fresh evidence, but not for ever.
const RETRIES: usize = 3;
const RETRY_WINDOW: Duration = Duration::from_secs(60);

/// Returns what holds an otherwise possible recovery back. A person's request overrides all but a running one.
fn held_back(kind: Kind, diagnosis: &Diagnosis, context: Context<'_>) -> Option<Hold> {
    let Context { snapshot, policy, past, running, request } = context;
    let facts = &diagnosis.facts;
    let now = snapshot.now;
    if let Some(uid) = running {
        return Some(Hold::Running { uid: uid.to_owned() });
    }
    // Not even a person's word may make a second primary; opening the replaced server for writes takes its record back.
    if let Some(demoted) = snapshot.declared.demoted.get(&facts.key) {
        let known = snapshot.instance(&facts.key).and_then(|instance| instance.uuid.as_ref());
        if demoted.uuid.is_none() || known.is_none() || demoted.uuid.as_ref() == known {
            let (successor, uid) = (demoted.successor.clone(), demoted.recovery_uid.clone());
            return Some(Hold::Replaced { successor, uid });
        }
    }
    if request.forced {
        return None;
    }
    let grace_ends = facts.failing_since.map(|since| since.plus(policy.restart_grace)).filter(|ends| *ends > now);
    if let Some(until) = grace_ends {
        return Some(Hold::RestartGrace { until });
    }
    if let Some(hold) = too_few_witnesses(facts) {
        return Some(hold);
    }
    if !facts.recovers_primary {
        return Some(Hold::NotAutomated { key: "RecoverMasterClusterFilters".to_owned() });
    }
    if let Some(downtime) = snapshot.declared.downtime(&facts.key, now) {
        let (by, reason, until) = (downtime.owner.clone(), downtime.reason.clone(), downtime.ends);
        return Some(Hold::Downtimed { by, reason, until });
    }
    if snapshot.declared.recoveries_disabled {
        return Some(Hold::Disabled);
    }
    let same_cluster = |recovery: &PastRecovery| {
        recovery.cluster == facts.cluster_name || recovery.successor.as_ref() == Some(&facts.key)
    };
    let failed_lately = |recovery: &&PastRecovery| {
        recovery.kind == kind
            && same_cluster(recovery)
            && !recovery.changed_servers
            && now.since(recovery.began) < RETRY_WINDOW
    };
    if past.iter().filter(failed_lately).count() >= RETRIES {
        let newest = past.iter().find(failed_lately)?;
        return Some(Hold::FailedRepeatedly { until: newest.began.plus(RETRY_WINDOW), uid: newest.uid.clone() });
    }
    let blocks = |recovery: &&PastRecovery| {
        recovery.kind == kind
            && same_cluster(recovery)
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
