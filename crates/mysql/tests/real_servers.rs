//! Probe, verbs, pulse and fence on real servers of each flavour.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use lab::{Accounts, Fleet, Product, Writer, WriterOptions};
use mysql::{
    Change, Closing, Effect, ErrorKind, FenceLine, Fenced, Identity, Probe, ProbeSettings, Prober, PulseEvent, Rhythm,
    Server, SourceChange, Wanted, fence, pulse,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout};
use topology::{GtidSet, Instance, InstanceKey, ThreadState, Timestamp, Unreachable, WritePolicy};

const LIMIT: Duration = Duration::from_secs(20);

async fn probe(key: &InstanceKey) -> Result<(Prober, Instance)> {
    let mut settings = ProbeSettings::default();
    settings.queries.region = "select 'north' -- a comment does not end the batch".to_owned();
    settings.queries.environment = "select name from no.such".to_owned();
    settings.queries.promotion_rule = "select 'prefer';".to_owned();
    let mut prober = Prober::new(key.clone(), Accounts::access(Accounts::MANAGER), settings);
    let Probe { observation, notes, fresh, .. } = prober.probe(|| Timestamp(0)).await;
    ensure!(fresh, "the first probe opens a connection");
    ensure!(notes.len() == 1 && notes[0].about == "DetectPhysicalEnvironmentQuery", "{notes:?}");
    Ok((prober, observation.outcome.map_err(|failure| anyhow::anyhow!(failure.message))?))
}

async fn server(key: &InstanceKey) -> Result<Server> {
    Ok(Server::connect(key, &Accounts::access(Accounts::MANAGER)).await?)
}

/// Commits a row on `primary` and returns all that it has executed then.
async fn write(primary: &lab::Server) -> Result<GtidSet> {
    primary.sql("create table if not exists app.story (id int auto_increment primary key)").await?;
    primary.sql("insert into app.story values ()").await?;
    Ok(server(primary.key()).await?.executed().await?)
}

/// Waits until `replica` has received all of `set`, applied or not.
async fn received(replica: &mut Server, set: &GtidSet) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let channel = replica.channel("").await?;
        let held = replica.executed().await?.union(&channel.unwrap_or_default().retrieved);
        if held.contains(set) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the replica did not receive {set}, only {held}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn a_probe_sees_the_tree(fleet: &Fleet) -> Result<()> {
    let (primary, replica) = (fleet.server(0).key(), fleet.server(1).key());
    let (mut prober, instance) = probe(primary).await?;
    assert_eq!(instance.writes, WritePolicy::Writable);
    assert!(!instance.is_replica() && instance.can_be_source());
    assert_eq!(instance.replicas, [fleet.server(1).key().clone(), fleet.server(2).key().clone()]);
    assert_eq!((instance.placement.region.as_str(), instance.placement.environment.as_str()), ("north", ""));
    let again = prober.probe(|| Timestamp(0)).await;
    assert!(!again.fresh && again.observation.outcome.is_ok() && again.notes.is_empty());

    let (_, instance) = probe(replica).await?;
    let channel = instance.channel().unwrap();
    assert!(channel.is_replicating() && channel.auto_position);
    assert_eq!((instance.source(), channel.user.as_str()), (Some(primary), Accounts::REPLICATION.0));
    assert_ne!(instance.writes, WritePolicy::Writable);
    Ok(())
}

async fn a_replica_moves_and_keeps_what_it_had(fleet: &Fleet) -> Result<()> {
    let (middle, mover) = (fleet.server(1).key(), fleet.server(2).key());
    let mut moved = server(mover).await?;
    moved.stop_replication("").await?;
    let [set, get] = odd_heartbeat(fleet.server(2).product());
    fleet.server(2).sql(set).await?;
    moved.change_source(&SourceChange { discard_unapplied: true, ..SourceChange::to(middle.clone()) }).await?;
    moved.start_replication("").await?;
    moved.start_replication("").await?;
    let set = write(fleet.server(0)).await?;
    assert!(moved.wait_applied(&set, LIMIT).await?.is_applied());
    let channel = moved.channel("").await?.unwrap();
    assert_eq!((&channel.source, channel.user.as_str()), (middle, Accounts::REPLICATION.0));
    let rows = fleet.server(2).sql(get).await?;
    let period = rows[0].text(&["heartbeat_interval", "slave_heartbeat_period"]);
    assert_eq!(period, Some("1.750"), "naming a host resets the heartbeat period");

    moved.detach_source("", false).await?;
    assert!(moved.channel("").await?.unwrap().source.is_detached());
    moved.reattach_source("").await?;
    moved.start_replication("").await?;
    let set = write(fleet.server(0)).await?;
    assert!(moved.wait_applied(&set, LIMIT).await?.is_applied());
    Ok(())
}

