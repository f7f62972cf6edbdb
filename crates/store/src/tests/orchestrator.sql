-- Tables with the columns and keys that Orchestrator's file has, and a few rows. Columns without a default are meant
-- to be without: an insert that leaves one out fails.
CREATE TABLE database_instance (
  hostname varchar(128) NOT NULL, port smallint NOT NULL, last_checked timestamp NOT NULL DEFAULT (''),
  last_attempted_check timestamp NOT NULL DEFAULT (''), last_check_partial_success tinyint NOT NULL DEFAULT 0,
  last_seen timestamp NULL DEFAULT NULL, uptime int NOT NULL, server_id int NOT NULL, server_uuid varchar(64) NOT NULL,
  version varchar(128) NOT NULL, major_version varchar(16) NOT NULL, version_comment varchar(128) NOT NULL,
  binlog_server tinyint NOT NULL, read_only tinyint NOT NULL, binlog_format varchar(16) NOT NULL,
  binlog_row_image varchar(16) NOT NULL, log_bin tinyint NOT NULL, log_slave_updates tinyint NOT NULL,
  binary_log_file varchar(128) NOT NULL, binary_log_pos bigint NOT NULL, master_host varchar(128) NOT NULL,
  master_port smallint NOT NULL, slave_sql_running tinyint NOT NULL, slave_io_running tinyint NOT NULL,
  replication_sql_thread_state tinyint NOT NULL, replication_io_thread_state tinyint NOT NULL,
  has_replication_filters tinyint NOT NULL, oracle_gtid tinyint NOT NULL, supports_oracle_gtid tinyint NOT NULL,
  mariadb_gtid tinyint NOT NULL, pseudo_gtid tinyint NOT NULL, master_uuid varchar(64) NOT NULL,
  ancestry_uuid text NOT NULL, executed_gtid_set text NOT NULL, gtid_mode varchar(32) NOT NULL,
  gtid_purged text NOT NULL, gtid_errant text NOT NULL, master_log_file varchar(128) NOT NULL,
  read_master_log_pos bigint NOT NULL, relay_master_log_file varchar(128) NOT NULL, exec_master_log_pos bigint NOT NULL,
  relay_log_file varchar(128) NOT NULL, relay_log_pos bigint NOT NULL, last_sql_error text NOT NULL,
  last_io_error text NOT NULL, seconds_behind_master bigint DEFAULT NULL, slave_lag_seconds bigint DEFAULT NULL,
  sql_delay int NOT NULL, allow_tls tinyint NOT NULL, num_slave_hosts int NOT NULL, slave_hosts text NOT NULL,
  cluster_name varchar(128) NOT NULL, suggested_cluster_alias varchar(128) NOT NULL, data_center varchar(32) NOT NULL,
  region varchar(32) NOT NULL, physical_environment varchar(32) NOT NULL, instance_alias varchar(128) NOT NULL,
  semi_sync_enforced tinyint NOT NULL, semi_sync_available tinyint NOT NULL, semi_sync_master_enabled tinyint NOT NULL,
  semi_sync_master_timeout bigint NOT NULL, semi_sync_master_wait_for_slave_count int NOT NULL,
  semi_sync_master_status tinyint NOT NULL, semi_sync_master_clients int NOT NULL,
  semi_sync_replica_enabled tinyint NOT NULL, semi_sync_replica_status tinyint NOT NULL,
  replication_depth tinyint NOT NULL, is_co_master tinyint NOT NULL, replication_credentials_available tinyint NOT NULL,
  has_replication_credentials tinyint NOT NULL, last_discovery_latency bigint NOT NULL,
  replication_group_name varchar(64) NOT NULL, replication_group_is_single_primary_mode tinyint NOT NULL,
  replication_group_member_state varchar(16) NOT NULL, replication_group_member_role varchar(16) NOT NULL,
  replication_group_members text NOT NULL, replication_group_primary_host varchar(128) NOT NULL,
  replication_group_primary_port smallint NOT NULL,
  PRIMARY KEY (hostname, port)
);
CREATE INDEX cluster_name_idx_database_instance ON database_instance (cluster_name);
CREATE TABLE database_instance_maintenance (
  database_instance_maintenance_id integer, hostname varchar(128) NOT NULL, port smallint NOT NULL,
  maintenance_active tinyint DEFAULT NULL, begin_timestamp timestamp NULL DEFAULT NULL,
  end_timestamp timestamp NULL DEFAULT NULL, owner varchar(128) NOT NULL, reason text NOT NULL,
  processing_node_hostname varchar(128) NOT NULL, processing_node_token varchar(128) NOT NULL,
  explicitly_bounded tinyint NOT NULL, PRIMARY KEY (database_instance_maintenance_id)
);
CREATE UNIQUE INDEX maintenance_uidx_database_instance_maintenance
  ON database_instance_maintenance (maintenance_active, hostname, port);
