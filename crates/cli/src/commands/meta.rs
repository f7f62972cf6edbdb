//! The API itself, and help.

use super::{Action, Command, fixed};
use crate::options::Program;
use crate::show::nothing;

const SECTION: &str = "Meta";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        SECTION,
        "reload-configuration",
        "",
        fixed!("reload-configuration"),
        nothing,
        "Make the service read its configuration files again",
    )
    .changing(),
    Command {
        action: Action::RawApi,
        ..Command::new(SECTION, "api", "-path", fixed!(""), nothing, "Ask the API for a path and show the JSON")
    }
    .only(Program::Client),
    Command {
        action: Action::WhichApi,
        ..Command::new(SECTION, "which-api", "", fixed!(""), nothing, "Show the address of the API that is asked")
    }
    .only(Program::Client),
    Command { action: Action::Help, ..Command::new(SECTION, "help", "", fixed!(""), nothing, "Show this") },
];
