//! What would follow if something failed.

use analysis::{Code, Diagnosis, Facts};
use axum::http::StatusCode;
use planner::{Consequence, Decision, Fault, Plan, Simulation};
use serde::Serialize;
use serde_json::json;
use topology::InstanceKey;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::route::{Route, read};
use crate::{lookup, words};

pub(super) fn routes() -> Vec<Route> {
    vec![read("v2/simulate", simulate)]
}

/// A simulation, and the same in words.
#[derive(Serialize)]
struct Simulated<'a> {
    #[serde(flatten)]
    simulation: &'a Simulation,
    text: String,
}

async fn simulate(api: Api, call: Call) -> Answer {
    let view = api.view();
    let instance = |text: &str| {
        let given = InstanceKey::parse(text, api.config().topology_access.default_port);
        given
            .map(|given| lookup::instance_to_show(&api, &view, given))
            .map_err(|error| Error::BadParameter(error.to_string()))
    };
    let mut faults = Vec::new();
    for (name, text) in call.queries() {
        faults.push(match name {
            "kill" => Fault::Kill(instance(text)?),
            "cut" => Fault::Cut(text.to_owned()),
            "stop-replication" => Fault::StopReplication(instance(text)?),
            _ => continue,
        });
    }
    match planner::simulate(&view.snapshot, &api.manager.policy(), &faults) {
        Ok(simulation) => Reply::bare(&Simulated { text: in_words(&simulation), simulation: &simulation }),
        Err(impossible) => Reply::with_status(
            StatusCode::NOT_FOUND,
            &json!({
                "code": "unknown_victim",
                "message": impossible.to_string(),
                "hint": "?kill=HOST:PORT, ?cut=DATACENTER and ?stop-replication=HOST:PORT may be repeated and combined",
            }),
        ),
    }
}

fn in_words(simulation: &Simulation) -> String {
    let mut text = String::from("Suppose:\n");
    for fault in &simulation.faults {
        text += &format!("  {fault}\n");
    }
    if simulation.faults.is_empty() {
        text += "  nothing happens\n";
    }
    text += "\nThen this would be found:\n";
    if simulation.found.is_empty() && simulation.silent.is_empty() {
        text += "  nothing is wrong\n";
    }
    for Consequence { diagnosis, .. } in &simulation.found {
        text += &format!("  {}\n", found(diagnosis));
    }
    for key in &simulation.silent {
        text += &format!("  {key} does not answer, and nothing depends on it\n");
    }
    for consequence in simulation.found.iter().filter(|consequence| consequence.is_decided()) {
        put_decision(&mut text, consequence);
    }
    let left =
        simulation.found.iter().filter(|consequence| consequence.is_left()).map(|consequence| &consequence.diagnosis);
    let left: Vec<String> = left.map(|diagnosis| format!("{} of {}", diagnosis.code, diagnosis.subject)).collect();
    if !left.is_empty() {
        text += &format!("\nNothing is done by itself about {}\n", left.join(", "));
    }
    text
}

/// Returns a diagnosis as the analysis lists it, with what it rests on.
fn found(diagnosis: &Diagnosis) -> String {
    let main = Some(diagnosis.code).filter(|code| *code != Code::NoProblem).map(Code::compat);
    let codes: Vec<&str> = main.into_iter().chain(diagnosis.structure.iter().map(|remark| remark.compat())).collect();
    let facts = &diagnosis.facts;
    format!("{} (cluster {}): {} [{}]", diagnosis.subject, facts.cluster_name, codes.join(", "), evidence(facts))
}

/// Returns the counts that a diagnosis rests on.
fn evidence(facts: &Facts) -> String {
    let mut words = vec![match &facts.failure {
        Some(failure) if failure.partial => format!("answered in part ({})", failure.kind),
        Some(failure) => format!("does not answer ({})", failure.kind),
        None if facts.is_valid => "answers".to_owned(),
        None => "was never read".to_owned(),
    }];
    if facts.is_read_only {
        words.push("read-only".to_owned());
    }
    if facts.is_failing_to_connect {
        words.push("cannot connect to its source".to_owned());
    }
    if !facts.replicas.is_empty() {
        words.push(format!("{} replicas", facts.replicas.len()));
        words.push(format!("{} answer", facts.valid_replicas));
        words.push(format!("{} replicate", facts.replicating_replicas));
        words.push(format!("{} cannot connect", facts.cut_off_replicas()));
        let rest = [
            (facts.lagging_replicas, "lag"),
            (facts.delayed_replicas, "are delayed"),
            (facts.downtimed_replicas, "are in downtime"),
        ];
        words.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    }
    words.join(", ")
}

fn put_decision(text: &mut String, consequence: &Consequence) {
    let Consequence { diagnosis, decision, not_automated } = consequence;
    text.push_str(&format!("\n{} of {}:\n", diagnosis.code, diagnosis.subject));
    if let Some(key) = not_automated {
        let ask = format!("orchestrator-client -c recover -i {}", diagnosis.subject);
        text.push_str(&format!("  only if somebody asks for it ({ask}): the cluster matches no entry of {key}\n"));
    }
    match decision {
        Decision::Hold(hold) => {
            text.push_str(&format!("  nothing would be done: {hold}\n"));
            if let Some(remedy) = hold.remedy(&diagnosis.subject) {
                text.push_str(&format!("  to change that: {remedy}\n"));
            }
        }
        Decision::Act(plan) => put_plan(text, plan),
    }
}

fn put_plan(text: &mut String, plan: &Plan) {
    if !plan.choice.candidates.is_empty() {
        text.push_str("  candidates:\n");
        words::put_choice(text, &plan.choice);
    }
    if let Some(certificate) = &plan.certificate {
        text.push_str(&format!("  certificate: {certificate}\n"));
    }
    for lost in &plan.lost {
        text.push_str(&format!("  lost: {}: {}\n", lost.key, lost.why));
    }
    text.push_str("  steps; those of one stage run side by side:\n");
    for step in &plan.steps {
        let may_fail = if step.required { "" } else { " (may fail)" };
        text.push_str(&format!("  {:>4}  stage {:<2}  {}{may_fail}\n", step.number, step.stage, step.action));
    }
}
