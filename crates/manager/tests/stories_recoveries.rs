//! Stories on real servers about recoveries other than that of a primary with replicas by GTID.

mod stage;

use std::time::{Duration, Instant};

use lab::{Fleet, FleetBuilder, Product, Tree, Watcher, Writer, WriterOptions};
use manager::{Manager, Mode};
use planner::Request;
use store::{Page, RecoveryFilter, Store};
use topology::InstanceKey;

use crate::stage::eventually;

const ALL: &str = r#", "RecoverIntermediateMasterClusterFilters": ["*"], "InstancePollSeconds": 1"#;

/// A manager and its fleet.
struct Stage {
    fleet: Fleet,
    manager: Manager,
}

impl Stage {
    async fn set(fleet: FleetBuilder, extra: &str) -> anyhow::Result<Self> {
        let (fleet, manager) = stage::set(fleet, extra).await?;
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
    // Where the new primary's other replica was not seen to replicate again yet, one of the two leads the other.
    let alive = [2, 3, 4, 5].map(|server| stage.key(server).clone());
    for replica in [4, 5] {
        let state = stage.fleet.server(replica).replica_state().await?.expect("a replica");
        assert!(alive.contains(&state.source) && alive.contains(&new), "{state:?}");
        stage.fleet.server(replica).replicating_from(&state.source, Duration::from_secs(10)).await?;
    }
    stage.end().await;
    Ok(())
}

fn forced(command: &str, candidate: Option<&InstanceKey>) -> Request {
    Request { candidate: candidate.cloned(), skip_hooks: false, forced: true, command: command.to_owned() }
}

/// Under load and without semi-sync: it is closed first, so that nothing is lost, and never are two open.
#[tokio::test(flavor = "multi_thread")]
async fn a_living_primary_is_replaced_by_force() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2), ALL).await?;
    let writer = Writer::start(&stage.fleet, WriterOptions::default());
    let watcher = Watcher::start(&stage.fleet);
    writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
    let cluster = stage.key(0).to_string();
    let asked = Instant::now();
    let outcome = stage.manager.replace_primary(&cluster, forced("force-master-failover", None)).await?;
    eprintln!("replaced after {:?}", asked.elapsed());
    let new = outcome.recovered.successor.expect("a new primary");
    stage.recovered("DeadPrimary").await;
    assert!(!stage.fleet.server(0).is_writable().await?);
    writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
    // And on to the other one, which somebody names.
    let other = stage.fleet.servers()[1..].iter().find(|server| *server.key() != new).expect("another").key().clone();
    let cluster = new.to_string();
    let outcome = eventually_ok(&stage.manager, &cluster, || forced("force-master-takeover", Some(&other))).await;
    assert_eq!(outcome.recovered.successor.as_ref(), Some(&other));
    writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
    let record = writer.stop().await;
    let two = watcher.stop().await;
    assert!(two.is_empty(), "two writable primaries: {two:?}");
    let verified = record.verify(stage.fleet.find(&other).expect("it is in the fleet")).await?;
    assert!(verified.missing.is_empty(), "lost: {:?}", verified.missing);
    stage.end().await;
    Ok(())
}