/// Sets a heartbeat period that is nobody's default, and reads it.
fn odd_heartbeat(product: Product) -> [&'static str; 2] {
    if product.is_mariadb() {
        return ["change master to master_heartbeat_period=1.75", "show all slaves status"];
    }
    [
        "change replication source to source_heartbeat_period=1.75",
        "select heartbeat_interval from performance_schema.replication_connection_configuration",
    ]
}

/// The pulse is lost while the server hangs, and it is fenced before it can accept a write again.
async fn a_frozen_primary_is_fenced_when_it_thaws(fleet: &Fleet) -> Result<()> {
    let primary = fleet.server(0);
    let access = Accounts::access(Accounts::MANAGER);
    let rhythm = Rhythm {
        every: Duration::from_millis(100),
        slack: Duration::from_millis(500),
        retry: Duration::from_millis(20),
    };
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |event| drop(sender.send(event));
    let line = FenceLine::default();
    let watch = tokio::spawn(pulse(primary.key().clone(), access.clone(), rhythm, line.clone(), || Timestamp(0), tell));
    ensure!(matches!(next(&mut events).await?, PulseEvent::Up { .. }));
    held(&line).await?;

    primary.freeze()?;
    ensure!(matches!(next(&mut events).await?, PulseEvent::Lost { how: Unreachable::Hung, .. }));
    let Fenced::Pending(pending) = fence(line.take(), primary.key(), &access).await else {
        bail!("a frozen server answered");
    };
    primary.thaw()?;
    timeout(LIMIT, pending.finished()).await??;
    let policy = server(primary.key()).await?.write_policy().await?;
    assert!(!policy.is_writable());

    ensure!(matches!(next(&mut events).await?, PulseEvent::Up { .. }));
    held(&line).await?;
    server(primary.key()).await?.set_writable().await?;
    let outcome = fence(line.take(), primary.key(), &access).await;
    assert!(matches!(outcome, Fenced::Fenced), "{outcome:?}");
    server(primary.key()).await?.set_writable().await?;
    watch.abort();
    Ok(())
}

async fn next(events: &mut UnboundedReceiver<PulseEvent>) -> Result<PulseEvent> {
    timeout(LIMIT, events.recv()).await?.ok_or_else(|| anyhow::anyhow!("the pulse ended"))
}

