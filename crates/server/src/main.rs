//! The `orchestrator` binary: reads its arguments and configuration, and runs the service or one command.

use std::process::ExitCode;

mod configuration;
mod logging;
mod service;

use configuration::Files;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut file = None;
    while let Some(argument) = arguments.next() {
        match argument.trim_start_matches('-') {
            "config" => file = arguments.next().map(Into::into),
            "http" => {}
            _ => {}
        }
    }
    logging::start("info");
    let files = Files::new(file);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let outcome = files.load().and_then(|loaded| runtime.block_on(service::run(files, loaded)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orchestrator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
