//! Kill after kill, with the old primary brought back in between: the short form of a campaign, without the manager.
#![allow(clippy::unwrap_used, missing_docs)]

mod story;

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::{Fleet, Product, Watcher, Writer, WriterOptions};
use story::{PATIENCE, most_advanced, promote};

/// How often the primary is killed: `ORCHESTRATOR_LAB_KILLS`, or three times.
fn kills() -> usize {
    std::env::var("ORCHESTRATOR_LAB_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// With lossless semi-sync nothing that was acknowledged is ever lost, however often the primary dies under load.
async fn every_acknowledged_row_survives(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(2).semi_sync(1).build().await?;
    let watcher = Watcher::start(&fleet);
    // Faster than replicas apply would only measure how far they fall behind.
    let brisk = WriterOptions { connections: 4, pause: Duration::from_millis(4), ..WriterOptions::default() };
    let writer = Writer::start(&fleet, brisk);
    let mut primary = fleet.server(0).clone();
    for round in 0..kills() {
        let enough = writer.acknowledged() + 50;
        let until = Instant::now() + PATIENCE;
        while writer.acknowledged() < enough && Instant::now() < until {
            writer.commits_again(Instant::now(), PATIENCE).await?;
        }
        primary.kill9()?;
        let killed = Instant::now();
        let next = most_advanced(&fleet).await?;
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
