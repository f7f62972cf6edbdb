//! What `orchestrator` does when it does not serve.

use std::io::Write as _;
use std::process::ExitCode;

use crate::commands;
use crate::failure::Failure;
use crate::options::{Options, Program};
use crate::server_args::{Mode, ServerArgs, UsageError};
use crate::session::{Outcome, run};
use crate::transport::Transport;

/// Prints what needs neither configuration nor API: help. Returns the exit code, or nothing when `args` ask for more.
/// The version is the caller's to print.
pub fn answer_at_once(args: &ServerArgs) -> Option<ExitCode> {
    match &args.mode {
        Mode::CheatSheet => print(&crate::help::cheat_sheet()),
        Mode::Help(Some(topic)) => print(&crate::help::topic(topic)),
        Mode::Help(None) => print(&crate::help::listing()),
        Mode::Listing => eprint!("{}", crate::help::listing()),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

/// Tells what is wrong with a call, and returns the exit code for it.
pub fn refuse(error: &UsageError) -> ExitCode {
    if !error.message.is_empty() {
        eprintln!("{error}");
    }
    if error.show_usage {
        eprint!("{}", crate::help::usage());
    }
    ExitCode::from(error.exit_code)
}

/// Runs `-c COMMAND` or `explain CLUSTER` over `transport`. Prints the result on stdout, and what went wrong on stderr.
/// Anything else that `args` may ask for is none of its business and does nothing.
pub async fn command(args: &ServerArgs, transport: &impl Transport) -> ExitCode {
    let outcome = match &args.mode {
        Mode::Command(name) => run(Program::Orchestrator, name, &with_this_host(name, &args.options), transport).await,
        Mode::Explain(cluster) => crate::explain(cluster, transport).await.map(|stdout| Outcome { stdout }),
        _ => Ok(Outcome::default()),
    };
    match outcome {
        Ok(outcome) => {
            print(&outcome.stdout);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{} FATAL {}", now(), worded(&failure));
            ExitCode::FAILURE
        }
    }
}

/// An instance that is not named is this host, except where a slip would do harm.
fn with_this_host(name: &str, options: &Options) -> Options {
    let reads_instance = commands::find(name, Program::Orchestrator).is_some_and(|command| {
        command.name != "forget" && command.reads.split(' ').any(|option| matches!(option, "-i" | "-i|-alias"))
    });
    if !reads_instance || !options.instance.is_empty() || !options.alias.is_empty() {
        return options.clone();
    }
    Options { instance: gethostname::gethostname().to_string_lossy().into_owned(), ..options.clone() }
}

fn worded(failure: &Failure) -> String {
    match failure {
        Failure::Unsupported(name) => format!("unknown command {name:?}: orchestrator help lists all"),
        other => other.to_string(),
    }
}

/// A reader that has seen enough (`| head`) is no failure of ours.
fn print(text: &str) {
    drop(std::io::stdout().write_all(text.as_bytes()));
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_stands_in_where_that_does_no_harm() {
        let nothing = Options::default();
        assert!(!with_this_host("topology", &nothing).instance.is_empty());
        assert!(!with_this_host("stop-slave", &nothing).instance.is_empty());
        for command in ["forget", "clusters", "downtimed", "nosuch"] {
            assert_eq!(with_this_host(command, &nothing), nothing, "{command}");
        }
        let named = Options { alias: "shop".to_owned(), ..Options::default() };
        assert_eq!(with_this_host("topology", &named), named);
    }
}
