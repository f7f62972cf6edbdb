//! Clusters, locks and the audit in Orchestrator's shape.

use config::Config;
use store::AuditRow;
use topology::{Cluster, InstanceKey, Timestamp};
use wire::{Audit, AutomatedRecoveryFilters, ClusterInfo, Key, Maintenance, row_time};

/// Returns `cluster` as it is shown.
pub(crate) fn info(cluster: &Cluster, config: &Config) -> ClusterInfo {
    ClusterInfo {
        cluster_name: cluster.name.clone(),
        cluster_alias: cluster.alias.clone(),
        cluster_domain: cluster.domain.clone(),
        count_instances: cluster.members.len() as u64,
        heuristic_lag: 0,
        has_automated_master_recovery: config.recovery.primary_filters.matches(&cluster.name, &cluster.alias),
        has_automated_intermediate_master_recovery: config
            .recovery
            .intermediate_filters
            .matches(&cluster.name, &cluster.alias),
    }
}

/// Returns the filters as the configuration has them.
pub(crate) fn filters(config: &Config) -> AutomatedRecoveryFilters {
    let list = |id| serde_json::from_value(config.value(id)).unwrap_or_default();
    AutomatedRecoveryFilters {
        recover_intermediate_master_cluster_filters: list(config::Id::RecoverIntermediateMasterClusterFilters),
        recover_master_cluster_filters: list(config::Id::RecoverMasterClusterFilters),
        recovery_ignore_hostname_filters: list(config::Id::RecoveryIgnoreHostnameFilters),
    }
}

/// Returns the lock on `key` as it is shown at `now`.
pub(crate) fn maintenance(key: &InstanceKey, lock: &topology::Maintenance, now: Timestamp) -> Maintenance {
    Maintenance {
        maintenance_id: lock.id,
        key: Key::from(key),
        begin_timestamp: row_time(lock.begins),
        seconds_elapsed: now.since(lock.begins).as_secs(),
        is_active: lock.ends > now,
        owner: lock.owner.clone(),
        reason: lock.reason.clone(),
    }
}

/// Returns an audit row as it is shown.
pub(crate) fn audit(row: &AuditRow) -> Audit {
    Audit {
        audit_id: row.id,
        audit_timestamp: row_time(row.at),
        audit_type: row.kind.clone(),
        audit_instance_key: row.key.as_ref().map(Key::from).unwrap_or_default(),
        message: row.message.clone(),
    }
}
