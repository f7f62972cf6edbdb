//! What this node observed: saved for a warm start and for people, never part of the replicated state.
//!
//! Orchestrator's columns are filled for people and their scripts; the column `watched` has everything, as JSON. A row
//! without it (Orchestrator wrote it) still says which address to probe.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use topology::{Channel, Instance, InstanceKey, ThreadState, Watched};

use crate::moment;
use crate::rows::{ClusterFacts, LoadedInstances, ObservedInstance};
use crate::sql::{all, key, run};
use crate::{Error, Store};

/// Rows per transaction: a command that comes in between waits no longer than these take, a millisecond or two.
const CHUNK: usize = 50;

impl Store {
    /// Saves what was observed of these instances; their rows are replaced. Blocks until all is written, but does not
    /// wait for the disk: a crash of the machine may lose it.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Database`], [`Error::ReadOnly`], [`Error::Closed`]; the instances before the
    /// failing part are saved then.
    pub fn save_instances(&self, instances: Vec<ObservedInstance>) -> Result<(), Error> {
        let mut rest = instances.into_iter();
        loop {
            let chunk: Vec<ObservedInstance> = rest.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return Ok(());
            }
            self.on_writer("saving observed instances", move |connection| {
                let transaction = connection.transaction()?;
                for instance in &chunk {
                    save(&transaction, instance)?;
                }
                transaction.commit()
            })?;
        }
    }

    /// Returns what was saved. A row that cannot be read is left out and named in the notes.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read at all.
    pub fn load_instances(&self) -> Result<LoadedInstances, Error> {
        self.query(|db| {
            let rows = all(db, "SELECT * FROM database_instance ORDER BY hostname, port", [], |row| {
                Ok((key(row)?, row.get::<_, Option<String>>("watched")?))
            })?;
            let mut loaded = LoadedInstances::default();
            for (key, json) in rows {
                match read(&key, json.as_deref()) {
                    Ok(watched) => loaded.watched.push(watched),
                    Err(note) => loaded.notes.push(note),
                }
            }
            Ok(loaded)
        })
    }

    /// Deletes what was saved of these instances.
    ///
    /// # Errors
    /// As [`Store::save_instances`].
    pub fn forget_instances(&self, keys: Vec<InstanceKey>) -> Result<(), Error> {
        self.on_writer("forgetting observed instances", move |connection| {
            let transaction = connection.transaction()?;
            for key in keys {
                let sql = "DELETE FROM database_instance WHERE hostname = ? AND port = ?";
                run(&transaction, sql, params![key.host, key.port])?;
            }
            transaction.commit()
        })
    }
}

fn read(key: &InstanceKey, json: Option<&str>) -> Result<Watched, String> {
    if !key.is_valid() {
        return Err(format!("a saved instance has no address ({key})"));
    }
    let Some(json) = json else { return Ok(Watched { key: key.clone(), ..Watched::default() }) };
    let watched: Watched =
        serde_json::from_str(json).map_err(|error| format!("what was saved of {key} cannot be read: {error}"))?;
    if watched.key == *key {
        Ok(watched)
    } else {
        Err(format!("the row of {key} holds what was saved of {}", watched.key))
    }
}

fn save(db: &Connection, observed: &ObservedInstance) -> rusqlite::Result<()> {
    let columns = columns_of(&observed.watched, &observed.facts);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!("REPLACE INTO database_instance ({}) VALUES ({marks})", names.join(", "));
    run(db, &sql, params_from_iter(columns.into_iter().map(|(_, value)| value)))?;
    Ok(())
}

