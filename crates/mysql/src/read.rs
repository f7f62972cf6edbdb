//! From answers to an [`Instance`]: pure, so that recorded answers of servers that cannot be run here are tested too.
//!
//! Columns and variables are looked up by every name they ever had, in any case. What is missing is unknown, never an
//! error: only a probe decides what it cannot do without.

use std::collections::BTreeMap;

use topology::{
    Binlog, BinlogCoordinates, BinlogFormat, BinlogState, Channel, Flavor, GroupMember, GroupMembership, Gtid,
    GtidMode, GtidSet, Instance, InstanceKey, SemiSync, SemiSyncRole, ServerUuid, ThreadState, TlsProfile, Version,
    WritePolicy,
};

use crate::row::Row;
use crate::verbs::brake;

/// Variables by lower-case name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Reads rows of `Variable_name` and `Value`, as of `SHOW VARIABLES` and `SHOW STATUS`.
    pub fn of_list(rows: &[Row]) -> Self {
        let pair = |row: &Row| Some((row.get(0)?.to_ascii_lowercase(), row.get(1).unwrap_or_default().to_owned()));
        Self(rows.iter().filter_map(pair).collect())
    }

    /// Reads one row whose columns are variables. NULL is left out.
    pub fn of_row(row: &Row) -> Self {
        Self(row.iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value?.to_owned()))).collect())
    }

    /// Puts the values of `newer` over these.
    pub fn update(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    /// True when there is a variable of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the value of the first of `names` that exists; empty when none does.
    pub fn text(&self, names: &[&str]) -> &str {
        names.iter().find_map(|name| self.0.get(*name)).map_or("", String::as_str)
    }

    /// Returns whether these say that the server accepts writes.
    pub fn writes(&self) -> WritePolicy {
        if self.on(&["super_read_only"]) {
            return WritePolicy::SuperReadOnly;
        }
        // MariaDB 12 has further words for read_only; all but OFF keep ordinary accounts from writing.
        match self.text(&["read_only"]).to_ascii_uppercase().as_str() {
            "" | "0" | "OFF" => WritePolicy::Writable,
            _ => WritePolicy::ReadOnly,
        }
    }

    fn on(&self, names: &[&str]) -> bool {
        matches!(self.text(names).to_ascii_uppercase().as_str(), "ON" | "1" | "YES" | "TRUE")
    }

    fn number<T: std::str::FromStr + Default>(&self, names: &[&str]) -> T {
        self.text(names).parse().unwrap_or_default()
    }
}

/// All answers that make up one picture of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Global variables.
    pub variables: Variables,
    /// Global status.
    pub status: Variables,
    /// `SHOW REPLICA STATUS` or its like: a row per channel.
    pub channels: Vec<Row>,
    /// `SHOW BINARY LOG STATUS` or its like: at most one row.
    pub binlog: Vec<Row>,
    /// `performance_schema.replication_group_members`: a row per member.
    pub group: Vec<Row>,
}

/// A text of the server is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A set of GTIDs cannot be read. Nothing may be decided on a set that is half understood.
    #[error("{what} cannot be read: {error}")]
    Gtid {
        /// Which.
        what: &'static str,
        /// Why.
        error: topology::gtid::GtidError,
    },
}

/// Returns the version that the variables name.
pub fn version_of(variables: &Variables) -> Version {
    Version::parse(variables.text(&["version"]), variables.text(&["version_comment"]))
}

/// Returns the instance that `answers` describe, under the address `key`. Replicas, labels and placement are the
/// caller's to add.
///
/// # Errors
/// [`ReadError`] when a set of GTIDs cannot be read.
pub fn instance_from(key: &InstanceKey, answers: &Answers) -> Result<Instance, ReadError> {
    let variables = &answers.variables;
    let version = version_of(variables);
    let flavor = version.flavor;
    Ok(Instance {
        key: key.clone(),
        uuid: ServerUuid::new(variables.text(&["server_uuid"])).filter(|_| flavor != Flavor::MariaDb),
        server_id: variables.number(&["server_id"]),
        version_comment: variables.text(&["version_comment"]).to_owned(),
        uptime_secs: answers.status.number(&["uptime"]),
        writes: variables.writes(),
        binlog: binlog(variables, &answers.binlog),
        gtid: gtid(flavor, variables)?,
        channels: channels(flavor, &answers.channels)?,
        semi_sync: semi_sync(variables, &answers.status),
        group: group(variables, &answers.group),
        version,
        ..Instance::default()
    })
}

