//! The typed configuration: one struct per concern, units in types.

use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

use crate::Secret;
use crate::address;
use crate::filters::{ClusterAliases, ClusterFilters, HostFilters, LabelPattern, NameFilters, RecoveryIgnore};

/// The process itself.
#[derive(Clone, Debug)]
pub struct Process {
    /// Log at level DEBUG.
    pub debug: bool,
    /// Text to show as a warning on each web page.
    pub web_message: Option<String>,
    /// Text to leave out of host names on web pages.
    pub hidden_host_part: Option<String>,
    /// What to put before each API message.
    pub message_identity: MessageIdentity,
}

/// `PrependMessagesWithOrcIdentity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageIdentity {
    /// Nothing.
    None,
    /// The host's full name.
    Fqdn,
    /// The host's name.
    Hostname,
    /// This text.
    Custom(String),
}

/// Where we listen and under which paths.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `host:port` or `:port` of the HTTP listener.
    pub address: String,
    /// A unix socket to serve on instead.
    pub socket: Option<PathBuf>,
    /// Prefix of all web paths: empty, or one leading slash and no trailing one.
    pub url_prefix: String,
    /// The whole path of the status check, prefix included where it applies.
    pub status_path: String,
}

/// PEM files of one side of a TLS connection.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Private key.
    pub key: Option<PathBuf>,
    /// Certificate.
    pub certificate: Option<PathBuf>,
    /// Authority.
    pub authority: Option<PathBuf>,
    /// Whether the other side's certificate is not verified.
    pub skip_verify: bool,
}

/// When connections to monitored servers use TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsUse {
    /// Never.
    Never,
    /// For servers that refuse a plain connection.
    WhereDemanded,
    /// For every server, with our certificate.
    Always,
}

/// How monitored servers are reached.
#[derive(Clone, Debug)]
pub struct TopologyAccess {
    /// Account name, from the file or the credentials file.
    pub user: String,
    /// Its password, already taken from the environment or the credentials file.
    pub password: Secret,
    /// Port of a server that is named without one.
    pub default_port: u16,
    /// When TLS is used.
    pub tls: TlsUse,
    /// Key, certificate and authority for it.
    pub tls_files: TlsFiles,
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// For a probe's query to answer.
    pub probe_timeout: Duration,
    /// For any other statement to answer.
    pub read_timeout: Duration,
    /// After which a kept connection is made anew.
    pub connection_lifetime: Option<Duration>,
}

/// Our own database.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The SQLite file, or `:memory:`. `None`: nothing was configured, the caller chooses a file.
    pub sqlite_file: Option<PathBuf>,
}

/// Finding servers and looking at them.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// Between two looks at the same server.
    pub poll: Duration,
    /// What a look may take, beyond `poll`, before the server counts as not answering.
    pub reasonable_check: Duration,
    /// After which a server that was not seen is forgotten.
    pub forget_after: Duration,
    /// Most servers looked at in parallel.
    pub max_concurrency: usize,
    /// Most servers waiting to be looked at.
    pub queue_capacity: usize,
    /// Servers to start from, `host[:port]`.
    pub seeds: Vec<String>,
    /// Find replicas by what they report of themselves first.
    pub by_show_replica_hosts: bool,
    /// Servers never to look at.
    pub ignore: HostFilters,
    /// Replicas not to go on to.
    pub ignore_replicas: HostFilters,
    /// Sources not to go on to.
    pub ignore_sources: HostFilters,
    /// Replication users whose replicas are not gone on to.
    pub ignore_replication_users: NameFilters,
    /// Log what the filters leave out.
    pub log_ignored: bool,
    /// Factor, at least 1, by which the interval between looks at an unreachable server grows.
    pub unreachable_backoff: f64,
    /// The longest such interval.
    pub unreachable_poll_max: Duration,
    /// Most replicas moved in parallel.
    pub max_concurrent_moves: usize,
    /// For each replica to stop when several are stopped nicely.
    pub bulk_stop_timeout: Duration,
    /// Between two recorded pictures of all topologies.
    pub snapshot_interval: Option<Duration>,
    /// Let a replica of a lower major version below a higher one pass.
    pub lower_replica_version_allowed: bool,
}

/// `HostnameResolveMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveMethod {
    /// Keep names, and do not remember what they resolve to.
    None,
    /// Keep names.
    Default,
    /// Replace a name by what it is an alias of.
    Cname,
    /// Replace a name by its address.
    Ip,
}

/// `MySQLHostnameResolveMethod`: the name that a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerNameMethod {
    /// It is not asked.
    None,
    /// `@@hostname`.
    Hostname,
    /// `@@report_host`; an error if it is empty.
    ReportHost,
}

/// Host names.
#[derive(Clone, Debug)]
pub struct Resolve {
    /// How we resolve a name.
    pub method: ResolveMethod,
    /// Which name of itself a server is asked for.
    pub server_method: ServerNameMethod,
    /// How long a resolved name is remembered.
    pub expiry: Duration,
    /// Resolved names to discard.
    pub reject: Option<Regex>,
}

