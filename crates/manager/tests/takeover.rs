//! Stories of planned switchovers on real servers: the manager in this process, a fleet of the lab, and clients that write.

#![allow(clippy::disallowed_methods, reason = "whoever asks beside the takeover ends with the test")]

mod stage;

use std::time::{Duration, Instant};

use lab::{Fleet, FleetBuilder, Product, Record, Watcher, Writer, WriterOptions};
use manager::{Manager, Mode, TakenOver};
use planner::Wish;
use store::Store;
use topology::InstanceKey;

use crate::stage::eventually;

const SOON: Duration = Duration::from_secs(20);

struct Stage {
    fleet: Fleet,
    manager: Manager,
    writer: Writer,
    watcher: Watcher,
}

impl Stage {
    async fn set(fleet: FleetBuilder, extra: &str) -> anyhow::Result<Self> {
        let (fleet, manager) = stage::set(fleet, extra).await?;
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
        // What was on its way when the writer was stopped may still arrive.
        let until = Instant::now() + SOON;
        for server in self.fleet.servers() {
            loop {
                let (own, all) = (server.executed().await?, primary.executed().await?);
                if own == all {
                    break;
                }
                assert!(Instant::now() < until, "{} has {own}, and the primary {all}", server.key());
            }
        }
        Ok(record)
    }
}

fn load() -> WriterOptions {
    WriterOptions { connections: 4, pause: Duration::from_millis(2), ..WriterOptions::default() }
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

/// What blocks the freeze is killed, and its client told so: a transaction that holds a table lock, and a statement that never
/// ends. Then it goes on as ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_blocks_the_freeze_is_killed() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2).semi_sync(1), "").await?;
    let old = stage.fleet.server(0);
    old.sql("CREATE TABLE app.locked (id INT PRIMARY KEY); CREATE TABLE app.slow (id INT PRIMARY KEY)").await?;
    old.sql("GRANT LOCK TABLES ON app.* TO 'app'@'%'").await?;
    let (user, password) = lab::Accounts::APPLICATION;
    let access = mysql::Access::new(user, mysql::Secret::new(password)).with_timeouts(SOON, SOON * 4);
    let mut locker = mysql::Session::connect(old.key(), &access).await?;
    let mut runner = mysql::Session::connect(old.key(), &access).await?;
    locker.execute("LOCK TABLES app.locked WRITE").await?;
    let sql = "INSERT INTO app.slow SELECT sleep(60)";
    let running = tokio::spawn(async move { runner.execute_within(sql, SOON * 4).await });
    let ended = stage.take_over(0, 1).await?;
    assert_eq!(ended.recovered.successor, Some(stage.key(1)), "{:?}", ended.recovered.errors);
    assert!(running.await?.is_err(), "a statement went on on a frozen server");
    assert!(locker.execute("UNLOCK TABLES").await.is_err(), "a lock was held on a frozen server");
    stage.writes_at(1).await?;
    stage.all_follow(1).await?;
    let record = stage.end(1).await?;
    eprintln!("longest pause {:?}", record.longest_pause().map(|(pause, _)| pause));
    Ok(())
}

/// Nothing is begun with a candidate whose applier is stopped or delayed.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_follow_takes_over_from_nobody() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2), "").await?;
    stage.fleet.server(1).stop_applier().await?;
    let refused = stage.take_over(0, 1).await.expect_err("its applier is stopped").to_string();
    assert!(refused.contains("does not replicate"), "{refused}");
    stage.fleet.server(1).start_applier().await?;
    stage.fleet.server(1).set_delay(5).await?;
    let refused = stage.take_over(0, 1).await.expect_err("it is delayed").to_string();
    assert!(refused.contains("delayed by 5 s"), "{refused}");
    stage.fleet.server(1).set_delay(0).await?;
    stage.writes_at(0).await?;

    stage.all_follow(0).await?;
    stage.end(0).await?;
    Ok(())
}

