//! Diagnoses of real servers: what the manager says while a server that is no plain primary fails, or lives and looks dead.

mod stage;

use std::time::Duration;

use analysis::Code;
use lab::{Fleet, Tree};
use manager::Manager;
use store::Command;
use topology::InstanceKey;

use crate::stage::{eventually, set};

/// Returns what is wrong with `key` now.
fn diagnosed(manager: &Manager, key: &InstanceKey) -> Code {
    let view = manager.view();
    view.diagnoses.iter().find(|found| found.subject == *key).map_or(Code::NoProblem, |found| found.code)
}

/// Waits until `code` is said of `key`.
async fn says(manager: &Manager, key: &InstanceKey, code: Code) {
    eventually(&format!("{code:?}"), Duration::from_secs(25), || (diagnosed(manager, key) == code).then_some(())).await;
}

/// Returns how the diagnosis of `key` changed.
fn history(manager: &Manager, key: &InstanceKey) -> Vec<String> {
    let changes = manager.store().changelog().expect("a store that can be read");
    changes.into_iter().filter(|change| change.key == *key).map(|change| change.code).collect()
}

/// Waits until the changelog says that `code` is what was last diagnosed of `key`.
async fn noted(manager: &Manager, key: &InstanceKey, code: Code) {
    let is_last = || history(manager, key).last().is_some_and(|last| last == code.compat());
    eventually(&format!("a note of {code:?}"), Duration::from_secs(25), || is_last().then_some(())).await;
}

/// An intermediate source freezes: its replicas believe in it until their receivers are restarted. It resumes, and then its
/// process is killed. What was said of it stands in the changelog.
#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_source_freezes_and_dies() -> anyhow::Result<()> {
    let tree = Tree::of(&[None, Some(0), Some(1), Some(1)])?;
    let (fleet, manager) = set(Fleet::builder().tree(tree), "").await?;
    let source = fleet.server(1);
    source.freeze()?;
    noted(&manager, source.key(), Code::DeadIntermediate).await;
    assert_eq!(history(&manager, source.key())[0], Code::UnreachableIntermediate.compat());
    source.thaw()?;
    noted(&manager, source.key(), Code::NoProblem).await;
    source.kill9()?;
    noted(&manager, source.key(), Code::DeadIntermediate).await;
    says(&manager, source.key(), Code::DeadIntermediate).await;
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// All semi-synchronous replicas go. As long as nobody commits, whether the primary is locked is not known; then somebody does.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_without_semi_sync_replicas_is_locked_once_somebody_commits() -> anyhow::Result<()> {
    let extra = r#", "ReasonableLockedSemiSyncMasterSeconds": 2"#;
    let (fleet, manager) = set(Fleet::builder().primary_with_replicas(2).semi_sync(1), extra).await?;
    let primary = fleet.server(0);
    for replica in &fleet.servers()[1..] {
        replica.sql("STOP REPLICA IO_THREAD").await?;
    }
    // A source notices that a receiver is gone when it has something to send; here there is nothing.
    let dumping = "SELECT id FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'";
    for thread in primary.sql(dumping).await? {
        primary.sql(&format!("KILL {}", thread.get(0).unwrap_or_default())).await?;
    }
    says(&manager, primary.key(), Code::LockedSemiSyncPrimaryHypothesis).await;
    let limit = std::time::Instant::now() + Duration::from_secs(4);
    while std::time::Instant::now() < limit {
        assert_eq!(diagnosed(&manager, primary.key()), Code::LockedSemiSyncPrimaryHypothesis, "nobody commits");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let unlocked = async {
        says(&manager, primary.key(), Code::LockedSemiSyncPrimary).await;
        for replica in &fleet.servers()[1..] {
            replica.sql("START REPLICA IO_THREAD").await?;
        }
        Ok(())
    };
    tokio::try_join!(primary.sql("CREATE DATABASE waits"), unlocked)?;
    says(&manager, primary.key(), Code::NoProblem).await;
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// Two co-primaries: both are opened for writes, then one of them dies.
#[tokio::test(flavor = "multi_thread")]
async fn co_primaries_split_and_one_dies() -> anyhow::Result<()> {
    let (fleet, manager) = set(Fleet::builder().primary_with_replicas(1), "").await?;
    manager.declare(Command::DisableRecoveries { by: "story".to_owned(), at: manager.now() }).await?;
    let (one, other) = (fleet.server(0), fleet.server(1));
    one.replicate_from(other.key()).await?;
    eventually("a pair", Duration::from_secs(20), || manager.view().graph.is_co_primary(one.key()).then_some(())).await;
    says(&manager, one.key(), Code::NoProblem).await;
    other.set_writable(true).await?;
    says(&manager, one.key(), Code::CoPrimarySplitBrain).await;
    says(&manager, other.key(), Code::CoPrimarySplitBrain).await;
    other.set_writable(false).await?;
    says(&manager, one.key(), Code::NoProblem).await;
    one.kill9()?;
    says(&manager, one.key(), Code::DeadCoPrimary).await;
    says(&manager, other.key(), Code::AllCoPrimaryReplicasNotReplicating).await;
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// A primary that has no connection left lives: nothing is recovered, and no receiver restarted.
#[tokio::test(flavor = "multi_thread")]
async fn a_saturated_primary_is_told_from_a_dead_one() -> anyhow::Result<()> {
    let (fleet, manager) = set(Fleet::builder().primary_with_replicas(2), "").await?;
    let primary = fleet.server(0);
    let mut inside = primary.admin().await?;
    inside.results("SET GLOBAL max_connections = 1").await?;
    let ours = inside.results("SELECT id FROM performance_schema.processlist WHERE user = 'orchestrator'").await?;
    for connection in ours.into_iter().flatten() {
        // One that ended by itself meanwhile is gone as well.
        drop(inside.results(&format!("KILL {}", connection.get(0).unwrap_or_default())).await);
    }
    says(&manager, primary.key(), Code::SaturatedPrimary).await;
    inside.results("SET GLOBAL max_connections = 100").await?;
    says(&manager, primary.key(), Code::NoProblem).await;
    let recoveries = manager.store().recoveries(store::RecoveryFilter::default(), store::Page::all())?;
    assert!(recoveries.is_empty(), "a false failover: {recoveries:?}");
    assert_eq!(manager.view().snapshot.get(primary.key()).and_then(|watched| watched.receivers_restarted), None);
    manager.stop(Duration::from_secs(5)).await;
    Ok(())
}
