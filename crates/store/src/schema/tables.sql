-- Tables of the store, for SQLite. Names and columns are Orchestrator's where the meaning is the same; what is ours
-- alone is nullable or has a default, so that a program that does not know it can still insert.
--
-- A timestamp is text in UTC, `YYYY-MM-DD HH:MM:SS`, for people. Where microseconds matter, the column with the suffix
-- `_us` beside it holds them since 1970; if the two disagree about the second, the text is right: people edit it.

-- What was observed ---------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS database_instance (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  last_checked timestamp NOT NULL DEFAULT '',
  last_attempted_check timestamp NOT NULL DEFAULT '',
  last_check_partial_success tinyint NOT NULL DEFAULT 0,
  last_seen timestamp NULL,
  uptime integer NOT NULL DEFAULT 0,
  server_id integer NOT NULL DEFAULT 0,
  server_uuid varchar(64) NOT NULL DEFAULT '',
  version varchar(128) NOT NULL DEFAULT '',
  major_version varchar(16) NOT NULL DEFAULT '',
  version_comment varchar(128) NOT NULL DEFAULT '',
  binlog_server tinyint NOT NULL DEFAULT 0,
  read_only tinyint NOT NULL DEFAULT 0,
  binlog_format varchar(16) NOT NULL DEFAULT '',
  binlog_row_image varchar(16) NOT NULL DEFAULT '',
  log_bin tinyint NOT NULL DEFAULT 0,
  log_slave_updates tinyint NOT NULL DEFAULT 0,
  binary_log_file varchar(128) NOT NULL DEFAULT '',
  binary_log_pos bigint NOT NULL DEFAULT 0,
  master_host varchar(128) NOT NULL DEFAULT '',
  master_port smallint NOT NULL DEFAULT 0,
  slave_sql_running tinyint NOT NULL DEFAULT 0,
  slave_io_running tinyint NOT NULL DEFAULT 0,
  replication_sql_thread_state tinyint NOT NULL DEFAULT 0,
  replication_io_thread_state tinyint NOT NULL DEFAULT 0,
  has_replication_filters tinyint NOT NULL DEFAULT 0,
  oracle_gtid tinyint NOT NULL DEFAULT 0,
  supports_oracle_gtid tinyint NOT NULL DEFAULT 0,
  mariadb_gtid tinyint NOT NULL DEFAULT 0,
  pseudo_gtid tinyint NOT NULL DEFAULT 0,
  master_uuid varchar(64) NOT NULL DEFAULT '',
  ancestry_uuid text NOT NULL DEFAULT '',
  executed_gtid_set text NOT NULL DEFAULT '',
  gtid_mode varchar(32) NOT NULL DEFAULT '',
  gtid_purged text NOT NULL DEFAULT '',
  gtid_errant text NOT NULL DEFAULT '',
  master_log_file varchar(128) NOT NULL DEFAULT '',
  read_master_log_pos bigint NOT NULL DEFAULT 0,
  relay_master_log_file varchar(128) NOT NULL DEFAULT '',
  exec_master_log_pos bigint NOT NULL DEFAULT 0,
  relay_log_file varchar(128) NOT NULL DEFAULT '',
  relay_log_pos bigint NOT NULL DEFAULT 0,
  last_sql_error text NOT NULL DEFAULT '',
  last_io_error text NOT NULL DEFAULT '',
  seconds_behind_master bigint NULL,
  slave_lag_seconds bigint NULL,
  sql_delay integer NOT NULL DEFAULT 0,
  allow_tls tinyint NOT NULL DEFAULT 0,
  num_slave_hosts integer NOT NULL DEFAULT 0,
  slave_hosts text NOT NULL DEFAULT '[]',
  cluster_name varchar(128) NOT NULL DEFAULT '',
  suggested_cluster_alias varchar(128) NOT NULL DEFAULT '',
  data_center varchar(32) NOT NULL DEFAULT '',
  region varchar(32) NOT NULL DEFAULT '',
  physical_environment varchar(32) NOT NULL DEFAULT '',
  instance_alias varchar(128) NOT NULL DEFAULT '',
  semi_sync_enforced tinyint NOT NULL DEFAULT 0,
  semi_sync_available tinyint NOT NULL DEFAULT 0,
  semi_sync_master_enabled tinyint NOT NULL DEFAULT 0,
  semi_sync_master_timeout bigint NOT NULL DEFAULT 0,
  semi_sync_master_wait_for_slave_count integer NOT NULL DEFAULT 0,
  semi_sync_master_status tinyint NOT NULL DEFAULT 0,
  semi_sync_master_clients integer NOT NULL DEFAULT 0,
  semi_sync_replica_enabled tinyint NOT NULL DEFAULT 0,
  semi_sync_replica_status tinyint NOT NULL DEFAULT 0,
  replication_depth tinyint NOT NULL DEFAULT 0,
  is_co_master tinyint NOT NULL DEFAULT 0,
  replication_credentials_available tinyint NOT NULL DEFAULT 0,
  has_replication_credentials tinyint NOT NULL DEFAULT 0,
  last_discovery_latency bigint NOT NULL DEFAULT 0,
  replication_group_name varchar(64) NOT NULL DEFAULT '',
  replication_group_is_single_primary_mode tinyint NOT NULL DEFAULT 0,
  replication_group_member_state varchar(16) NOT NULL DEFAULT '',
  replication_group_member_role varchar(16) NOT NULL DEFAULT '',
  replication_group_members text NOT NULL DEFAULT '[]',
  replication_group_primary_host varchar(128) NOT NULL DEFAULT '',
  replication_group_primary_port smallint NOT NULL DEFAULT 0,
  -- Ours: all that was known, as JSON, for a warm start without loss.
  watched text NULL,
  PRIMARY KEY (hostname, port)
);