/// A manager dies in each single step of a takeover, the step done and not yet journaled. The next one undoes what was begun,
/// or completes it if the promotion had begun; nothing stays read-only, and never are two servers writable.
async fn a_manager_dies_in_each_step(fleet: FleetBuilder) -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!(
        "orchestrator-takeovers-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir_all(&directory)?;
    let mut stage = Stage::set(fleet, "").await?;
    stage.manager.stop(Duration::from_secs(5)).await;
    let mut primary = 0;
    for step in 1.. {
        let path = directory.join(format!("{step}.sqlite3"));
        let (drill, store) = (Mode::Drill { halt_in_step: step }, Store::open(&path, store::Mode::Own)?);
        let first = stage::manage(&stage.fleet, "", drill, store).await?;
        let next = (primary + 1) % stage.fleet.servers().len();
        let (old, new) = (stage.key(primary), stage.key(next));
        let wish = Wish { designated: Some(new.clone()), auto: true };
        let (asked, of) = (first.clone(), old.clone());
        let asking = tokio::spawn(async move { asked.take_over(&of, wish, false).await });
        let plan = eventually("the step before its end, or the end", SOON, || {
            let running = first.store().running_recoveries().ok()?.into_iter().next();
            let Some(running) = running else { return asking.is_finished().then_some(None) };
            let record = first.store().plan(&running.uid).ok()??;
            let is_there =
                record.steps.iter().any(|done| done.number == step && done.started.is_some() && done.outcome.is_none());
            is_there.then(|| serde_json::from_str::<planner::Plan>(&record.plan).ok())
        })
        .await;
        let Some(plan) = plan else {
            // There are no more steps than that.
            assert!(step > 10, "it ended before step {step}");
            first.stop(Duration::from_secs(5)).await;
            primary = next;
            break;
        };
        // Steps beside it may still be under way: to die earlier is as good a test.
        first.stop(Duration::ZERO).await;
        drop(first);
        let promoted = step >= plan.point_of_no_return();
        eprintln!("--- died in step {step}: {}", plan.steps[step as usize - 1].action);
        stage.manager = stage::start("", Mode::Service, Store::open(&path, store::Mode::Own)?).await?;
        eventually("the end of the takeover", SOON * 2, || {
            stage.manager.store().running_recoveries().ok()?.is_empty().then_some(())
        })
        .await;
        if promoted {
            primary = next;
        }
        stage.writes_at(primary).await?;
        stage.all_follow(primary).await?;
        stage.manager.stop(Duration::from_secs(5)).await;
    }
    stage.writes_at(primary).await?;
    stage.all_follow(primary).await?;
    std::fs::remove_dir_all(&directory)?;
    stage.end(primary).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_dies_in_each_step_with_a_spare() -> anyhow::Result<()> {
    a_manager_dies_in_each_step(Fleet::builder().primary_with_replicas(2).semi_sync(1)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_dies_in_each_step_without_a_spare() -> anyhow::Result<()> {
    a_manager_dies_in_each_step(Fleet::builder().primary_with_replicas(2).semi_sync(2)).await
}

/// An acknowledging replica stops dead after the decision, by a hook: commits on the primary hang, and the freeze with them.
/// Nobody is killed for that. All is undone within the budget, and once the replica is back, writes go on where they were.
#[tokio::test(flavor = "multi_thread")]
async fn lost_acknowledgements_undo_it() -> anyhow::Result<()> {
    let hook = std::env::temp_dir().join(format!("orchestrator-takeover-hook-{}", std::process::id()));
    std::fs::write(&hook, "")?;
    let extra = format!(r#", "TakeoverWriteBlockSeconds": 2, "PreFailoverProcesses": ["bash {}"]"#, hook.display());
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2).semi_sync(2), &extra).await?;
    let acker = stage.fleet.server(2);
    let pid = acker.pid().expect("it runs");
    std::fs::write(&hook, format!("kill -STOP {pid}"))?;
    let begun = Instant::now();
    let ended = stage.take_over(0, 1).await?;
    eprintln!("given up after {:?}: {:?}", begun.elapsed(), ended.recovered.errors);
    acker.thaw()?;
    assert_eq!(ended.recovered.successor, None);
    assert!(ended.recovered.errors[0].contains("did not end within"), "{:?}", ended.recovered.errors);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    stage.writes_at(0).await?;
    stage.all_follow(0).await?;
    assert!(stage.manager.store().declared().demoted.is_empty());

    // Without the hook it goes through.
    std::fs::write(&hook, "")?;
    let ended = stage.take_over(0, 1).await?;
    assert_eq!(ended.recovered.successor, Some(stage.key(1)), "{:?}", ended.recovered.errors);
    stage.writes_at(1).await?;
    stage.all_follow(1).await?;
    std::fs::remove_file(&hook)?;
    stage.end(1).await?;
    Ok(())
}

/// Where nobody can tell the account to replicate with, nothing is touched.
#[tokio::test(flavor = "multi_thread")]
async fn mariadb_without_an_account_is_held() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(1), "").await?;
    let refused = stage.take_over(0, 1).await.expect_err("no account").to_string();
    assert!(refused.contains("ReplicationCredentialsQuery"), "{refused}");
    stage.writes_at(0).await?;
    stage.end(0).await?;
    Ok(())
}

/// A takeover slowed the primary down and was gone before it could end that: whoever leads next does, and leaves alone what
/// an operator set.
async fn a_brake_is_released(product: Product, ours: &str, own: &str) -> anyhow::Result<()> {
    let fleet = Fleet::builder().product(product).primary_with_replicas(1).build().await?;
    let (primary, replica) = (fleet.server(0), fleet.server(1));
    let (variable, _) = ours.split_once('=').expect("a setting");
    primary.sql(&format!("set global {ours}")).await?;
    replica.sql(&format!("set global {own}")).await?;
    let extra = r#", "InstancePollSeconds": 1"#;
    let manager = stage::manage(&fleet, extra, Mode::Service, stage::in_memory()?).await?;
    let until = Instant::now() + SOON;
    while primary.value(&format!("select @@global.{variable}")).await? != "0" {
        assert!(Instant::now() < until, "commits are slowed down still");
    }
    let since = manager.now();
    eventually("the other one is seen once more", SOON, || {
        manager.view().snapshot.get(replica.key()).filter(|watched| watched.is_fresh(since)).map(drop)
    })
    .await;
    assert_eq!(format!("{variable}={}", replica.value(&format!("select @@global.{variable}")).await?), own);
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brake_that_stayed_is_released_when_the_server_is_seen() -> anyhow::Result<()> {
    let (ours, own) = ("binlog_group_commit_sync_delay=100007", "binlog_group_commit_sync_delay=2000");
    a_brake_is_released(Product::MySql97, ours, own).await?;
    let (ours, own) = ("binlog_commit_wait_count=100007", "binlog_commit_wait_count=12");
    a_brake_is_released(Product::MariaDb118, ours, own).await
}
