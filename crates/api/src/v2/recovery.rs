//! A recovery with all that was written down of it.

use std::collections::BTreeMap;

use planner::{Action, Step};
use serde::Deserialize;
use serde_json::Value;
use store::{Narration, NodeId, PlanRecord, PlanState, Recovery, StepOutcome, StepRecord};
use wire::{Executor, JournalStep, Key, RecoveryRecord, Sentence, exact_time};

use crate::v2::rehearsal;

/// Returns `row` with its `journal`, if it has one, and its `story`.
pub(crate) fn record(row: &Recovery, journal: Option<&PlanRecord>, story: &[Narration]) -> RecoveryRecord {
    // A plan that another version wrote may not be readable here; its journal still is.
    let read = journal.and_then(|journal| serde_json::from_str::<Steps>(&journal.plan).ok());
    let planned = read.map(|plan| plan.steps).unwrap_or_default();
    RecoveryRecord {
        uid: row.uid.clone(),
        state: journal.map_or("", |journal| state(journal.state)).to_owned(),
        code: row.code.clone(),
        kind: row.kind.clone(),
        cluster: row.cluster_name.clone(),
        cluster_alias: row.cluster_alias.clone(),
        cluster_now: journal.map(|journal| journal.cluster_name.clone()),
        failed: Key::from(&row.key),
        successor: row.successor.as_ref().map(Key::from),
        lost: row.lost.iter().map(Key::from).collect(),
        errors: row.errors.clone(),
        started: exact_time(row.started),
        ended: row.ended.map(exact_time),
        begun_by: executor(&row.node),
        executed_by: journal.map(|journal| executor(&journal.node)),
        first_epoch: row.epoch,
        epoch: journal.map(|journal| journal.epoch),
        parent: row.parent.clone(),
        certificate: row.certificate.as_deref().map(value),
        plan: journal.map(|journal| value(&journal.plan)),
        planned: rehearsal::planned(&planned),
        write_block_ms: journal.and_then(|journal| write_block(&planned, journal, story)),
        steps: journal.map(|journal| steps(&planned, journal)).unwrap_or_default(),
        story: story
            .iter()
            .map(|sentence| Sentence { at: exact_time(sentence.at), message: sentence.message.clone() })
            .collect(),
    }
}

fn state(state: PlanState) -> &'static str {
    match state {
        PlanState::Running => "running",
        PlanState::Done => "done",
        PlanState::Failed => "failed",
    }
}

fn executor(node: &NodeId) -> Executor {
    Executor { hostname: node.hostname.clone(), token: node.token.clone() }
}

/// Returns JSON as it was kept; as a text where it is none, so that nothing is hidden.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// What is read of a plan here.
#[derive(Deserialize)]
struct Steps {
    steps: Vec<Step>,
}

/// Returns for how long writes waited: until the successor took them or, when all was undone, the old primary did again.
fn write_block(planned: &[Step], journal: &PlanRecord, story: &[Narration]) -> Option<u64> {
    let entry = |number: u32| journal.steps.iter().find(|step| step.number == number);
    let is = |wanted: fn(&Action) -> bool| planned.iter().find(|step| wanted(&step.action));
    let closing = is(|action| matches!(action, Action::Freeze { .. }))?;
    let closed = entry(closing.number)?.started?;
    let opening = is(|action| matches!(action, Action::Promote { .. })).and_then(|step| entry(step.number));
    let opened = opening.filter(|step| step.outcome == Some(StepOutcome::Done)).and_then(|step| step.finished);
    let again = closing.action.server().map(manager::takes_writes_again);
    let undone = || story.iter().find(|sentence| Some(&sentence.message) == again.as_ref()).map(|sentence| sentence.at);
    let span = opened.or_else(undone)?.since(closed);
    u64::try_from(span.as_millis()).ok()
}

fn steps(planned: &[Step], journal: &PlanRecord) -> Vec<JournalStep> {
    let actions: BTreeMap<u32, String> = planned.iter().map(|step| (step.number, step.action.to_string())).collect();
    journal.steps.iter().map(|step| journal_step(step, actions.get(&step.number))).collect()
}

fn journal_step(step: &StepRecord, action: Option<&String>) -> JournalStep {
    JournalStep {
        number: step.number,
        action: action.cloned().unwrap_or_default(),
        epoch: step.epoch,
        started: step.started.map(exact_time),
        finished: step.finished.map(exact_time),
        outcome: step.outcome.map(|outcome| {
            match outcome {
                StepOutcome::Done => "done",
                StepOutcome::Skipped => "skipped",
                StepOutcome::Failed => "failed",
            }
            .to_owned()
        }),
        message: step.message.clone(),
    }
}
