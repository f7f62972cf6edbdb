//! Recoveries and detections, which share one shape.

use serde::{Deserialize, Serialize};

use crate::{Coordinates, Key, ReplicationAnalysis};

/// A recovery or, with fewer fields filled, a detection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "a field is its key in the contract; docs/api.md lists what the keys mean")]
pub struct TopologyRecovery {
    pub id: i64,
    #[serde(rename = "UID")]
    pub uid: String,
    pub analysis_entry: ReplicationAnalysis,
    pub successor_key: Option<Key>,
    pub successor_alias: String,
    pub successor_binlog_coordinates: Option<Coordinates>,
    pub is_active: bool,
    pub is_successful: bool,
    pub lost_replicas: Vec<Key>,
    pub participating_instance_keys: Vec<Key>,
    pub all_errors: Option<Vec<String>>,
    pub recovery_start_timestamp: String,
    pub recovery_end_timestamp: String,
    pub processing_node_hostname: String,
    pub processing_node_token: String,
    pub acknowledged: bool,
    pub acknowledged_at: String,
    pub acknowledged_by: String,
    pub acknowledged_comment: String,
    pub last_detection_id: i64,
    pub related_recovery_id: i64,
    pub r#type: String,
    pub recovery_type: String,
}

/// A recovery that was not begun because of an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BlockedRecovery {
    /// The instance that would have been recovered.
    pub failed_instance_key: Key,
    /// Its cluster.
    pub cluster_name: String,
    /// The diagnosis, such as `DeadMaster`.
    pub analysis: String,
    /// When it was last held back.
    pub last_blocked_timestamp: String,
    /// Number of the recovery that stands in the way.
    pub blocking_recovery_id: i64,
}

/// A sentence of a recovery's story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RecoveryStep {
    /// Row id.
    pub id: i64,
    /// The recovery.
    #[serde(rename = "RecoveryUID")]
    pub recovery_uid: String,
    /// When.
    pub audit_at: String,
    /// The sentence.
    pub message: String,
}
