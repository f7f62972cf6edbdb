//! Stories on real servers: the manager in this process, a fleet of the lab, and a fault.

mod stage;

use std::time::{Duration, Instant};

use lab::{Fleet, Product, Record, Watcher, Writer, WriterOptions};
use manager::{Manager, Mode};
use store::{Page, RecoveryFilter, Store};
use topology::InstanceKey;

use crate::stage::{eventually, nothing_would_be_lost};

/// A manager, its fleet, and who watches them.
struct Stage {
    fleet: Fleet,
    manager: Manager,
    writer: Writer,
    watcher: Watcher,
}

impl Stage {
    async fn set(fleet: lab::FleetBuilder, extra: &str) -> anyhow::Result<Self> {
        let (fleet, manager) = stage::set(fleet, extra).await?;
        let writer = Writer::start(&fleet, WriterOptions::default());
        let watcher = Watcher::start(&fleet);
        let begun = Instant::now();
        writer.commits_again(begun, Duration::from_secs(10)).await?;
        Ok(Self { fleet, manager, writer, watcher })
    }

    /// Waits until writes go on somewhere else than on the failed primary, and returns where.
    async fn writes_go_on(&self, since: Instant, limit: Duration) -> anyhow::Result<InstanceKey> {
        let commit = self.writer.commits_again(since, limit).await?;
        Ok(self.fleet.server(commit.server).key().clone())
    }

    async fn replicas_follow(&self, primary: &InstanceKey, count: usize) {
        eventually("replicas follow the new primary", Duration::from_secs(20), || {
            let view = self.manager.view();
            let following = view.graph.replicas(primary).iter().filter(|key| {
                view.snapshot
                    .instance(key)
                    .and_then(|replica| replica.channel())
                    .is_some_and(topology::Channel::is_replicating)
            });
            (following.count() == count).then_some(())
        })
        .await;
    }

    fn recoveries(&self) -> Vec<store::Recovery> {
        self.manager.store().recoveries(RecoveryFilter::default(), Page::all()).expect("a store that can be read")
    }

    /// Waits for the end of the only recovery.
    async fn recovered(&self) -> store::Recovery {
        eventually("the end of the recovery", Duration::from_secs(30), || {
            self.recoveries().into_iter().find(|recovery| recovery.ended.is_some())
        })
        .await
    }

    /// Looks for `span` that nothing is recovered and writes go on.
    async fn nothing_happens(&self, span: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            assert!(self.recoveries().is_empty(), "a false failover: {:?}", self.recoveries());
            self.writer.commits_again(Instant::now(), Duration::from_secs(5)).await?;
        }
        Ok(())
    }

    async fn end(self) -> (Fleet, Manager, Record, Vec<lab::TwoWritable>) {
        let record = self.writer.stop().await;
        let two = self.watcher.stop().await;
        (self.fleet, self.manager, record, two)
    }
}

