//! What one server says about itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BinlogCoordinates, BinlogState, GtidSet, InstanceKey, Version};

/// A server's identity (`@@server_uuid`), in lower case. MariaDB has none; its identity is address and `server_id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerUuid(String);

impl ServerUuid {
    /// Returns the identity of this text, or nothing when it is empty.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns the identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUuid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a server said when it was last probed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The address under which it is known.
    pub key: InstanceKey,
    /// `@@server_uuid`; none on MariaDB.
    pub uuid: Option<ServerUuid>,
    /// `@@server_id`.
    pub server_id: u32,
    /// Version and flavour.
    pub version: Version,
    /// `@@version_comment`.
    pub version_comment: String,
    /// Seconds since the server started.
    pub uptime_secs: u64,
    /// Whether it accepts writes.
    pub writes: WritePolicy,
    /// Its binary log.
    pub binlog: Binlog,
    /// Its GTID state.
    pub gtid: Gtid,
    /// Replication channels, the default one (empty name) first, then by name. Empty on a server that is no replica.
    pub channels: Vec<Channel>,
    /// Its semi-synchronous replication.
    pub semi_sync: SemiSync,
    /// Its place in a replication group, if it is in one.
    pub group: Option<GroupMembership>,
    /// Replicas that it says are connected or registered, sorted.
    pub replicas: Vec<InstanceKey>,
    /// Where it stands.
    pub placement: Placement,
    /// What the configured queries on it say about it.
    pub labels: Labels,
    /// True when the replication credentials can be read from the server (`mysql.slave_master_info`) or by query.
    pub credentials_available: bool,
}

/// Whether a server accepts writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WritePolicy {
    /// `read_only=0`.
    #[default]
    Writable,
    /// `read_only=1`: privileged accounts may still write.
    ReadOnly,
    /// `super_read_only=1`: nobody writes but replication.
    SuperReadOnly,
}

impl WritePolicy {
    /// True when ordinary accounts may write.
    pub fn is_writable(self) -> bool {
        self == Self::Writable
    }
}

/// `@@binlog_format`, ordered by what may replicate from what: a smaller one may be replicated by a larger one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BinlogFormat {
    /// `STATEMENT`.
    Statement,
    /// `MIXED`.
    Mixed,
    /// `ROW`.
    #[default]
    Row,
}

impl BinlogFormat {
    /// Returns the server's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "STATEMENT",
            Self::Mixed => "MIXED",
            Self::Row => "ROW",
        }
    }

    /// Reads the server's word; an unknown one counts as `ROW`, the default since MySQL 5.7.7.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "STATEMENT" => Self::Statement,
            "MIXED" => Self::Mixed,
            _ => Self::Row,
        }
    }
}

/// A server's own binary log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binlog {
    /// `@@log_bin`.
    pub enabled: bool,
    /// `@@binlog_format`.
    pub format: BinlogFormat,
    /// `@@binlog_row_image`, such as `FULL`; empty where unknown.
    pub row_image: String,
    /// `@@log_replica_updates`: what it replicates enters its own log, so that it can be a source of it.
    pub logs_replica_updates: bool,
    /// End of the log.
    pub coordinates: BinlogCoordinates,
    /// One of us slows its commits down, or did and could not end that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_braked: bool,
}

/// `@@gtid_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GtidMode {
    /// The server has no such variable (MariaDB, old MySQL).
    #[default]
    None,
    /// `OFF`.
    Off,
    /// `OFF_PERMISSIVE`.
    OffPermissive,
    /// `ON_PERMISSIVE`.
    OnPermissive,
    /// `ON`.
    On,
}

impl GtidMode {
    /// Returns the server's word; empty for [`GtidMode::None`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Off => "OFF",
            Self::OffPermissive => "OFF_PERMISSIVE",
            Self::OnPermissive => "ON_PERMISSIVE",
            Self::On => "ON",
        }
    }

    /// Reads the server's word; an unknown one is [`GtidMode::None`].
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "OFF" => Self::Off,
            "OFF_PERMISSIVE" => Self::OffPermissive,
            "ON_PERMISSIVE" => Self::OnPermissive,
            "ON" => Self::On,
            _ => Self::None,
        }
    }
}

/// A server's GTID state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gtid {
    /// `@@gtid_mode`; [`GtidMode::None`] on MariaDB.
    pub mode: GtidMode,
    /// What the server has executed: `@@gtid_executed`, on MariaDB the union of `@@gtid_binlog_pos` and
    /// `@@gtid_slave_pos`.
    pub executed: GtidSet,
    /// `@@gtid_purged`: executed and no longer in its binary logs. Empty on MariaDB.
    pub purged: GtidSet,
    /// MariaDB: what its binary log holds, by who wrote it. Empty on MySQL, where the executed set says that.
    #[serde(default, skip_serializing_if = "BinlogState::is_empty")]
    pub binlog_state: BinlogState,
    /// MariaDB: how far it has replicated (`@@gtid_slave_pos`). Empty on MySQL.
    #[serde(default, skip_serializing_if = "GtidSet::is_empty")]
    pub replicated: GtidSet,
}

