//! What would happen: to a cluster as it is, and if something failed.

use serde_json::Value;

use super::{Command, of_cluster};
use crate::failure::Failure;
use crate::options::{Options, encoded};
use crate::show::{Answer, Lines, text};

const SECTION: &str = "What would happen";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        SECTION,
        "explain",
        "-i|-alias [-json]",
        of_cluster!("v2/explain"),
        told,
        "Tell what is wrong with a cluster, what is done about it and why, and what if its primary died",
    ),
    Command::new(SECTION, "simulate", "[-kill] [-cut] [-stop-replication] [-json]", simulation, told, "Tell what would be found, and done step by step, if something failed")
        .details("-kill INSTANCE: its mysqld is gone. -cut DATACENTER: nobody reaches it, and it reaches nobody. -stop-replication INSTANCE: somebody stopped its threads. Each may be given several times, and all together. Nothing is touched."),
];

fn simulation(options: &Options) -> Result<String, Failure> {
    if options.faults.is_empty() {
        return Err(Failure::Missing("kill, cut or stop-replication"));
    }
    let fault = |(name, value): &(&'static str, String)| format!("{name}={}", encoded(value));
    Ok(format!("v2/simulate?{}", options.faults.iter().map(fault).collect::<Vec<_>>().join("&")))
}

/// Shows an answer of ours as the text that it brings, or all of it as JSON.
fn told(answer: &Answer<'_>) -> Lines {
    let Some(told) = answer.value["text"].as_str() else {
        let message = format!("{}; {}", text(&answer.value["message"]), text(&answer.value["hint"]));
        return Err(Failure::Refused { message, details: Value::Null });
    };
    if !answer.options.json {
        return Ok(told.lines().map(str::to_owned).collect());
    }
    let mut whole = answer.value.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.remove("text");
    }
    Ok(vec![format!("{whole:#}")])
}