fn binlog(variables: &Variables, rows: &[Row]) -> Binlog {
    let coordinates = rows.first().map(|row| coordinates(row, &["File"], &["Position"])).unwrap_or_default();
    Binlog {
        enabled: variables.on(&["log_bin"]),
        format: BinlogFormat::parse(variables.text(&["binlog_format"])),
        row_image: variables.text(&["binlog_row_image"]).to_owned(),
        logs_replica_updates: variables.on(&["log_replica_updates", "log_slave_updates"]),
        coordinates,
        is_braked: brake::is_ours(
            variables.number(&["binlog_group_commit_sync_delay"]),
            variables.number(&["binlog_commit_wait_count"]),
        ),
    }
}

fn gtid(flavor: Flavor, variables: &Variables) -> Result<Gtid, ReadError> {
    if flavor == Flavor::MariaDb {
        // What it replicated and what it wrote itself are counted apart.
        let applied = set(flavor, "gtid_slave_pos", variables.text(&["gtid_slave_pos"]))?;
        let logged = set(flavor, "gtid_binlog_pos", variables.text(&["gtid_binlog_pos"]))?;
        let written = BinlogState::parse(variables.text(&["gtid_binlog_state"]));
        let binlog_state = written.map_err(|error| ReadError::Gtid { what: "gtid_binlog_state", error })?;
        let executed = logged.union(&applied);
        return Ok(Gtid { executed, binlog_state, replicated: applied, ..Gtid::default() });
    }
    Ok(Gtid {
        mode: GtidMode::parse(variables.text(&["gtid_mode"])),
        executed: set(flavor, "gtid_executed", variables.text(&["gtid_executed"]))?,
        purged: set(flavor, "gtid_purged", variables.text(&["gtid_purged"]))?,
        ..Gtid::default()
    })
}

fn set(flavor: Flavor, what: &'static str, text: &str) -> Result<GtidSet, ReadError> {
    let read = if flavor == Flavor::MariaDb { GtidSet::parse_mariadb(text) } else { GtidSet::parse_mysql(text) };
    read.map_err(|error| ReadError::Gtid { what, error })
}

/// Returns the channels that `rows` describe, the default one first, then by name. A row without a source host is what
/// a server shows that was a replica once; it is no channel.
///
/// # Errors
/// [`ReadError`] when a set of GTIDs cannot be read.
pub fn channels(flavor: Flavor, rows: &[Row]) -> Result<Vec<Channel>, ReadError> {
    let mut channels = Vec::new();
    for row in rows {
        let channel = channel(flavor, row)?;
        if !matches!(channel.source.host.as_str(), "" | "_") {
            channels.push(channel);
        }
    }
    channels.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(channels)
}

