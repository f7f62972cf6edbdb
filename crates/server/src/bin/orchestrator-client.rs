//! The program `orchestrator-client`: asks a running service, or a file.

use std::process::ExitCode;

use server::configuration::Files;
use server::farm::Farm;

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    cli::client(words, |file| {
        let opened = Files::only(file.config).load().and_then(|loaded| Farm::open(&file.path, loaded.config));
        opened.map_err(|error| format!("{error:#}"))
    })
}
