//! The program `orchestrator-client`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use crate::choice::Need;
use crate::client_args::ClientArgs;
use crate::failure::{Failure, TransportError};
use crate::options::Program;
use crate::session::{Outcome, run};
use crate::transport::{Http, Transport};

/// The farm that a command is about, if it is not one that a service watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The file; `-` is stdin.
    pub path: PathBuf,
    /// Configuration to take policy from.
    pub config: Option<PathBuf>,
}

/// Runs `orchestrator-client` with the words after its name. Prints the result on stdout, and what went wrong on stderr. What
/// is asked of a file is answered by what `open` makes of it.
pub fn client<T: Transport>(
    words: impl IntoIterator<Item = String>,
    open: impl FnOnce(SnapshotFile) -> Result<T, String>,
) -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok();
    let args = match ClientArgs::parse(words, &environment) {
        Ok(args) => args,
        Err(message) => return fail(&message),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    match runtime.block_on(outcome_of(&args, open)) {
        Ok(outcome) => print(&outcome.stdout),
        Err(Failure::Refused { message, details }) => {
            eprintln!("{}", message.replace('\'', ""));
            if details != Value::Null {
                print(&format!("{details}\n"));
            }
            ExitCode::FAILURE
        }
        Err(failure) => fail(&failure.to_string()),
    }
}

async fn outcome_of<T: Transport>(
    args: &ClientArgs,
    open: impl FnOnce(SnapshotFile) -> Result<T, String>,
) -> Result<Outcome, Failure> {
    let need = match args.command.as_str() {
        "" => {
            return Err(Failure::BadOption(
                "-c must be provided: orchestrator-client -c help lists commands".to_owned(),
            ));
        }
        "help" => return Ok(Outcome { stdout: crate::help::client_help() }),
        command => match crate::commands::find(command, Program::Client) {
            None => return Err(Failure::Unsupported(command.to_owned())),
            Some(found) if found.changes || found.name == "which-api" => Need::Leader,
            Some(_) => Need::LeaderOrAny,
        },
    };
    if let Some(path) = args.snapshot.clone().filter(|_| args.command != "which-api") {
        let farm = open(SnapshotFile { path, config: args.config.clone() }).map_err(Failure::BadOption)?;
        return run(Program::Client, &args.command, &args.options, &farm).await;
    }
    let chosen = Http::choose(&args.urls, &args.credentials, need).await?;
    if let Some(warning) = &chosen.warning {
        eprintln!("orchestrator-client[{}]: {warning}", std::process::id());
    }
    let api = chosen.service;
    if args.command == "which-api" {
        return Ok(Outcome { stdout: format!("{}\n", api.url()) });
    }
    run(Program::Client, &args.command, &args.options, &api).await.map_err(with_advice)
}

/// A service that is not there is the most common failure; say what helps.
fn with_advice(failure: Failure) -> Failure {
    match failure {
        Failure::Transport(error @ TransportError::Unreachable { .. }) => Failure::BadOption(format!(
            "{error}; is orchestrator running there? -U or ORCHESTRATOR_API names the address"
        )),
        other => other,
    }
}

fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
    // A reader that has seen enough (`| head`) is no failure of ours.
    drop(std::io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

fn fail(message: &str) -> ExitCode {
    eprintln!("orchestrator-client[{}]: {message}", std::process::id());
    ExitCode::FAILURE
}
