//! Three managers start in any order, and go on while two of them are there.
#![allow(clippy::unwrap_used, missing_docs)]

mod built;

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::{Fleet, Leadership, ManagerCluster, Product};
use serde_json::Map;

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A fleet for its addresses; nothing is done to its server.
async fn fleet() -> Result<Fleet> {
    Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(0).build().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_found_a_cluster_and_the_third_comes_much_later() -> Result<()> {
    let fleet = fleet().await?;
    let managers = ManagerCluster::prepare(&fleet, built::manager(), 3, &Map::new())?;
    managers.node(2).start().await?;
    assert!(!managers.node(2).leads().await, "one of three leads nobody");
    managers.node(0).start().await?;
    managers.wait_for_leader(PATIENCE).await?;
    managers.served("/api/begin-downtime/127.0.0.1/1/lab/before-it-came/1h", PATIENCE).await?;

    managers.node(1).start().await?;
    managers.healthy(PATIENCE).await?;
    let until = Instant::now() + PATIENCE;
    while !managers.node(1).journal()?.downtime_reasons().contains(&"before-it-came".to_owned()) {
        assert!(Instant::now() < until, "the late one does not learn what was declared\n{}", managers.log_tails(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_stopped_or_frozen_is_followed_by_one_other_and_returns_as_a_follower() -> Result<()> {
    let fleet = fleet().await?;
    let managers = ManagerCluster::prepare(&fleet, built::manager(), 3, &Map::new())?;
    let first = managers.start(PATIENCE).await?;
    let leadership = Leadership::start(&managers);

    first.stop().await?;
    let second = managers.wait_for_leader(PATIENCE).await?;
    assert_ne!(second.index(), first.index());
    first.start().await?;
    managers.healthy(PATIENCE).await?;

    second.freeze()?;
    let third = managers.wait_for_leader_among(PATIENCE, |node| node.index() != second.index()).await?;
    second.thaw()?;
    managers.healthy(PATIENCE).await?;
    assert!(third.leads().await && !second.leads().await);
    assert_eq!(leadership.stop().await, [], "two managers led at one time");
    Ok(())
}
