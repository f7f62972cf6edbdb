//! What the stories have in common: a failover as a person would do it, without the manager.

use std::time::Duration;

use anyhow::Result;
use lab::{Fleet, Server};

/// How long anything may take that takes a second on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Makes `chosen` the primary of all others that run.
pub async fn promote_by_hand(fleet: &Fleet, chosen: &Server) -> Result<()> {
    chosen.forget_source().await?;
    chosen.set_writable(true).await?;
    for other in fleet.servers().iter().filter(|other| other.key() != chosen.key() && other.is_running()) {
        other.replicate_from(chosen.key()).await?;
        other.replicating_from(chosen.key(), PATIENCE).await?;
    }
    Ok(())
}
