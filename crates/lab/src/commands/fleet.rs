//! `lab fleet`.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use lab::{Accounts, Fleet, Product};
use tokio::signal::unix::{SignalKind, signal};

/// Start a primary with replicas, and keep them until Ctrl-C
#[derive(Debug, Args)]
pub struct Arguments {
    /// mysql-9.7, mariadb-10.11 or mariadb-11.8
    #[arg(long, default_value = "mysql-9.7")]
    flavor: Product,
    /// How many replicas the primary has
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// Commits wait for one replica (lossless semi-sync)
    #[arg(long)]
    semi_sync: bool,
    /// Each server in a network namespace of its own (needs root)
    #[arg(long)]
    namespaces: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut builder = Fleet::builder().product(arguments.flavor).primary_with_replicas(arguments.replicas);
    if arguments.semi_sync {
        builder = builder.semi_sync(1);
    }
    if arguments.namespaces {
        builder = builder.in_namespaces();
    }
    let begun = Instant::now();
    // The fleet lives in here, so that whatever ends this drops it.
    let live = async {
        let fleet = builder.build().await?;
        describe(&fleet, begun)?;
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        outcome = live => outcome,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

fn describe(fleet: &Fleet, begun: Instant) -> Result<()> {
    println!("{} servers in {:.1} s", fleet.servers().len(), begun.elapsed().as_secs_f64());
    for (index, server) in fleet.servers().iter().enumerate() {
        let role = if index == 0 { "primary" } else { "replica" };
        let (pid, socket) = (server.pid().context("a server ended at once")?, server.socket());
        println!("{role}  {}  pid {pid}  root: {}", server.key(), socket.display());
    }
    for (name, (user, password)) in
        [("manager", Accounts::MANAGER), ("replication", Accounts::REPLICATION), ("application", Accounts::APPLICATION)]
    {
        println!("account  {user} / {password}  ({name})");
    }
    println!("Ctrl-C ends all servers and removes their data.");
    Ok(())
}
