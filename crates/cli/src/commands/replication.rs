//! Threads of replication, and read-only.

use super::{Command, of_instance};
use crate::failure::Failure;
use crate::options::{Options, required};
use crate::show::{key_of_details, key_of_instance_in_details as key};

const SECTION: &str = "Replication";

/// How the API says that an instance is not known.
const UNKNOWN: &str = "Cannot read instance: ";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        SECTION,
        "can-replicate-from",
        "-i -d",
        |options| pair("can-replicate-from", options),
        key_of_details,
        "Show the destination if the instance can replicate from it; nothing if not",
    )
    .tolerating(|message| !message.starts_with(UNKNOWN)),
    Command::new(
        SECTION,
        "can-replicate-from-gtid",
        "-i -d",
        |options| pair("can-replicate-from-gtid", options),
        key_of_details,
        "Show the destination if the instance could be moved below it by GTID; nothing if not",
    )
    .tolerating(|message| !message.starts_with(UNKNOWN)),
    Command::new(
        SECTION,
        "start-replica",
        "-i",
        of_instance!("start-replica"),
        key,
        "Start both threads of replication",
    )
    .changing(),
    Command::new(SECTION, "stop-replica", "-i", of_instance!("stop-replica"), key, "Stop both threads of replication")
        .changing(),
    Command::new(
        SECTION,
        "restart-replica",
        "-i",
        of_instance!("restart-replica"),
        key,
        "Stop and start both threads of replication",
    )
    .changing(),
    Command::new(SECTION, "set-read-only", "-i", of_instance!("set-read-only"), key, "Make an instance refuse writes")
        .changing(),
    Command::new(SECTION, "set-writeable", "-i", of_instance!("set-writeable"), key, "Make an instance accept writes")
        .changing(),
];

fn pair(path: &str, options: &Options) -> Result<String, Failure> {
    required(&options.destination, "destination")?;
    Ok(format!("{path}/{}/{}", options.instance_path()?, options.destination_path()?.unwrap_or_default()))
}
