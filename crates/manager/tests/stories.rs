//! Stories on real servers: the manager in this process, a fleet of the lab, and a fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, SourceFile};
use lab::{Accounts, Fleet, Product, Record, Watcher, Writer, WriterOptions};
use manager::{Manager, Mode};
use store::{Page, RecoveryFilter, Store};
use topology::InstanceKey;

/// A manager, its fleet, and who watches them.
struct Stage {
    fleet: Fleet,
    manager: Manager,
    writer: Writer,
    watcher: Watcher,
}

fn configuration(extra: &str) -> Config {
    let (user, password) = Accounts::MANAGER;
    let text = format!(
        r#"{{
            "MySQLTopologyUser": "{user}",
            "MySQLTopologyPassword": "{password}",
            "RecoverMasterClusterFilters": ["*"],
            "MySQLHostnameResolveMethod": "none",
            "HostnameResolveMethod": "none"
            {extra}
        }}"#
    );
    let file = SourceFile { name: "story.json".to_owned(), text };
    config::parse(&[file], &config::NoSurroundings).expect("a good configuration").config
}

async fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {} s", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Stage {
    async fn set(fleet: lab::FleetBuilder, extra: &str) -> anyhow::Result<Self> {
        let log = tracing_subscriber::fmt().with_test_writer().with_env_filter("info,mysql_async=warn").try_init();
        drop(log);
        let fleet = fleet.build().await?;
        let store = Store::open(":memory:", store::Mode::Own)?;
        let manager =
            Manager::start(configuration(extra), store, Mode::Service, Arc::new(|_, _| Err(Vec::new()))).await?;
        manager.discover(fleet.server(0).key()).await?;
        let count = fleet.servers().len();
        eventually("discovery of the whole fleet", Duration::from_secs(20), || {
            let view = manager.view();
            let seen = view.snapshot.watched.values().filter(|watched| watched.is_valid()).count();
            (seen == count && view.graph.clusters().len() == 1).then_some(())
        })
        .await;
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
    eprintln!("writes again after {:?}", killed.elapsed());
    assert_ne!(new, old);
    stage.replicas_follow(&new, 2).await;
    let (_fleet, manager, _record, two) = stage.end().await;
    assert!(two.is_empty(), "two writable primaries: {two:?}");
    let recoveries = manager.store().recoveries(RecoveryFilter::default(), Page::all())?;
    assert_eq!(recoveries.len(), 1);
    assert!(recoveries[0].is_successful);
    for step in manager.store().recovery_steps(&recoveries[0].uid)? {
        eprintln!("{} {}", step.at.0 - recoveries[0].started.0, step.message);
    }
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_primary_is_killed() -> anyhow::Result<()> {
    primary_is_killed(Product::MySql97).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_primary_is_killed() -> anyhow::Result<()> {
    primary_is_killed(Product::MariaDb1011).await
}
