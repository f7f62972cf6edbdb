//! One command, from its options to its result.

use std::time::Duration;

use serde_json::Value;

use crate::commands::{self, Action, Command};
use crate::failure::{Failure, TransportError};
use crate::options::{Options, Program};
use crate::show::{Answer, spaced};
use crate::transport::Transport;

/// What a command leaves for its caller to print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Result, with its line ends.
    pub stdout: String,
}

impl Outcome {
    fn of(lines: &[String]) -> Self {
        Self { stdout: lines.iter().map(|line| format!("{line}\n")).collect() }
    }
}

/// Waiting times before a request is sent again. The sum is the time that a restart of the service may take.
const PAUSES: [Duration; 8] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::ZERO,
];

/// Runs `command` of `program` over `transport`, once for each instance where several are named.
///
/// # Errors
/// [`Failure::Unsupported`] for what is no command of the program, and what the command meets.
pub async fn run(
    program: Program,
    command: &str,
    options: &Options,
    transport: &impl Transport,
) -> Result<Outcome, Failure> {
    let found = commands::find(command, program).ok_or_else(|| Failure::Unsupported(command.to_owned()))?;
    let mut outcome = Outcome::default();
    let options = match (transport.is_snapshot(), program) {
        (true, _) => in_snapshot(found, options, transport).await?,
        (false, Program::Orchestrator) => with_this_host(found, options),
        (false, Program::Client) => options.clone(),
    };
    for options in each_instance(program, &options) {
        outcome.stdout += &run_once(program, found, &options, transport).await?.stdout;
    }
    Ok(outcome)
}

/// A snapshot shows, and no more. What asks for a cluster and names none means the only one, if there is only one.
async fn in_snapshot(command: &Command, options: &Options, transport: &impl Transport) -> Result<Options, Failure> {
    if command.changes {
        return Err(Failure::BadOption(format!("{}: a snapshot cannot be changed", command.name)));
    }
    let reads_cluster = command.reads.split(' ').any(|option| option == "-i|-alias");
    if !reads_cluster || !options.instance.is_empty() || !options.alias.is_empty() {
        return Ok(options.clone());
    }
    let clusters = checked(ask(transport, "clusters").await?)?;
    let only = clusters.as_array().filter(|clusters| clusters.len() == 1).and_then(|clusters| clusters[0].as_str());
    Ok(Options { alias: only.unwrap_or_default().to_owned(), ..options.clone() })
}

/// An instance that is not named is this host, except where a slip would do harm.
fn with_this_host(command: &Command, options: &Options) -> Options {
    let reads_instance = command.reads.split(' ').any(|option| matches!(option, "-i" | "-i|-alias"));
    if !reads_instance || command.name == "forget" || !options.instance.is_empty() || !options.alias.is_empty() {
        return options.clone();
    }
    Options { instance: gethostname::gethostname().to_string_lossy().into_owned(), ..options.clone() }
}

/// `orchestrator -i` may name several instances.
fn each_instance(program: Program, options: &Options) -> Vec<Options> {
    let named: Vec<&str> = options
        .instance
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|instance| !instance.is_empty())
        .collect();
    if program == Program::Client || named.len() < 2 {
        return vec![options.clone()];
    }
    named.into_iter().map(|instance| Options { instance: instance.to_owned(), ..options.clone() }).collect()
}

async fn run_once(
    program: Program,
    command: &Command,
    options: &Options,
    transport: &impl Transport,
) -> Result<Outcome, Failure> {
    match command.action {
        Action::Help => Ok(Outcome {
            stdout: if program == Program::Client { crate::help::client_help() } else { crate::listing() },
        }),
        // Who chose the address shows it.
        Action::WhichApi => Err(Failure::Unsupported(command.name.to_owned())),
        Action::RawApi => {
            let path = crate::options::required(&options.path, "path")?;
            Ok(Outcome::of(&[spaced(&ask(transport, path.trim_start_matches("/api/").trim_start_matches('/')).await?)]))
        }
        Action::Call { path, show } => {
            let path = path(options)?;
            let counts = command.counts && program == Program::Orchestrator;
            let before = if counts { unacknowledged(transport).await? } else { 0 };
            let value = match checked(ask(transport, &path).await?) {
                Err(Failure::Refused { message, .. })
                    if (command.tolerates)(&message) && program == Program::Orchestrator =>
                {
                    return Ok(Outcome::default());
                }
                other => other?,
            };
            let after = if counts { unacknowledged(transport).await? } else { 0 };
            let counted = before.saturating_sub(after);
            Ok(Outcome::of(&show(&Answer { value: &value, options, program, counted })?))
        }
    }
}

/// Returns how many recoveries nobody acknowledged.
async fn unacknowledged(transport: &impl Transport) -> Result<usize, Failure> {
    const PAGE: usize = 20;
    let mut total = 0;
    for page in 0.. {
        let value = checked(ask(transport, &format!("audit-recovery/{page}?unacknowledged=true")).await?)?;
        let items = value.as_array().map_or(0, Vec::len);
        total += items;
        if items < PAGE {
            break;
        }
    }
    Ok(total)
}

/// Returns the answer if it is no refusal.
pub(crate) fn checked(value: Value) -> Result<Value, Failure> {
    if value["Code"] == "ERROR" {
        let message = value["Message"].as_str().unwrap_or_default().to_owned();
        return Err(Failure::Refused { message, details: value["Details"].clone() });
    }
    Ok(value)
}

/// Asks until there is an answer, as long as another try may help.
pub(crate) async fn ask(transport: &impl Transport, path: &str) -> Result<Value, TransportError> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match transport.get(path).await.and_then(|(status, body)| json(path, status, &body)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match pauses.next().filter(|_| error.is_transient()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error),
        }
    }
}

fn json(path: &str, status: u16, body: &[u8]) -> Result<Value, TransportError> {
    serde_json::from_slice(body).map_err(|_| TransportError::NotJson {
        url: format!("/api/{}", path.split('?').next().unwrap_or_default()),
        status,
        text: String::from_utf8_lossy(body).trim().chars().take(200).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_stands_in_where_that_does_no_harm() {
        let nothing = Options::default();
        let found = |name| commands::find(name, Program::Orchestrator).expect(name);
        assert!(!with_this_host(found("topology"), &nothing).instance.is_empty());
        assert!(!with_this_host(found("stop-slave"), &nothing).instance.is_empty());
        for command in ["forget", "clusters", "downtimed"] {
            assert_eq!(with_this_host(found(command), &nothing), nothing, "{command}");
        }
        let named = Options { alias: "shop".to_owned(), ..Options::default() };
        assert_eq!(with_this_host(found("topology"), &named), named);
    }
}
