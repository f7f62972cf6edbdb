//! What is wrong, and recovery from it.

use serde_json::Value;

use super::{Command, fixed};
use crate::failure::Failure;
use crate::options::{Options, Program, encoded, required};
use crate::show::{Answer, Lines, key, key_of_details, text, text_of_details};

const SECTION: &str = "Recovery";

/// What the API says when there is nothing to recover.
const NOTHING_WRONG: &str = "Recovery not attempted";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(SECTION, "replication-analysis", "", fixed!("replication-analysis"), analysis, "List what is wrong in all clusters"),
    Command::new(SECTION, "recover", "-i [-d]", |options| recover("recover", options), key_of_details, "Recover now from the failure of an instance; -d names who should be promoted").changing()
        .details("Filters, downtime, the period after an earlier recovery and the global switch do not hold it back; the proof that the instance is dead does.")
        .tolerating(NOTHING_WRONG),
    Command::new(SECTION, "recover-lite", "-i [-d]", |options| recover("recover-lite", options), key_of_details, "Recover now, without running hooks").changing()
        .tolerating(NOTHING_WRONG),
    Command::new(SECTION, "graceful-master-takeover", "-i|-alias [-d]", |options| takeover("graceful-master-takeover", options), taken_over, "Let another server become the primary; -d names it where there are several replicas").changing()
        .details("The old primary is left as a stopped replica. If the new one cannot be opened within TakeoverWriteBlockSeconds, all is undone."),
    Command::new(SECTION, "graceful-master-takeover-auto", "-i|-alias [-d]", |options| takeover("graceful-master-takeover-auto", options), taken_over, "The same with the best server, unless -d names one; the old primary becomes a running replica").changing(),
    Command::new(SECTION, "ack-all-recoveries", "-reason", acknowledge_all, acknowledged, "Acknowledge all recoveries: they hold back nothing any more").changing()
        .counting(),
    Command::new(SECTION, "ack-cluster-recoveries", "-i|-alias -reason", acknowledge_cluster, acknowledged, "Acknowledge the recoveries of a cluster").changing()
        .counting(),
    Command::new(SECTION, "ack-instance-recoveries", "-i -reason", acknowledge_instance, acknowledged_instance, "Acknowledge the recoveries of a failed instance").changing(),
    Command::new(SECTION, "disable-global-recoveries", "", fixed!("disable-global-recoveries"), switched, "Stop all automatic recoveries").changing(),
    Command::new(SECTION, "enable-global-recoveries", "", fixed!("enable-global-recoveries"), switched, "Allow automatic recoveries again").changing(),
    Command::new(SECTION, "check-global-recoveries", "", fixed!("check-global-recoveries"), checked, "Show whether automatic recoveries are allowed"),
];

fn recover(path: &str, options: &Options) -> Result<String, Failure> {
    let instance = options.instance_path()?;
    Ok(match options.destination_path()? {
        None => format!("{path}/{instance}"),
        Some(candidate) => format!("{path}/{instance}/{candidate}"),
    })
}

fn takeover(path: &str, options: &Options) -> Result<String, Failure> {
    let cluster = options.cluster_hint()?;
    Ok(match options.destination_path()? {
        None => format!("{path}/{cluster}"),
        Some(designated) => format!("{path}/{cluster}/{designated}"),
    })
}

/// The binary shows where the log of the new primary stood, too.
fn taken_over(answer: &Answer<'_>) -> Lines {
    let recovery = answer.details();
    let mut lines = vec![key(&recovery["SuccessorKey"])];
    if answer.program == Program::Orchestrator {
        let at = &recovery["SuccessorBinlogCoordinates"];
        lines.push(format!("{}:{}", text(&at["LogFile"]), at["LogPos"]));
    }
    Ok(lines)
}

/// The client shows one code for each instance, the binary all of them and none in downtime.
fn analysis(answer: &Answer<'_>) -> Lines {
    let entries = answer.details().as_array().map_or(&[][..], Vec::as_slice);
    Ok(entries.iter().filter_map(|entry| analysis_line(entry, answer.program)).collect())
}

fn analysis_line(entry: &Value, program: Program) -> Option<String> {
    let main = Some(text(&entry["Analysis"])).filter(|code| *code != "NoProblem");
    let structure = entry["StructureAnalysis"].as_array().into_iter().flatten().map(text);
    let mut codes: Vec<&str> = main.into_iter().chain(structure).collect();
    match program {
        Program::Client => codes.truncate(1),
        Program::Orchestrator if entry["IsDowntimed"] == true => return None,
        Program::Orchestrator => {}
    }
    let cluster = text(&entry["ClusterDetails"]["ClusterName"]);
    let instance = key(&entry["AnalyzedInstanceKey"]);
    (!codes.is_empty()).then(|| format!("{instance} (cluster {cluster}): {}", codes.join(", ")))
}

fn acknowledge_all(options: &Options) -> Result<String, Failure> {
    Ok(format!("ack-all-recoveries?comment={}", comment(options)?))
}

fn acknowledge_cluster(options: &Options) -> Result<String, Failure> {
    Ok(format!("ack-recovery/cluster/{}?comment={}", options.cluster_hint()?, comment(options)?))
}

fn acknowledge_instance(options: &Options) -> Result<String, Failure> {
    Ok(format!("ack-recovery/instance/{}?comment={}", options.instance_path()?, comment(options)?))
}

fn comment(options: &Options) -> Result<String, Failure> {
    required(&options.reason, "reason").map(encoded)
}

fn acknowledged(answer: &Answer<'_>) -> Lines {
    match answer.program {
        Program::Client => text_of_details(answer),
        Program::Orchestrator => Ok(vec![format!("{} recoveries acknowledged", answer.counted)]),
    }
}

fn acknowledged_instance(answer: &Answer<'_>) -> Lines {
    match answer.program {
        Program::Client => key_of_details(answer),
        Program::Orchestrator => acknowledged(answer),
    }
}

fn switched(answer: &Answer<'_>) -> Lines {
    match answer.program {
        Program::Client => text_of_details(answer),
        Program::Orchestrator => {
            let word = text(answer.details()).to_ascii_uppercase();
            Ok(vec![format!("OK: Orchestrator recoveries {word} globally")])
        }
    }
}

fn checked(answer: &Answer<'_>) -> Lines {
    match answer.program {
        Program::Client => text_of_details(answer),
        Program::Orchestrator => {
            Ok(vec![format!("OK: Global recoveries disabled: {}", text(answer.details()) == "disabled")])
        }
    }
}
