//! Stories of planned switchovers on real servers: the manager in this process, a fleet of the lab, and clients that write.

mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::{Fleet, FleetBuilder, Product, Record, Watcher, Writer, WriterOptions};
use manager::{Manager, Mode, TakenOver};
use planner::Wish;
use store::Store;
use topology::InstanceKey;

use crate::stage::{configuration, eventually};

const SOON: Duration = Duration::from_secs(20);

struct Stage {
    fleet: Fleet,
    manager: Manager,
    writer: Writer,
    watcher: Watcher,
}

impl Stage {
    async fn set(fleet: FleetBuilder, extra: &str) -> anyhow::Result<Self> {
        let log = tracing_subscriber::fmt().with_test_writer().with_env_filter("info,mysql_async=warn").try_init();
        drop(log);
        let fleet = fleet.build().await?;
        let manager = start(extra, Mode::Service, Store::open(":memory:", store::Mode::Own)?).await?;
        see(&manager, &fleet).await?;
        let (writer, watcher) = (Writer::start(&fleet, load()), Watcher::start(&fleet));
        writer.commits_again(Instant::now(), SOON).await?;
        Ok(Self { fleet, manager, writer, watcher })
    }

    fn key(&self, index: usize) -> InstanceKey {
        self.fleet.server(index).key().clone()
    }

    async fn take_over(&self, from: usize, to: usize) -> anyhow::Result<TakenOver> {
        let wish = Wish { designated: Some(self.key(to)), auto: true };
        Ok(self.manager.take_over(&self.key(from), wish, false).await?)
    }

    /// Writes go on at this server.
    async fn writes_at(&self, index: usize) -> anyhow::Result<()> {
        let mut after = Instant::now();
        let until = after + SOON;
        loop {
            let commit = self.writer.commits_again(after, SOON).await?;
            if commit.server == index {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < until, "writes go on at {}", self.fleet.server(commit.server).key());
            after = commit.done;
        }
    }

    /// Every other server replicates from this one.
    async fn all_follow(&self, index: usize) -> anyhow::Result<()> {
        let primary = self.key(index);
        for server in self.fleet.servers().iter().filter(|server| *server.key() != primary) {
            server.replicating_from(&primary, SOON).await?;
            anyhow::ensure!(!server.is_writable().await?, "{} is writable", server.key());
        }
        Ok(())
    }

    /// Ends the story with the primary at `index`: nothing is lost, nobody has more than it, and never were two writable.
    async fn end(self, index: usize) -> anyhow::Result<Record> {
        let record = self.writer.stop().await;
        let two = self.watcher.stop().await;
        self.manager.stop(Duration::from_secs(5)).await;
        assert!(two.is_empty(), "two writable primaries: {two:?}");
        let primary = self.fleet.server(index);
        let verified = record.verify(primary).await?;
        assert!(verified.missing.is_empty(), "lost: {:?}", verified.missing);
        let all = primary.executed().await?;
        for server in self.fleet.servers() {
            server.has_executed(&all, SOON).await?;
            assert_eq!(server.executed().await?, all, "{} has other transactions", server.key());
        }
        Ok(record)
    }
}

fn load() -> WriterOptions {
    WriterOptions { connections: 4, pause: Duration::from_millis(2), ..WriterOptions::default() }
}

async fn start(extra: &str, mode: Mode, store: Store) -> anyhow::Result<Manager> {
    let alone = consensus::Consensus::alone(store);
    Ok(Manager::start(configuration(extra), alone, mode, Arc::new(|_, _| Err(Vec::new()))).await?)
}

/// Waits until the manager sees the whole fleet.
async fn see(manager: &Manager, fleet: &Fleet) -> anyhow::Result<()> {
    manager.discover(fleet.server(0).key()).await?;
    let count = fleet.servers().len();
    eventually("discovery of the whole fleet", SOON, || {
        let view = manager.view();
        let seen = view.snapshot.watched.values().filter(|watched| watched.is_valid()).count();
        (seen == count && view.graph.clusters().len() == 1).then_some(())
    })
    .await;
    Ok(())
}

/// There and back again, under load; the old primary is a healthy replica each time.
async fn there_and_back(fleet: FleetBuilder, extra: &str) -> anyhow::Result<()> {
    let stage = Stage::set(fleet, extra).await?;
    for (from, to) in [(0, 1), (1, 0)] {
        let ended = stage.take_over(from, to).await?;
        assert_eq!(ended.recovered.successor, Some(stage.key(to)), "{:?}", ended.recovered.errors);
        assert!(ended.recovered.errors.is_empty(), "{:?}", ended.recovered.errors);
        stage.writes_at(to).await?;
        stage.all_follow(to).await?;
        eventually("the old primary is on record as a replica", SOON, || {
            let view = stage.manager.view();
            let declared = stage.manager.store().declared();
            let old = stage.key(from);
            (declared.demoted.is_empty()
                && declared.downtimes.is_empty()
                && view.graph.replicas(&stage.key(to)).contains(&old))
            .then_some(())
        })
        .await;
    }
    let record = stage.end(0).await?;
    eprintln!("longest pause {:?}", record.longest_pause().map(|(pause, _)| pause));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_there_and_back() -> anyhow::Result<()> {
    there_and_back(Fleet::builder().primary_with_replicas(3), "").await
}

/// All acknowledging replicas are needed by the old primary to the last, and the old primary by the new one from the first.
#[tokio::test(flavor = "multi_thread")]
async fn semi_sync_without_a_spare() -> anyhow::Result<()> {
    there_and_back(Fleet::builder().primary_with_replicas(2).semi_sync(2), "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn semi_sync_with_spares() -> anyhow::Result<()> {
    there_and_back(Fleet::builder().primary_with_replicas(3).semi_sync(1), "").await
}

const CREDENTIALS: &str = r#", "ReplicationCredentialsQuery": "select 'repl', 'repl-lab'""#;

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_there_and_back() -> anyhow::Result<()> {
    there_and_back(Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(2), CREDENTIALS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_semi_sync() -> anyhow::Result<()> {
    there_and_back(Fleet::builder().product(Product::MariaDb118).primary_with_replicas(2).semi_sync(1), CREDENTIALS)
        .await
}
