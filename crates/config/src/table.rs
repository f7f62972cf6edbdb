//! Every configuration key, once: name, shape, default, effect, meaning. Parsing, defaults, `dump-config` and the
//! table of `docs/configuration.md` come from here. To switch a key on, change its one word `NotYet`.

use crate::key::{Effect, Group, Key, Kind, Literal};

/// Makes the enumeration [`Id`] and the array [`KEYS`], in the same order, from rows.
macro_rules! table {
    ($($group:ident { $($name:ident: $kind:ident = $default:expr, $effect:ident, $doc:literal;)* })*) => {
        /// A configuration key. Orders as the table does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each key is documented in its row")]
        pub enum Id { $($($name,)*)* }

        /// Every key, in the order of the documentation.
        pub const KEYS: &[Key] = &[$($(Key {
            id: Id::$name,
            name: stringify!($name),
            kind: Kind::$kind,
            default: literal!($kind, $default),
            group: Group::$group,
            effect: Effect::$effect,
            doc: $doc,
        },)*)*];
    };
}

macro_rules! literal {
    (Bool, $value:expr) => {
        Literal::Bool($value)
    };
    (Text, $value:expr) => {
        Literal::Text($value)
    };
    (Secret, $value:expr) => {
        Literal::Text($value)
    };
    (Float, $value:expr) => {
        Literal::Float($value)
    };
    (List, $value:expr) => {
        Literal::List(&$value)
    };
    (Map, $value:expr) => {
        Literal::Map
    };
    ($whole:ident, $value:expr) => {
        Literal::Whole($value)
    };
}

