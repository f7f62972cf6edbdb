//! A primary is killed under load, a replica takes over, the old primary comes back: on each product.
#![allow(clippy::unwrap_used, missing_docs)]

mod story;

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::{Fleet, Product, Watcher, Writer, WriterOptions};
use story::{PATIENCE, drain, most_advanced, promote};

async fn primary_dies_and_returns_as_a_replica(product: Product) -> Result<()> {
    let begun = Instant::now();
    let fleet = Fleet::builder().product(product).primary_with_replicas(3).build().await?;
    let memory: Vec<u64> = fleet.servers().iter().map(|server| server.memory_bytes().unwrap() >> 20).collect();
    println!("{product}: 4 servers in {:?}, {memory:?} MiB", begun.elapsed());

    let watcher = Watcher::start(&fleet);
    let writer = Writer::start(&fleet, WriterOptions { connections: 2, ..WriterOptions::default() });
    writer.commits_again(Instant::now(), PATIENCE).await?;
    let old = fleet.server(0);
    assert_eq!(old.replica_state().await?, None);

    old.kill9()?;
    let killed = Instant::now();
    assert!(!old.is_running());
    let new = &most_advanced(&fleet).await?;
    promote(&fleet, new).await?;
    let commit = writer.commits_again(killed, PATIENCE).await?;
    assert_eq!(writer.record().servers[commit.server], *new.key());

    fleet.rejoin(old, new.key()).await?;
    assert!(!old.is_writable().await?);
    writer.commits_again(Instant::now(), PATIENCE).await?;
    let record = writer.stop().await;
    fleet.in_sync_with(new, PATIENCE).await?;
    assert!(watcher.stop().await.is_empty());
    assert!(record.interleaved(Duration::from_secs(1)).is_empty());
    assert!(record.longest_pause().is_some_and(|(pause, _)| pause < PATIENCE));
    assert!(record.throughput() > 0.0);

    // Replication without semi-sync may lose what no replica had received when the primary died, and nothing later.
    let lost = record.verify(new).await?.missing;
    assert!(lost.iter().all(|commit| commit.sent < killed), "{lost:?}");
    for server in fleet.servers() {
        assert_eq!(record.verify(server).await?.missing, lost, "on {}", server.key());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9_7() -> Result<()> {
    primary_dies_and_returns_as_a_replica(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_10_11() -> Result<()> {
    primary_dies_and_returns_as_a_replica(Product::MariaDb1011).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8() -> Result<()> {
    primary_dies_and_returns_as_a_replica(Product::MariaDb118).await
}

/// The old primary has a transaction that nobody else has: it may not come back with it.
async fn a_diverged_server_gets_new_data(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(1).build().await?;
    let (old, new) = (fleet.server(0), fleet.server(1));
    old.sql("INSERT INTO app.writes VALUES (1, 0, 1)").await?;
    fleet.in_sync_with(old, PATIENCE).await?;
    new.stop_replication().await?;
    old.sql("INSERT INTO app.writes VALUES (1, 1, 1)").await?;
    old.kill9()?;
    promote(&fleet, new).await?;
    new.sql("INSERT INTO app.writes VALUES (1, 1, 2)").await?;

    assert!(fleet.rejoin(old, new.key()).await?, "the data should have been replaced");
    fleet.in_sync_with(new, PATIENCE).await?;
    // Also the row that it wrote itself, once, is there: replication must not take it for its own and skip it.
    assert_eq!(old.value("SELECT GROUP_CONCAT(worker ORDER BY id) FROM app.writes").await?, "1,2");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9_7_diverged() -> Result<()> {
    a_diverged_server_gets_new_data(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_10_11_diverged() -> Result<()> {
    a_diverged_server_gets_new_data(Product::MariaDb1011).await
}

async fn semi_sync_loses_nothing(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(2).semi_sync(1).build().await?;
    let full_speed = WriterOptions { connections: 4, pause: Duration::ZERO, ..WriterOptions::default() };
    let writer = Writer::start(&fleet, full_speed);
    writer.commits_again(Instant::now(), PATIENCE).await?;
    fleet.server(0).kill9()?;
    let record = writer.stop().await;

    // Whoever received most has all that was acknowledged, once it has applied it.
    let mut fewest = usize::MAX;
    for replica in &fleet.servers()[1..] {
        drain(replica).await?;
        fewest = fewest.min(record.verify(replica).await?.missing.len());
    }
    assert_eq!(fewest, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9_7_semi_sync() -> Result<()> {
    semi_sync_loses_nothing(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8_semi_sync() -> Result<()> {
    semi_sync_loses_nothing(Product::MariaDb118).await
}
