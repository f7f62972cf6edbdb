//! One file per command. The doc comments of the arguments are the help texts.

use clap::Subcommand;

mod clean;
mod fetch;
mod fleet;

/// What the lab can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Fetch(fetch::Arguments),
    Fleet(fleet::Arguments),
    Clean(clean::Arguments),
}

impl Command {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Fetch(arguments) => fetch::run(&arguments).await,
            Self::Fleet(arguments) => fleet::run(arguments).await,
            Self::Clean(arguments) => clean::run(&arguments),
        }
    }
}
