//! The program `lab`: real servers to test against.

mod commands;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Real MySQL and MariaDB fleets to test against
///
/// Everything is kept in $ORCHESTRATOR_LAB_DIR, by default in the user's cache directory. With ORCHESTRATOR_LAB_MYSQLD,
/// ORCHESTRATOR_LAB_MARIADBD_10_11 or ORCHESTRATOR_LAB_MARIADBD_11_8 set to a program, that is run and nothing is fetched.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: commands::Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    match Arguments::parse().command.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