CREATE TABLE IF NOT EXISTS hostname_resolve (
  hostname varchar(128) NOT NULL,
  resolved_hostname varchar(128) NOT NULL,
  resolved_timestamp timestamp NOT NULL DEFAULT '',
  PRIMARY KEY (hostname)
);

CREATE TABLE IF NOT EXISTS cluster_alias (
  cluster_name varchar(128) NOT NULL,
  alias varchar(128) NOT NULL,
  last_registered timestamp NOT NULL DEFAULT '',
  PRIMARY KEY (cluster_name)
);

CREATE TABLE IF NOT EXISTS cluster_domain_name (
  cluster_name varchar(128) NOT NULL,
  domain_name varchar(128) NOT NULL,
  last_registered timestamp NOT NULL DEFAULT '',
  PRIMARY KEY (cluster_name)
);

CREATE TABLE IF NOT EXISTS active_node (
  anchor tinyint NOT NULL,
  hostname varchar(128) NOT NULL,
  token varchar(128) NOT NULL,
  first_seen_active timestamp NOT NULL DEFAULT '',
  last_seen_active timestamp NOT NULL DEFAULT '',
  PRIMARY KEY (anchor)
);

CREATE TABLE IF NOT EXISTS node_health (
  hostname varchar(128) NOT NULL,
  token varchar(128) NOT NULL,
  first_seen_active timestamp NOT NULL DEFAULT '',
  last_seen_active timestamp NOT NULL DEFAULT '',
  incrementing_indicator bigint NOT NULL DEFAULT 0,
  extra_info varchar(128) NOT NULL DEFAULT '',
  command varchar(128) NOT NULL DEFAULT '',
  app_version varchar(64) NOT NULL DEFAULT '',
  db_backend varchar(255) NOT NULL DEFAULT '',
  PRIMARY KEY (hostname, token)
);

CREATE TABLE IF NOT EXISTS node_health_history (
  history_id integer PRIMARY KEY AUTOINCREMENT,
  hostname varchar(128) NOT NULL,
  token varchar(128) NOT NULL,
  first_seen_active timestamp NOT NULL DEFAULT '',
  extra_info varchar(128) NOT NULL DEFAULT '',
  command varchar(128) NOT NULL DEFAULT '',
  app_version varchar(64) NOT NULL DEFAULT ''
);

-- What operators declared ---------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS database_instance_downtime (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  downtime_active tinyint NULL,
  begin_timestamp timestamp NOT NULL DEFAULT '',
  end_timestamp timestamp NOT NULL DEFAULT '',
  owner varchar(128) NOT NULL,
  reason text NOT NULL,
  begin_timestamp_us bigint NULL,
  end_timestamp_us bigint NULL,
  PRIMARY KEY (hostname, port)
);

