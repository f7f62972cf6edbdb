//! Recoveries and detections in Orchestrator's shape.

use config::Config;
use planner::{Hold, Obstacle};
use store::{Blocked, Detection, Narration, Recovery};
use topology::InstanceKey;
use wire::{
    BlockedRecovery, ClusterInfo, Key, RecoveryStep, ReplicationAnalysis, TopologyRecovery, computed_time, row_time,
};

/// What the recovery history of Orchestrator always shows, of whatever kind the recovery was.
const HISTORIC_TYPE: &str = "NotMasterRecovery";

/// Returns a recovery as the history shows it.
pub(crate) fn recovery(row: &Recovery, config: &Config) -> TopologyRecovery {
    let acknowledged = row.acknowledged.as_ref();
    // The columns of the history hold errors as lines of one text: no error is one empty line.
    let errors = if row.errors.is_empty() { vec![String::new()] } else { row.errors.clone() };
    TopologyRecovery {
        id: row.id,
        uid: row.uid.clone(),
        analysis_entry: past_analysis(
            &row.key,
            &row.code,
            &row.cluster_name,
            &row.cluster_alias,
            &row.replicas,
            config,
        ),
        successor_key: Some(row.successor.as_ref().map(Key::from).unwrap_or_default()),
        successor_alias: row.successor_alias.clone(),
        successor_binlog_coordinates: None,
        is_active: row.is_active,
        is_successful: row.is_successful,
        lost_replicas: keys(&row.lost),
        participating_instance_keys: keys(&row.participating),
        all_errors: Some(errors),
        recovery_start_timestamp: row_time(row.started),
        recovery_end_timestamp: row.ended.map(computed_time).unwrap_or_default(),
        processing_node_hostname: row.node.hostname.clone(),
        processing_node_token: row.node.token.clone(),
        acknowledged: acknowledged.is_some(),
        acknowledged_at: acknowledged.map(|ack| row_time(ack.at)).unwrap_or_default(),
        acknowledged_by: acknowledged.map(|ack| ack.by.clone()).unwrap_or_default(),
        acknowledged_comment: acknowledged.map(|ack| ack.comment.clone()).unwrap_or_default(),
        last_detection_id: row.detection_id,
        related_recovery_id: 0,
        r#type: String::new(),
        recovery_type: HISTORIC_TYPE.to_owned(),
    }
}

/// Returns a detection as the history shows it.
pub(crate) fn detection(row: &Detection, config: &Config) -> TopologyRecovery {
    let mut entry = past_analysis(&row.key, &row.code, &row.cluster_name, &row.cluster_alias, &row.replicas, config);
    entry.start_active_period = row_time(row.at);
    TopologyRecovery {
        id: row.id,
        analysis_entry: entry,
        is_active: row.is_active,
        recovery_start_timestamp: row_time(row.at),
        processing_node_hostname: row.node.hostname.clone(),
        processing_node_token: row.node.token.clone(),
        related_recovery_id: row.recovery_id,
        ..TopologyRecovery::default()
    }
}

/// Returns why a takeover was not begun: in Orchestrator's words where it has some, which scripts look for.
pub(crate) fn obstacle(hold: &Hold) -> String {
    match hold {
        Hold::Obstacle(Obstacle::NotAReplica { asked, primary }) => format!(
            "GracefulMasterTakeover: indicated designated instance {asked} must be directly replicating from the master {primary}"
        ),
        Hold::Obstacle(Obstacle::NobodyNamed { primary, replicas }) => format!(
            "GracefulMasterTakeover: target instance not indicated, auto=false, and master {primary} has {replicas} replicas. \
             orchestrator cannot choose where to failover to. Aborting"
        ),
        other => other.to_string(),
    }
}

/// Returns a sentence of a recovery's story as it is shown.
pub(crate) fn step(row: &Narration) -> RecoveryStep {
    RecoveryStep { id: row.id, recovery_uid: row.uid.clone(), audit_at: row_time(row.at), message: row.message.clone() }
}

/// Returns a blocked recovery as it is shown.
pub(crate) fn blocked(row: &Blocked) -> BlockedRecovery {
    BlockedRecovery {
        failed_instance_key: Key::from(&row.key),
        cluster_name: row.cluster_name.clone(),
        analysis: row.code.clone(),
        last_blocked_timestamp: row_time(row.at),
        blocking_recovery_id: row.recovery_id,
    }
}

/// Returns the few facts that the history keeps of an analysis.
fn past_analysis(
    key: &InstanceKey,
    code: &str,
    cluster_name: &str,
    cluster_alias: &str,
    replicas: &[InstanceKey],
    config: &Config,
) -> ReplicationAnalysis {
    ReplicationAnalysis {
        analyzed_instance_key: Key::from(key),
        cluster_details: ClusterInfo {
            cluster_name: cluster_name.to_owned(),
            cluster_alias: cluster_alias.to_owned(),
            has_automated_master_recovery: config.recovery.primary_filters.matches(cluster_name, cluster_alias),
            has_automated_intermediate_master_recovery: config
                .recovery
                .intermediate_filters
                .matches(cluster_name, cluster_alias),
            ..ClusterInfo::default()
        },
        count_replicas: replicas.len() as u64,
        replicas: keys(replicas),
        slave_hosts: keys(replicas),
        analysis: code.to_owned(),
        ..ReplicationAnalysis::default()
    }
}

fn keys(keys: &[InstanceKey]) -> Vec<Key> {
    keys.iter().map(Key::from).collect()
}
