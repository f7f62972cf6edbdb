//! Diagnoses in Orchestrator's shape.

use analysis::{Diagnosis, Facts};
use store::NodeId;
use topology::GtidMode;
use wire::{ClusterInfo, Coordinates, Key, ReplicationAnalysis, computed_time};

/// Returns a diagnosis as it is shown, found by `node`.
pub(crate) fn entry(diagnosis: &Diagnosis, node: &NodeId) -> ReplicationAnalysis {
    let facts = &diagnosis.facts;
    let mut shown = about_itself(facts);
    put_replicas(&mut shown, facts);
    put_downtime(&mut shown, facts);
    shown.is_replicas_downtimed = diagnosis.is_in_downtime_of_replicas();
    shown.skippable_due_to_downtime = diagnosis.is_skippable();
    shown.analyzed_instance_key = Key::from(&diagnosis.subject);
    shown.analysis = diagnosis.code.compat().to_owned();
    shown.description = diagnosis.code.description().to_owned();
    let remarks: Vec<String> = diagnosis.structure.iter().map(|remark| remark.compat().to_owned()).collect();
    shown.structure_analysis = (!remarks.is_empty()).then_some(remarks);
    shown.processing_node_hostname = node.hostname.clone();
    shown.processing_node_token = node.token.clone();
    shown
}

fn about_itself(facts: &Facts) -> ReplicationAnalysis {
    ReplicationAnalysis {
        analyzed_instance_master_key: facts.source.as_ref().map(Key::from).unwrap_or_default(),
        cluster_details: ClusterInfo {
            cluster_name: facts.cluster_name.clone(),
            cluster_alias: facts.cluster_alias.clone(),
            cluster_domain: facts.cluster_domain.clone(),
            has_automated_master_recovery: facts.recovers_primary,
            has_automated_intermediate_master_recovery: facts.recovers_intermediate,
            ..ClusterInfo::default()
        },
        analyzed_instance_data_center: facts.placement.data_center.clone(),
        analyzed_instance_region: facts.placement.region.clone(),
        analyzed_instance_physical_environment: facts.placement.environment.clone(),
        analyzed_instance_binlog_coordinates: Coordinates::binlog(&facts.coordinates),
        is_master: facts.is_primary,
        is_replication_group_member: facts.is_group_member,
        is_co_master: facts.is_co_primary,
        last_check_valid: facts.is_valid,
        last_check_partial_success: facts.is_valid || facts.is_partial,
        replication_depth: u64::from(facts.depth),
        is_failing_to_connect_to_master: facts.is_failing_to_connect,
        semi_sync_master_enabled: facts.semi_sync.source.enabled,
        semi_sync_master_status: facts.semi_sync.source.active,
        semi_sync_master_wait_for_replica_count: u64::from(facts.semi_sync.wait_count),
        semi_sync_master_clients: u64::from(facts.semi_sync.clients),
        gtid_mode: facts.gtid_mode.as_str().to_owned(),
        is_read_only: facts.is_read_only,
        is_binlog_server: facts.is_binlog_server,
        // Other nodes of ours that cannot reach it either, where they were asked.
        count_additional_agreeing_nodes: facts.quorum().affirm.saturating_sub(usize::from(facts.is_confirmed_dead))
            as i64,
        ..ReplicationAnalysis::default()
    }
}

fn put_replicas(shown: &mut ReplicationAnalysis, facts: &Facts) {
    let [statement, mixed, row] = facts.logging_by_format;
    let all_by = |count: usize| count > 0 && count == facts.valid_replicas;
    let (least, most) = facts.replica_gtid_modes.unwrap_or((GtidMode::None, GtidMode::None));
    shown.binlog_server_immediate_topology = all_by(facts.binlog_server_replicas);
    shown.replicas = facts.replicas.iter().map(Key::from).collect();
    shown.slave_hosts = shown.replicas.clone();
    shown.count_replicas = facts.replicas.len() as u64;
    shown.count_valid_replicas = facts.valid_replicas as u64;
    shown.count_valid_replicating_replicas = facts.replicating_replicas as u64;
    shown.count_replicas_failing_to_connect_to_master = facts.failing_replicas as u64;
    shown.count_downtimed_replicas = facts.downtimed_replicas as u64;
    shown.oracle_gtid_immediate_topology = all_by(facts.mysql_gtid_replicas);
    shown.mariadb_gtid_immediate_topology = all_by(facts.mariadb_gtid_replicas);
    shown.count_semi_sync_replicas_enabled = facts.semi_sync_replicas as u64;
    shown.count_logging_replicas = facts.logging_replicas as u64;
    shown.count_statement_based_logging_replicas = statement as u64;
    shown.count_mixed_based_logging_replicas = mixed as u64;
    shown.count_row_based_logging_replicas = row as u64;
    shown.count_distinct_major_versions_logging_replicas = facts.logging_lines as u64;
    shown.count_delayed_replicas = facts.delayed_replicas as u64;
    shown.count_lagging_replicas = facts.lagging_replicas as u64;
    shown.min_replica_gtid_mode = least.as_str().to_owned();
    shown.max_replica_gtid_mode = most.as_str().to_owned();
    shown.max_replica_gtid_errant = facts.errant.iter().map(|(_, set)| set.to_string()).max().unwrap_or_default();
}

fn put_downtime(shown: &mut ReplicationAnalysis, facts: &Facts) {
    shown.is_downtimed = facts.downtime_ends.is_some();
    if let Some(ends) = facts.downtime_ends {
        shown.downtime_end_timestamp = computed_time(ends);
        shown.downtime_remaining_seconds = i64::try_from(ends.since(facts.at).as_secs()).unwrap_or(i64::MAX);
    }
}
