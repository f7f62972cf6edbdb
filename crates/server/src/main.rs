//! The `orchestrator` binary: reads its arguments and configuration, and runs the service or one command.
//!
//! Results go to standard output, everything else to standard error. Exit code 0 is success, 1 a failure, 2 bad usage.

use std::process::ExitCode;

mod command;
mod logging;
mod service;

use cli::{Mode, ServerArgs, UsageError, Verbosity};
use config::Loaded;
use server::configuration::Files;

fn main() -> ExitCode {
    let arguments = match ServerArgs::parse(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()))
    {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    match &arguments.mode {
        Mode::Help(None) => print!("{}", cli::listing()),
        Mode::Help(Some(name)) => print!("{}", cli::topic(name)),
        Mode::Listing => eprint!("{}", cli::listing()),
        Mode::CheatSheet => print!("{}", cli::cheat_sheet()),
        Mode::Version => println!("{}\n{}", env!("CARGO_PKG_VERSION"), option_env!("GIT_COMMIT").unwrap_or_default()),
        _ => return configured(arguments),
    }
    ExitCode::SUCCESS
}

fn misused(error: &UsageError) -> ExitCode {
    if !error.message.is_empty() {
        eprintln!("orchestrator: {error}");
    }
    if error.show_usage {
        eprint!("{}", cli::usage());
    }
    ExitCode::from(error.exit_code)
}

/// Does what needs a configuration.
fn configured(arguments: ServerArgs) -> ExitCode {
    let named = arguments.config.clone();
    let files = if arguments.snapshot.is_some() { Files::only(named) } else { Files::new(named) };
    let loaded = match files.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    logging::start(level(&arguments, &loaded));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("orchestrator: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match &arguments.mode {
            Mode::Http => service::run(files, loaded, arguments.discovery).await,
            Mode::ConfigCheck => check(&loaded),
            _ => Box::pin(command::run(arguments, files, loaded)).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orchestrator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The service tells what happens; a command only what went wrong.
fn level(arguments: &ServerArgs, loaded: &Loaded) -> &'static str {
    match (arguments.verbosity, &arguments.mode) {
        (Verbosity::Quiet, _) => "error",
        (Verbosity::Debug, _) => "debug",
        _ if loaded.config.process.debug => "debug",
        (Verbosity::Verbose, _) | (Verbosity::Normal, Mode::Http) => "info",
        (Verbosity::Normal, _) => "error",
    }
}

/// Prints all that there is to say about the configuration.
fn check(loaded: &Loaded) -> anyhow::Result<()> {
    for finding in &loaded.findings {
        println!("{finding}");
    }
    let count = loaded.findings.iter().filter(|finding| finding.fails_check()).count();
    anyhow::ensure!(count == 0, "the configuration would be accepted, with {count} things to look at");
    println!("the configuration is good");
    Ok(())
}