impl Gtid {
    /// True when the executed set is what the server said. An empty one is, where the server has GTIDs at all: a primary
    /// that nobody wrote to yet.
    pub fn is_read(&self) -> bool {
        !self.executed.is_empty() || matches!(self.mode, GtidMode::On | GtidMode::OnPermissive)
    }
}

/// State of a receiver (I/O) or applier (SQL) thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThreadState {
    /// `No`.
    #[default]
    Stopped,
    /// `Connecting`: started, and not (or no longer) connected to the source. Only a receiver can be in this state.
    Connecting,
    /// `Yes`.
    Running,
}

/// A replica's relation to one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// `Channel_Name` (MariaDB: `Connection_name`); empty for the default channel.
    pub name: String,
    /// The source as configured, after host name resolution; may be detached (`//host`).
    pub source: InstanceKey,
    /// `Source_UUID`; none when not known or on MariaDB.
    pub source_uuid: Option<ServerUuid>,
    /// The account it replicates with; empty when none is set.
    pub user: String,
    /// Receiver thread.
    pub receiver: ThreadState,
    /// Applier thread (coordinator).
    pub applier: ThreadState,
    /// `Last_IO_Errno`; 0 for none.
    pub receiver_errno: u32,
    /// `Last_IO_Error`.
    pub receiver_error: String,
    /// `Last_SQL_Errno`; 0 for none.
    pub applier_errno: u32,
    /// `Last_SQL_Error`.
    pub applier_error: String,
    /// How far the receiver has read, in the source's log.
    pub read: BinlogCoordinates,
    /// How far the applier has come, in the source's log.
    pub executed: BinlogCoordinates,
    /// How far the applier has come, in the relay log.
    pub relay: BinlogCoordinates,
    /// What was received: `Retrieved_Gtid_Set`; on MariaDB `Gtid_IO_Pos`.
    pub retrieved: GtidSet,
    /// True when the position is kept by GTID (`Auto_Position`, `Using_Gtid`).
    pub auto_position: bool,
    /// MariaDB's `Using_Gtid` (`Slave_Pos`, `Current_Pos`, `No`); empty on MySQL.
    pub using_gtid: String,
    /// `Seconds_Behind_Source`; none when the applier does not run or the value is NULL.
    pub lag_secs: Option<u64>,
    /// Configured delay (`SQL_Delay`).
    pub delay_secs: u64,
    /// True when a `Replicate_*` filter is set.
    pub has_filters: bool,
    /// TLS towards the source.
    pub tls: TlsProfile,
}

impl Channel {
    /// True when both threads run.
    pub fn is_replicating(&self) -> bool {
        self.receiver == ThreadState::Running && self.applier == ThreadState::Running
    }
}

/// How a channel connects to its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsProfile {
    /// `Source_SSL_Allowed`.
    pub enabled: bool,
    /// `Source_SSL_CA_File`.
    pub ca_file: String,
    /// `Source_SSL_CA_Path`.
    pub ca_path: String,
    /// `Source_SSL_Cert`.
    pub cert: String,
    /// `Source_SSL_Cipher`.
    pub cipher: String,
    /// `Source_SSL_Key`.
    pub key: String,
    /// `Source_SSL_Crl`.
    pub crl: String,
    /// `Source_SSL_Crlpath`.
    pub crl_path: String,
    /// `Source_SSL_Verify_Server_Cert`; none when the server does not say.
    pub verify_server_cert: Option<bool>,
    /// `Source_TLS_Version`.
    pub tls_version: String,
    /// `Source_public_key_path`.
    pub public_key_path: String,
    /// `Get_Source_public_key`; none when the server does not say.
    pub get_public_key: Option<bool>,
}

/// A server's semi-synchronous replication, both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiSync {
    /// As a source.
    pub source: SemiSyncRole,
    /// As a replica.
    pub replica: SemiSyncRole,
    /// `rpl_semi_sync_source_wait_for_replica_count`; MariaDB has no such variable and waits for 1.
    pub wait_count: u32,
    /// `rpl_semi_sync_source_timeout` in milliseconds, after which the source degrades to asynchronous.
    pub timeout_ms: u64,
    /// `AFTER_SYNC` (lossless): a commit is visible only after a replica acknowledged it.
    pub lossless: bool,
    /// `Rpl_semi_sync_source_clients`: semi-synchronous replicas connected.
    pub clients: u32,
    /// Result of `DetectSemiSyncEnforcedQuery`: 0 asynchronous, larger is preferred.
    pub priority: u32,
    /// `Rpl_semi_sync_source_no_tx`: commits that no replica acknowledged since the server started. Not 0 means that
    /// the source degraded to asynchronous at some time.
    pub unacknowledged: u64,
    /// `Rpl_semi_sync_source_wait_sessions`: sessions whose commit waits for an acknowledgement now; none where unknown.
    #[serde(default)]
    pub waiting_sessions: Option<u32>,
    /// `Rpl_semi_sync_source_yes_tx`: commits that were acknowledged since the server started.
    #[serde(default)]
    pub acknowledged: u64,
    /// `rpl_semi_sync_source_wait_no_replica` is off: with too few replicas connected, the source falls back to
    /// asynchronous at once, and not after the timeout.
    #[serde(default)]
    pub gives_up_alone: bool,
}