table! {
    Process {
        Debug: Bool = false, Restart, "Log at level DEBUG, as `--debug` does.";
        EnableSyslog: Bool = false, NotYet, "Also send the log to syslog.";
        ListenAddress: Text = ":3000", Restart, "`host:port` or `:port` of the HTTP listener.";
        ListenSocket: Text = "", Restart, "Path of a unix socket to serve on instead of TCP.";
        HTTPAdvertise: Text = "", Restart, "`scheme://host:port` at which the other raft nodes reach this one's API; empty = the host of `RaftAdvertise` with the port of `ListenAddress`.";
        StatusEndpoint: Text = "/api/status", Restart, "Path of the status check. The default is below `URLPrefix`; any other path is taken as it is.";
        StatusOUVerify: Bool = false, NotYet, "With mutual TLS, demand an accepted unit (OU) for the status check too.";
        URLPrefix: Text = "", Restart, "Prefix of all web paths. Brought to one leading slash and no trailing one.";
        WebMessage: Text = "", NotYet, "Text to show as a warning on each web page.";
        RemoveTextFromHostnameDisplay: Text = "", NotYet, "Text to leave out of host names on web pages.";
        PrependMessagesWithOrcIdentity: Text = "", NotYet, "What to put before each API message: `none`, `FQDN`, `hostname` or `custom`.";
        CustomOrcIdentity: Text = "", NotYet, "The text for `custom`.";
    }
    TopologyAccess {
        MySQLTopologyUser: Text = "", Live, "Account on the monitored servers.";
        MySQLTopologyPassword: Secret = "", Live, "Its password, or `${NAME}` to take it from an environment variable.";
        MySQLTopologyCredentialsConfigFile: Text = "", Live, "Ini file whose section `[client]` gives `user` and `password`; what it gives wins.";
        MySQLTopologySSLPrivateKeyFile: Text = "", Live, "Private key of our client certificate (PEM).";
        MySQLTopologySSLCertFile: Text = "", Live, "Our client certificate (PEM).";
        MySQLTopologySSLCAFile: Text = "", Live, "Authority that signs the servers' certificates (PEM).";
        MySQLTopologySSLSkipVerify: Bool = false, Live, "Do not verify the servers' certificates.";
        MySQLTopologyUseMutualTLS: Bool = false, Live, "Use TLS, with our certificate, for every server.";
        MySQLTopologyUseMixedTLS: Bool = true, Live, "Use TLS for the servers that demand it.";
        TLSCacheTTLFactor: Uint = 100, NoEffect, "Lifetime of what Orchestrator remembers about servers that demand TLS. We remember it with the connection.";
        MySQLTopologyMaxAllowedPacket: Int32 = -1, NoEffect, "Bytes. Not applied by Orchestrator either; packets are sized as the server asks.";
        MySQLConnectTimeoutSeconds: Int = 2, Live, "Seconds for a connection to be made.";
        MySQLDiscoveryReadTimeoutSeconds: Int = 10, Live, "Seconds for a probe's query to answer.";
        MySQLTopologyReadTimeoutSeconds: Int = 600, Live, "Seconds for any other statement on a monitored server to answer.";
        MySQLConnectionLifetimeSeconds: Int = 0, NotYet, "Seconds after which a kept connection is made anew; 0 = never.";
        DefaultInstancePort: Int = 3306, Live, "Port of a server that is named without one.";
    }
    Backend {
        BackendDB: Text = "sqlite", Restart, "Where our own state lives: `sqlite`.";
        SQLite3DataFile: Text = "", Restart, "The SQLite file. May be left out only together with `BackendDB`.";
        SkipOrchestratorDatabaseUpdate: Bool = false, NotYet, "Do not create or upgrade the schema.";
        PanicIfDifferentDatabaseDeploy: Bool = false, NotYet, "Refuse a schema that another version deployed.";
    }
    MySqlBackend {
        MySQLOrchestratorHost: Text = "", NotYet, "Host of the backend.";
        MySQLOrchestratorPort: Uint = 3306, NotYet, "Its port.";
        MySQLOrchestratorDatabase: Text = "", NotYet, "Its schema.";
        MySQLOrchestratorUser: Text = "", NotYet, "Account on it.";
        MySQLOrchestratorPassword: Secret = "", NotYet, "Its password, or `${NAME}` to take it from an environment variable.";
        MySQLOrchestratorCredentialsConfigFile: Text = "", NotYet, "Ini file whose section `[client]` gives `user` and `password`.";
        MySQLOrchestratorSSLPrivateKeyFile: Text = "", NotYet, "Private key of our client certificate (PEM).";
        MySQLOrchestratorSSLCertFile: Text = "", NotYet, "Our client certificate (PEM).";
        MySQLOrchestratorSSLCAFile: Text = "", NotYet, "Authority that signs the backend's certificate (PEM).";
        MySQLOrchestratorSSLSkipVerify: Bool = false, NotYet, "Do not verify the backend's certificate.";
        MySQLOrchestratorUseMutualTLS: Bool = false, NotYet, "Use TLS, with our certificate, to the backend.";
        MySQLOrchestratorMaxPoolConnections: Int = 128, NotYet, "Most connections to the backend.";
        MySQLOrchestratorReadTimeoutSeconds: Int = 30, NotYet, "Seconds for a backend query to answer.";
        MySQLOrchestratorRejectReadOnly: Bool = false, NotYet, "Reconnect when the backend says that it is read-only.";
        MySQLOrchestratorMaxAllowedPacket: Int32 = -1, NotYet, "Bytes; -1 = as the driver does.";
    }
    Raft {
        RaftEnabled: Bool = false, Restart, "Be one of several managers that decide together.";
        RaftBind: Text = "127.0.0.1:10008", Restart, "`host[:port]` to listen on for the other nodes; IPv6 in brackets.";
        RaftAdvertise: Text = "", Restart, "Address that the other nodes are told, as they write it in `RaftNodes`; empty = `RaftBind`.";
        RaftDataDir: Text = "", Restart, "Directory of what a node must not forget; needed with raft. Created if missing.";
        DefaultRaftPort: Int = 10008, Restart, "Port of a node that is named without one.";
        RaftNodes: List = [], Restart, "The nodes that found the cluster, this one included, `host[:port]`; none, or only this one = a cluster of one. Names are not resolved: write each node the same way everywhere.";
        ExpectFailureAnalysisConcensus: Bool = true, NoEffect, "Nothing in Orchestrator reads it.";
    }
    Discovery {
        InstancePollSeconds: Uint = 5, Live, "Seconds between two looks at the same server.";
        ReasonableInstanceCheckSeconds: Uint = 1, NotYet, "Seconds that a look may take, beyond the interval, before the server counts as not answering.";
        UnseenInstanceForgetHours: Uint = 240, Live, "Hours after which a server that was not seen is forgotten.";
        DiscoveryMaxConcurrency: Uint = 300, Restart, "Most servers looked at in parallel.";
        DiscoveryQueueCapacity: Uint = 100_000, NotYet, "Most servers waiting to be looked at.";
        DiscoveryQueueMaxStatisticsSize: Int = 120, NotYet, "Samples of the queue's length to keep.";
        DiscoveryCollectionRetentionSeconds: Uint = 120, NotYet, "Seconds to keep the metrics of single looks.";
        DiscoverySeeds: List = [], Restart, "Servers, `host:port`, to start from.";
        DiscoverByShowSlaveHosts: Bool = false, Live, "Find replicas by what they report of themselves (`report_host`) first, by the process list otherwise.";
        DiscoveryIgnoreReplicaHostnameFilters: List = [], Live, "Do not go on to replicas that match.";
        DiscoveryIgnoreMasterHostnameFilters: List = [], Live, "Do not go on to sources that match.";
        DiscoveryIgnoreHostnameFilters: List = [], Live, "Never look at servers that match.";
        DiscoveryIgnoreReplicationUsernameFilters: List = [], Live, "Do not go on to replicas whose replication user matches.";
        EnableDiscoveryFiltersLogs: Bool = true, NotYet, "Log what these filters leave out.";
        DeadInstancePollSecondsMultiplyFactor: Float = 1.0, Live, "Factor, at least 1, by which the interval between looks at an unreachable server grows.";
        DeadInstancePollSecondsMax: Uint = 300, Live, "Longest such interval in seconds; not below `InstancePollSeconds`.";
        DeadInstanceDiscoveryMaxConcurrency: Uint = 0, NotYet, "Most unreachable servers looked at in parallel; 0 = they share with the others.";
        DeadInstanceDiscoveryLogsEnabled: Bool = false, NotYet, "Log looks at unreachable servers.";
        BufferInstanceWrites: Bool = false, NotYet, "Write what was seen in batches.";
        InstanceWriteBufferSize: Int = 100, NotYet, "Rows of a batch.";
        InstanceFlushIntervalMilliseconds: Int = 100, NotYet, "Milliseconds between two batches.";
        SkipMaxScaleCheck: Bool = true, NotYet, "Do not ask whether a server is a MaxScale binlog server.";
        SnapshotTopologiesIntervalHours: Uint = 0, NotYet, "Hours between two recorded pictures of all topologies; 0 = none.";
        InstanceBulkOperationsWaitTimeoutSeconds: Uint = 10, NotYet, "Seconds to wait for each replica when several are stopped nicely.";
        MaxConcurrentReplicaOperations: Int = 5, Live, "Most replicas moved in parallel.";
        LowerReplicaVersionAllowed: Bool = false, Live, "Let a replica of a lower major version below a higher one pass with a warning.";
    }
    Resolve {
        HostnameResolveMethod: Text = "default", Live, "How a host name is resolved: `none`, `default` (both keep it), `cname` or `ip`.";
        MySQLHostnameResolveMethod: Text = "@@hostname", Live, "Which name of itself a server is asked for: `none`, `@@hostname` or `@@report_host`.";
        SkipBinlogServerUnresolveCheck: Bool = true, NotYet, "Do not check names for binlog servers.";
        ExpiryHostnameResolvesMinutes: Int = 60, Restart, "Minutes that a resolved name is remembered; at least 1.";
        RejectHostnameResolvePattern: Text = "", Live, "Pattern of resolved names to discard.";
    }
    Metadata {
        ReplicationLagQuery: Text = "", Live, "Query for the replication lag in seconds; empty = what the server reports.";
        SlaveLagQuery: Text = "", Live, "Old name of `ReplicationLagQuery`.";
        ReplicationCredentialsQuery: Text = "", Live, "Query on the server that is promoted, for the account with which the old primary replicates from it: user, password and, if TLS files are given, CA, certificate and key. Needed for takeovers on MariaDB, and where our account may not read `mysql.slave_master_info`.";
        ClusterNameToAlias: Map = (), Live, "Pattern of a cluster name to the alias of that cluster; the first one in the file that matches.";
        DetectClusterAliasQuery: Text = "", Live, "Query for the cluster's alias.";
        DetectClusterDomainQuery: Text = "", Live, "Query for the name by which writers find the cluster; asked on primaries.";
        DetectInstanceAliasQuery: Text = "", Live, "Query for the instance's alias.";
        DetectPromotionRuleQuery: Text = "", Live, "Query for the promotion rule: `must`, `prefer`, `neutral`, `prefer_not` or `must_not`.";
        DataCenterPattern: Text = "", Live, "Pattern whose first group takes the data centre out of a host name.";
        RegionPattern: Text = "", Live, "The same for the region.";
        PhysicalEnvironmentPattern: Text = "", Live, "The same for the environment.";
        DetectDataCenterQuery: Text = "", Live, "Query for the data centre; wins over the pattern.";
        DetectRegionQuery: Text = "", Live, "Query for the region; wins over the pattern.";
        DetectPhysicalEnvironmentQuery: Text = "", Live, "Query for the environment; wins over the pattern.";
        DetectSemiSyncEnforcedQuery: Text = "", Live, "Query for the semi-sync priority; 0 = asynchronous.";
    }
    Problems {
        ReasonableReplicationLagSeconds: Int = 10, Live, "Seconds of lag, beyond an intended delay, above which a replica is a problem.";
        ReasonableMaintenanceReplicationLagSeconds: Int = 20, Live, "Seconds of lag above which a replica is not moved.";
        ProblemIgnoreHostnameFilters: List = [], Live, "Leave servers that match out of the list of problems.";
        VerifyReplicationFilters: Bool = false, Live, "Refuse to replicate from a server with replication filters unless the replica has some too.";
        CandidateInstanceExpireMinutes: Uint = 60, Live, "Minutes that a registered promotion rule lasts.";
        PromotionIgnoreHostnameFilters: List = [], Live, "Never promote servers that match.";
        OSCIgnoreHostnameFilters: List = [], Live, "Leave servers that match out of the replicas offered to schema-change tools.";
        SupportFuzzyPoolHostnames: Bool = true, NotYet, "Complete the names of pool members.";
        InstancePoolExpiryMinutes: Uint = 60, NotYet, "Minutes that a submitted pool lasts.";
        UseSuperReadOnly: Bool = false, Live, "Set `super_read_only` together with `read_only`.";
    }
    Audit {
        AuditLogFile: Text = "", Live, "File to which each audited action is appended as a line.";
        AuditToSyslog: Bool = false, NotYet, "Send audited actions to syslog.";
        AuditToBackendDB: Bool = false, Live, "Keep audited actions in the backend, for the audit page.";
        AuditPurgeDays: Uint = 7, Live, "Days that audit entries, detections and recoveries are kept.";
    }
    Auth {
        ReadOnly: Bool = false, Live, "Deny every action that changes something.";
        AuthenticationMethod: Text = "", Restart, "Who may act: empty (everyone), `basic`, `multi`, `proxy`, `token` or `oauth`.";
        OAuthClientId: Text = "", NoEffect, "Nothing in Orchestrator reads it.";
        OAuthClientSecret: Secret = "", NoEffect, "Nothing in Orchestrator reads it.";
        OAuthScopes: List = [], NoEffect, "Nothing in Orchestrator reads it.";
        HTTPAuthUser: Text = "", Restart, "User for `basic` and `multi`.";
        HTTPAuthPassword: Secret = "", Restart, "Password for `basic` and `multi`.";
        AuthUserHeader: Text = "X-Forwarded-User", Live, "Header in which the proxy names the user.";
        PowerAuthUsers: List = ["*"], Live, "Users that may act, with `proxy`; `*` = all.";
        PowerAuthGroups: List = [], Live, "Unix groups whose members may act, with `proxy`.";
        AccessTokenUseExpirySeconds: Uint = 60, NotYet, "Seconds within which a new token must be taken.";
        AccessTokenExpiryMinutes: Uint = 1440, NotYet, "Minutes that a token lasts.";
    }
    ServerTls {
        UseSSL: Bool = false, Restart, "Serve HTTPS (TLS 1.2 or newer).";
        UseMutualTLS: Bool = false, NotYet, "Demand client certificates of accepted units (OU). Refused while it is not built.";
        SSLSkipVerify: Bool = false, NotYet, "Do not verify the certificates of other nodes.";
        SSLPrivateKeyFile: Text = "", Restart, "Private key (PEM, not encrypted).";
        SSLCertFile: Text = "", Restart, "Certificate (PEM).";
        SSLCAFile: Text = "", NotYet, "Authority that signs client certificates (PEM).";
        SSLValidOUs: List = [], NotYet, "Accepted units (OU).";
    }
    Recovery {
        ReduceReplicationAnalysisCount: Bool = true, Live, "Leave leaf replicas without problems out of the analysis output.";
        FailureDetectionPeriodBlockMinutes: Int = 60, Live, "Minutes within which the same failure is not announced again.";
        RecoveryPeriodBlockSeconds: Int = 3600, Live, "Seconds after a recovery within which the same kind is not repeated on that cluster.";
        RecoveryPeriodBlockMinutes: Int = 60, Live, "The same in minutes; counts when the seconds are not given.";
        RecoveryIgnoreHostnameFilters: List = [], Live, "Patterns on the host name, without port, of servers to leave out of detection and recovery.";
        RecoverMasterClusterFilters: List = [], Live, "Clusters whose primary is replaced automatically.";
        RecoverIntermediateMasterClusterFilters: List = [], Live, "Clusters whose intermediate sources are replaced automatically.";
        ProcessesShellCommand: Text = "bash", Live, "Shell that runs the hooks.";
        OnFailureDetectionProcesses: List = [], Live, "Hooks: a failure was detected.";
        PreGracefulTakeoverProcesses: List = [], Live, "Hooks: before a graceful takeover; a failing one calls it off.";
        PreFailoverProcesses: List = [], Live, "Hooks: before a recovery; a failing one calls it off.";
        PostMasterFailoverProcesses: List = [], Live, "Hooks: a primary was replaced.";
        PostIntermediateMasterFailoverProcesses: List = [], Live, "Hooks: an intermediate source was replaced.";
        PostFailoverProcesses: List = [], Live, "Hooks: any recovery succeeded.";
        PostUnsuccessfulFailoverProcesses: List = [], Live, "Hooks: a recovery found no successor.";
        PostGracefulTakeoverProcesses: List = [], Live, "Hooks: a graceful takeover is done.";
        PostTakeMasterProcesses: List = [], NotYet, "Hooks: a replica took its source's place.";
        RecoverNonWriteableMaster: Bool = false, Live, "Make a read-only primary with working replicas writable.";
        CoMasterRecoveryMustPromoteOtherCoMaster: Bool = true, Live, "Of two co-primaries, promote only the other one.";
        DetachLostSlavesAfterMasterFailover: Bool = true, Live, "Old name of `DetachLostReplicasAfterMasterFailover`.";
        DetachLostReplicasAfterMasterFailover: Bool = true, Live, "Detach replicas that cannot follow the new primary, so that they do not follow the old one by themselves.";
        ApplyMySQLPromotionAfterMasterFailover: Bool = true, Live, "Make the promoted server a writable primary.";
        PreventCrossDataCenterMasterFailover: Bool = false, Live, "Promote only in the data centre of the failed primary.";
        PreventCrossRegionMasterFailover: Bool = false, Live, "Promote only in the region of the failed primary.";
        MasterFailoverLostInstancesDowntimeMinutes: Uint = 0, Live, "Minutes of downtime for instances lost in a recovery; 0 = one year.";
        MasterFailoverDetachSlaveMasterHost: Bool = false, Live, "Old name of `MasterFailoverDetachReplicaMasterHost`.";
        MasterFailoverDetachReplicaMasterHost: Bool = false, Live, "Where `ApplyMySQLPromotionAfterMasterFailover` is off: detach the promoted server from its source's address.";
        FailMasterPromotionOnLagMinutes: Uint = 0, Live, "Do not promote a server that lags this many minutes; needs `ReplicationLagQuery`; 0 = off.";
        FailMasterPromotionIfSQLThreadNotUpToDate: Bool = false, Live, "Do not promote a server that has not applied all it received.";
        DelayMasterPromotionIfSQLThreadNotUpToDate: Bool = false, Live, "Wait until the server to promote has applied all it received, however long that takes, instead of for `PromotionDrainTimeoutSeconds`.";
        PostponeReplicaRecoveryOnLagMinutes: Uint = 0, Live, "Move replicas that lag, or are delayed by, this many minutes last; 0 = off.";
        PostponeSlaveRecoveryOnLagMinutes: Uint = 0, Live, "Old name of `PostponeReplicaRecoveryOnLagMinutes`.";
        EnforceExactSemiSyncReplicas: Bool = false, Live, "Keep exactly as many semi-sync replicas as the primary waits for.";
        RecoverLockedSemiSyncMaster: Bool = false, Live, "Enable semi-sync on replicas of a primary that waits for acknowledgements in vain.";
        ReasonableLockedSemiSyncMasterSeconds: Uint = 0, Live, "Seconds of such waiting that are in order; 0 = as `ReasonableReplicationLagSeconds`.";
    }
    Ours {
        HookTimeoutSeconds: Uint = 60, Live, "Seconds that each hook may run before it is ended and counts as failed.";
        PrimaryRestartGraceSeconds: Uint = 0, Live, "A primary that is back within this many seconds is not failed over; 0 = do not wait.";
        HeartbeatMilliseconds: Uint = 1000, Live, "Milliseconds between two pulses to each server with replicas, on the connection that is kept open.";
        ReceiverRestartAfterSeconds: Uint = 1, Live, "Seconds that a primary must be unreachable from here before replicas that still believe in it are made to reconnect.";
        PromotionDrainTimeoutSeconds: Uint = 60, Live, "Seconds that a candidate may take to apply what it received before it is promoted.";
        ReturnedPrimaryPolicy: Text = "off", Live, "What becomes of a replaced primary that comes back, beside being made read-only: `off` (it is left for a person), `subset` (attached below its successor if that has all it has), `clone` (likewise, and rebuilt by the clone plugin if not). Automatic only in clusters of `RecoverMasterClusterFilters`.";
        DivergenceDirectory: Text = "", Live, "Where the changes are kept that a returned primary has and its successor has not; empty = `divergence` beside `SQLite3DataFile`.";
        TakeoverWriteBlockSeconds: Uint = 5, Live, "Seconds that a graceful takeover may keep writes waiting; if the new primary is not ready by then, all is undone.";
        DataLossPolicy: Text = "allow", Live, "What to do where it is not proved that a promotion loses no acknowledged transaction: `allow` it; `wait:N`, wait up to N seconds from the failure for the proof, then allow it; `refuse` it until somebody asks for it.";
        RaftSharedSecret: Secret = "", Restart, "Text of 16 characters or more, the same on every raft node, that proves who is one; all between them is encrypted. `openssl rand -hex 32` makes one. Or `${NAME}` to take it from an environment variable.";
        RaftTLSCertFile: Text = "", Restart, "Certificate (PEM) of this raft node, good for servers and clients and for its host in `RaftNodes`. Instead of `RaftSharedSecret`, with the two below.";
        RaftTLSPrivateKeyFile: Text = "", Restart, "Its private key (PEM).";
        RaftTLSCAFile: Text = "", Restart, "Authority (PEM) that must have signed the certificate of every raft node.";
    }
    PseudoGtid {
        AutoPseudoGTID: Bool = false, NotYet, "Inject Pseudo-GTID entries and set the four keys below.";
        PseudoGTIDPattern: Text = "", NotYet, "Pattern of such entries; empty = off.";
        PseudoGTIDPatternIsFixedSubstring: Bool = false, NotYet, "The pattern is plain text.";
        PseudoGTIDMonotonicHint: Text = "", NotYet, "Text that marks entries in ascending order.";
        DetectPseudoGTIDQuery: Text = "", NotYet, "Query that answers 1 where Pseudo-GTID is used.";
        BinlogEventsChunkSize: Int = 10_000, NotYet, "Events read from a binary log at once.";
        SkipBinlogEventsContaining: List = [], NotYet, "Texts of events to skip.";
    }
    KeyValue {
        KVClusterMasterPrefix: Text = "mysql/master", Restart, "Prefix of the keys that name a cluster's primary. Brought to one trailing slash.";
        ZkAddress: Text = "", NotYet, "ZooKeeper servers, `host[:port],…`; empty = off.";
    }
    Consul {
        ConsulAddress: Text = "", NotYet, "`host:port` of Consul; empty = off.";
        ConsulScheme: Text = "http", NotYet, "`http` or `https`.";
        ConsulAclToken: Secret = "", NotYet, "Token for Consul.";
        ConsulCrossDataCenterDistribution: Bool = false, NotYet, "Also write to the other data centres of Consul.";
        ConsulKVStoreProvider: Text = "consul", NotYet, "`consul`, or `consul-txn` to write in transactions.";
        ConsulMaxKVsPerTransaction: Int = 5, NotYet, "Most keys of a transaction, 5 to 64.";
    }
    Graphite {
        GraphiteAddr: Text = "", NotYet, "`host:port` of Graphite; empty = off.";
        GraphitePath: Text = "", NotYet, "Prefix of the metrics; `{hostname}` is replaced.";
        GraphiteConvertHostnameDotsToUnderscores: Bool = true, NotYet, "Write host names with underscores.";
        GraphitePollSeconds: Int = 60, NotYet, "0 = off; anything else is once a minute.";
    }
    Agents {
        AgentsServerPort: Text = ":3001", NotYet, "Address of the agents' listener.";
        ServeAgentsHttp: Bool = false, NotYet, "Serve agents.";
        AgentsUseSSL: Bool = false, NotYet, "Serve agents over TLS.";
        AgentsUseMutualTLS: Bool = false, NotYet, "Demand certificates from agents.";
        AgentSSLSkipVerify: Bool = false, NotYet, "Do not verify agents' certificates.";
        AgentSSLPrivateKeyFile: Text = "", NotYet, "Private key (PEM).";
        AgentSSLCertFile: Text = "", NotYet, "Certificate (PEM).";
        AgentSSLCAFile: Text = "", NotYet, "Authority (PEM).";
        AgentSSLValidOUs: List = [], NotYet, "Accepted units (OU).";
        AgentPollMinutes: Uint = 60, NotYet, "Minutes between two looks at an agent.";
        UnseenAgentForgetHours: Uint = 6, NotYet, "Hours after which an agent that was not seen is forgotten.";
        StaleSeedFailMinutes: Uint = 60, NotYet, "Minutes without progress after which a seed has failed.";
        SeedAcceptableBytesDiff: Int = 8192, NoEffect, "Nothing in Orchestrator reads it.";
        SeedWaitSecondsBeforeSend: Int = 2, NotYet, "Seconds between the receiving and the sending side of a seed.";
    }
}

/// Names that Orchestrator once had, or that circulate in sample files. Their values are not looked at.
pub const RETIRED: &[&str] = &[
    "DatabaselessMode__experimental",
    "BufferBinlogEvents",
    "BinlogFileHistoryDays",
    "MaintenanceOwner",
    "ReadLongRunningQueries",
    "DiscoveryPollSeconds",
    "ActiveNodeExpireSeconds",
    "AuditPageSize",
    "SlaveStartPostWaitMilliseconds",
    "MySQLTopologyMaxPoolConnections",
    "MaintenancePurgeDays",
    "MaintenanceExpireMinutes",
    "HttpTimeoutSeconds",
    "AgentAutoDiscover",
    "PseudoGTIDCoordinatesHistoryHeuristicMinutes",
    "PseudoGTIDPreferIndependentMultiMatch",
    "MaxOutdatedKeysToShow",
    "StatusSimpleHealth",
];
