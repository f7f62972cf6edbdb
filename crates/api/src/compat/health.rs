//! This node's health in Orchestrator's shape.

use std::time::Duration;

use consensus::{Standing, Status};
use store::{ActiveNode, NodeHealth, NodeId};
use topology::Timestamp;
use wire::{Empty, HealthStatus, row_time};

use super::raft;

/// Nodes that were silent for longer are not shown as available.
const AVAILABLE_WITHIN: Duration = Duration::from_secs(5);

/// Returns the health of `node` at `now`, as far as the rows of all nodes show it.
pub(crate) fn status(
    node: &NodeId,
    nodes: &[NodeHealth],
    active: Option<&ActiveNode>,
    failed: bool,
    now: Timestamp,
) -> HealthStatus {
    let available: Vec<wire::NodeHealth> =
        nodes.iter().filter(|row| now.since(row.last_seen) <= AVAILABLE_WITHIN).map(available).collect();
    HealthStatus {
        healthy: !failed,
        hostname: node.hostname.clone(),
        token: node.token.clone(),
        is_active_node: active.is_some_and(|active| active.node == *node),
        active_node: active.map(acting).unwrap_or_default(),
        error: failed.then_some(Empty {}),
        available_nodes: (!available.is_empty()).then_some(available),
        ..HealthStatus::default()
    }
}

/// Adds to `health` what `status` tells of the nodes that decide together. Nothing on a manager that stands alone: there the
/// rows tell who acts.
pub(crate) fn add_raft(health: &mut HealthStatus, status: &Status) {
    if status.standing == Standing::Alone {
        return;
    }
    let leads = status.standing.leads();
    health.is_active_node = leads;
    health.active_node = wire::NodeHealth { hostname: raft::leader(status), ..wire::NodeHealth::default() };
    health.raft_leader = raft::leader(status);
    health.is_raft_leader = leads;
    health.raft_leader_uri = raft::leader_uri(status);
    health.raft_advertise = status.node.address.clone();
    // Only the leader hears all of them.
    health.raft_healthy_members = leads.then(|| raft::addresses(status.healthy()));
}

fn acting(row: &ActiveNode) -> wire::NodeHealth {
    wire::NodeHealth {
        hostname: row.node.hostname.clone(),
        token: row.node.token.clone(),
        first_seen_active: row_time(row.first_seen),
        last_seen_active: row_time(row.last_seen),
        ..wire::NodeHealth::default()
    }
}

fn available(row: &NodeHealth) -> wire::NodeHealth {
    wire::NodeHealth {
        hostname: row.node.hostname.clone(),
        token: row.node.token.clone(),
        app_version: row.version.clone(),
        first_seen_active: row_time(row.first_seen),
        last_seen_active: row_time(row.last_seen),
        db_backend: row.backend.clone(),
        ..wire::NodeHealth::default()
    }
}
