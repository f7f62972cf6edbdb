//! Each fault does what it says, and can be undone.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::{Accounts, Fleet, Party, Product, Tree, Writer, WriterOptions};
use mysql::{ErrorKind, Session};

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client waits for a server that does not answer.
const SOON: Duration = Duration::from_millis(300);

fn hasty(account: (&str, &str)) -> mysql::Access {
    Accounts::access(account).with_timeouts(SOON, SOON)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_server_vanishes_without_a_reset_and_comes_back() -> Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(1).in_namespaces().build().await?;
    let (primary, replica) = (fleet.server(0), fleet.server(1));
    let mut client = Session::connect(primary.key(), &hasty(Accounts::APPLICATION)).await?;
    client.rows("SELECT 1").await?;

    fleet.cut(primary)?;
    let error = client.rows("SELECT 1").await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::AnswerTimeout(_)), "{error}");
    // The server lives, `root` still gets in, and its replica has not noticed a thing.
    assert!(primary.is_writable().await?);
    primary.sql("INSERT INTO app.writes VALUES (1, 1, 1)").await?;
    assert!(replica.replica_state().await?.unwrap().receiving);
    assert_eq!(replica.value("SELECT COUNT(*) FROM app.writes").await?, "0");

    fleet.heal(primary)?;
    fleet.in_sync_with(primary, PATIENCE).await?;
    Session::connect(primary.key(), &Accounts::access(Accounts::APPLICATION)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_are_cut_apart_in_one_direction_or_both_and_nobody_else() -> Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(2).in_namespaces().build().await?;
    let (primary, replica, other) = (fleet.server(0), fleet.server(1), fleet.server(2));
    let (primary_party, replica_party) = (fleet.party(primary)?, fleet.party(replica)?);
    let write = async |row: u8| primary.sql(&format!("INSERT INTO app.writes VALUES (1, {row}, 1)")).await;
    let rows = async |server: &lab::Server| server.value("SELECT COUNT(*) FROM app.writes").await;

    // What the replica says is lost, what it is told arrives: a stream needs no answer for a while.
    fleet.cut_one_way(&[replica_party], &[primary_party])?;
    write(1).await?;
    replica.has_executed(&primary.executed().await?, PATIENCE).await?;
    fleet.heal_all()?;

    // The other way round, nothing arrives.
    fleet.cut_one_way(&[primary_party], &[replica_party])?;
    write(2).await?;
    other.has_executed(&primary.executed().await?, PATIENCE).await?;
    assert_eq!(rows(replica).await?, "1");

    fleet.cut_apart(&[primary_party], &[replica_party, Party::CLIENT])?;
    let error = Session::connect(primary.key(), &hasty(Accounts::APPLICATION)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::ConnectTimeout(_)), "no word from the router, but: {error}");
    Session::connect(replica.key(), &Accounts::access(Accounts::APPLICATION)).await?;
    write(3).await?;
    other.has_executed(&primary.executed().await?, PATIENCE).await?;

    fleet.heal_all()?;
    fleet.in_sync_with(primary, PATIENCE).await?;
    Session::connect(primary.key(), &Accounts::access(Accounts::APPLICATION)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_fleet_in_namespaces_can_be_cut() -> Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(0).build().await?;
    assert!(fleet.cut(fleet.server(0)).unwrap_err().to_string().contains("in_namespaces"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_accepts_and_answers_nothing() -> Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(1).build().await?;
    let primary = fleet.server(0);
    primary.freeze()?;
    let error = Session::connect(primary.key(), &hasty(Accounts::MANAGER)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::AnswerTimeout(_)), "{error}");
    assert!(primary.is_running());
    primary.thaw()?;
    primary.answering(PATIENCE).await?;
    Session::connect(primary.key(), &Accounts::access(Accounts::MANAGER)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_primary_is_closed_to_writes_and_keeps_its_replica() -> Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(1).build().await?;
    let (primary, replica) = (fleet.server(0), fleet.server(1));
    let identity = primary.value("SELECT @@server_uuid").await?;
    assert!(primary.start().await.unwrap_err().to_string().contains("runs already"));
    primary.shutdown().await?;
    assert!(!primary.is_running());
    primary.start().await?;
    assert!(!primary.is_writable().await?);
    assert_eq!(primary.value("SELECT @@server_uuid").await?, identity);
    replica.replicating_from(primary.key(), PATIENCE).await
}

async fn replication_breaks_and_mends(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).tree(Tree::chain(3)).build().await?;
    let (primary, middle, last) = (fleet.server(0), fleet.server(1), fleet.server(2));
    assert_eq!(last.replica_state().await?.unwrap().source, *middle.key());

    middle.break_applier().await?;
    primary.sql("INSERT INTO app.writes VALUES (1, 1, 1)").await?;
    let until = Instant::now() + PATIENCE;
    let broken = loop {
        let state = middle.replica_state().await?.unwrap();
        if !state.applying || Instant::now() > until {
            break state;
        }
    };
    assert_eq!((broken.applying, broken.receiving, broken.applier_error), (false, true, 1146));
    assert!(!middle.is_writable().await?);
    middle.mend_applier().await?;
    fleet.in_sync_with(primary, PATIENCE).await?;

    last.stop_receiver().await?;
    let state = last.replica_state().await?.unwrap();
    assert_eq!((state.receiving, state.applying), (false, true));
    last.stop_replication().await?;
    last.start_replication().await?;
    last.replicating_from(middle.key(), PATIENCE).await?;

    last.set_delay(3600).await?;
    primary.sql("INSERT INTO app.writes VALUES (1, 2, 1)").await?;
    middle.has_executed(&primary.executed().await?, PATIENCE).await?;
    assert_eq!(last.value("SELECT COUNT(*) FROM app.writes").await?, "1");
    last.set_delay(0).await?;
    fleet.in_sync_with(primary, PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_replication_breaks_and_mends() -> Result<()> {
    replication_breaks_and_mends(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_replication_breaks_and_mends() -> Result<()> {
    replication_breaks_and_mends(Product::MariaDb118).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writable_servers_are_noticed() -> Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(1).build().await?;
    let watcher = lab::Watcher::start(&fleet);
    fleet.server(1).set_writable(true).await?;
    let until = Instant::now() + PATIENCE;
    while watcher.two_writable().is_empty() && Instant::now() < until {
        tokio::task::yield_now().await;
    }
    assert_eq!(watcher.stop().await.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_acknowledged_and_is_gone_is_missed() -> Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(0).build().await?;
    let writer = Writer::start(&fleet, WriterOptions::default());
    let commit = writer.commits_again(Instant::now(), PATIENCE).await?;
    let record = writer.stop().await;
    let primary = fleet.server(0);
    assert!(record.verify(primary).await?.missing.is_empty());
    primary.sql(&format!("DELETE FROM app.writes WHERE id = {}", commit.id)).await?;
    let missing = record.verify(primary).await?.missing;
    assert_eq!(missing.iter().map(|commit| commit.id).collect::<Vec<_>>(), [commit.id]);
    Ok(())
}
