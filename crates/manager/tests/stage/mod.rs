//! What stories of this crate share.

#![allow(dead_code, reason = "no program of stories needs all of it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, SourceFile};
use lab::{Accounts, Fleet, FleetBuilder};
use manager::{Manager, Mode};
use store::Store;
use topology::InstanceKey;

/// Starts a fleet, and a manager that sees all of it.
pub(crate) async fn set(fleet: FleetBuilder, extra: &str) -> anyhow::Result<(Fleet, Manager)> {
    let fleet = raise(fleet).await?;
    let manager = manage(&fleet, extra, Mode::Service, in_memory()?).await?;
    Ok((fleet, manager))
}

/// Starts a fleet, and has what the manager says among the output of the story.
pub(crate) async fn raise(fleet: FleetBuilder) -> anyhow::Result<Fleet> {
    let log = tracing_subscriber::fmt().with_test_writer().with_env_filter("info,mysql_async=warn").try_init();
    // The second story of a program finds it in place.
    drop(log);
    fleet.build().await
}

pub(crate) fn in_memory() -> anyhow::Result<Store> {
    Ok(Store::open(":memory:", store::Mode::Own)?)
}

/// Starts a manager that stands alone.
pub(crate) async fn start(extra: &str, mode: Mode, store: Store) -> anyhow::Result<Manager> {
    let alone = consensus::Consensus::alone(store);
    Ok(Manager::start(configuration(extra), alone, mode, Arc::new(|_, _| Err(Vec::new()))).await?)
}

/// Likewise, and waits until it sees the whole fleet.
pub(crate) async fn manage(fleet: &Fleet, extra: &str, mode: Mode, store: Store) -> anyhow::Result<Manager> {
    let manager = start(extra, mode, store).await?;
    manager.discover(fleet.server(0).key()).await?;
    sees_all(&manager, fleet).await;
    Ok(manager)
}

/// Waits until `manager` sees the whole fleet.
pub(crate) async fn sees_all(manager: &Manager, fleet: &Fleet) {
    let count = fleet.servers().len();
    eventually("discovery of the whole fleet", Duration::from_secs(20), || {
        let view = manager.view();
        let seen = view.snapshot.watched.values().filter(|watched| watched.is_valid()).count();
        (seen == count && view.graph.clusters().len() == 1).then_some(())
    })
    .await;
}

/// Returns a configuration that recovers everything, with `extra` keys.
pub(crate) fn configuration(extra: &str) -> Config {
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

/// Looks again and again until there is something to see.
pub(crate) async fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {} s", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until people are told that the death of `primary` would lose nothing. Right after a start nobody can tell: the uptime
/// of a server counts whole seconds.
pub(crate) async fn nothing_would_be_lost(manager: &Manager, primary: &InstanceKey) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        manager.refresh(primary).await?;
        let ready = manager.readiness();
        let mut rehearsals = ready.iter().filter_map(|cluster| cluster.rehearsal.as_ref());
        let certificate = rehearsals.find_map(|rehearsal| rehearsal.certificate.as_ref());
        if certificate.is_some_and(planner::Certificate::proves_nothing_lost) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "no proof: {certificate:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
