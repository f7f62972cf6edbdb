//! Help texts, made from the tables of commands and options.

use crate::client_args;
use crate::commands::{self, Command};
use crate::options::Program;
use crate::server_args;

/// Returns all commands of `orchestrator -c`, by section.
pub fn listing() -> String {
    commands_of(Program::Orchestrator)
}

/// Returns what is to be known about one command of `orchestrator -c`; nothing about what is none.
pub fn topic(name: &str) -> String {
    let Some(command) = commands::find(name, Program::Orchestrator) else { return format!("{name}:\n\n") };
    let mut text = format!("{name}:\n{}\n", command.summary);
    if !command.details.is_empty() {
        text += &format!("{}\n", command.details);
    }
    if !command.reads.is_empty() {
        text += &format!("Example:\n  orchestrator -c {name} {}\n", example(command));
    }
    if !command.synonyms.is_empty() {
        text += &format!("The same: {}\n", command.synonyms.join(", "));
    }
    text
}

fn example(command: &Command) -> String {
    let value = |option: &str| match option {
        "-i" | "-i|-alias" => "-i db1.example.com:3306",
        "-alias" => "-alias shop",
        "-d" => "-d db2.example.com:3306",
        "-owner" => "-owner ann",
        "-reason" => "-reason 'new disks'",
        "-duration" => "-duration 2h",
        "-pattern" => "-pattern db",
        "-hostname" => "-hostname orch2",
        "-tag" => "-tag role=backup",
        "[-kill]" => "-kill db1.example.com:3306",
        "-promotion-rule" => "-promotion-rule prefer_not",
        _ => "",
    };
    command
        .reads
        .split(' ')
        .filter(|option| !option.starts_with('[') || *option == "[-kill]")
        .map(value)
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns what `orchestrator` says when it is told nothing.
pub fn cheat_sheet() -> String {
    "\
orchestrator watches MySQL and MariaDB replication, shows it, and replaces a primary that dies.

  orchestrator http                          run the service
  orchestrator -config FILE http             run it with this configuration
  orchestrator -config FILE config-check     tell what is wrong with a configuration, and what has no effect
  orchestrator explain CLUSTER               tell what would happen to a cluster now, and why
  orchestrator simulate -kill db1:3306       tell what would happen if it died
  orchestrator -c discover -i db1:3306       find everything that replicates with a server
  orchestrator -c topology -i db1:3306       show it
  orchestrator help                          list all commands
  orchestrator help topology                 tell more about one of them
"
    .to_owned()
}

/// Returns how `orchestrator` is called, with all its flags.
pub fn usage() -> String {
    let mut text =
        "Usage: orchestrator [flags] [cli|http|config-check|explain CLUSTER|simulate|help [command]]\n\n".to_owned();
    text += "Flags come before any other word, with one dash or two: -flag value, -flag=value.\n\n";
    for flag in server_args::FLAGS {
        let value = if flag.is_switch { String::new() } else { " VALUE".to_owned() };
        text.push_str(&format!("  {:<34}{}\n", format!("-{}{value}", flag.name), flag.about));
    }
    text
}

/// Returns the help of `orchestrator-client`.
pub(crate) fn client_help() -> String {
    let mut text = "Usage: orchestrator-client -c COMMAND [options]\n\n".to_owned();
    text += "Options take one dash or two: -i db1, --alias shop, --alias=shop.\n\n";
    for option in client_args::OPTIONS {
        let names = [option.short.map(|short| format!("-{short}")), option.long.map(|long| format!("--{long}"))];
        let names: Vec<String> = names.into_iter().flatten().collect();
        text.push_str(&format!("  {:<26}{}\n", names.join(", "), option.about));
    }
    text += "\nEnvironment:\n\n";
    for (name, about) in client_args::ENVIRONMENT {
        text.push_str(&format!("  {name:<34}{about}\n"));
    }
    text.push('\n');
    text + &commands_of(Program::Client)
}

fn commands_of(program: Program) -> String {
    let mut text = String::new();
    let mut section = "";
    for command in commands::all().filter(|command| command.is_of(program)) {
        if command.section != section {
            section = command.section;
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{section}:\n"));
        }
        text.push_str(&format!("\t{:<40}{}\n", command.name, command.summary));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_see_first() {
        insta::assert_snapshot!("client_help", client_help());
        insta::assert_snapshot!("cheat_sheet", cheat_sheet());
    }
}