CREATE TABLE IF NOT EXISTS database_instance_maintenance (
  database_instance_maintenance_id integer PRIMARY KEY AUTOINCREMENT,
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  -- 1 while it lasts, else NULL, so that the unique index holds one active lock per instance.
  maintenance_active tinyint NULL,
  begin_timestamp timestamp NULL,
  end_timestamp timestamp NULL,
  owner varchar(128) NOT NULL,
  reason text NOT NULL,
  processing_node_hostname varchar(128) NOT NULL DEFAULT '',
  processing_node_token varchar(128) NOT NULL DEFAULT '',
  explicitly_bounded tinyint NOT NULL DEFAULT 0,
  begin_timestamp_us bigint NULL,
  end_timestamp_us bigint NULL
);

CREATE TABLE IF NOT EXISTS candidate_database_instance (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  last_suggested timestamp NOT NULL DEFAULT '',
  priority tinyint NOT NULL DEFAULT 1,
  promotion_rule varchar(16) NOT NULL DEFAULT 'neutral',
  last_suggested_us bigint NULL,
  PRIMARY KEY (hostname, port)
);

CREATE TABLE IF NOT EXISTS database_instance_tags (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  tag_name varchar(128) NOT NULL,
  tag_value varchar(128) NOT NULL DEFAULT '',
  last_updated timestamp NOT NULL DEFAULT '',
  PRIMARY KEY (hostname, port, tag_name)
);

CREATE TABLE IF NOT EXISTS cluster_alias_override (
  cluster_name varchar(128) NOT NULL,
  alias varchar(128) NOT NULL,
  PRIMARY KEY (cluster_name)
);

CREATE TABLE IF NOT EXISTS global_recovery_disable (
  disable_recovery tinyint NOT NULL,
  -- Ours: who did it, and when.
  disabled_by varchar(128) NOT NULL DEFAULT '',
  disabled_at timestamp NULL,
  PRIMARY KEY (disable_recovery)
);

-- Ours: addresses that every node watches.
CREATE TABLE IF NOT EXISTS watched_instance (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  since timestamp NOT NULL,
  since_us bigint NULL,
  PRIMARY KEY (hostname, port)
);

-- Ours: addresses that an operator had forgotten; discovery leaves them alone until then.
CREATE TABLE IF NOT EXISTS forgotten_instance (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  forgotten_at timestamp NOT NULL,
  forgotten_until timestamp NOT NULL,
  forgotten_until_us bigint NULL,
  PRIMARY KEY (hostname, port)
);

CREATE TABLE IF NOT EXISTS kv_store (
  store_key varchar(255) NOT NULL,
  store_value text NOT NULL,
  last_updated timestamp NOT NULL DEFAULT '',
  PRIMARY KEY (store_key)
);

-- What was decided ----------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS topology_failure_detection (
  detection_id integer PRIMARY KEY AUTOINCREMENT,
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  in_active_period tinyint NOT NULL DEFAULT 0,
  start_active_period timestamp NOT NULL DEFAULT '',
  end_active_period_unixtime bigint NOT NULL DEFAULT 0,
  processing_node_hostname varchar(128) NOT NULL,
  processcing_node_token varchar(128) NOT NULL,
  analysis varchar(128) NOT NULL,
  cluster_name varchar(128) NOT NULL,
  cluster_alias varchar(128) NOT NULL,
  count_affected_slaves integer NOT NULL,
  slave_hosts text NOT NULL,
  is_actionable tinyint NOT NULL DEFAULT 0,
  server_uuid varchar(64) NOT NULL DEFAULT '',
  start_active_period_us bigint NULL
);

CREATE TABLE IF NOT EXISTS topology_recovery (
  recovery_id integer PRIMARY KEY AUTOINCREMENT,
  uid varchar(128) NOT NULL,
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  in_active_period tinyint NOT NULL DEFAULT 0,
  start_active_period timestamp NOT NULL DEFAULT '',
  end_active_period_unixtime bigint NOT NULL DEFAULT 0,
  end_recovery timestamp NULL,
  processing_node_hostname varchar(128) NOT NULL,
  processcing_node_token varchar(128) NOT NULL,
  is_successful tinyint NOT NULL DEFAULT 0,
  successor_hostname varchar(128) NULL,
  successor_port smallint NULL,
  successor_alias varchar(128) NULL,
  analysis varchar(128) NOT NULL,
  cluster_name varchar(128) NOT NULL,
  cluster_alias varchar(128) NOT NULL,
  count_affected_slaves integer NOT NULL,
  slave_hosts text NOT NULL,
  participating_instances text NOT NULL DEFAULT '',
  lost_slaves text NOT NULL DEFAULT '',
  all_errors text NOT NULL DEFAULT '',
  acknowledged tinyint NOT NULL DEFAULT 0,
  acknowledged_at timestamp NULL,
  acknowledged_by varchar(128) NULL,
  acknowledge_comment text NULL,
  last_detection_id bigint NOT NULL DEFAULT 0,
  start_active_period_us bigint NULL,
  end_recovery_us bigint NULL,
  acknowledged_at_us bigint NULL,
  certificate text NULL
);

