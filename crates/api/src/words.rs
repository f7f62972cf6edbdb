//! An explanation as text for people.

use std::fmt::Write as _;

use planner::{Decision, Explanation, Plan, Rehearsal};

/// Returns `explanation` as lines of text.
pub(crate) fn of(explanation: &Explanation) -> String {
    let mut text = format!("Cluster {}", explanation.cluster);
    if explanation.alias != explanation.cluster {
        text += &format!(" ({})", explanation.alias);
    }
    text += &format!(", primary {}\n\nNow:\n", explanation.primary);
    if explanation.diagnoses.is_empty() {
        text += "  nothing is wrong\n";
    }
    for diagnosis in &explanation.diagnoses {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}: {}: {}", diagnosis.subject, diagnosis.code, diagnosis.code.description());
        for remark in &diagnosis.structure {
            let _ = writeln!(text, "    {remark}: {}", remark.description());
        }
    }
    match &explanation.decision {
        Decision::Hold(hold) => {
            let _ = writeln!(text, "  nothing is done: {hold}");
            if let Some(remedy) = hold.remedy(&explanation.primary) {
                let _ = writeln!(text, "  to change that: {remedy}");
            }
        }
        Decision::Act(plan) => put_plan(&mut text, plan),
    }
    put_rehearsal(&mut text, explanation);
    text
}

fn put_plan(text: &mut String, plan: &Plan) {
    let _ = writeln!(text, "  this is done: promote {} in place of {}", plan.successor, plan.failed);
    let _ = writeln!(text, "  {}", plan.certificate);
    for step in &plan.steps {
        let _ = writeln!(text, "  {:>3} {}", step.number, step.action);
    }
}

fn put_rehearsal(text: &mut String, explanation: &Explanation) {
    let Rehearsal { hold, choice, certificate, steps } = &explanation.if_primary_died;
    let _ = writeln!(text, "\nIf {} died this moment:", explanation.primary);
    match (hold, &choice.chosen) {
        (Some(hold), _) => {
            let _ = writeln!(text, "  nothing would be done: {hold}");
            if let Some(remedy) = hold.remedy(&explanation.primary) {
                let _ = writeln!(text, "  to change that: {remedy}");
            }
        }
        (None, Some(chosen)) => {
            let _ = writeln!(text, "  {chosen} would be promoted");
        }
        (None, None) => {}
    }
    for candidate in &choice.candidates {
        let why: Vec<String> = candidate.rejections.iter().map(ToString::to_string).collect();
        let verdict = match &choice.chosen {
            Some(chosen) if *chosen == candidate.key => "best candidate".to_owned(),
            _ if why.is_empty() => format!("candidate, rule {}", candidate.preference.rule),
            _ => format!("rejected: {}", why.join(", ")),
        };
        let _ = writeln!(text, "  - {}: {verdict}", candidate.key);
    }
    if let Some(certificate) = certificate {
        let _ = writeln!(text, "  {certificate}");
    }
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(text, "  {:>3} {step}", number + 1);
    }
}
