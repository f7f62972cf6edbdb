//! The API within this process, over a service's own state or over a farm in a file.

use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use cli::{Transport, TransportError};
use config::Config;
use manager::Manager;
use topology::Timestamp;

/// The API within this process.
pub struct InProcess(axum::Router);

impl InProcess {
    /// Returns what `router` serves, for a caller within this process.
    pub fn of(router: axum::Router) -> Self {
        Self(router)
    }
}

impl Transport for InProcess {
    async fn get(&self, path_and_query: &str) -> Result<(u16, Vec<u8>), TransportError> {
        let path = format!("/api/{}", path_and_query.trim_start_matches('/'));
        let answer = api::get(&self.0, &path).await;
        answer.map_err(|error| TransportError::BadUrl { url: path, why: error.to_string() })
    }
}

/// A farm in a file: answers as if it were watched, and touches nothing.
pub struct Farm(InProcess);

impl Farm {
    /// Reads the file at `path`, or stdin if that is `-`.
    ///
    /// # Errors
    /// It cannot be read, or is no farm; the text says what to do.
    pub fn open(path: &Path, config: Config) -> anyhow::Result<Self> {
        let name = path.display();
        let text = read(path).with_context(|| format!("cannot read the snapshot {name}"))?;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX));
        let snapshot = api::read_snapshot(&text, config.discovery.poll, clock)
            .with_context(|| format!("cannot take {name} for a snapshot"))?;
        let manager = Manager::of_snapshot(config, snapshot)?;
        Ok(Self(InProcess::of(api::router_for_this_process(manager, api::Metrics::install()))))
    }
}

impl Transport for Farm {
    fn is_snapshot(&self) -> bool {
        true
    }

    async fn get(&self, path_and_query: &str) -> Result<(u16, Vec<u8>), TransportError> {
        self.0.get(path_and_query).await
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).map(|_| text)
}
