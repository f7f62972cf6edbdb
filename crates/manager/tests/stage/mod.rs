//! What stories of this crate share.

use std::time::{Duration, Instant};

use config::{Config, SourceFile};
use lab::Accounts;

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