async fn held(line: &FenceLine) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !line.is_held() {
        ensure!(Instant::now() < deadline, "no line was held");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The primary dies, and one transaction is only in the relay log of a replica whose threads are both stopped.
async fn what_only_a_resting_replica_received_is_not_lost(fleet: &Fleet) -> Result<()> {
    let primary = fleet.server(0);
    let mut replica = server(fleet.server(1).key()).await?;
    replica.stop_applier("").await?;
    let set = write(primary).await?;
    received(&mut replica, &set).await?;
    primary.kill9()?;
    replica.stop_receiver("").await?;
    let unapplied = replica.unapplied_relay_log("").await?;
    assert!(!unapplied.is_empty());
    let elsewhere = SourceChange::to(fleet.server(2).key().clone());
    let error = replica.change_source(&elsewhere).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");

    assert!(replica.apply_received("", LIMIT).await?.is_applied());
    assert!(replica.executed().await?.contains(&set));
    let channel = replica.channel("").await?.unwrap();
    assert!(channel.auto_position, "back to GTID");
    assert_eq!((channel.receiver, channel.applier), (ThreadState::Stopped, ThreadState::Running));
    Ok(())
}

/// The new primary: no replica any more, writable, and the old account is not needed.
async fn a_replica_becomes_a_primary(fleet: &Fleet) -> Result<()> {
    let mut promoted = server(fleet.server(1).key()).await?;
    promoted.set_read_only(true).await?;
    for _ in 0..2 {
        promoted.reset_replication("").await?;
        promoted.stop_replication("").await?;
    }
    assert_eq!(promoted.channels().await?, []);
    promoted.set_writable().await?;
    assert_eq!(promoted.write_policy().await?, WritePolicy::Writable);
    let set = write(fleet.server(1)).await?;
    let mut below = server(fleet.server(2).key()).await?;
    assert!(below.wait_applied(&set, LIMIT).await?.is_applied());
    let error = promoted.start_replication("").await.unwrap_err();
    assert_eq!(error.number(), Some(1200), "{error}");
    Ok(())
}

async fn story(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(2).build().await?;
    a_probe_sees_the_tree(&fleet).await?;
    a_replica_moves_and_keeps_what_it_had(&fleet).await?;
    a_frozen_primary_is_fenced_when_it_thaws(&fleet).await?;
    what_only_a_resting_replica_received_is_not_lost(&fleet).await?;
    a_replica_becomes_a_primary(&fleet).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mysql_9_7() -> Result<()> {
    story(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_10_11() -> Result<()> {
    story(Product::MariaDb1011).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_11_8() -> Result<()> {
    story(Product::MariaDb118).await
}

/// A commit that waits for semi-synchronous replicas that are gone would keep a server open for ever: it is closed at once
/// all the same, and the transaction, which was acknowledged to nobody, is in the server and shown with what it changed.
async fn one_that_waits_for_replicas_is_closed_at_once(product: Product) -> Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(1).semi_sync(1).build().await?;
    let (primary, replica) = (fleet.server(0), fleet.server(1));
    let before = server(primary.key()).await?.executed().await?;
    replica.kill9()?;
    let clients = Writer::to(vec![primary.key().clone()], WriterOptions { connections: 2, ..WriterOptions::default() });
    let deadline = Instant::now() + LIMIT;
    let waiting = "select count(*) from information_schema.processlist where user='app' and command='Query'";
    while primary.value(waiting).await? == "0" {
        ensure!(Instant::now() < deadline, "nobody waits for the replica");
    }
    let mut closing = server(primary.key()).await?;
    let stranger = Identity { uuid: None, server_id: 1 };
    assert_eq!(closing.close_at_once(&stranger).await?, Closing::Stranger);
    assert!(primary.is_writable().await?);
    let who = Identity::default();
    let Closing::Closed { ended, took } = closing.close_at_once(&who).await? else { bail!("it was open") };
    assert!(ended >= 1, "somebody waited for the replica");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(!primary.is_writable().await?);
    assert_eq!(closing.close_at_once(&who).await?, Closing::WasClosed);
    assert_eq!(clients.stop().await.acknowledged().count(), 0, "nobody was promised anything");

    let beyond = closing.executed().await?.subtract(&before);
    assert!(!beyond.is_empty(), "what waited is in the server");
    let written = match product.is_mariadb() {
        false => Vec::new(),
        true => {
            let state = topology::BinlogState::parse(&primary.value("select @@global.gtid_binlog_state").await?)?;
            let position = before.position().cloned().unwrap_or_default();
            state.beyond(&topology::BinlogState::parse(&before.to_string())?, &position)
        }
    };
    let wanted = Wanted { gtids: beyond, known: before, written };
    let mut changes: Vec<Change> = Vec::new();
    closing
        .changes_of(&wanted, &mut |change| {
            changes.push(change);
            true
        })
        .await?;
    let inserts = |change: &&Change| matches!(&change.effect, Effect::Rows { table, kind, .. } if table == "app.writes" && *kind == "insert");
    assert!(changes.iter().any(|change| inserts(&change)), "{changes:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_9_7_is_closed_at_once() -> Result<()> {
    one_that_waits_for_replicas_is_closed_at_once(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8_is_closed_at_once() -> Result<()> {
    one_that_waits_for_replicas_is_closed_at_once(Product::MariaDb118).await
}
