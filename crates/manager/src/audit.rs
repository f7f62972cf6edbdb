//! Keeps who did what to which server.

use std::sync::Arc;

use store::Command;
use tokio::io::AsyncWriteExt;
use topology::InstanceKey;

use crate::hub::Hub;

/// Records that something was done: in the store (`AuditToBackendDB`), in a file (`AuditLogFile`), in the log. A record
/// that cannot be kept is reported and stops nothing.
pub(crate) async fn record(hub: &Arc<Hub>, kind: &str, key: Option<&InstanceKey>, cluster: &str, message: &str) {
    let config = hub.config();
    tracing::info!(kind, instance = key.map(ToString::to_string), cluster, message, "audit");
    if config.audit.to_backend {
        let (kind, key, cluster, message) = (kind.to_owned(), key.cloned(), cluster.to_owned(), message.to_owned());
        if let Err(error) = hub.declare(Command::Audit { kind, key, cluster, message, at: hub.now() }).await {
            tracing::warn!(%error, "an audit record was not kept");
        }
    }
    if let Some(path) = &config.audit.log_file {
        let line = line(hub, kind, key, cluster, message);
        let appended = async {
            let mut options = tokio::fs::OpenOptions::new();
            let mut file = options.create(true).append(true).mode(0o640).open(path).await?;
            file.write_all(line.as_bytes()).await?;
            file.flush().await
        };
        if let Err(error) = appended.await {
            tracing::warn!(%error, file = %path.display(), "cannot append to AuditLogFile");
        }
    }
}

/// Tab-separated, as Orchestrator writes it: time, kind, host, port, `[cluster]`, message.
fn line(hub: &Hub, kind: &str, key: Option<&InstanceKey>, cluster: &str, message: &str) -> String {
    let nobody = InstanceKey::default();
    let key = key.unwrap_or(&nobody);
    let time = crate::calendar::date_time(hub.now());
    let flat = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    format!("{time}\t{kind}\t{}\t{}\t[{}]\t{}\n", flat(&key.host), key.port, flat(cluster), flat(message))
}
