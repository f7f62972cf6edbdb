//! Orchestrator's configuration file as typed, validated values.
//!
//! Text in, values and findings out: [`parse`] takes the texts of the files in their order and gives a [`Config`] with
//! one struct per concern, or every [`Problem`] at once, each with its file and line. What does not stop the start but
//! should be told (unknown keys, keys without effect, keys that disagree) comes as [`Finding`]s. [`KEYS`] is the one
//! table of keys that parsing, defaults, [`Config::dump_json`] and the documentation are made from.
//!
//! Invariants: no I/O, no environment, no clock (what the environment and other files say comes through
//! [`Surroundings`]); no secret in any message, dump or `Debug`; no text makes it panic.
#![warn(missing_docs)]

mod address;
mod build;
mod dump;
mod filters;
mod findings;
mod ini;
mod json;
mod key;
mod load;
mod model;
mod report;
mod rules;
mod secret;
mod settings;
mod surroundings;
mod table;
mod typed;

pub use filters::{BadPattern, ClusterAliases, ClusterFilters, HostFilters, LabelPattern, NameFilters, RecoveryIgnore};
pub use key::{Effect, Group, Key, Kind, Literal};
pub use load::{Loaded, SourceFile, parse};
pub use model::{
    Audit, Auth, AuthMethod, Backend, Candidates, DataLossPolicy, DetectQueries, Discovery, Hooks, KeyValue, Listen,
    MessageIdentity, Metadata, Problems, Process, Raft, RaftSecurity, Recovery, Resolve, ResolveMethod,
    ReturnedPrimaryPolicy, SemiSyncPolicy, ServerNameMethod, ServerTls, TlsFiles, TlsUse, TopologyAccess,
    UnappliedPolicy,
};
pub use report::{Finding, FindingKind, Place, Problem, Severity};
pub use secret::Secret;
pub use surroundings::{NoSurroundings, Surroundings};
pub use table::{Id, KEYS, RETIRED};

use settings::Settings;

/// The whole configuration: what applies now, with all defaults, rules and surroundings taken into account.
#[derive(Clone)]
pub struct Config {
    /// The process itself.
    pub process: Process,
    /// Where we listen and under which paths.
    pub listen: Listen,
    /// How monitored servers are reached.
    pub topology_access: TopologyAccess,
    /// Our own database.
    pub backend: Backend,
    /// Finding servers and looking at them.
    pub discovery: Discovery,
    /// Host names.
    pub resolve: Resolve,
    /// What is known of instances and clusters beyond replication.
    pub metadata: Metadata,
    /// What counts as a problem.
    pub problems: Problems,
    /// Who may be promoted.
    pub candidates: Candidates,
    /// Where actions are recorded.
    pub audit: Audit,
    /// Who may act through the API.
    pub auth: Auth,
    /// TLS of our own listener.
    pub tls: ServerTls,
    /// Detecting failures and recovering from them.
    pub recovery: Recovery,
    /// Commands at the turns of a recovery.
    pub hooks: Hooks,
    /// Key-value stores.
    pub kv: KeyValue,
    /// Raft.
    pub raft: Raft,
    /// What the files gave, before rules and surroundings: where a reload goes on from.
    raw: Settings,
    /// What applies, key by key: what `dump-config` shows.
    effective: Settings,
}

impl Default for Config {
    /// Returns the configuration of a process without any file.
    fn default() -> Self {
        parse(&[], &NoSurroundings).expect("the defaults break no rule").config
    }
}

impl Config {
    /// Returns where the other raft nodes reach our API, `scheme://host:port`: `HTTPAdvertise`, or the host of
    /// `RaftAdvertise` with the port of `ListenAddress`.
    pub fn http_uri(&self) -> String {
        if let Some(uri) = &self.raft.http_advertise {
            return uri.clone();
        }
        let scheme = if self.tls.enabled { "https" } else { "http" };
        let host = address::host(&self.raft.advertise);
        let port = self.listen.address.rsplit_once(':').map_or("", |(_, port)| port);
        format!("{scheme}://{host}:{port}")
    }
}
