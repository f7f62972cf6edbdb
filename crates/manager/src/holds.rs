//! Recoveries that are needed and do not begin: each is a value that people and programs can look at while it lasts.
//!
//! Kept in memory by the node that acts, brought up to date by every cycle and every attempt, and gone when the recovery begins
//! or nothing is wrong any more. A follower keeps none: its own view is not what decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analysis::{Code, Diagnosis};
use planner::{Context, Decision, Hold, Kind, Request};
use store::{Page, RecoveryFilter};
use topology::{InstanceKey, Timestamp};

use crate::hub::{Hub, View, lock};
use crate::{Error, audit, narrator, recovery};

/// Why a recovery does not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was decided to hold it back.
    Hold(Hold),
    /// A hook refused it.
    Refused {
        /// The list of hooks.
        by: String,
        /// What the hook said.
        why: String,
    },
    /// It was tried and failed before anything was repaired.
    Failed {
        /// That recovery.
        uid: String,
        /// What went wrong.
        errors: Vec<String>,
    },
}

/// A recovery that is needed and does not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What failed.
    pub instance: InstanceKey,
    /// What is wrong with it.
    pub code: Code,
    /// Name of its cluster.
    pub cluster: String,
    /// Alias of its cluster.
    pub cluster_alias: String,
    /// Why it is not repaired.
    pub reason: Reason,
    /// Since when it is not, for this kind of reason.
    pub since: Timestamp,
    /// What shows the failure, and what else there is to know.
    pub evidence: Vec<String>,
    /// When it was last found to be so.
    seen: Timestamp,
    /// It is on record.
    audited: bool,
}

impl Reason {
    /// Returns a short name for it that does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Hold(hold) => hold.code(),
            Self::Refused { .. } => "refused_by_hook",
            Self::Failed { .. } => "recovery_failed",
        }
    }

    /// Returns it as a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Hold(hold) => hold.to_string(),
            Self::Refused { by, why } => format!("a hook of {by} refused: {why}"),
            Self::Failed { uid, errors } => format!("recovery {uid} failed: {}", errors.join("; ")),
        }
    }

    /// Returns when it ends by itself, where that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Hold(hold) => hold.until(),
            _ => None,
        }
    }

    /// Returns the one command that would lift it, if there is one.
    pub fn remedy(&self, subject: &InstanceKey) -> Option<String> {
        match self {
            Self::Hold(hold) => hold.remedy(subject),
            // Without hooks.
            Self::Refused { .. } => Some(format!("orchestrator-client -c recover-lite -i {subject}")),
            Self::Failed { .. } => Some(format!("orchestrator-client -c recover -i {subject}")),
        }
    }

    /// True when only an attempt finds it out, and no look at the servers does.
    fn is_of_an_attempt(&self) -> bool {
        !matches!(self, Self::Hold(_))
    }
}

/// How long what an attempt met counts, unless the next one meets it again.
const ATTEMPT_COUNTS: Duration = Duration::from_secs(10);

/// Notes that the recovery from `diagnosis` does not begin because of `reason`.
pub(crate) fn note(hub: &Hub, diagnosis: &Diagnosis, reason: Reason) {
    let facts = &diagnosis.facts;
    let (now, evidence) = (hub.now(), evidence(hub, diagnosis, &reason));
    let mut held = lock(&hub.held);
    let before = held.get(&facts.key).filter(|before| before.reason.code() == reason.code());
    let (since, audited) = before.map_or((now, false), |before| (before.since, before.audited));
    let entry = Held {
        instance: facts.key.clone(),
        code: diagnosis.code,
        cluster: facts.cluster_name.clone(),
        cluster_alias: facts.cluster_alias.clone(),
        reason,
        since,
        evidence,
        seen: now,
        audited,
    };
    held.insert(facts.key.clone(), entry);
}

