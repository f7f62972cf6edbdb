//! An instance in Orchestrator's shape.

use std::collections::BTreeSet;

use topology::{
    Channel, GroupMembership, GtidSet, Instance, InstanceKey, PromotionRule, SemiSync, ThreadState, Watched,
};
use wire::{Coordinates, Key, NullInt, computed_time, error_text, row_time};

use super::{RECENT_POLLS, Scene};

impl Scene<'_> {
    /// Returns `key` as it is shown. Nothing when it is neither watched nor the source of anybody.
    pub(crate) fn instance(&self, key: &InstanceKey) -> Option<wire::Instance> {
        let watched = self.snapshot.get(key);
        if watched.is_none() && !self.knows(key) {
            return None;
        }
        let unseen = Instance { key: key.clone(), ..Instance::default() };
        let own = watched.and_then(|watched| watched.instance.as_deref());
        let mut shown = identity(own.unwrap_or(&unseen), key);
        if own.is_none() {
            shown.flavor_name = "unknown".to_owned();
            shown.binlog_format = String::new();
        }
        if let Some(own) = own {
            put_replication(&mut shown, own);
            put_semi_sync(&mut shown, &own.semi_sync);
            if let Some(group) = &own.group {
                put_group(&mut shown, key, group);
            }
        }
        self.put_place_in_graph(&mut shown, key);
        self.put_check(&mut shown, watched);
        self.put_declared(&mut shown, key);
        shown.problems = self.problems(&shown);
        Some(shown)
    }

    /// Returns `keys` as they are shown, in their order.
    pub(crate) fn instances<'k>(&self, keys: impl IntoIterator<Item = &'k InstanceKey>) -> Vec<wire::Instance> {
        keys.into_iter().filter_map(|key| self.instance(key)).collect()
    }

    fn put_place_in_graph(&self, shown: &mut wire::Instance, key: &InstanceKey) {
        shown.replicas = self.graph.replicas(key).iter().map(Key::from).collect();
        shown.slave_hosts = shown.replicas.clone();
        shown.replication_depth = u64::from(self.graph.depth(key));
        shown.is_co_master = self.graph.is_co_primary(key);
        if let Some(cluster) = self.graph.cluster_of(key) {
            shown.cluster_name = cluster.name.clone();
            shown.suggested_cluster_alias =
                if cluster.alias == cluster.name { String::new() } else { cluster.alias.clone() };
        }
        shown.ancestry_uuid = self.ancestry(key);
        let errant = self.errant(key);
        shown.gtid_errant = server_notation(&errant);
    }

    fn put_check(&self, shown: &mut wire::Instance, watched: Option<&Watched>) {
        let Some(watched) = watched else { return };
        let now = self.snapshot.now;
        let within = |span| watched.checked.is_some_and(|checked| now.since(checked) <= span);
        shown.last_seen_timestamp = watched.seen.map(row_time).unwrap_or_default();
        shown.is_last_check_valid = watched.is_valid();
        shown.is_up_to_date = within(self.limits.poll);
        shown.is_recently_checked = within(self.limits.poll * RECENT_POLLS);
        shown.seconds_since_last_seen = NullInt::from(watched.seen.map(|seen| now.since(seen).as_secs()));
        shown.last_discovery_latency = watched.latency_us.saturating_mul(1000);
    }

    fn put_declared(&self, shown: &mut wire::Instance, key: &InstanceKey) {
        let rule = self.snapshot.promotion_rule(key, self.limits.rule_expiry);
        shown.promotion_rule = rule.as_str().to_owned();
        shown.is_candidate = matches!(rule, PromotionRule::Must | PromotionRule::Prefer);
        if let Some(downtime) = self.snapshot.declared.downtime(key, self.snapshot.now) {
            shown.is_downtimed = true;
            shown.downtime_reason = downtime.reason.clone();
            shown.downtime_owner = downtime.owner.clone();
            shown.downtime_end_timestamp = computed_time(downtime.ends);
            shown.elapsed_downtime = self.snapshot.now.since(downtime.begins).as_secs().saturating_mul(1_000_000_000);
        }
    }

    /// Returns the words for what is wrong with an instance: the first of the checks that fails, and what is apart from
    /// them.
    fn problems(&self, shown: &wire::Instance) -> Vec<String> {
        let lag = u64::try_from(shown.replication_lag_seconds.value).unwrap_or_default();
        let lags =
            shown.replication_lag_seconds.valid && lag.saturating_sub(shown.sql_delay) > self.limits.lag.as_secs();
        let is_replica = shown.master_key.port > 0;
        let stopped = is_replica && !(shown.slave_io_running && shown.slave_sql_running);
        let check = if !shown.is_last_check_valid {
            Some("last_check_invalid")
        } else if !shown.is_recently_checked {
            Some("not_recently_checked")
        } else if stopped {
            Some("not_replicating")
        } else if is_replica && lags {
            Some("replication_lag")
        } else {
            None
        };
        let errant = (!shown.gtid_errant.is_empty()).then_some("errant_gtid");
        let in_group = !shown.replication_group_name.is_empty() && shown.replication_group_member_state != "ONLINE";
        let offline = in_group.then_some("group_replication_member_not_online");
        check.into_iter().chain(errant).chain(offline).map(str::to_owned).collect()
    }

    /// Returns the UUIDs of the sources of `key`, the head first, and its own.
    fn ancestry(&self, key: &InstanceKey) -> String {
        let mut uuids: Vec<&str> = self
            .upwards(key)
            .filter_map(|key| self.snapshot.instance(key)?.uuid.as_ref().map(topology::ServerUuid::as_str))
            .collect();
        uuids.reverse();
        uuids.join(",")
    }

    /// Returns what `key` executed and its source did not; never anything on MariaDB, as Orchestrator.
    fn errant(&self, key: &InstanceKey) -> GtidSet {
        let is_mariadb = self.snapshot.instance(key).is_some_and(|own| own.version.is_mariadb());
        if is_mariadb { GtidSet::default() } else { analysis::errant_of(self.snapshot, self.graph, key) }
    }

    /// Returns `key`, its source, that one's source and so on.
    fn upwards<'k>(&'k self, key: &'k InstanceKey) -> impl Iterator<Item = &'k InstanceKey> {
        let mut seen = BTreeSet::new();
        std::iter::successors(Some(key), |key| self.graph.source(key)).take_while(move |key| seen.insert(*key))
    }
}

