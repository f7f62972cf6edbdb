-- Indexes, created after missing columns were added.
CREATE INDEX IF NOT EXISTS store_database_instance_cluster ON database_instance (cluster_name);
CREATE UNIQUE INDEX IF NOT EXISTS store_maintenance_active
  ON database_instance_maintenance (maintenance_active, hostname, port);
CREATE INDEX IF NOT EXISTS store_tags_name ON database_instance_tags (tag_name);
CREATE INDEX IF NOT EXISTS store_detection_active ON topology_failure_detection (in_active_period, hostname, port);
CREATE INDEX IF NOT EXISTS store_recovery_active ON topology_recovery (in_active_period, start_active_period);
CREATE INDEX IF NOT EXISTS store_recovery_uid ON topology_recovery (uid);
CREATE INDEX IF NOT EXISTS store_recovery_cluster ON topology_recovery (cluster_name);
CREATE INDEX IF NOT EXISTS store_recovery_detection ON topology_recovery (last_detection_id);
CREATE INDEX IF NOT EXISTS store_recovery_steps_uid ON topology_recovery_steps (recovery_uid);
CREATE INDEX IF NOT EXISTS store_recovery_plan_state ON recovery_plan (state);
CREATE INDEX IF NOT EXISTS store_audit_instance ON audit (hostname, port);
CREATE INDEX IF NOT EXISTS store_audit_time ON audit (audit_timestamp);
