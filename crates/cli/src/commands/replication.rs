//! Threads of replication, and read-only.

use super::{Command, of_instance};
use crate::show::key_of_instance_in_details as key;

const SECTION: &str = "Replication";

pub(super) const COMMANDS: &[Command] = &[
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
