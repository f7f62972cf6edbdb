//! The program `orchestrator-client`: asks a running service.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::client(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()))
}
