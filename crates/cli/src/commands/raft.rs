//! The nodes that decide together.

use serde_json::Value;

use super::{Command, fixed};
use crate::failure::Failure;
use crate::options::{Options, Program, encoded, required};
use crate::show::{Answer, Lines, spaced, text, text_of_details};

const SECTION: &str = "Raft";

pub(super) const COMMANDS: &[Command] = &[
    command("raft-leader", "", fixed!("raft-status"), leader, "Show the raft address of the node that leads"),
    command(
        "raft-leader-hostname",
        "",
        fixed!("v2/nodes"),
        leader_hostname,
        "Show the host name of the node that leads",
    ),
    command(
        "raft-health",
        "",
        fixed!("raft-health"),
        bare_text,
        "Show `healthy` if the node sees a leader; fail if not",
    ),
    command("raft-status", "", fixed!("raft-status"), whole, "Show how the node stands among the others, as JSON"),
    command("raft-peers", "", fixed!("raft-peers"), texts, "List the raft addresses of all members"),
    command(
        "raft-elect-leader",
        "-hostname",
        |options| of_node("raft-yield-hint", options),
        text_of_details,
        "Let another node lead: by host name, raft address, or a part of one",
    )
    .changing()
    .details("It answers when that node leads, or tells why it does not."),
    command(
        "raft-add-peer",
        "-hostname",
        |options| of_node("raft-add-peer", options),
        bare_text,
        "Make the node at a raft address a member",
    )
    .changing()
    .details("It catches up first, and then votes. RaftNodes should name it too."),
    command(
        "raft-remove-peer",
        "-hostname",
        |options| of_node("raft-remove-peer", options),
        bare_text,
        "Remove the member at a raft address",
    )
    .changing(),
    command("raft-snapshot", "", fixed!("raft-snapshot"), bare_text, "Make the node take a snapshot now").changing(),
];

/// Returns a command of the client: the binary has none of these, as it is about one node.
const fn command(
    name: &'static str,
    reads: &'static str,
    path: fn(&Options) -> Result<String, Failure>,
    show: fn(&Answer<'_>) -> Lines,
    summary: &'static str,
) -> Command {
    Command::new(SECTION, name, reads, path, show, summary).only(Program::Client)
}

fn of_node(path: &str, options: &Options) -> Result<String, Failure> {
    Ok(format!("{path}/{}", encoded(required(&options.hostname, "hostname")?)))
}

fn leader(answer: &Answer<'_>) -> Lines {
    match text(&answer.value["Leader"]) {
        "" => Err(no_leader()),
        leader => Ok(vec![leader.to_owned()]),
    }
}

fn leader_hostname(answer: &Answer<'_>) -> Lines {
    if answer.value["raft"] == false {
        return Err(refused("raft-state: not running with raft setup"));
    }
    match text(&answer.value["leader"]["hostname"]) {
        "" => Err(no_leader()),
        hostname => Ok(vec![hostname.to_owned()]),
    }
}

fn no_leader() -> Failure {
    refused("no leader is known: a majority of the nodes must be up and see each other")
}

fn refused(message: &str) -> Failure {
    Failure::Refused { message: message.to_owned(), details: Value::Null }
}

fn bare_text(answer: &Answer<'_>) -> Lines {
    Ok(vec![text(answer.value).to_owned()])
}

fn texts(answer: &Answer<'_>) -> Lines {
    Ok(answer.items().iter().map(|item| text(item).to_owned()).collect())
}

fn whole(answer: &Answer<'_>) -> Lines {
    Ok(vec![spaced(answer.value)])
}
