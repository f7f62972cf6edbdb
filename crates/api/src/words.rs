//! An explanation as text for people.

use planner::{Choice, Decision, Explanation, Plan};

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
        text.push_str(&format!("  {}: {}: {}\n", diagnosis.subject, diagnosis.code, diagnosis.code.description()));
        for view in &diagnosis.facts.elsewhere {
            text.push_str(&format!("    {view}\n"));
        }
        for remark in &diagnosis.structure {
            text.push_str(&format!("    {remark}: {}\n", remark.description()));
        }
    }
    match &explanation.decision {
        Decision::Hold(hold) => {
            text.push_str(&format!("  nothing is done: {hold}\n"));
            if let Some(remedy) = hold.remedy(&explanation.primary) {
                text.push_str(&format!("  to change that: {remedy}\n"));
            }
        }
        Decision::Act(plan) => put_plan(&mut text, plan),
    }
    put_rehearsal(&mut text, explanation);
    text
}

fn put_plan(text: &mut String, plan: &Plan) {
    text.push_str(&format!("  this is done: promote {} in place of {}\n", plan.successor, plan.failed));
    if let Some(certificate) = &plan.certificate {
        text.push_str(&format!("  {certificate}\n"));
    }
    for step in &plan.steps {
        text.push_str(&format!("  {:>3} {}\n", step.number, step.action));
    }
}

fn put_rehearsal(text: &mut String, explanation: &Explanation) {
    let rehearsal = &explanation.if_primary_died;
    let choice = &rehearsal.choice;
    text.push_str(&format!("\nIf {} died this moment:\n", explanation.primary));
    match (&rehearsal.hold, &choice.chosen) {
        (Some(hold), _) => {
            text.push_str(&format!("  nothing would be done: {hold}\n"));
            if let Some(remedy) = hold.remedy(&explanation.primary) {
                text.push_str(&format!("  to change that: {remedy}\n"));
            }
        }
        (None, Some(chosen)) => {
            text.push_str(&format!("  {chosen} would be promoted\n"));
        }
        (None, None) => {}
    }
    put_choice(text, choice);
    if let Some(certificate) = &rehearsal.certificate {
        text.push_str(&format!("  {certificate}\n"));
    }
    for (number, step) in rehearsal.steps.iter().enumerate() {
        text.push_str(&format!("  {:>3} {step}\n", number + 1));
    }
}

/// Adds every candidate, with what speaks against it.
pub(crate) fn put_choice(text: &mut String, choice: &Choice) {
    for candidate in &choice.candidates {
        let verdict = match candidate.why_not() {
            None => "best candidate".to_owned(),
            Some(why) if candidate.rejections.is_empty() => format!("candidate, {why}"),
            Some(why) => format!("rejected: {why}"),
        };
        text.push_str(&format!("  - {}: {verdict}\n", candidate.key));
    }
}
