//! Tells the story of a recovery: to hooks as facts, to people as sentences.

use std::sync::Arc;

use analysis::{Diagnosis, Facts as Evidence, Testimony};
use planner::{Kind, Outcome, Plan, Step, Verdict};
use store::Command;
use topology::InstanceKey;

use crate::hooks::{Facts, Report};
use crate::hub::Hub;

/// Returns what detection hooks are told.
pub(crate) fn facts_of_detection(hub: &Hub, diagnosis: &Diagnosis) -> Facts {
    let evidence = &diagnosis.facts;
    let mut told = Facts::default();
    let role = if evidence.is_co_primary {
        "co-master"
    } else if evidence.is_group_member {
        "group-member"
    } else if evidence.is_primary {
        "master"
    } else {
        "intermediate-master"
    };
    told.set("failureType", diagnosis.code.compat());
    told.set("instanceType", role);
    told.set("isMaster", evidence.is_primary.to_string());
    told.set("isCoMaster", evidence.is_co_primary.to_string());
    told.set("failureDescription", diagnosis.code.description());
    told.set("command", "");
    told.set("failedHost", &evidence.key.host);
    told.set("failedPort", evidence.key.port.to_string());
    told.set("failureCluster", &evidence.cluster_name);
    told.set("failureClusterAlias", &evidence.cluster_alias);
    told.set("failureClusterDomain", &evidence.cluster_domain);
    told.set("countReplicas", evidence.replicas.len().to_string());
    told.set("isDowntimed", evidence.downtime_ends.is_some().to_string());
    told.set("autoMasterRecovery", evidence.recovers_primary.to_string());
    told.set("autoIntermediateMasterRecovery", evidence.recovers_intermediate.to_string());
    told.set("orchestratorHost", &hub.node.hostname);
    told.set("recoveryUID", "");
    told.set("isSuccessful", "false");
    told.set("lostReplicas", "");
    told.set("countLostReplicas", "0");
    told.set("replicaHosts", list(&evidence.replicas));
    told
}

/// Returns what the hooks of a recovery are told. The successor is known from the start: plans leave no choice.
pub(crate) fn facts_of_recovery(hub: &Hub, diagnosis: &Diagnosis, plan: &Plan, uid: &str) -> Facts {
    let mut told = facts_of_detection(hub, diagnosis);
    told.set("recoveryUID", uid);
    told.set("successorHost", &plan.successor.host);
    told.set("successorPort", plan.successor.port.to_string());
    let snapshot = hub.snapshot();
    let successor = snapshot.instance(&plan.successor);
    told.set("successorAlias", successor.map(|server| server.labels.instance_alias.clone()).unwrap_or_default());
    let coordinates = successor.map(|server| server.binlog.coordinates.to_string()).unwrap_or_default();
    told.set("successorBinlogCoordinates", coordinates);
    told.set("command", &plan.command);
    told.set("certificate", plan.certificate.as_ref().map(ToString::to_string).unwrap_or_default());
    let lost = match plan.certificate.as_ref().map(|certificate| &certificate.verdict) {
        None | Some(Verdict::NothingLost) => String::new(),
        Some(Verdict::MayLose { known, .. }) => known.to_string(),
    };
    told.set("lostGtids", lost);
    told
}

