//! One file per command. The doc comments of the arguments are the help texts.

use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

mod bench;
mod calm;
mod campaign;
mod clean;
mod crash;
mod demo;
mod fetch;
mod fleet;
mod raft_crash;
mod raft_cuts;
mod raft_disk;
mod raft_leader;
mod raft_log;
mod returns;
mod switchover;

/// What the lab can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(demo::Arguments),
    Fetch(fetch::Arguments),
    Fleet(fleet::Arguments),
    Bench(bench::Arguments),
    Campaign(campaign::Arguments),
    Clean(clean::Arguments),
}

impl Command {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Demo(arguments) => demo::run(arguments).await,
            Self::Fetch(arguments) => fetch::run(&arguments).await,
            Self::Fleet(arguments) => fleet::run(arguments).await,
            Self::Campaign(arguments) => campaign::run(arguments).await,
            Self::Bench(arguments) => bench::run(arguments).await,
            Self::Clean(arguments) => clean::run(&arguments),
        }
    }
}

/// Runs `work` until it ends, or until Ctrl-C or SIGTERM: then it is dropped, and with it all that it started, and nothing
/// is returned.
async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        outcome = work => outcome.map(Some),
        _ = terminate.recv() => Ok(None),
        _ = interrupt.recv() => Ok(None),
    }
}

/// Appends a section to a file.
fn append(file: &Path, text: &str) -> Result<()> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let mut opened = opened.with_context(|| format!("cannot write {}", file.display()))?;
    opened.write_all(format!("\n{text}").as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}