async fn primary_is_killed(product: Product) -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().product(product).primary_with_replicas(3), "").await?;
    let old = stage.fleet.server(0).key().clone();
    let killed = Instant::now();
    stage.fleet.server(0).kill9()?;
    let new = stage.writes_go_on(killed, Duration::from_secs(20)).await?;
    assert_ne!(new, old);
    stage.replicas_follow(&new, 2).await;
    let recovery = stage.recovered().await;
    assert!(recovery.is_successful);
    assert_eq!(recovery.successor, Some(new));
    let story = stage.manager.store().recovery_steps(&recovery.uid)?;
    assert!(story.iter().any(|sentence| sentence.message.contains("cannot connect to it")), "{story:?}");

    // The old primary comes back, writable as an operator may have configured it: it is made read-only.
    let old_server = stage.fleet.server(0);
    old_server.start().await?;
    let deadline = Instant::now() + Duration::from_secs(20);
    // Clients of a replaced primary are ended while it is closed, this one too.
    while old_server.set_writable(true).await.is_err() {
        assert!(Instant::now() < deadline, "nobody can open it");
    }
    while !old_server.is_writable().await.is_ok_and(|writable| !writable) {
        assert!(Instant::now() < deadline, "the old primary stays writable");
    }
    let (_fleet, manager, _, _) = stage.end().await;
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_primary_is_killed() -> anyhow::Result<()> {
    primary_is_killed(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_10_11_primary_is_killed() -> anyhow::Result<()> {
    primary_is_killed(Product::MariaDb1011).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_11_8_primary_is_killed() -> anyhow::Result<()> {
    primary_is_killed(Product::MariaDb118).await
}

/// Each commit waited for a replica: every one of them is on the new primary, and the certificate says so beforehand.
#[tokio::test(flavor = "multi_thread")]
async fn semi_sync_loses_nothing() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(3).semi_sync(1), "").await?;
    nothing_would_be_lost(&stage.manager, stage.fleet.server(0).key()).await?;
    let killed = Instant::now();
    stage.fleet.server(0).kill9()?;
    let new = stage.writes_go_on(killed, Duration::from_secs(20)).await?;
    let recovery = stage.recovered().await;
    let certificate: planner::Certificate = serde_json::from_str(recovery.certificate.as_deref().unwrap_or(""))?;
    assert!(certificate.proves_nothing_lost(), "{certificate}");
    let (fleet, manager, record, two) = stage.end().await;
    let primary = fleet.find(&new).expect("it is in the fleet");
    let verified = record.verify(primary).await?;
    assert!(verified.missing.is_empty(), "lost: {:?}", verified.missing);
    assert!(two.is_empty(), "two writable primaries: {two:?}");
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// A hung primary: its kernel answers, and it does not. Receivers believe in it for a minute; they are restarted.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_and_fenced_when_it_resumes() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2), "").await?;
    let old = stage.fleet.server(0);
    let frozen = Instant::now();
    old.freeze()?;
    let new = stage.writes_go_on(frozen, Duration::from_secs(20)).await?;
    assert_ne!(&new, old.key());
    eprintln!("writes again after {:?}", frozen.elapsed());
    stage.recovered().await;
    let resumed = Instant::now();
    old.thaw()?;
    while old.is_writable().await? {
        assert!(resumed.elapsed() < Duration::from_secs(10), "the old primary stays writable");
    }
    eprintln!("read-only {:?} after it resumed", resumed.elapsed());
    let (_fleet, manager, _, _) = stage.end().await;
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// What looks like a dead primary from one side only leads to no failover.
#[tokio::test(flavor = "multi_thread")]
async fn look_alikes_lead_to_no_failover() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2), "").await?;
    // An operator stops replication everywhere.
    for replica in &stage.fleet.servers()[1..] {
        replica.sql("STOP REPLICA").await?;
    }
    stage.nothing_happens(Duration::from_secs(3)).await?;
    for replica in &stage.fleet.servers()[1..] {
        replica.sql("START REPLICA").await?;
    }
    // Appliers fail while receivers run.
    for replica in &stage.fleet.servers()[1..] {
        replica.sql("STOP REPLICA SQL_THREAD").await?;
    }
    stage.nothing_happens(Duration::from_secs(2)).await?;
    for replica in &stage.fleet.servers()[1..] {
        replica.sql("START REPLICA SQL_THREAD").await?;
    }
    // It stalls for a moment.
    stage.fleet.server(0).freeze()?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    stage.fleet.server(0).thaw()?;
    stage.nothing_happens(Duration::from_secs(4)).await?;
    let (_fleet, manager, _, two) = stage.end().await;
    assert!(two.is_empty(), "two writable primaries: {two:?}");
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// A primary that is back within the configured grace is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_within_the_grace_is_no_failure() -> anyhow::Result<()> {
    let extra = r#", "PrimaryRestartGraceSeconds": 30"#;
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2), extra).await?;
    let primary = stage.fleet.server(0);
    primary.kill9()?;
    eventually("the death is noticed", Duration::from_secs(10), || {
        let watched = stage.manager.view().snapshot.get(primary.key())?.clone();
        (!watched.is_valid()).then_some(())
    })
    .await;
    primary.start().await?;
    primary.set_writable(true).await?;
    stage.nothing_happens(Duration::from_secs(3)).await?;
    let (_fleet, manager, _, _) = stage.end().await;
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// The manager dies in each single step of a recovery, the step done and not yet journaled. The next one completes the
/// recovery, once, or closes it and does it anew; never are two servers writable.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_dies_in_any_step_is_followed_by_one_that_goes_on() -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!("orchestrator-stories-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let mut stage = Stage::set(Fleet::builder().primary_with_replicas(2), "").await?;
    let steps = 11;
    let mut primary = stage.fleet.server(0).key().clone();
    stage.manager.stop(Duration::from_secs(5)).await;
    for step in 1..=steps {
        eprintln!("--- dies in step {step}");
        let path = directory.join(format!("{step}.sqlite3"));
        let first = stage::start("", Mode::Drill { halt_in_step: step }, Store::open(&path, store::Mode::Own)?).await?;
        first.discover(&primary).await?;
        eventually("discovery", Duration::from_secs(20), || {
            let view = first.view();
            let seen = view.snapshot.watched.values().filter(|watched| watched.is_valid()).count();
            (seen == 3 && view.graph.replicas(&primary).len() == 2).then_some(())
        })
        .await;
        let killed = Instant::now();
        stage.fleet.find(&primary).expect("it is in the fleet").kill9()?;
        eventually("the step before its end", Duration::from_secs(20), || {
            let running = first.store().running_recoveries().ok()?.into_iter().next()?;
            let record = first.store().plan(&running.uid).ok()??;
            record.steps.iter().any(|done| done.number == step && done.outcome.is_none()).then_some(())
        })
        .await;
        // The halted step has been performed when the steps beside it have ended; dying earlier is as good a test.
        first.stop(Duration::ZERO).await;
        drop(first);

        stage.manager = stage::start("", Mode::Service, Store::open(&path, store::Mode::Own)?).await?;
        let new = stage.writes_go_on(killed, Duration::from_secs(20)).await?;
        assert_ne!(new, primary);
        let recovery = stage.recovered().await;
        assert!(recovery.is_successful, "{recovery:?}");
        assert_eq!(recovery.successor.as_ref(), Some(&new));
        stage.replicas_follow(&new, 1).await;
        stage.fleet.rejoin(stage.fleet.find(&primary).expect("it is in the fleet"), &new).await?;
        stage.manager.stop(Duration::from_secs(5)).await;
        primary = new;
    }
    let (_fleet, _, _, two) = stage.end().await;
    std::fs::remove_dir_all(&directory)?;
    assert!(two.is_empty(), "two writable primaries: {two:?}");
    Ok(())
}