/// Returns keys as hooks expect them: `host:port`, joined by commas.
pub(crate) fn list(keys: &[InstanceKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Adds a sentence to the story of a recovery. It is queued in its place, and nobody waits for the disk: a recovery goes
/// on without its story, and not without its journal.
pub(crate) fn tell(hub: &Arc<Hub>, uid: &str, message: String) {
    tracing::info!(recovery = %uid, "{message}");
    let uid = uid.to_owned();
    let kept = hub.declare(Command::Note { uid: uid.clone(), message, at: hub.now() });
    hub.tasks.spawn(async move {
        if let Err(error) = kept.await {
            tracing::warn!(recovery = %uid, %error, "a sentence of a recovery's story was not kept");
        }
    });
}

/// Tells why it begins and what will be done.
pub(crate) fn tell_plan(hub: &Arc<Hub>, uid: &str, diagnosis: &Diagnosis, plan: &Plan) {
    if plan.kind == Kind::Takeover {
        tell(hub, uid, format!("{}: {} is to take over from {}", plan.command, plan.successor, plan.failed));
    } else {
        tell(hub, uid, format!("will handle {} event on {}", diagnosis.code, plan.failed));
        tell(hub, uid, evidence(&diagnosis.facts));
    }
    for candidate in plan.choice.candidates.iter().filter(|candidate| candidate.key != plan.successor) {
        let why = candidate.why_not().unwrap_or_else(|| "ranks lower".to_owned());
        tell(hub, uid, format!("not {}: {why}", candidate.key));
    }
    if let Some(certificate) = &plan.certificate {
        tell(hub, uid, format!("will promote {}; {certificate}", plan.successor));
    }
    for (replica, source) in plan.steps.iter().filter_map(|step| step.action.moves()) {
        tell(hub, uid, format!("will move {replica} below {source}"));
    }
    for lost in &plan.lost {
        tell(hub, uid, format!("will lose {}: {}", lost.key, lost.why));
    }
}

/// Returns the evidence of a death, as a sentence.
pub(crate) fn evidence(facts: &Evidence) -> String {
    let failure = facts.failure.as_ref().map_or("unknown".to_owned(), |failure| failure.kind.to_string());
    let says = |witness: &analysis::Witness| {
        let what = match witness.says {
            Testimony::Connected => "connected to it".to_owned(),
            Testimony::CannotConnect(0) => "gets no answer from it".to_owned(),
            Testimony::CannotConnect(errno) => format!("cannot connect to it (error {errno})"),
            Testimony::Answered(errno) => format!("was answered by it (error {errno})"),
            Testimony::Silent => "does not know: its receiver is stopped".to_owned(),
            Testimony::Absent => "does not answer".to_owned(),
        };
        format!("{} {what}", witness.key)
    };
    let witnesses = facts.witnesses.iter().map(says).chain(facts.elsewhere.iter().map(ToString::to_string));
    let witnesses: Vec<String> = witnesses.collect();
    let here = if facts.is_valid { "answers here".to_owned() } else { format!("fails here ({failure})") };
    format!("evidence: {} {here}; {}", facts.key, witnesses.join("; "))
}

/// Returns the sentence with which the story of a takeover that was undone tells that nobody waits any more.
pub fn takes_writes_again(server: &InstanceKey) -> String {
    format!("{server} takes writes again")
}

/// Tells how a step went.
pub(crate) fn tell_step(hub: &Arc<Hub>, uid: &str, step: &Step, outcome: Outcome, message: &str) {
    let outcome = match outcome {
        Outcome::Done => "done",
        Outcome::Skipped => "nothing to do",
        Outcome::Failed => "failed",
    };
    let detail = if message.is_empty() { String::new() } else { format!(" ({message})") };
    tell(hub, uid, format!("step {}: {}: {outcome}{detail}", step.number, step.action));
}

/// Tells that a hook begins: one that hangs must not hang unseen. Its text is the operator's own; values that replaced
/// placeholders are not in it.
pub(crate) async fn tell_hook_begins(hub: &Arc<Hub>, uid: Option<&str>, name: &str, hook: &str) {
    tell_or_log(hub, uid, format!("Running {name}: {hook}")).await;
}

/// Tells how a hook went.
pub(crate) async fn tell_hook_ended(hub: &Arc<Hub>, uid: Option<&str>, name: &str, report: &Report) {
    let took = report.took.as_secs_f64() * 1000.0;
    let sentence = match (&report.failure, report.output.trim()) {
        (None, _) => format!("Completed {name} in {took:.1}ms"),
        (Some(failure), "") => format!("Execution of {name} failed: {failure}"),
        (Some(failure), output) => format!("Execution of {name} failed: {failure}; {output}"),
    };
    tell_or_log(hub, uid, sentence).await;
}

async fn tell_or_log(hub: &Arc<Hub>, uid: Option<&str>, sentence: String) {
    match uid {
        Some(uid) => tell(hub, uid, sentence),
        None => tracing::info!("{sentence}"),
    }
}