fn channel(flavor: Flavor, row: &Row) -> Result<Channel, ReadError> {
    let using_gtid = row.text_or_empty(&["Using_Gtid"]);
    let auto_position = match using_gtid.as_str() {
        "" => row.yes(&["Auto_Position"]).unwrap_or(false),
        word => !word.eq_ignore_ascii_case("No"),
    };
    let retrieved = row.text(&["Retrieved_Gtid_Set", "Gtid_IO_Pos"]).unwrap_or_default();
    Ok(Channel {
        name: row.text_or_empty(&["Channel_Name", "Connection_name"]),
        source: InstanceKey::new(
            row.text_or_empty(&["Source_Host", "Master_Host"]),
            row.number(&["Source_Port", "Master_Port"]).unwrap_or(0),
        ),
        source_uuid: row.text(&["Source_UUID", "Master_UUID"]).and_then(ServerUuid::new),
        user: row.text_or_empty(&["Source_User", "Master_User"]),
        receiver: thread(row, &["Replica_IO_Running", "Slave_IO_Running"]),
        applier: thread(row, &["Replica_SQL_Running", "Slave_SQL_Running"]),
        receiver_errno: row.number(&["Last_IO_Errno"]).unwrap_or(0),
        receiver_error: row.text_or_empty(&["Last_IO_Error"]),
        applier_errno: row.number(&["Last_SQL_Errno"]).unwrap_or(0),
        applier_error: row.text_or_empty(&["Last_SQL_Error"]),
        read: coordinates(
            row,
            &["Source_Log_File", "Master_Log_File"],
            &["Read_Source_Log_Pos", "Read_Master_Log_Pos"],
        ),
        executed: coordinates(
            row,
            &["Relay_Source_Log_File", "Relay_Master_Log_File"],
            &["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"],
        ),
        relay: coordinates(row, &["Relay_Log_File"], &["Relay_Log_Pos"]),
        retrieved: set(flavor, "the set of received transactions", retrieved)?,
        auto_position,
        using_gtid,
        lag_secs: lag(row),
        delay_secs: row.u64(&["SQL_Delay"]).unwrap_or(0),
        has_filters: has_filters(row),
        tls: tls(row),
    })
}

fn thread(row: &Row, names: &[&str]) -> ThreadState {
    match row.text(names).unwrap_or_default().to_ascii_lowercase().as_str() {
        "yes" => ThreadState::Running,
        // `Preparing` is MariaDB's, before it connects.
        "connecting" | "preparing" => ThreadState::Connecting,
        _ => ThreadState::Stopped,
    }
}

/// A negative lag is a clock that runs ahead: no lag.
fn lag(row: &Row) -> Option<u64> {
    let seconds: i64 = row.number(&["Seconds_Behind_Source", "Seconds_Behind_Master"])?;
    Some(u64::try_from(seconds).unwrap_or(0))
}

fn has_filters(row: &Row) -> bool {
    const FILTERS: [&str; 10] = [
        "Replicate_Do_DB",
        "Replicate_Ignore_DB",
        "Replicate_Do_Table",
        "Replicate_Ignore_Table",
        "Replicate_Wild_Do_Table",
        "Replicate_Wild_Ignore_Table",
        "Replicate_Rewrite_DB",
        "Replicate_Ignore_Server_Ids",
        "Replicate_Do_Domain_Ids",
        "Replicate_Ignore_Domain_Ids",
    ];
    FILTERS.iter().any(|name| row.text(&[name]).is_some_and(|text| !text.is_empty()))
}

fn tls(row: &Row) -> TlsProfile {
    let get = |names: &[&str]| row.text_or_empty(names);
    TlsProfile {
        enabled: row.yes(&["Source_SSL_Allowed", "Master_SSL_Allowed"]).unwrap_or(false),
        ca_file: get(&["Source_SSL_CA_File", "Master_SSL_CA_File"]),
        ca_path: get(&["Source_SSL_CA_Path", "Master_SSL_CA_Path"]),
        cert: get(&["Source_SSL_Cert", "Master_SSL_Cert"]),
        cipher: get(&["Source_SSL_Cipher", "Master_SSL_Cipher"]),
        key: get(&["Source_SSL_Key", "Master_SSL_Key"]),
        crl: get(&["Source_SSL_Crl", "Master_SSL_Crl", "Source_SSL_CRL_File", "Master_SSL_CRL_File"]),
        crl_path: get(&["Source_SSL_Crlpath", "Master_SSL_Crlpath", "Source_SSL_CRL_Path", "Master_SSL_CRL_Path"]),
        verify_server_cert: row.yes(&["Source_SSL_Verify_Server_Cert", "Master_SSL_Verify_Server_Cert"]),
        tls_version: get(&["Source_TLS_Version", "Master_TLS_Version"]),
        public_key_path: get(&["Source_public_key_path", "Master_public_key_path"]),
        get_public_key: row.yes(&["Get_Source_public_key", "Get_master_public_key"]),
    }
}

