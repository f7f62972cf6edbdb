//! What stories of this crate share.

use std::time::{Duration, Instant};

use config::{Config, SourceFile};
use lab::Accounts;
use manager::Manager;
use topology::InstanceKey;

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
#[allow(dead_code, reason = "not each program of stories asks for a proof")]
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
