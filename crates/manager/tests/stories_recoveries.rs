//! Stories on real servers about recoveries other than that of a primary with replicas by GTID.

mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::{Fleet, FleetBuilder, Product, Tree, Writer, WriterOptions};
use manager::{Manager, Mode};
use store::{Page, RecoveryFilter, Store};
use topology::InstanceKey;

use crate::stage::{configuration, eventually};

const ALL: &str = r#", "RecoverIntermediateMasterClusterFilters": ["*"], "InstancePollSeconds": 1"#;

/// A manager and its fleet.
struct Stage {
    fleet: Fleet,
    manager: Manager,
}

impl Stage {
    async fn set(fleet: FleetBuilder, extra: &str) -> anyhow::Result<Self> {
        let log = tracing_subscriber::fmt().with_test_writer().with_env_filter("info,mysql_async=warn").try_init();
        drop(log);
        let fleet = fleet.build().await?;
        let manager = manage(&fleet, extra).await?;
        Ok(Self { fleet, manager })
    }

    fn key(&self, index: usize) -> &InstanceKey {
        self.fleet.server(index).key()
    }

    fn recoveries(&self) -> Vec<store::Recovery> {
        self.manager.store().recoveries(RecoveryFilter::default(), Page::all()).expect("a store that can be read")
    }

    /// Waits for the end of a recovery of this kind.
    async fn recovered(&self, kind: &str) -> store::Recovery {
        let found = eventually(&format!("the end of a recovery {kind}"), Duration::from_secs(30), || {
            self.recoveries().into_iter().find(|recovery| recovery.ended.is_some() && recovery.kind == kind)
        })
        .await;
        for sentence in self.manager.store().recovery_steps(&found.uid).expect("a story") {
            eprintln!("  {kind}: {}", sentence.message);
        }
        found
    }

    async fn follows(&self, replica: usize, source: usize) -> anyhow::Result<()> {
        self.fleet.server(replica).replicating_from(self.key(source), Duration::from_secs(20)).await
    }

    async fn end(self) {
        self.manager.stop(Duration::from_secs(5)).await;
    }
}

async fn manage(fleet: &Fleet, extra: &str) -> anyhow::Result<Manager> {
    let store = consensus::Consensus::alone(Store::open(":memory:", store::Mode::Own)?);
    let manager = Manager::start(configuration(extra), store, Mode::Service, Arc::new(|_, _| Err(Vec::new()))).await?;
    manager.discover(fleet.server(0).key()).await?;
    let count = fleet.servers().len();
    eventually("discovery of the whole fleet", Duration::from_secs(20), || {
        let view = manager.view();
        let seen = view.snapshot.watched.values().filter(|watched| watched.is_valid()).count();
        (seen == count && view.graph.clusters().len() == 1).then_some(())
    })
    .await;
    Ok(manager)
}

/// Server 1 and 2 are below the primary, and so many more below server 1.
fn two_tiers(below: usize) -> Tree {
    let sources: Vec<Option<usize>> =
        [None, Some(0), Some(0)].into_iter().chain(std::iter::repeat_n(Some(1), below)).collect();
    Tree::of(&sources).expect("a tree")
}

async fn intermediate_is_killed(product: Product, below: usize) -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().product(product).tree(two_tiers(below)), ALL).await?;
    let writer = Writer::start(&stage.fleet, WriterOptions::default());
    writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
    let killed = Instant::now();
    stage.fleet.server(1).kill9()?;
    for replica in 3..3 + below {
        stage.follows(replica, 2).await?;
    }
    eprintln!("{product:?}: {below} replicas have a new source after {:?}", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(6), "{:?}", killed.elapsed());
    let recovery = stage.recovered("DeadIntermediate").await;
    assert!(recovery.is_successful && recovery.lost.is_empty(), "{recovery:?}");
    assert_eq!(recovery.successor.as_ref(), Some(stage.key(2)));
    writer.commits_again(Instant::now(), Duration::from_secs(5)).await?;
    writer.stop().await;
    for replica in 3..3 + below {
        let executed = stage.fleet.server(0).executed().await?;
        stage.fleet.server(replica).has_executed(&executed, Duration::from_secs(20)).await?;
    }
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_intermediate_with_four_replicas_is_killed() -> anyhow::Result<()> {
    intermediate_is_killed(Product::MySql97, 4).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_intermediate_is_killed() -> anyhow::Result<()> {
    intermediate_is_killed(Product::MariaDb118, 2).await
}

/// The primary's recovery comes first, and the intermediate's replicas go below the new primary or beside it.
#[tokio::test(flavor = "multi_thread")]
async fn primary_and_intermediate_are_killed_together() -> anyhow::Result<()> {
    let sources = [None, Some(0), Some(0), Some(0), Some(1), Some(1)];
    let stage = Stage::set(Fleet::builder().tree(Tree::of(&sources)?), ALL).await?;
    let killed = Instant::now();
    stage.fleet.server(0).kill9()?;
    stage.fleet.server(1).kill9()?;
    let first = stage.recovered("DeadPrimary").await;
    let second = stage.recovered("DeadIntermediate").await;
    eprintln!("both are repaired after {:?}", killed.elapsed());
    let new = first.successor.clone().expect("a new primary");
    assert!(second.started >= first.ended.expect("it ended"), "the intermediate's came too early");
    assert!(second.is_successful && second.lost.is_empty(), "{second:?}");
    let alive = [stage.key(2).clone(), stage.key(3).clone()];
    for replica in [4, 5] {
        let state = stage.fleet.server(replica).replica_state().await?.expect("a replica");
        assert!(alive.contains(&state.source) && alive.contains(&new), "{state:?}");
        stage.fleet.server(replica).replicating_from(&state.source, Duration::from_secs(10)).await?;
    }
    stage.end().await;
    Ok(())
}