/// Queries that are run on monitored servers, one row and one column each; `None` = not configured.
#[derive(Clone, Debug)]
pub struct DetectQueries {
    /// Replication lag in seconds.
    pub replication_lag: Option<String>,
    /// User, password, CA, certificate and key of replication, in one row of five columns.
    pub replication_credentials: Option<String>,
    /// Alias of the cluster.
    pub cluster_alias: Option<String>,
    /// Name by which writers find the cluster; asked on primaries.
    pub cluster_domain: Option<String>,
    /// Alias of the instance.
    pub instance_alias: Option<String>,
    /// Promotion rule.
    pub promotion_rule: Option<String>,
    /// Data centre.
    pub data_center: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Environment.
    pub environment: Option<String>,
    /// Semi-sync priority; 0 = asynchronous.
    pub semi_sync: Option<String>,
}

/// What is known of instances and clusters beyond replication.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Queries on the servers.
    pub queries: DetectQueries,
    /// Aliases by cluster name.
    pub aliases: ClusterAliases,
    /// Takes the data centre out of a host name, where no query gives it.
    pub data_center_pattern: Option<LabelPattern>,
    /// The same for the region.
    pub region_pattern: Option<LabelPattern>,
    /// The same for the environment.
    pub environment_pattern: Option<LabelPattern>,
}

/// What counts as a problem.
#[derive(Clone, Debug)]
pub struct Problems {
    /// Lag above it is a problem.
    pub lag: Duration,
    /// A replica that lags more is not moved.
    pub maintenance_lag: Duration,
    /// Servers left out of the list of problems.
    pub ignore: HostFilters,
    /// Refuse to replicate from a server with replication filters unless the replica has some too.
    pub verify_replication_filters: bool,
    /// Servers left out of the replicas offered to schema-change tools.
    pub schema_change_ignore: HostFilters,
}

/// Who may be promoted.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// How long a registered promotion rule lasts.
    pub rule_expiry: Duration,
    /// Servers never to promote.
    pub ignore: HostFilters,
    /// Set `super_read_only` together with `read_only`.
    pub use_super_read_only: bool,
}

/// Where actions are recorded.
#[derive(Clone, Debug)]
pub struct Audit {
    /// File to append lines to.
    pub log_file: Option<PathBuf>,
    /// Record in the backend too.
    pub to_backend: bool,
    /// How long audit entries, detections and recoveries are kept.
    pub keep: Duration,
}

/// `AuthenticationMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Everyone may do everything.
    None,
    /// One user and password.
    Basic,
    /// As basic, and the user `readonly` with any password may read.
    Multi,
    /// A proxy names the user in a header.
    Proxy,
    /// Access tokens. Not built yet: deny writes.
    Token,
    /// Not implemented by Orchestrator either: deny writes.
    OAuth,
}

/// Who may act through the API.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Deny every action that changes something.
    pub read_only: bool,
    /// How callers show who they are.
    pub method: AuthMethod,
    /// User for basic and multi.
    pub user: String,
    /// Password for basic and multi.
    pub password: Secret,
    /// Header in which the proxy names the user.
    pub user_header: String,
    /// Users that may act, with proxy; `*` = all.
    pub power_users: Vec<String>,
    /// Unix groups whose members may act, with proxy.
    pub power_groups: Vec<String>,
    /// Within which a new token must be taken.
    pub token_use_expiry: Duration,
    /// How long a token lasts.
    pub token_expiry: Duration,
}

/// TLS of our own listener.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Serve HTTPS.
    pub enabled: bool,
    /// Demand client certificates.
    pub mutual: bool,
    /// Key, certificate and authority.
    pub files: TlsFiles,
    /// Accepted units (OU) of client certificates.
    pub valid_units: Vec<String>,
    /// Demand the unit for the status check too.
    pub status_checks_unit: bool,
}

/// What to do about a candidate that has not applied all it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnappliedPolicy {
    /// Neither key is set: as Orchestrator, the choice is free.
    Promote,
    /// `FailMasterPromotionIfSQLThreadNotUpToDate`.
    Refuse,
    /// `DelayMasterPromotionIfSQLThreadNotUpToDate`.
    Wait,
}

/// What to do where it is not proved that a promotion loses no acknowledged transaction (`DataLossPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataLossPolicy {
    /// Promote all the same.
    Allow,
    /// Wait so long from the failure for the proof, then promote all the same.
    Wait(Duration),
    /// Leave it to a person.
    Refuse,
}

/// What to do about semi-synchronous replication.
#[derive(Clone, Debug)]
pub struct SemiSyncPolicy {
    /// Keep exactly as many semi-sync replicas as the primary waits for.
    pub exact_replicas: bool,
    /// Enable semi-sync on replicas of a primary that waits for acknowledgements in vain.
    pub unlock_primary: bool,
    /// How long such waiting is in order.
    pub reasonable_lock: Duration,
}

