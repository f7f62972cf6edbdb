//! What is wrong, and who says so.

use analysis::{Code, Diagnosis, Testimony, Witness};
use manager::{Held, Reason};
use planner::{Decision, Explanation, Hold};
use serde_json::{Value, json};
use topology::{NodeSays, NodeView};
use wire::{Finding, HoldWord, Key, WitnessWord, exact_time};

use crate::v2::farm::failure_words;

/// Returns a diagnosis with its evidence and why nothing is done: as the node that acts has on record (`held`), or as
/// the primary is explained.
pub(crate) fn finding(diagnosis: &Diagnosis, held: Option<&Held>, explained: Option<&Explanation>) -> Finding {
    let facts = &diagnosis.facts;
    let is_quiet = diagnosis.code == Code::NoProblem;
    let own = explained.filter(|explained| explained.primary == diagnosis.subject);
    let would_be = own.and_then(|explained| match &explained.decision {
        Decision::Hold(Hold::NothingToRecover) | Decision::Act(_) => None,
        Decision::Hold(hold) => Some(Reason::Hold(hold.clone())),
    });
    let hold = held.map(|held| &held.reason).or(would_be.as_ref()).map(hold_word);
    let last_seen = (!facts.is_valid).then_some(facts.last_seen).flatten();
    Finding {
        instance: Key::from(&diagnosis.subject),
        cluster: facts.cluster_name.clone(),
        cluster_alias: facts.cluster_alias.clone(),
        code: diagnosis.code.compat().to_owned(),
        title: diagnosis.code.description().to_owned(),
        severity: severity(diagnosis.code).to_owned(),
        remarks: diagnosis.structure.iter().map(|remark| remark.description().to_owned()).collect(),
        is_primary: facts.is_primary,
        failure: facts.failure.as_ref().map(failure_words).unwrap_or_default(),
        failing_since: facts.failing_since.map(exact_time),
        last_seen: last_seen.map(exact_time),
        replicas: facts.replicas.len(),
        witnesses: facts.witnesses.iter().map(witness).collect(),
        nodes: facts.elsewhere.iter().map(node).collect(),
        downtimed: facts.downtime_ends.is_some(),
        hold: if is_quiet { None } else { hold },
    }
}

/// Returns why nothing is done, with its parts.
fn hold_word(reason: &Reason) -> HoldWord {
    let parts = match reason {
        Reason::Hold(hold) => serde_json::to_value(hold).unwrap_or_default(),
        Reason::Refused { by, why } => json!({ "refused": { "by": by, "why": why } }),
        Reason::Failed { uid, errors } => json!({ "failed": { "uid": uid, "errors": errors } }),
    };
    // A reason without parts is a text, one with parts an object named after it.
    let details = match parts {
        Value::Object(parts) => parts.into_iter().next().map(|(_, details)| details).unwrap_or_default(),
        _ => Value::Null,
    };
    HoldWord { kind: reason.code().to_owned(), reason: reason.sentence(), details }
}

/// A dead server and a primary that nobody can write to or replicate from are failures; what else has a name warns.
fn severity(code: Code) -> &'static str {
    const FAILURES: [&str; 10] = [
        "Dead",
        "Unreachable",
        "AllMaster",
        "AllCoMaster",
        "AllIntermediate",
        "Locked",
        "NoWriteable",
        "Hung",
        "Saturated",
        "CoMaster",
    ];
    match code {
        Code::NoProblem => "remark",
        code if FAILURES.iter().any(|start| code.compat().starts_with(start)) => "failure",
        _ => "warning",
    }
}

fn witness(witness: &Witness) -> WitnessWord {
    let (verdict, says) = match witness.says {
        Testimony::Connected => ("reaches", "is connected to it".to_owned()),
        Testimony::CannotConnect(0) => ("fails", "is trying to connect to it".to_owned()),
        Testimony::CannotConnect(errno) => ("fails", format!("cannot connect to it (error {errno})")),
        Testimony::Answered(errno) => ("reaches", format!("got an error from it ({errno}), so that it lives")),
        Testimony::Silent => ("silent", "does not try: its receiver is stopped".to_owned()),
        Testimony::Absent => ("silent", "does not answer itself".to_owned()),
    };
    WitnessWord { who: witness.key.to_string(), verdict: verdict.to_owned(), says }
}

fn node(view: &NodeView) -> WitnessWord {
    let (verdict, says) = match &view.says {
        NodeSays::Reached => ("reaches", "reaches it".to_owned()),
        NodeSays::Failed(failure) => ("fails", format!("cannot reach it: {}", failure_words(failure))),
        NodeSays::Nothing(why) => ("silent", format!("gave no word: {why}")),
    };
    WitnessWord { who: view.node.clone(), verdict: verdict.to_owned(), says }
}