fn identity(own: &Instance, key: &InstanceKey) -> wire::Instance {
    let is_mariadb = own.version.is_mariadb();
    wire::Instance {
        key: Key::from(key),
        instance_alias: own.labels.instance_alias.clone(),
        uptime: own.uptime_secs,
        server_id: u64::from(own.server_id),
        server_uuid: own.uuid.as_ref().map(ToString::to_string).unwrap_or_default(),
        version: own.version.text.clone(),
        version_comment: own.version_comment.clone(),
        flavor_name: own.version.flavor.to_string(),
        read_only: !own.writes.is_writable(),
        binlog_format: own.binlog.format.as_str().to_owned(),
        binlog_row_image: own.binlog.row_image.clone(),
        log_bin_enabled: own.binlog.enabled,
        log_slave_updates_enabled: own.binlog.logs_replica_updates,
        log_replication_updates_enabled: own.binlog.logs_replica_updates,
        self_binlog_coordinates: Coordinates::binlog(&own.binlog.coordinates),
        replication_sql_thread_state: -1,
        replication_io_thread_state: -1,
        relaylog_coordinates: Coordinates { kind: 1, ..Coordinates::default() },
        gtid_mode: own.gtid.mode.as_str().to_owned(),
        supports_oracle_gtid: own.gtid.mode > topology::GtidMode::Off,
        // Clients take any set here for one of MySQL's.
        executed_gtid_set: if is_mariadb { String::new() } else { server_notation(&own.gtid.executed) },
        gtid_purged: if is_mariadb { String::new() } else { server_notation(&own.gtid.purged) },
        data_center: own.placement.data_center.clone(),
        region: own.placement.region.clone(),
        physical_environment: own.placement.environment.clone(),
        replication_credentials_available: own.credentials_available,
        ..wire::Instance::default()
    }
}