/// One side of semi-synchronous replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiSyncRole {
    /// The server has the variables, i.e. the plugin is loaded or built in.
    pub available: bool,
    /// `..._enabled`.
    pub enabled: bool,
    /// `..._status`: it is in effect now.
    pub active: bool,
    /// The variables have the new names (`source`/`replica`, MySQL 8.0.26+ plugins).
    pub new_names: bool,
}

/// A server's place in a replication group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMembership {
    /// `group_replication_group_name`.
    pub name: String,
    /// Single-primary mode.
    pub single_primary: bool,
    /// This server's `MEMBER_STATE`, such as `ONLINE`.
    pub state: String,
    /// True when this server's `MEMBER_ROLE` is `PRIMARY`.
    pub is_primary: bool,
    /// The other members, sorted by key.
    pub members: Vec<GroupMember>,
}

/// Another member of a replication group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// Its address.
    pub key: InstanceKey,
    /// True when its role is `PRIMARY`.
    pub is_primary: bool,
}

/// Where a server stands. Empty texts are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Data centre.
    pub data_center: String,
    /// Region.
    pub region: String,
    /// Physical environment.
    pub environment: String,
}

/// What the configured queries (`Detect…Query`) and patterns say about a server. Empty texts are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// `DetectInstanceAliasQuery`.
    pub instance_alias: String,
    /// `DetectClusterAliasQuery`.
    pub cluster_alias: String,
    /// `DetectClusterDomainQuery`.
    pub cluster_domain: String,
    /// `DetectPromotionRuleQuery`.
    pub promotion_rule: Option<crate::PromotionRule>,
    /// `ReplicationLagQuery`, in seconds; replaces `Seconds_Behind_Source` where it is set and works.
    pub lag_secs: Option<u64>,
}

impl Instance {
    /// Returns the channel that decides its place in the tree: the default one, else the first. None on a server that
    /// is no replica.
    pub fn channel(&self) -> Option<&Channel> {
        self.channels
            .iter()
            .find(|channel| channel.source.port > 0 && !matches!(channel.source.host.as_str(), "" | "_"))
    }

    /// Returns its source, if it has one that is not detached.
    pub fn source(&self) -> Option<&InstanceKey> {
        self.channel().map(|channel| &channel.source).filter(|key| key.is_valid())
    }

    /// True when it is configured to replicate, also from a detached source.
    pub fn is_replica(&self) -> bool {
        self.channel().is_some()
    }

    /// True when it can be a source of what it replicates: it logs, and logs what it replicates.
    pub fn can_be_source(&self) -> bool {
        self.binlog.enabled && self.binlog.logs_replica_updates
    }

    /// Returns all it holds: executed, and received on any channel (design: *received ∪ executed*).
    pub fn held(&self) -> GtidSet {
        self.channels.iter().fold(self.gtid.executed.clone(), |held, channel| held.union(&channel.retrieved))
    }

    /// True when what it commits now has a GTID. MySQL numbers new transactions with `gtid_mode` `ON` and `ON_PERMISSIVE`
    /// (8.4 Reference Manual, 19.1.4.1), MariaDB always.
    pub fn numbers_transactions(&self) -> bool {
        self.version.is_mariadb() || self.gtid.mode >= GtidMode::OnPermissive
    }

    /// Returns the origin under which its own transactions stand in GTID sets: its UUID or, on MariaDB, its `server_id`.
    pub fn gtid_origin(&self) -> String {
        self.uuid.as_ref().map_or_else(|| self.server_id.to_string(), ToString::to_string)
    }

    /// Returns replication lag in seconds: the custom query's where there is one, else the server's.
    pub fn lag_secs(&self) -> Option<u64> {
        self.labels.lag_secs.or_else(|| self.channel().and_then(|channel| channel.lag_secs))
    }

    /// True when `later` has the same end of its binary log, and semi-synchronous replication in the same state.
    pub fn stands_where(&self, later: &Self) -> bool {
        let of_source = |own: &Self| (own.semi_sync.source, own.semi_sync.wait_count, own.semi_sync.clients);
        self.binlog.coordinates == later.binlog.coordinates && of_source(self) == of_source(later)
    }

    /// True when `other` is the same server as this: same UUID or, where a server has none, same `server_id` at the
    /// same address.
    pub fn is_same_server(&self, other: &Self) -> bool {
        match (&self.uuid, &other.uuid) {
            (Some(one), Some(two)) => one == two,
            (None, None) => self.server_id == other.server_id && self.key == other.key,
            _ => false,
        }
    }
}