CREATE TABLE database_instance_downtime (
  hostname varchar(128) NOT NULL, port smallint NOT NULL, downtime_active tinyint DEFAULT NULL,
  begin_timestamp timestamp NOT NULL DEFAULT (''), end_timestamp timestamp NULL DEFAULT NULL,
  owner varchar(128) NOT NULL, reason text NOT NULL, PRIMARY KEY (hostname, port)
);
CREATE TABLE candidate_database_instance (
  hostname varchar(128) NOT NULL, port smallint NOT NULL, last_suggested timestamp NOT NULL DEFAULT (''),
  priority tinyint NOT NULL, promotion_rule text NOT NULL, PRIMARY KEY (hostname, port)
);
CREATE TABLE database_instance_tags (
  hostname varchar(128) NOT NULL, port smallint NOT NULL, tag_name varchar(128) NOT NULL, tag_value varchar(128) NOT NULL,
  last_updated timestamp NOT NULL DEFAULT (''), PRIMARY KEY (hostname, port, tag_name)
);
CREATE TABLE topology_failure_detection (
  detection_id integer, hostname varchar(128) NOT NULL, port smallint NOT NULL, in_active_period tinyint NOT NULL,
  start_active_period timestamp NOT NULL DEFAULT (''), end_active_period_unixtime int NOT NULL,
  processing_node_hostname varchar(128) NOT NULL, processcing_node_token varchar(128) NOT NULL,
  analysis varchar(128) NOT NULL, cluster_name varchar(128) NOT NULL, cluster_alias varchar(128) NOT NULL,
  count_affected_slaves int NOT NULL, slave_hosts text NOT NULL, is_actionable tinyint NOT NULL,
  PRIMARY KEY (detection_id)
);
CREATE UNIQUE INDEX host_port_active_recoverable_uidx_topology_failure_detection ON topology_failure_detection
  (hostname, port, in_active_period, end_active_period_unixtime, is_actionable);