/// Asks again while a cluster of this name or its replicas are not known yet.
async fn eventually_ok(manager: &Manager, cluster: &str, request: impl Fn() -> Request) -> manager::Forced {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match manager.replace_primary(cluster, request()).await {
            Ok(outcome) => return outcome,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Servers 0 and 1 replicate from each other; server 2 from `of`.
async fn ring(of: usize) -> anyhow::Result<Stage> {
    let fleet = Fleet::builder().tree(Tree::of(&[None, Some(0), Some(of)])?).build().await?;
    fleet.server(0).replicate_from(fleet.server(1).key()).await?;
    fleet.server(0).replicating_from(fleet.server(1).key(), Duration::from_secs(10)).await?;
    let manager = stage::manage(&fleet, ALL, Mode::Service, stage::in_memory()?).await?;
    eventually("the ring is seen", Duration::from_secs(10), || {
        manager.view().graph.is_co_primary(fleet.server(0).key()).then_some(())
    })
    .await;
    Ok(Stage { fleet, manager })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writable_co_primary_is_killed() -> anyhow::Result<()> {
    let stage = ring(0).await?;
    stage.fleet.server(0).kill9()?;
    let recovery = stage.recovered("DeadCoPrimary").await;
    assert!(recovery.is_successful && recovery.lost.is_empty(), "{recovery:?}");
    assert_eq!(recovery.successor.as_ref(), Some(stage.key(1)));
    assert!(stage.fleet.server(1).is_writable().await?);
    assert_eq!(stage.fleet.server(1).replica_state().await?, None);
    stage.follows(2, 1).await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_closed_co_primary_is_killed() -> anyhow::Result<()> {
    let stage = ring(1).await?;
    let writer = Writer::start(&stage.fleet, WriterOptions::default());
    writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
    stage.fleet.server(1).kill9()?;
    let recovery = stage.recovered("DeadCoPrimary").await;
    assert!(recovery.is_successful && recovery.lost.is_empty(), "{recovery:?}");
    assert_eq!(recovery.successor.as_ref(), Some(stage.key(0)));
    stage.follows(2, 0).await?;
    writer.commits_again(Instant::now(), Duration::from_secs(5)).await?;
    writer.stop().await;
    stage.end().await;
    Ok(())
}

const SEMI_SYNC: &str = r#", "InstancePollSeconds": 1, "DetectSemiSyncEnforcedQuery": "select 1""#;

async fn is_acknowledging(stage: &Stage, index: usize) -> anyhow::Result<bool> {
    let sql = "show global status like 'Rpl_semi_sync_replica_status'";
    let rows = stage.fleet.server(index).sql(sql).await?;
    Ok(rows.first().and_then(|row| row.get(1)) == Some("ON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_primary_gets_a_semi_sync_replica() -> anyhow::Result<()> {
    let extra =
        format!(r#"{SEMI_SYNC}, "RecoverLockedSemiSyncMaster": true, "ReasonableLockedSemiSyncMasterSeconds": 1"#);
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2).semi_sync(1), &extra).await?;
    for replica in &stage.fleet.servers()[1..] {
        replica
            .sql("SET GLOBAL rpl_semi_sync_replica_enabled=0; STOP REPLICA IO_THREAD; START REPLICA IO_THREAD")
            .await?;
    }
    let locked = Instant::now();
    let waiting = stage.fleet.server(0).sql("CREATE DATABASE waits_for_a_replica");
    let another = async {
        let recovery = stage.recovered("LockedSemiSync").await;
        eprintln!("recovered {:?} after the lock", locked.elapsed());
        // The next commit is acknowledged, and with it those that waited.
        stage.fleet.server(0).sql("CREATE DATABASE is_acknowledged").await.map(|_| recovery)
    };
    let (written, recovery) = tokio::join!(waiting, another);
    eprintln!("writes go on {:?} after the lock", locked.elapsed());
    written?;
    let recovery = recovery?;
    assert!(recovery.is_successful, "{recovery:?}");
    let acknowledging = [is_acknowledging(&stage, 1).await?, is_acknowledging(&stage, 2).await?];
    assert_eq!(acknowledging.iter().filter(|on| **on).count(), 1, "no more than are missing");
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_semi_sync_replicas_are_switched_off() -> anyhow::Result<()> {
    let extra = format!(r#"{SEMI_SYNC}, "EnforceExactSemiSyncReplicas": true"#);
    let stage = Stage::set(Fleet::builder().primary_with_replicas(3).semi_sync(1), &extra).await?;
    let recovery = stage.recovered("TooManySemiSync").await;
    assert!(recovery.is_successful, "{recovery:?}");
    let mut acknowledging = 0;
    for index in 1..=3 {
        acknowledging += usize::from(is_acknowledging(&stage, index).await?);
    }
    assert_eq!(acknowledging, 1);
    for index in 1..=3 {
        stage.follows(index, 0).await?;
    }
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_read_only_is_opened() -> anyhow::Result<()> {
    let extra = r#", "InstancePollSeconds": 1, "RecoverNonWriteableMaster": true"#;
    let stage = Stage::set(Fleet::builder().primary_with_replicas(1), extra).await?;
    stage.fleet.server(0).set_writable(false).await?;
    let recovery = stage.recovered("NonWritablePrimary").await;
    assert!(recovery.is_successful, "{recovery:?}");
    assert!(stage.fleet.server(0).is_writable().await?);
    assert!(!stage.fleet.server(1).is_writable().await?);
    stage.end().await;
    Ok(())
}

async fn fleet_without_gtid() -> anyhow::Result<Fleet> {
    let fleet = Fleet::builder().primary_with_replicas(3).build().await?;
    for replica in &fleet.servers()[1..] {
        replica.sql("STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=0; START REPLICA").await?;
        replica.replicating_from(fleet.server(0).key(), Duration::from_secs(10)).await?;
    }
    Ok(fleet)
}

/// They are aligned with a new primary, and the old one is back before that is promoted: they follow it again, and miss nothing.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_without_gtid_go_back_to_a_primary_that_is_back() -> anyhow::Result<()> {
    const LAST_ALIGNMENT: u32 = 7;
    let fleet = fleet_without_gtid().await?;
    let path = fleet.dir().join("back.sqlite3");
    let drill = Mode::Drill { halt_in_step: LAST_ALIGNMENT };
    let first = stage::manage(&fleet, ALL, drill, Store::open(&path, store::Mode::Own)?).await?;
    fleet.server(0).sql("insert into app.writes (run, id, worker) values (1, 1, 7)").await?;
    fleet.in_sync_with(fleet.server(0), Duration::from_secs(10)).await?;
    fleet.server(0).kill9()?;
    eventually("the step before its end", Duration::from_secs(20), || {
        let running = first.store().running_recoveries().ok()?.into_iter().next()?;
        let record = first.store().plan(&running.uid).ok()??;
        let is_halted = |done: &store::StepRecord| done.number == LAST_ALIGNMENT && done.outcome.is_none();
        record.steps.iter().any(is_halted).then_some(())
    })
    .await;
    first.stop(Duration::ZERO).await;
    drop(first);
    fleet.server(0).launch_writable()?;
    fleet.server(0).answering(Duration::from_secs(20)).await?;
    let stage = Stage {
        manager: stage::manage(&fleet, ALL, Mode::Service, Store::open(&path, store::Mode::Own)?).await?,
        fleet,
    };
    let recovery = stage.recovered("DeadPrimary").await;
    assert!(!recovery.is_successful && recovery.successor.is_none(), "{recovery:?}");
    stage.fleet.server(0).sql("insert into app.writes (run, id, worker) values (1, 2, 7)").await?;
    for replica in 1..=3 {
        stage.follows(replica, 0).await?;
    }
    stage.fleet.in_sync_with(stage.fleet.server(0), Duration::from_secs(10)).await?;
    stage.end().await;
    Ok(())
}

/// Replicas that do not use GTID and stopped in the same place are all kept.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_without_gtid_are_aligned() -> anyhow::Result<()> {
    let fleet = fleet_without_gtid().await?;
    let stage = Stage { manager: stage::manage(&fleet, ALL, Mode::Service, stage::in_memory()?).await?, fleet };
    let writer = Writer::start(&stage.fleet, WriterOptions::default());
    writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
    let first = writer.stop().await;
    stage.fleet.in_sync_with(stage.fleet.server(0), Duration::from_secs(10)).await?;
    stage.fleet.server(0).kill9()?;
    let recovery = stage.recovered("DeadPrimary").await;
    assert!(recovery.is_successful && recovery.lost.is_empty(), "{recovery:?}");
    let new = recovery.successor.expect("a new primary");
    let new = stage.fleet.find(&new).expect("it is in the fleet");
    let verified = first.verify(new).await?;
    assert!(verified.missing.is_empty(), "lost: {:?}", verified.missing);
    let writer = Writer::start(&stage.fleet, WriterOptions::default());
    writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
    let second = writer.stop().await;
    for replica in stage.fleet.servers()[1..].iter().filter(|server| server.key() != new.key()) {
        replica.replicating_from(new.key(), Duration::from_secs(10)).await?;
        replica.has_executed(&new.executed().await?, Duration::from_secs(10)).await?;
        let verified = second.verify(replica).await?;
        assert!(verified.missing.is_empty(), "{} lacks {:?}", replica.key(), verified.missing);
    }
    stage.end().await;
    Ok(())
}

/// The manager dies in a step that moves a replica of a dead intermediate source, the step done and not yet journaled: the
/// next one completes the recovery.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_dies_while_it_moves_replicas_is_followed_by_one_that_goes_on() -> anyhow::Result<()> {
    let fleet = Fleet::builder().tree(two_tiers(2)).build().await?;
    for step in [2, 3] {
        let path = fleet.dir().join(format!("{step}.sqlite3"));
        let drill = Mode::Drill { halt_in_step: step };
        let first = stage::manage(&fleet, ALL, drill, Store::open(&path, store::Mode::Own)?).await?;
        fleet.server(1).kill9()?;
        eventually("the step before its end", Duration::from_secs(20), || {
            let running = first.store().running_recoveries().ok()?.into_iter().next()?;
            let record = first.store().plan(&running.uid).ok()??;
            record.steps.iter().any(|done| done.number == step && done.outcome.is_none()).then_some(())
        })
        .await;
        first.stop(Duration::ZERO).await;
        drop(first);
        let next = stage::start(ALL, Mode::Service, Store::open(&path, store::Mode::Own)?).await?;
        let recovery = eventually("the end of the recovery", Duration::from_secs(20), || {
            let filter = RecoveryFilter::default();
            next.store().recoveries(filter, Page::all()).ok()?.into_iter().find(|recovery| recovery.ended.is_some())
        })
        .await;
        assert!(recovery.is_successful && recovery.lost.is_empty(), "{recovery:?}");
        for replica in [3, 4] {
            fleet.server(replica).replicating_from(fleet.server(2).key(), Duration::from_secs(20)).await?;
        }
        next.stop(Duration::from_secs(5)).await;
        fleet.rejoin(fleet.server(1), fleet.server(0).key()).await?;
        for replica in [3, 4] {
            fleet.server(replica).replicate_from(fleet.server(1).key()).await?;
            fleet.server(replica).replicating_from(fleet.server(1).key(), Duration::from_secs(20)).await?;
        }
    }
    Ok(())
}

/// Makes servers 0 to 2 a replication group, and server 3 a replica of server 1.
async fn group() -> anyhow::Result<Fleet> {
    let name = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
    let fleet = Fleet::builder()
        .tree(Tree::of(&[None, Some(0), Some(0), Some(1)])?)
        // A member's address must be one of its own interfaces.
        .in_namespaces()
        .option("--plugin-load-add=group_replication.so")
        .option("--loose-group-replication-start-on-boot=OFF")
        .option(format!("--loose-group-replication-group-name={name}"))
        .build()
        .await?;
    let local = |index: usize| format!("{}:23306", fleet.server(index).key().host);
    let seeds = [local(0), local(1), local(2)].join(",");
    for index in 0..3 {
        let server = fleet.server(index);
        if index > 0 {
            server.forget_source().await?;
        }
        let (user, password) = lab::Accounts::REPLICATION;
        server
            .sql(&format!(
                "SET GLOBAL group_replication_local_address='{}', GLOBAL group_replication_group_seeds='{seeds}',
                     GLOBAL group_replication_ip_allowlist='198.18.0.0/15',
                     GLOBAL group_replication_recovery_get_public_key=ON;
                 CHANGE REPLICATION SOURCE TO SOURCE_USER='{user}', SOURCE_PASSWORD='{password}'
                     FOR CHANNEL 'group_replication_recovery';
                 SET GLOBAL group_replication_bootstrap_group={};
                 START GROUP_REPLICATION;
                 SET GLOBAL group_replication_bootstrap_group=OFF",
                local(index),
                if index == 0 { "ON" } else { "OFF" },
            ))
            .await?;
    }
    Ok(fleet)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_member_with_a_classic_replica_is_killed() -> anyhow::Result<()> {
    let fleet = group().await?;
    let stage = Stage { manager: stage::manage(&fleet, ALL, Mode::Service, stage::in_memory()?).await?, fleet };
    eventually("the group is seen", Duration::from_secs(20), || {
        let view = stage.manager.view();
        let online = |index: usize| {
            let group = view.snapshot.instance(stage.key(index))?.group.clone()?;
            (group.state == "ONLINE" && group.members.len() == 2).then_some(())
        };
        online(0).and(online(1)).and(online(2))
    })
    .await;
    stage.fleet.server(1).kill9()?;
    let recovery = stage.recovered("DeadGroupMember").await;
    assert!(recovery.is_successful && recovery.lost.is_empty(), "{recovery:?}");
    assert_eq!(recovery.successor.as_ref(), Some(stage.key(2)));
    stage.follows(3, 2).await?;
    stage.end().await;
    Ok(())
}