fn put_replication(shown: &mut wire::Instance, own: &Instance) {
    let Some(channel) = own.channel() else { return };
    let lag = NullInt::from(own.lag_secs());
    shown.master_key = Key::from(&channel.source);
    shown.master_uuid = channel.source_uuid.as_ref().map(ToString::to_string).unwrap_or_default();
    shown.is_detached_master = channel.source.is_detached();
    shown.slave_sql_running = channel.applier == ThreadState::Running;
    shown.replication_sql_thread_runing = shown.slave_sql_running;
    shown.slave_io_running = channel.receiver == ThreadState::Running;
    shown.replication_io_thread_runing = shown.slave_io_running;
    shown.replication_sql_thread_state = thread_state(channel.applier);
    shown.replication_io_thread_state = thread_state(channel.receiver);
    shown.has_replication_filters = channel.has_filters;
    shown.using_oracle_gtid = channel.auto_position && !own.version.is_mariadb();
    shown.using_mariadb_gtid = channel.auto_position && own.version.is_mariadb();
    shown.read_binlog_coordinates = Coordinates::binlog(&channel.read);
    shown.exec_binlog_coordinates = Coordinates::binlog(&channel.executed);
    shown.relaylog_coordinates = Coordinates::relay(&channel.relay);
    shown.last_sql_error = error_text(&channel.applier_error);
    shown.last_io_error = error_text(&channel.receiver_error);
    shown.seconds_behind_master = NullInt::from(channel.lag_secs);
    shown.slave_lag_seconds = lag;
    shown.replication_lag_seconds = lag;
    shown.sql_delay = channel.delay_secs;
    shown.has_replication_credentials = !channel.user.is_empty();
    put_tls(shown, channel);
}

fn put_tls(shown: &mut wire::Instance, channel: &Channel) {
    let tls = &channel.tls;
    shown.allow_tls = tls.enabled;
    shown.replication_ssl_ca_file = tls.ca_file.clone();
    shown.replication_ssl_ca_path = tls.ca_path.clone();
    shown.replication_ssl_cert = tls.cert.clone();
    shown.replication_ssl_cipher = tls.cipher.clone();
    shown.replication_ssl_crl_file = tls.crl.clone();
    shown.replication_ssl_crl_path = tls.crl_path.clone();
    shown.replication_ssl_key = tls.key.clone();
    shown.replication_ssl_verify_server_cert = tls.verify_server_cert.into();
    shown.replication_tls_version = tls.tls_version.clone();
    shown.replication_source_public_key_path = tls.public_key_path.clone();
    shown.replication_get_source_public_key = tls.get_public_key.into();
}

fn put_semi_sync(shown: &mut wire::Instance, semi_sync: &SemiSync) {
    shown.semi_sync_available = semi_sync.source.available && semi_sync.replica.available;
    shown.semi_sync_priority = u64::from(semi_sync.priority);
    shown.semi_sync_master_plugin_new_version = semi_sync.source.new_names;
    shown.semi_sync_replica_plugin_new_version = semi_sync.replica.new_names;
    shown.semi_sync_master_enabled = semi_sync.source.enabled;
    shown.semi_sync_replica_enabled = semi_sync.replica.enabled;
    shown.semi_sync_master_timeout = semi_sync.timeout_ms;
    shown.semi_sync_master_wait_for_replica_count = u64::from(semi_sync.wait_count);
    shown.semi_sync_master_status = semi_sync.source.active;
    shown.semi_sync_master_clients = u64::from(semi_sync.clients);
    shown.semi_sync_replica_status = semi_sync.replica.active;
}

fn put_group(shown: &mut wire::Instance, key: &InstanceKey, group: &GroupMembership) {
    shown.replication_group_name = group.name.clone();
    shown.replication_group_is_single_primary = group.single_primary;
    shown.replication_group_member_state = group.state.clone();
    shown.replication_group_member_role = if group.is_primary { "PRIMARY" } else { "SECONDARY" }.to_owned();
    shown.replication_group_members = group.members.iter().map(|member| Key::from(&member.key)).collect();
    let primary = group.members.iter().find(|member| member.is_primary).map(|member| &member.key);
    shown.replication_group_primary_instance_key =
        if group.is_primary { Key::from(key) } else { primary.map(Key::from).unwrap_or_default() };
}

fn thread_state(state: ThreadState) -> i64 {
    match state {
        ThreadState::Stopped => 0,
        ThreadState::Running => 1,
        ThreadState::Connecting => 2,
    }
}

/// Returns a set as MySQL prints it: a line for each UUID.
fn server_notation(set: &GtidSet) -> String {
    set.to_string().replace(',', ",\n")
}