CREATE TABLE topology_recovery (
  recovery_id integer PRIMARY KEY, uid varchar(128) NOT NULL, hostname varchar(128) NOT NULL, port smallint NOT NULL,
  in_active_period tinyint NOT NULL, start_active_period timestamp NOT NULL DEFAULT (''),
  end_active_period_unixtime int DEFAULT NULL, end_recovery timestamp NULL DEFAULT NULL,
  processing_node_hostname varchar(128) NOT NULL, processcing_node_token varchar(128) NOT NULL,
  is_successful tinyint NOT NULL DEFAULT 0, successor_hostname varchar(128) DEFAULT NULL,
  successor_port smallint DEFAULT NULL, successor_alias varchar(128) DEFAULT NULL, analysis varchar(128) NOT NULL,
  cluster_name varchar(128) NOT NULL, cluster_alias varchar(128) NOT NULL, count_affected_slaves int NOT NULL,
  slave_hosts text NOT NULL, participating_instances text NOT NULL, lost_slaves text NOT NULL, all_errors text NOT NULL,
  acknowledged tinyint NOT NULL DEFAULT 0, acknowledged_at timestamp NULL, acknowledged_by varchar(128) DEFAULT NULL,
  acknowledge_comment text DEFAULT NULL, last_detection_id bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX in_active_end_period_uidx_topology_recovery
  ON topology_recovery (hostname, port, in_active_period, end_active_period_unixtime);
CREATE TABLE topology_recovery_steps (
  recovery_step_id integer, recovery_uid varchar(128) NOT NULL, audit_at timestamp NOT NULL DEFAULT (''),
  message text NOT NULL, PRIMARY KEY (recovery_step_id)
);
CREATE TABLE blocked_topology_recovery (
  hostname varchar(128) NOT NULL, port smallint NOT NULL, cluster_name varchar(128) NOT NULL,
  analysis varchar(128) NOT NULL, last_blocked_timestamp timestamp NOT NULL DEFAULT (''), blocking_recovery_id bigint,
  PRIMARY KEY (hostname, port)
);
CREATE TABLE global_recovery_disable (disable_recovery tinyint NOT NULL, PRIMARY KEY (disable_recovery));
CREATE TABLE cluster_alias (
  cluster_name varchar(128) NOT NULL, alias varchar(128) NOT NULL, last_registered timestamp NOT NULL DEFAULT (''),
  PRIMARY KEY (cluster_name)
);
CREATE UNIQUE INDEX alias_uidx_cluster_alias ON cluster_alias (alias);
CREATE TABLE cluster_alias_override (
  cluster_name varchar(128) NOT NULL, alias varchar(128) NOT NULL, PRIMARY KEY (cluster_name)
);
CREATE TABLE cluster_domain_name (
  cluster_name varchar(128) NOT NULL, domain_name varchar(128) NOT NULL,
  last_registered timestamp NOT NULL DEFAULT (''), PRIMARY KEY (cluster_name)
);
CREATE TABLE hostname_resolve (
  hostname varchar(128) NOT NULL, resolved_hostname varchar(128) NOT NULL,
  resolved_timestamp timestamp NOT NULL DEFAULT (''), PRIMARY KEY (hostname)
);
CREATE TABLE kv_store (
  store_key varchar(255) NOT NULL, store_value text NOT NULL, last_updated timestamp NOT NULL DEFAULT (''),
  PRIMARY KEY (store_key)
);
CREATE TABLE audit (
  audit_id integer, audit_timestamp timestamp NOT NULL DEFAULT (''), audit_type varchar(128) NOT NULL,
  hostname varchar(128) NOT NULL, port smallint NOT NULL, message text NOT NULL, cluster_name varchar(128) NOT NULL,
  PRIMARY KEY (audit_id)
);
CREATE TABLE active_node (
  anchor tinyint NOT NULL, hostname varchar(128) NOT NULL, token varchar(128) NOT NULL,
  last_seen_active timestamp NOT NULL DEFAULT (''), first_seen_active timestamp NOT NULL DEFAULT (''),
  PRIMARY KEY (anchor)
);
CREATE TABLE node_health (
  hostname varchar(128) NOT NULL, token varchar(128) NOT NULL, last_seen_active timestamp NOT NULL DEFAULT (''),
  extra_info varchar(128) NOT NULL, command varchar(128) NOT NULL, app_version varchar(64) NOT NULL,
  first_seen_active timestamp NOT NULL DEFAULT (''), db_backend varchar(255) NOT NULL,
  incrementing_indicator bigint NOT NULL, PRIMARY KEY (hostname, token)
);
CREATE TABLE node_health_history (
  history_id integer, hostname varchar(128) NOT NULL, token varchar(128) NOT NULL,
  first_seen_active timestamp NOT NULL, extra_info varchar(128) NOT NULL, command varchar(128) NOT NULL,
  app_version varchar(64) NOT NULL, PRIMARY KEY (history_id)
);
CREATE TABLE orchestrator_db_deployments (
  deployed_version varchar(128) NOT NULL, deployed_timestamp timestamp NOT NULL, PRIMARY KEY (deployed_version)
);
CREATE TABLE host_agent (hostname varchar(128) NOT NULL, PRIMARY KEY (hostname));

INSERT INTO orchestrator_db_deployments VALUES ('3.2.6', '2026-01-01 00:00:00');
INSERT INTO host_agent VALUES ('db1');
INSERT INTO database_instance
  SELECT column1, 3306, '2026-11-22 12:00:00', '2026-11-22 12:00:00', 0, '2026-11-22 12:00:00', 1, 1, '', '8.0.36',
    '8.0', '', 0, 0, 'ROW', 'FULL', 1, 1, '', 0, '', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, '', '', '', 'ON', '', '', '', 0, '', 0,
    '', 0, '', '', NULL, NULL, 0, 0, 0, '[]', 'db1:3306', 'shop', '', '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, '', 0, '', '', '[]', '', 0
    FROM (VALUES ('db1'), ('db2'));
INSERT INTO database_instance_downtime
  VALUES ('db3', 3306, 1, '2026-11-22 12:00:00', '2026-11-22 12:10:00', 'ops', 'new disk');
INSERT INTO database_instance_maintenance VALUES
  (1, 'db1', 3306, 1, '2026-11-22 12:00:00', '2026-11-22 12:10:00', 'ann', 'upgrade', 'manager1', 'token1', 1);
INSERT INTO candidate_database_instance VALUES ('db2', 3306, '2026-11-22 12:00:00', 1, 'prefer');
INSERT INTO cluster_alias_override VALUES ('db1:3306', 'shop');
INSERT INTO topology_failure_detection VALUES
  (1, 'db1', 3306, 1, '2026-11-22 12:00:00', 0, 'manager1', 'token1', 'DeadMaster', 'db1:3306', 'shop', 2,
   'db2:3306,db3:3306', 1);
INSERT INTO topology_recovery VALUES
  (1, 'old:1', 'db1', 3306, 0, '2026-11-22 12:00:00', 1795352400, '2026-11-22 12:00:09', 'manager1', 'token1', 1, 'db2',
   3306, 'two', 'DeadMaster', 'db1:3306', 'shop', 2, 'db2:3306,db3:3306', 'db2:3306', 'db3:3306',
   'first' || char(10) || 'second', 0, NULL, NULL, NULL, 1),
  (2, 'old:2', 'db1', 3306, 1, '2026-11-22 12:00:00', NULL, NULL, 'manager1', 'token1', 0, NULL, NULL, NULL,
   'DeadMaster', 'db1:3306', 'shop', 0, '', '', '', '', 0, NULL, NULL, NULL, 1);
INSERT INTO topology_recovery_steps VALUES
  (1, 'old:1', '2026-11-22 12:00:00', 'will handle DeadMaster event on db1:3306');
INSERT INTO active_node VALUES (1, '', '', '', '');
