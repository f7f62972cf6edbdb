//! A failover as a careful person does it, without the manager.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lab::{Fleet, Server};

/// How long anything may take that takes a second on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Stops the receiver and waits until all that it received is applied.
pub async fn drain(replica: &Server) -> Result<()> {
    replica.stop_receiver().await?;
    let word = if replica.product().is_mariadb() { "SLAVE" } else { "REPLICA" };
    let status = replica.sql(&format!("SHOW {word} STATUS")).await?;
    let received = status[0].text_or_empty(&["Retrieved_Gtid_Set", "Gtid_IO_Pos"]);
    replica.has_executed(&received.replace('\n', ""), PATIENCE).await
}

/// Returns the replica that has most, after all have applied what they received. All have a beginning of the same
/// stream, so that more rows are simply more of it.
pub async fn most_advanced(fleet: &Fleet) -> Result<Arc<Server>> {
    let mut ranked = Vec::new();
    for server in fleet.servers().iter().filter(|server| server.is_running()) {
        drain(server).await?;
        let rows: u64 = server.value("SELECT COUNT(*) FROM app.writes").await?.parse()?;
        ranked.push((rows, server.clone()));
    }
    Ok(ranked.into_iter().max_by_key(|(rows, _)| *rows).expect("a server runs").1)
}

/// Makes `chosen` the primary of all others that run. It opens when it has its replicas: before that, commits that wait
/// for a replica would only hang.
pub async fn promote(fleet: &Fleet, chosen: &Server) -> Result<()> {
    chosen.forget_source().await?;
    fleet.wait_for_replicas(chosen).await?;
    for other in fleet.servers().iter().filter(|other| other.key() != chosen.key() && other.is_running()) {
        other.replicate_from(chosen.key()).await?;
        other.replicating_from(chosen.key(), PATIENCE).await?;
    }
    chosen.set_writable(true).await
}
