-- What this node diagnosed, and when that changed. Orchestrator's tables.
CREATE TABLE IF NOT EXISTS database_instance_last_analysis (
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  analysis_timestamp timestamp NOT NULL DEFAULT '',
  analysis varchar(128) NOT NULL,
  PRIMARY KEY (hostname, port)
);
CREATE TABLE IF NOT EXISTS database_instance_analysis_changelog (
  changelog_id integer PRIMARY KEY AUTOINCREMENT,
  hostname varchar(128) NOT NULL,
  port smallint NOT NULL,
  analysis_timestamp timestamp NOT NULL DEFAULT '',
  analysis varchar(128) NOT NULL
);
CREATE INDEX IF NOT EXISTS store_changelog_time ON database_instance_analysis_changelog (analysis_timestamp);
