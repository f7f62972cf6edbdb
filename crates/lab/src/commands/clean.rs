//! `lab clean`.

use anyhow::Result;
use clap::Args;
use lab::sweep;

/// Remove what killed labs left behind; running fleets stay
#[derive(Debug, Args)]
pub struct Arguments {
    /// Remove the fetched servers too, so that the next start fetches the newest
    #[arg(long)]
    servers: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let swept = sweep::sweep()?;
    println!("removed {} fleets, left {} that are in use", swept.removed.len(), swept.in_use.len());
    if arguments.servers {
        sweep::remove_servers()?;
        println!("removed the fetched servers");
    }
    Ok(())
}
