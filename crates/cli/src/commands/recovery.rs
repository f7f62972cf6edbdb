//! What is wrong, and recovery from it.

use serde_json::Value;

use super::{Command, fixed, of_instance};
use crate::failure::Failure;
use crate::options::{Options, Program, encoded, required};
use crate::show::{Answer, Lines, key, key_of_details, text, text_of_details};

const SECTION: &str = "Recovery";

/// What the API says when there is nothing to recover.
const NOTHING_WRONG: &str = "Recovery not attempted";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(SECTION, "replication-analysis", "", fixed!("replication-analysis"), analysis, "List what is wrong in all clusters"),
    Command::new(SECTION, "holds", "", fixed!("v2/holds"), holds, "List recoveries that are needed and do not begin, with the command that would change that"),
    Command::new(SECTION, "recover", "-i [-d]", |options| recover("recover", options), key_of_details, "Recover now from the failure of an instance; -d names who should be promoted").changing()
        .details("Filters, downtime, the period after an earlier recovery and the global switch do not hold it back; the proof that the instance is dead does.")
        .tolerating(|message| message == NOTHING_WRONG),
    Command::new(SECTION, "recover-lite", "-i [-d]", |options| recover("recover-lite", options), key_of_details, "Recover now, without running hooks").changing()
        .tolerating(|message| message == NOTHING_WRONG),
    Command::new(SECTION, "returned-primaries", "", fixed!("v2/returned-primaries"), returned, "List replaced primaries, what becomes of each, and the command that changes it"),
    Command::new(SECTION, "rejoin", "-i", of_instance!("rejoin"), key_of_details, "Attach a replaced primary that came back below the present primary").changing()
        .details("Works whatever ReturnedPrimaryPolicy is. One that has transactions which the primary has not is refused."),
    Command::new(SECTION, "rejoin-clone", "-i", of_instance!("rejoin-clone"), key_of_details, "Likewise, and rebuild it with the clone plugin if it cannot be attached as it is").changing()
        .also(&["clone-returned-primary"])
        .details("What it has beyond the primary is put on record first, and is gone from the server then."),
    Command::new(SECTION, "divergences", "", fixed!("v2/divergences"), divergences, "List transactions that replaced primaries have and their successors have not"),
    Command::new(SECTION, "ack-divergence", "-i -reason", acknowledge_divergence, text_of_details, "Acknowledge what a returned primary has beyond its successor: it is listed no more").changing(),
    Command::new(SECTION, "force-master-failover", "-i|-alias", force_failover, successor, "Replace the primary of a cluster now, whatever is wrong with it").changing()
        .details("A primary that lives is made to refuse writes first, and nobody is promoted unless it confirmed that."),
    Command::new(SECTION, "force-master-takeover", "-i|-alias -d", force_takeover, successor, "Replace the primary of a cluster by one of its direct replicas").changing(),
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

fn force_failover(options: &Options) -> Result<String, Failure> {
    Ok(format!("force-master-failover/{}", options.cluster_hint()?))
}

fn force_takeover(options: &Options) -> Result<String, Failure> {
    required(&options.destination, "destination")?;
    let designated = options.destination_path()?.unwrap_or_default();
    Ok(format!("force-master-takeover/{}/{designated}", options.cluster_hint()?))
}

fn successor(answer: &Answer<'_>) -> Lines {
    Ok(vec![key(&answer.details()["SuccessorKey"])])
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

/// The client shows one code for each instance, the binary all of them and none that downtime excuses, be it that of the
/// replicas.
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
        Program::Orchestrator if entry["SkippableDueToDowntime"] == true => return None,
        Program::Orchestrator => {}
    }
    let cluster = text(&entry["ClusterDetails"]["ClusterName"]);
    let instance = key(&entry["AnalyzedInstanceKey"]);
    (!codes.is_empty()).then(|| format!("{instance} (cluster {cluster}): {}", codes.join(", ")))
}

fn returned(answer: &Answer<'_>) -> Lines {
    let line = |entry: &Value| {
        let (instance, successor) = (key(&entry["key"]), key(&entry["replaced_by"]));
        let (state, why) = (text(&entry["state"]), text(&entry["why"]));
        let remedy = entry["remedy"].as_str().map(|remedy| format!("; to change that: {remedy}")).unwrap_or_default();
        format!("{instance} (replaced by {successor}): {state}: {why}{remedy}")
    };
    Ok(answer.items().iter().map(line).collect())
}

fn divergences(answer: &Answer<'_>) -> Lines {
    let line = |entry: &Value| {
        let (id, instance, primary) = (&entry["id"], key(&entry["key"]), key(&entry["primary"]));
        let (gtids, tables, file) = (text(&entry["gtids"]), &entry["tables"], text(&entry["file"]));
        let (changes, node, note) = (&entry["changes"], text(&entry["node"]), text(&entry["note"]));
        let note = if note.is_empty() { String::new() } else { format!("; {note}") };
        format!(
            "{id}: {instance} has what {primary} has not: {gtids}; {changes} changes: {tables}; {node}:{file}{note}"
        )
    };
    Ok(answer.items().iter().map(line).collect())
}

fn acknowledge_divergence(options: &Options) -> Result<String, Failure> {
    Ok(format!("ack-divergence/{}?comment={}", options.instance_path()?, comment(options)?))
}

fn holds(answer: &Answer<'_>) -> Lines {
    Ok(answer.items().iter().map(held_line).collect())
}

fn held_line(held: &Value) -> String {
    let field = |name: &str| text(&held[name]);
    let (cluster, alias) = (field("cluster"), field("cluster_alias"));
    let mut line = format!(
        "{} (cluster {}): {}: ",
        key(&held["instance"]),
        if alias.is_empty() { cluster } else { alias },
        field("analysis")
    );
    line.push_str(&format!("{}: {}", field("kind"), field("reason")));
    if !field("remedy").is_empty() {
        line.push_str(&format!("; to change that: {}", field("remedy")));
    }
    line
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