CREATE TABLE IF NOT EXISTS topology_recovery_steps (
  recovery_step_id integer PRIMARY KEY AUTOINCREMENT,
  recovery_uid varchar(128) NOT NULL,
  audit_at timestamp NOT NULL DEFAULT '',
  message text NOT NULL,
  audit_at_us bigint NULL
);

CREATE TABLE IF NOT EXISTS blocked_topology_recovery (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  cluster_name varchar(128) NOT NULL,
  analysis varchar(128) NOT NULL,
  last_blocked_timestamp timestamp NOT NULL DEFAULT '',
  blocking_recovery_id bigint NOT NULL,
  PRIMARY KEY (hostname, port)
);

-- Ours: the journal of a recovery. state is running, done or failed.
CREATE TABLE IF NOT EXISTS recovery_plan (
  uid varchar(128) NOT NULL,
  -- The cluster's name when the recovery began, and now: it changes in the middle.
  cluster_name varchar(128) NOT NULL,
  current_cluster_name varchar(128) NOT NULL,
  kind varchar(64) NOT NULL,
  first_epoch bigint NOT NULL,
  epoch bigint NOT NULL,
  node_hostname varchar(128) NOT NULL,
  node_token varchar(128) NOT NULL,
  parent varchar(128) NULL,
  plan text NOT NULL,
  state varchar(16) NOT NULL,
  PRIMARY KEY (uid)
);

-- Ours. state is started, done, skipped or failed.
CREATE TABLE IF NOT EXISTS recovery_plan_step (
  uid varchar(128) NOT NULL,
  number integer NOT NULL,
  epoch bigint NOT NULL,
  state varchar(16) NOT NULL,
  started timestamp NULL,
  finished timestamp NULL,
  message text NOT NULL DEFAULT '',
  started_us bigint NULL,
  finished_us bigint NULL,
  PRIMARY KEY (uid, number),
  FOREIGN KEY (uid) REFERENCES recovery_plan (uid) ON DELETE CASCADE
);

-- Ours: the fencing number of a cluster. It never falls.
CREATE TABLE IF NOT EXISTS cluster_epoch (
  cluster_name varchar(128) NOT NULL,
  epoch bigint NOT NULL,
  PRIMARY KEY (cluster_name)
);

-- Ours: primaries that a recovery replaced; they must not become writable by themselves.
CREATE TABLE IF NOT EXISTS demoted_instance (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  server_uuid varchar(64) NOT NULL DEFAULT '',
  successor_hostname varchar(128) NOT NULL,
  successor_port smallint NOT NULL,
  recovery_uid varchar(128) NOT NULL,
  demoted_at timestamp NOT NULL,
  demoted_at_us bigint NULL,
  PRIMARY KEY (hostname, port)
);

CREATE TABLE IF NOT EXISTS audit (
  audit_id integer PRIMARY KEY AUTOINCREMENT,
  audit_timestamp timestamp NOT NULL DEFAULT '',
  audit_type varchar(128) NOT NULL,
  hostname varchar(128) NOT NULL DEFAULT '',
  port smallint NOT NULL DEFAULT 0,
  message text NOT NULL,
  cluster_name varchar(128) NOT NULL DEFAULT '',
  audit_timestamp_us bigint NULL
);

-- The replicated log and what this node must not forget about it -------------------------------------------------------

CREATE TABLE IF NOT EXISTS raft_entry (
  log_index integer PRIMARY KEY,
  term bigint NOT NULL,
  body text NOT NULL
);

CREATE TABLE IF NOT EXISTS raft_fact (
  name varchar(128) NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (name)
);

-- Of this file --------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS orchestrator_db_deployments (
  deployed_version varchar(128) NOT NULL,
  deployed_timestamp timestamp NOT NULL,
  PRIMARY KEY (deployed_version)
);
