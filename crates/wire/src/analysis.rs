//! What is wrong with an instance, as analysis and recovery answers show it.

use serde::{Deserialize, Serialize};

use crate::{ClusterInfo, Coordinates, Key};

/// What is wrong with an instance, and the counts that it rests on. Fields stand in the order in which they are sent.
/// In the history of detections and recoveries only a few are filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "a field is its key in the contract; docs/api.md lists what the keys mean")]
pub struct ReplicationAnalysis {
    pub analyzed_instance_key: Key,
    pub analyzed_instance_master_key: Key,
    pub cluster_details: ClusterInfo,
    pub analyzed_instance_data_center: String,
    pub analyzed_instance_region: String,
    pub analyzed_instance_physical_environment: String,
    pub analyzed_instance_binlog_coordinates: Coordinates,
    pub is_master: bool,
    pub is_replication_group_member: bool,
    pub is_co_master: bool,
    pub last_check_valid: bool,
    pub last_check_partial_success: bool,
    pub count_replicas: u64,
    pub count_valid_replicas: u64,
    pub count_valid_replicating_replicas: u64,
    pub count_replicas_failing_to_connect_to_master: u64,
    pub count_downtimed_replicas: u64,
    pub replication_depth: u64,
    pub replicas: Vec<Key>,
    pub slave_hosts: Vec<Key>,
    pub is_failing_to_connect_to_master: bool,
    pub analysis: String,
    pub description: String,
    pub structure_analysis: Option<Vec<String>>,
    pub is_downtimed: bool,
    pub is_replicas_downtimed: bool,
    pub downtime_end_timestamp: String,
    pub downtime_remaining_seconds: i64,
    pub is_binlog_server: bool,
    #[serde(rename = "PseudoGTIDImmediateTopology")]
    pub pseudo_gtid_immediate_topology: bool,
    #[serde(rename = "OracleGTIDImmediateTopology")]
    pub oracle_gtid_immediate_topology: bool,
    #[serde(rename = "MariaDBGTIDImmediateTopology")]
    pub mariadb_gtid_immediate_topology: bool,
    pub binlog_server_immediate_topology: bool,
    pub semi_sync_master_enabled: bool,
    pub semi_sync_master_status: bool,
    pub semi_sync_master_wait_for_replica_count: u64,
    pub semi_sync_master_clients: u64,
    pub count_semi_sync_replicas_enabled: u64,
    pub count_logging_replicas: u64,
    pub count_statement_based_logging_replicas: u64,
    pub count_mixed_based_logging_replicas: u64,
    pub count_row_based_logging_replicas: u64,
    pub count_distinct_major_versions_logging_replicas: u64,
    pub count_delayed_replicas: u64,
    pub count_lagging_replicas: u64,
    pub is_actionable_recovery: bool,
    pub processing_node_hostname: String,
    pub processing_node_token: String,
    pub count_additional_agreeing_nodes: i64,
    pub start_active_period: String,
    pub skippable_due_to_downtime: bool,
    #[serde(rename = "GTIDMode")]
    pub gtid_mode: String,
    #[serde(rename = "MinReplicaGTIDMode")]
    pub min_replica_gtid_mode: String,
    #[serde(rename = "MaxReplicaGTIDMode")]
    pub max_replica_gtid_mode: String,
    #[serde(rename = "MaxReplicaGTIDErrant")]
    pub max_replica_gtid_errant: String,
    pub command_hint: String,
    pub is_read_only: bool,
}

/// How the diagnosis of an instance changed, oldest first: `timestamp;code,` each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "as above")]
pub struct AnalysisChangelog {
    pub analyzed_instance_key: Key,
    pub changelog: Vec<String>,
}