type Columns = Vec<(&'static str, Value)>;

/// Returns every column of a row with its value; always the same columns in the same order.
fn columns_of(watched: &Watched, facts: &ClusterFacts) -> Columns {
    let nothing = Instance::default();
    let instance = watched.instance.as_deref().unwrap_or(&nothing);
    let no_channel = Channel::default();
    let channel = instance.channel();
    let mut columns = probes(watched);
    columns.extend(server(instance));
    columns.extend(replication(instance, channel.unwrap_or(&no_channel), channel.is_some()));
    columns.extend(semi_sync(instance));
    columns.extend(group(instance));
    columns.extend(place(instance, facts));
    columns
}

fn probes(watched: &Watched) -> Columns {
    let moment = |at: Option<topology::Timestamp>| at.map_or(String::new(), moment::text);
    let partial = watched.failure.as_ref().is_some_and(|failure| failure.partial);
    vec![
        ("hostname", watched.key.host.clone().into()),
        ("port", watched.key.port.into()),
        ("last_checked", moment(watched.checked).into()),
        ("last_attempted_check", moment(watched.attempted).into()),
        ("last_check_partial_success", partial.into()),
        ("last_seen", watched.seen.map(moment::text).into()),
        // Orchestrator's unit is nanoseconds.
        ("last_discovery_latency", whole(watched.latency_us.saturating_mul(1000))),
        ("watched", serde_json::to_string(watched).ok().into()),
    ]
}

fn server(instance: &Instance) -> Columns {
    let binlog = &instance.binlog;
    let (major, minor) = instance.version.line();
    let major_version = if instance.version.text.is_empty() { String::new() } else { format!("{major}.{minor}") };
    vec![
        ("uptime", whole(instance.uptime_secs)),
        ("server_id", instance.server_id.into()),
        ("server_uuid", instance.uuid.as_ref().map_or("", |uuid| uuid.as_str()).to_owned().into()),
        ("version", instance.version.text.clone().into()),
        ("major_version", major_version.into()),
        ("version_comment", instance.version_comment.clone().into()),
        ("binlog_server", instance.version.is_binlog_server().into()),
        ("read_only", (!instance.writes.is_writable()).into()),
        ("binlog_format", binlog.format.as_str().to_owned().into()),
        ("binlog_row_image", binlog.row_image.clone().into()),
        ("log_bin", binlog.enabled.into()),
        ("log_slave_updates", binlog.logs_replica_updates.into()),
        ("binary_log_file", binlog.coordinates.file.clone().into()),
        ("binary_log_pos", whole(binlog.coordinates.pos)),
        ("supports_oracle_gtid", (instance.gtid.mode > topology::GtidMode::Off).into()),
        ("executed_gtid_set", instance.gtid.executed.to_string().into()),
        ("gtid_mode", instance.gtid.mode.as_str().to_owned().into()),
        ("gtid_purged", instance.gtid.purged.to_string().into()),
        ("replication_credentials_available", instance.credentials_available.into()),
        ("num_slave_hosts", whole(instance.replicas.len() as u64)),
        ("slave_hosts", key_array(&instance.replicas).into()),
    ]
}

fn replication(instance: &Instance, channel: &Channel, is_replica: bool) -> Columns {
    let running = |state: ThreadState| Value::from(state == ThreadState::Running);
    vec![
        ("master_host", channel.source.host.clone().into()),
        ("master_port", channel.source.port.into()),
        ("slave_sql_running", running(channel.applier)),
        ("slave_io_running", running(channel.receiver)),
        ("replication_sql_thread_state", thread_code(is_replica, channel.applier)),
        ("replication_io_thread_state", thread_code(is_replica, channel.receiver)),
        ("has_replication_filters", channel.has_filters.into()),
        ("oracle_gtid", (channel.auto_position && channel.using_gtid.is_empty()).into()),
        ("mariadb_gtid", (!matches!(channel.using_gtid.as_str(), "" | "No")).into()),
        ("pseudo_gtid", false.into()),
        ("master_uuid", channel.source_uuid.as_ref().map_or("", |uuid| uuid.as_str()).to_owned().into()),
        ("master_log_file", channel.read.file.clone().into()),
        ("read_master_log_pos", whole(channel.read.pos)),
        ("relay_master_log_file", channel.executed.file.clone().into()),
        ("exec_master_log_pos", whole(channel.executed.pos)),
        ("relay_log_file", channel.relay.file.clone().into()),
        ("relay_log_pos", whole(channel.relay.pos)),
        ("last_sql_error", channel.applier_error.clone().into()),
        ("last_io_error", channel.receiver_error.clone().into()),
        ("seconds_behind_master", channel.lag_secs.map_or(Value::Null, whole)),
        ("slave_lag_seconds", instance.lag_secs().map_or(Value::Null, whole)),
        ("sql_delay", whole(channel.delay_secs)),
        ("allow_tls", channel.tls.enabled.into()),
        ("has_replication_credentials", (!channel.user.is_empty()).into()),
    ]
}

/// Returns Orchestrator's number for a replication thread: -1 none, 0 stopped, 1 running, 2 anything else.
fn thread_code(is_replica: bool, state: ThreadState) -> Value {
    Value::from(match state {
        _ if !is_replica => -1,
        ThreadState::Stopped => 0,
        ThreadState::Running => 1,
        ThreadState::Connecting => 2,
    })
}

fn semi_sync(instance: &Instance) -> Columns {
    let semi_sync = &instance.semi_sync;
    vec![
        ("semi_sync_enforced", semi_sync.priority.into()),
        ("semi_sync_available", (semi_sync.source.available && semi_sync.replica.available).into()),
        ("semi_sync_master_enabled", semi_sync.source.enabled.into()),
        ("semi_sync_master_timeout", whole(semi_sync.timeout_ms)),
        ("semi_sync_master_wait_for_slave_count", semi_sync.wait_count.into()),
        ("semi_sync_master_status", semi_sync.source.active.into()),
        ("semi_sync_master_clients", semi_sync.clients.into()),
        ("semi_sync_replica_enabled", semi_sync.replica.enabled.into()),
        ("semi_sync_replica_status", semi_sync.replica.active.into()),
    ]
}

fn group(instance: &Instance) -> Columns {
    let group = instance.group.clone().unwrap_or_default();
    let role = match (&instance.group, group.is_primary) {
        (None, _) => "",
        (Some(_), true) => "PRIMARY",
        (Some(_), false) => "SECONDARY",
    };
    let members: Vec<InstanceKey> = group.members.iter().map(|member| member.key.clone()).collect();
    let primary = if group.is_primary {
        instance.key.clone()
    } else {
        group.members.iter().find(|member| member.is_primary).map(|member| member.key.clone()).unwrap_or_default()
    };
    vec![
        ("replication_group_name", group.name.into()),
        ("replication_group_is_single_primary_mode", group.single_primary.into()),
        ("replication_group_member_state", group.state.into()),
        ("replication_group_member_role", role.to_owned().into()),
        ("replication_group_members", key_array(&members).into()),
        ("replication_group_primary_host", primary.host.into()),
        ("replication_group_primary_port", primary.port.into()),
    ]
}

fn place(instance: &Instance, facts: &ClusterFacts) -> Columns {
    vec![
        ("cluster_name", facts.cluster_name.clone().into()),
        ("suggested_cluster_alias", facts.cluster_alias.clone().into()),
        ("replication_depth", facts.depth.into()),
        ("is_co_master", facts.is_co_primary.into()),
        ("ancestry_uuid", facts.ancestry.clone().into()),
        ("gtid_errant", facts.errant.clone().into()),
        ("data_center", instance.placement.data_center.clone().into()),
        ("region", instance.placement.region.clone().into()),
        ("physical_environment", instance.placement.environment.clone().into()),
        ("instance_alias", instance.labels.instance_alias.clone().into()),
    ]
}

/// Returns a number that SQLite can hold; what is larger becomes its largest.
fn whole(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Returns keys in the JSON that Orchestrator keeps in this table.
fn key_array(keys: &[InstanceKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| serde_json::json!({ "Hostname": key.host, "Port": key.port })).collect();
    serde_json::Value::Array(keys).to_string()
}
