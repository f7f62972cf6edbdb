//! Single instances: found, shown, forgotten.

use regex::Regex;
use serde_json::{Value, json};

use super::{Command, fixed, of_cluster, of_instance};
use crate::failure::Failure;
use crate::options::{Options, Program, encoded, required};
use crate::show::{
    Answer, Lines, key, key_of_details, key_of_instance, key_of_instance_in_details, keys, keys_of_instances, text,
};

const SECTION: &str = "Instances";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        SECTION,
        "discover",
        "-i",
        of_instance!("discover"),
        key_of_instance_in_details,
        "Probe an instance, and find all that replicates with it",
    )
    .changing(),
    Command::new(
        SECTION,
        "async-discover",
        "-i",
        of_instance!("async-discover"),
        repeated,
        "Discover an instance without waiting for it",
    )
    .changing()
    .only(Program::Client),
    Command::new(SECTION, "forget", "-i", of_instance!("forget"), forgotten, "Forget an instance")
        .changing()
        .details("If it still replicates with others, discovery finds it again after a while."),
    Command::new(
        SECTION,
        "resolve",
        "-i",
        of_instance!("resolve"),
        key_of_details,
        "Show the name that an instance is known by, after a connection test",
    ),
    Command::new(SECTION, "all-instances", "", fixed!("all-instances"), keys_of_instances, "List all instances"),
    Command::new(
        SECTION,
        "search",
        "-i",
        |options| searched(&options.instance, "instance"),
        keys_of_instances,
        "List instances with a text in address, cluster, alias or version",
    )
    .only(Program::Client),
    Command::new(
        SECTION,
        "search",
        "-pattern",
        |options| searched(&options.pattern, "pattern"),
        keys_of_instances,
        "List instances with a text in address, cluster, alias or version",
    )
    .only(Program::Orchestrator),
    Command::new(
        SECTION,
        "find",
        "-pattern",
        fixed!("all-instances"),
        matching,
        "List instances whose host:port matches a regular expression",
    )
    .only(Program::Orchestrator),
    Command::new(SECTION, "bulk-instances", "", fixed!("bulk-instances"), keys, "List all instances, sorted"),
    Command::new(
        SECTION,
        "which-instance",
        "-i",
        of_instance!("instance"),
        key_of_instance,
        "Show the full address of a known instance",
    )
    .also(&["instance"]),
    Command::new(SECTION, "which-master", "-i", of_instance!("instance"), source, "Show the source of an instance"),
    Command::new(
        SECTION,
        "which-replicas",
        "-i",
        of_instance!("instance-replicas"),
        keys_of_instances,
        "List the direct replicas of an instance",
    ),
    Command::new(
        SECTION,
        "which-broken-replicas",
        "-i",
        of_instance!("instance-replicas"),
        broken,
        "List the direct replicas that stopped with an error",
    ),
    Command::new(
        SECTION,
        "which-gtid-errant",
        "-i",
        of_instance!("instance"),
        errant,
        "Show the transactions of an instance that its source does not have",
    ),
    Command::new(
        SECTION,
        "is-replicating",
        "-i",
        of_instance!("instance"),
        |answer| if_threads(answer, 1),
        "Show the instance if both threads of replication run; nothing if not",
    ),
    Command::new(
        SECTION,
        "is-replication-stopped",
        "-i",
        of_instance!("instance"),
        |answer| if_threads(answer, 0),
        "Show the instance if both threads of replication are stopped; nothing if not",
    ),
    Command::new(
        SECTION,
        "instance-status",
        "-i",
        of_cluster!("topology"),
        status,
        "Show what the topology shows beside an instance",
    )
    .only(Program::Orchestrator),
];

fn searched(text: &str, name: &'static str) -> Result<String, Failure> {
    Ok(format!("search?s={}", encoded(required(text, name)?)))
}

fn repeated(answer: &Answer<'_>) -> Lines {
    Ok(vec![answer.given_instance()])
}

fn forgotten(answer: &Answer<'_>) -> Lines {
    match answer.program {
        Program::Client => Ok(Vec::new()),
        Program::Orchestrator => key_of_details(answer),
    }
}

fn matching(answer: &Answer<'_>) -> Lines {
    let pattern = required(&answer.options.pattern, "pattern")?;
    let pattern = Regex::new(pattern).map_err(|error| Failure::BadOption(error.to_string()))?;
    Ok(keys_of_instances(answer)?.into_iter().filter(|key| pattern.is_match(key)).collect())
}

/// The client shows "no instance" as it is sent; the binary shows nothing.
fn source(answer: &Answer<'_>) -> Lines {
    let source = &answer.value["MasterKey"];
    let is_none = source["Port"] == 0;
    Ok(if is_none && answer.program == Program::Orchestrator { Vec::new() } else { vec![key(source)] })
}

fn broken(answer: &Answer<'_>) -> Lines {
    let is_broken = |instance: &&Value| {
        let stopped = |name: &str| instance[name] == false;
        let failed = |name: &str| !text(&instance[name]).is_empty();
        (stopped("Slave_SQL_Running") || stopped("Slave_IO_Running"))
            && (failed("LastSQLError") || failed("LastIOError"))
    };
    Ok(answer.items().iter().filter(is_broken).map(|instance| key(&instance["Key"])).collect())
}

fn errant(answer: &Answer<'_>) -> Lines {
    Ok(vec![text(&answer.value["GtidErrant"]).to_owned()])
}

fn if_threads(answer: &Answer<'_>, state: i64) -> Lines {
    let both = ["ReplicationSQLThreadState", "ReplicationIOThreadState"].iter().all(|name| answer.value[name] == state);
    if both { key_of_instance(answer) } else { Ok(Vec::new()) }
}

fn status(answer: &Answer<'_>) -> Lines {
    let Options { instance, default_port, .. } = answer.options;
    let wanted = topology::InstanceKey::parse(required(instance, "instance")?, *default_port)
        .map_err(|error| Failure::BadOption(error.to_string()))?;
    let wanted = json!({"Hostname": wanted.host, "Port": wanted.port});
    let found = super::clusters::status_in(text(answer.details()), &wanted);
    found.map(|facts| vec![facts]).ok_or(Failure::OddAnswer("such instance"))
}