/// Notes what came of an attempt.
pub(crate) fn note_attempt(hub: &Hub, diagnosis: &Diagnosis, outcome: &Result<recovery::Recovered, Error>) {
    match outcome {
        Err(Error::Refused { by, why }) => {
            note(hub, diagnosis, Reason::Refused { by: by.clone(), why: why.clone() });
        }
        Ok(recovery::Recovered { successor: None, uid, errors }) => {
            note(hub, diagnosis, Reason::Failed { uid: uid.clone(), errors: errors.clone() });
        }
        Ok(_) => drop(lock(&hub.held).remove(&diagnosis.subject)),
        Err(_) => {}
    }
}

fn evidence(hub: &Hub, diagnosis: &Diagnosis, reason: &Reason) -> Vec<String> {
    let mut sentences = vec![diagnosis.code.description().to_owned()];
    if diagnosis.facts.failure.is_some() {
        sentences.push(narrator::evidence(&diagnosis.facts));
    }
    match reason {
        Reason::Hold(Hold::MayLose { certificate, .. }) => sentences.extend(certificate.because.iter().cloned()),
        Reason::Hold(Hold::FailedRepeatedly { uid, .. }) => {
            let filter = RecoveryFilter { uid: Some(uid.clone()), ..RecoveryFilter::default() };
            let last = hub.store.recoveries(filter, Page::nth(0)).unwrap_or_default();
            sentences.extend(last.into_iter().flat_map(|recovery| recovery.errors));
        }
        _ => {}
    }
    sentences
}

/// Brings all up to date with what `view` shows, on the node that acts.
pub(crate) fn refresh(hub: &Arc<Hub>, view: &View) {
    if hub.office.mandate().is_err() {
        lock(&hub.held).clear();
        return;
    }
    let mut needed = BTreeMap::new();
    for diagnosis in &view.diagnoses {
        if let Some(decision) = decide(hub, view, diagnosis) {
            needed.insert(diagnosis.subject.clone(), (diagnosis, decision));
        }
    }
    let now = hub.now();
    lock(&hub.held).retain(|key, held| {
        let is_recent = now.since(held.seen) < ATTEMPT_COUNTS;
        needed.contains_key(key) && held.reason.is_of_an_attempt() && is_recent
            || matches!(needed.get(key), Some((_, Decision::Hold(_))))
    });
    for (diagnosis, decision) in needed.into_values() {
        if let Decision::Hold(hold) = decision {
            note(hub, diagnosis, Reason::Hold(hold));
        }
    }
    // The disk may be slow, and the cycle does not wait for it.
    let hub_of_task = Arc::clone(hub);
    hub.spawn(async move { put_on_record(&hub_of_task).await });
}

/// Returns what is decided about `diagnosis`, as far as the view goes; nothing where no recovery is called for.
fn decide(hub: &Hub, view: &View, diagnosis: &Diagnosis) -> Option<Decision> {
    let policy = hub.policy();
    let repairable = Kind::that_repairs(diagnosis.code).is_some();
    let past = if repairable { recovery::past_recoveries(hub, diagnosis).unwrap_or_default() } else { Vec::new() };
    let running = lock(&hub.recovering).get(&diagnosis.facts.cluster_name).cloned();
    let request = Request::default();
    let context = Context {
        snapshot: &view.snapshot,
        graph: &view.graph,
        policy: &policy,
        past: &past,
        running: running.as_deref(),
        request: &request,
    };
    match planner::decide(diagnosis, context) {
        Decision::Hold(Hold::NothingToRecover | Hold::Running { .. }) => None,
        decision => Some(decision),
    }
}

/// Audits what lasts. A primary that dies passes through holds for a moment.
async fn put_on_record(hub: &Arc<Hub>) {
    const LASTS: Duration = Duration::from_secs(3);
    let now = hub.now();
    let mut news = Vec::new();
    for held in lock(&hub.held).values_mut().filter(|held| !held.audited && now.since(held.since) >= LASTS) {
        held.audited = true;
        news.push(held.clone());
    }
    for held in news {
        let (code, sentence) = (held.reason.code(), held.reason.sentence());
        let message = format!("{}: {code}: {sentence}", held.code);
        audit::record(hub, "recovery-held", Some(&held.instance), &held.cluster, &message).await;
    }
}

/// Returns all that are held now, by instance.
pub(crate) fn all(hub: &Hub) -> Vec<Held> {
    lock(&hub.held).values().cloned().collect()
}