/// Detecting failures and recovering from them.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Clusters whose primary is replaced automatically.
    pub primary_filters: ClusterFilters,
    /// Clusters whose intermediate sources are replaced automatically.
    pub intermediate_filters: ClusterFilters,
    /// Hosts left out of detection and recovery.
    pub ignore: RecoveryIgnore,
    /// Leave healthy leaves out of the analysis.
    pub reduce_analysis: bool,
    /// Within which the same failure is not announced again.
    pub detection_block: Duration,
    /// Within which the same kind of recovery is not repeated on a cluster.
    pub recovery_block: Duration,
    /// Make the promoted server a writable primary.
    pub apply_promotion: bool,
    /// Promote only in the data centre of the failed primary.
    pub prevent_cross_data_center: bool,
    /// Promote only in the region of the failed primary.
    pub prevent_cross_region: bool,
    /// Detach replicas that cannot follow the new primary.
    pub detach_lost_replicas: bool,
    /// Detach the promoted server from its source's address.
    pub detach_promoted: bool,
    /// Downtime of instances lost in a recovery.
    pub lost_downtime: Duration,
    /// Do not promote a server that lags this much.
    pub fail_on_lag: Option<Duration>,
    /// What to do about a candidate with unapplied transactions.
    pub unapplied: UnappliedPolicy,
    /// What to do about a promotion that may lose something.
    pub data_loss: DataLossPolicy,
    /// Replicas delayed by more are moved last.
    pub postpone_above_lag: Option<Duration>,
    /// Of two co-primaries, promote only the other one.
    pub only_other_co_primary: bool,
    /// Make a read-only primary with working replicas writable.
    pub make_primary_writable: bool,
    /// Semi-synchronous replication.
    pub semi_sync: SemiSyncPolicy,
    /// How long a candidate may take to apply what it received.
    pub drain_timeout: Duration,
    /// How long a takeover may keep writes waiting before it is undone.
    pub write_block: Duration,
    /// A primary that is back within it is not failed over.
    pub restart_grace: Duration,
    /// Between two pulses to each server with replicas.
    pub heartbeat: Duration,
    /// How long a primary must be unreachable from here before replicas that still believe in it are made to reconnect.
    pub receiver_restart_after: Duration,
    /// What becomes of a replaced primary that comes back.
    pub returned_primary: ReturnedPrimaryPolicy,
    /// Where changes are kept that only a returned primary has; beside the database when none.
    pub divergence_directory: Option<PathBuf>,
}

/// `ReturnedPrimaryPolicy`: what becomes of a replaced primary that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnedPrimaryPolicy {
    /// It is left for a person.
    Off,
    /// It is attached below its successor if that has all it has.
    Subset,
    /// Likewise, and rebuilt by the clone plugin if not.
    Clone,
}

/// Commands that are run at the turns of a recovery, in order. Each is a line for the shell.
#[derive(Clone, Debug)]
pub struct Hooks {
    /// Program that runs the lines.
    pub shell: String,
    /// How long each may run.
    pub timeout: Duration,
    /// A failure was detected.
    pub on_failure_detection: Vec<String>,
    /// Before a recovery; a failing one calls it off.
    pub pre_failover: Vec<String>,
    /// A primary was replaced.
    pub post_primary_failover: Vec<String>,
    /// An intermediate source was replaced.
    pub post_intermediate_failover: Vec<String>,
    /// Any recovery succeeded.
    pub post_failover: Vec<String>,
    /// A recovery found no successor.
    pub post_unsuccessful_failover: Vec<String>,
    /// Before a graceful takeover; a failing one calls it off.
    pub pre_graceful_takeover: Vec<String>,
    /// A graceful takeover is done.
    pub post_graceful_takeover: Vec<String>,
    /// A replica took its source's place.
    pub post_take_primary: Vec<String>,
}

/// Key-value stores.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// Prefix of the keys that name a cluster's primary, with one trailing slash.
    pub primary_prefix: String,
}

/// Several managers that decide together.
#[derive(Clone, Debug)]
pub struct Raft {
    /// Be one of them.
    pub enabled: bool,
    /// Directory of what this node must not forget; never empty when raft is enabled.
    pub data_dir: PathBuf,
    /// `host:port` to listen on.
    pub bind: String,
    /// `host:port` that the others are told.
    pub advertise: String,
    /// The nodes that found the cluster, `host:port`, sorted, each once. Empty stands for this one alone.
    pub nodes: Vec<String>,
    /// Port of a node that is named without one.
    pub default_port: u16,
    /// How nodes prove who they are.
    pub security: RaftSecurity,
    /// URI at which the others reach our API, where one is given; see [`Config::http_uri`](crate::Config::http_uri).
    pub http_advertise: Option<String>,
}

impl Raft {
    /// Returns `text` (`host[:port]`) as nodes are named everywhere else here, `host:port`: in lower case, with the default
    /// port where it has none, IPv6 in brackets. Names stay names.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn address(&self, text: &str) -> Result<String, &'static str> {
        address::normalise(text, self.default_port)
    }
}

/// How raft nodes prove to each other who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftSecurity {
    /// Not at all.
    Plain,
    /// By a text of at least 16 characters that all of them know.
    Secret(Secret),
    /// By certificates, in PEM.
    Certificates {
        /// This node's.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
        /// The authority that signs those of all nodes.
        authority: PathBuf,
    },
}
