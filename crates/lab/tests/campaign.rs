//! Kill after kill, with the old primary brought back in between: the short form of a campaign, without the manager.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::{Fleet, Product, Record, Server, Watcher, Writer, WriterOptions};

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the primary is killed: `ORCHESTRATOR_LAB_KILLS`, or three times.
fn kills() -> usize {
    std::env::var("ORCHESTRATOR_LAB_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Returns the replica that has most of what was written, after all have applied what they received.
async fn most_advanced(fleet: &Fleet, record: &Record) -> Result<Arc<Server>> {
    let mut best: Option<(usize, Arc<Server>)> = None;
    for server in fleet.servers().iter().filter(|server| server.is_running()) {
        server.stop_receiver().await?;
        let word = if server.product().is_mariadb() { "SLAVE" } else { "REPLICA" };
        let status = server.sql(&format!("SHOW {word} STATUS")).await?;
        let received = status[0].text_or_empty(&["Retrieved_Gtid_Set", "Gtid_IO_Pos"]);
        server.has_executed(&received.replace('\n', ""), PATIENCE).await?;
        let missing = record.verify(server).await?.missing.len();
        if best.as_ref().is_none_or(|(fewest, _)| missing < *fewest) {
            best = Some((missing, server.clone()));
        }
    }
    Ok(best.unwrap().1)
}

async fn promote(fleet: &Fleet, chosen: &Server) -> Result<()> {
    chosen.forget_source().await?;
    fleet.wait_for_replicas(chosen).await?;
    for other in fleet.servers().iter().filter(|other| other.key() != chosen.key() && other.is_running()) {
        other.replicate_from(chosen.key()).await?;
        other.replicating_from(chosen.key(), PATIENCE).await?;
    }
    chosen.set_writable(true).await
}

/// With lossless semi-sync nothing that was acknowledged is ever lost, however often the primary dies at full speed.
async fn every_acknowledged_row_survives(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(2).semi_sync(1).build().await?;
    let watcher = Watcher::start(&fleet);
    let full_speed = WriterOptions { connections: 4, pause: Duration::ZERO, ..WriterOptions::default() };
    let writer = Writer::start(&fleet, full_speed);
    let mut primary = fleet.server(0).clone();
    for round in 0..kills() {
        let enough = writer.acknowledged() + 50;
        let until = Instant::now() + PATIENCE;
        while writer.acknowledged() < enough && Instant::now() < until {
            writer.commits_again(Instant::now(), PATIENCE).await?;
        }
        primary.kill9()?;
        let killed = Instant::now();
        let next = most_advanced(&fleet, &writer.record()).await?;
        promote(&fleet, &next).await?;
        writer.commits_again(killed, PATIENCE).await?;
        let rebuilt = fleet.rejoin(&primary, next.key()).await?;
        println!("{product}: kill {round}: {} to {}, rebuilt: {rebuilt}", primary.key(), next.key());
        primary = next;
    }
    let record = writer.stop().await;
    fleet.in_sync_with(&primary, PATIENCE).await?;
    assert_eq!(watcher.stop().await, []);
    for server in fleet.servers() {
        assert_eq!(record.verify(server).await?.missing, [], "on {}", server.key());
    }
    println!("{product}: {:.0} commits/s, longest pause {:?}", record.throughput(), record.longest_pause().unwrap().0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9_7() -> Result<()> {
    every_acknowledged_row_survives(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_10_11() -> Result<()> {
    every_acknowledged_row_survives(Product::MariaDb1011).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8() -> Result<()> {
    every_acknowledged_row_survives(Product::MariaDb118).await
}