fn coordinates(row: &Row, file: &[&str], pos: &[&str]) -> BinlogCoordinates {
    BinlogCoordinates::new(row.text_or_empty(file), row.u64(pos).unwrap_or(0))
}

/// Which names the server has is decided by the variables present: either plugin runs on 8.0.26 and later, and MariaDB
/// kept the old names.
fn semi_sync(variables: &Variables, status: &Variables) -> SemiSync {
    let role = |old: &str, new: &str| {
        let (old_enabled, new_enabled) =
            (format!("rpl_semi_sync_{old}_enabled"), format!("rpl_semi_sync_{new}_enabled"));
        let (old_status, new_status) = (format!("rpl_semi_sync_{old}_status"), format!("rpl_semi_sync_{new}_status"));
        SemiSyncRole {
            available: variables.has(&old_enabled) || variables.has(&new_enabled),
            enabled: variables.on(&[&new_enabled, &old_enabled]),
            active: status.on(&[&new_status, &old_status]),
            new_names: variables.has(&new_enabled),
        }
    };
    let wait_count =
        variables.text(&["rpl_semi_sync_source_wait_for_replica_count", "rpl_semi_sync_master_wait_for_slave_count"]);
    let wait_point = variables.text(&["rpl_semi_sync_source_wait_point", "rpl_semi_sync_master_wait_point"]);
    let waiting = status.text(&["rpl_semi_sync_source_wait_sessions", "rpl_semi_sync_master_wait_sessions"]);
    let alone = ["rpl_semi_sync_source_wait_no_replica", "rpl_semi_sync_master_wait_no_slave"];
    let source = role("master", "source");
    SemiSync {
        source,
        replica: role("slave", "replica"),
        // MariaDB and MySQL 5.6 wait for one, and have no such variable; nor has a server without the plugin.
        wait_count: wait_count.parse().unwrap_or(u32::from(source.available)),
        timeout_ms: variables.number(&["rpl_semi_sync_source_timeout", "rpl_semi_sync_master_timeout"]),
        lossless: wait_point.eq_ignore_ascii_case("AFTER_SYNC"),
        clients: status.number(&["rpl_semi_sync_source_clients", "rpl_semi_sync_master_clients"]),
        priority: 0,
        unacknowledged: status.number(&["rpl_semi_sync_source_no_tx", "rpl_semi_sync_master_no_tx"]),
        waiting_sessions: waiting.parse().ok(),
        acknowledged: status.number(&["rpl_semi_sync_source_yes_tx", "rpl_semi_sync_master_yes_tx"]),
        gives_up_alone: alone.iter().any(|name| variables.has(name)) && !variables.on(&alone),
    }
}

/// Members that are `OFFLINE` are in no group: a server that left shows itself so.
fn group(variables: &Variables, rows: &[Row]) -> Option<GroupMembership> {
    let own = variables.text(&["server_uuid"]);
    let online = |row: &&Row| !row.text(&["MEMBER_STATE"]).unwrap_or("OFFLINE").eq_ignore_ascii_case("OFFLINE");
    let is_primary = |row: &Row| row.text(&["MEMBER_ROLE"]).is_some_and(|role| role.eq_ignore_ascii_case("PRIMARY"));
    let is_own = |row: &Row| row.text(&["MEMBER_ID"]).is_some_and(|id| id.eq_ignore_ascii_case(own));
    let me = rows.iter().filter(online).find(|row| is_own(row))?;
    let mut members: Vec<GroupMember> = rows
        .iter()
        .filter(online)
        .filter(|row| !is_own(row))
        .filter_map(|row| {
            let key = InstanceKey::new(row.text(&["MEMBER_HOST"])?, row.number(&["MEMBER_PORT"])?);
            Some(GroupMember { key, is_primary: is_primary(row) })
        })
        .collect();
    members.sort_by(|one, two| one.key.cmp(&two.key));
    Some(GroupMembership {
        name: variables.text(&["group_replication_group_name"]).to_owned(),
        single_primary: variables.on(&["group_replication_single_primary_mode"]),
        state: me.text_or_empty(&["MEMBER_STATE"]),
        is_primary: is_primary(me),
        members,
    })
}
