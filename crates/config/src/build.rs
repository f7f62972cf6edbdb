//! From the values of the keys to the typed configuration.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::address;
use crate::filters::{
    BadPattern, ClusterAliases, ClusterFilters, HostFilters, LabelPattern, NameFilters, RecoveryIgnore, compile,
};
use crate::model::*;
use crate::report::{Place, Problem};
use crate::settings::Settings;
use crate::table::Id;
use crate::{Config, Secret};

/// Longest time a value can mean. Larger ones are people's way to say "never"; capped so that arithmetic with the
/// present time stays defined.
const CENTURY: Duration = Duration::from_secs(100 * 365 * DAY);
const DAY: u64 = 24 * 3600;
/// What instances lost in a recovery are downtimed for unless the file says otherwise.
const YEAR: Duration = Duration::from_secs(365 * DAY);

/// Builds the typed configuration from values that all rules have passed.
///
/// # Errors
/// Every pattern that does not compile, at its line.
pub(crate) fn build(raw: &Settings, effective: Settings) -> Result<Config, Vec<Problem>> {
    let mut builder = Builder { settings: &effective, problems: Vec::new() };
    let config = Config {
        process: builder.process(),
        listen: builder.listen(),
        topology_access: builder.topology_access(),
        backend: builder.backend(),
        discovery: builder.discovery(),
        resolve: builder.resolve(),
        metadata: builder.metadata(),
        problems: builder.problems_section(),
        candidates: builder.candidates(),
        audit: builder.audit(),
        auth: builder.auth(),
        tls: builder.tls(),
        recovery: builder.recovery(),
        hooks: builder.hooks(),
        kv: KeyValue { primary_prefix: builder.text(Id::KVClusterMasterPrefix) },
        raft: builder.raft(),
        raw: raw.clone(),
        effective: effective.clone(),
    };
    if builder.problems.is_empty() { Ok(config) } else { Err(builder.problems) }
}

struct Builder<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

/// The sections.
impl Builder<'_> {
    fn process(&self) -> Process {
        Process {
            debug: self.bool(Id::Debug),
            web_message: self.option(Id::WebMessage),
            hidden_host_part: self.option(Id::RemoveTextFromHostnameDisplay),
            message_identity: match self.settings.text(Id::PrependMessagesWithOrcIdentity) {
                "FQDN" => MessageIdentity::Fqdn,
                "hostname" => MessageIdentity::Hostname,
                "custom" => MessageIdentity::Custom(self.text(Id::CustomOrcIdentity)),
                _ => MessageIdentity::None,
            },
        }
    }

    fn listen(&self) -> Listen {
        let url_prefix = self.text(Id::URLPrefix);
        // Only the default moves below the prefix: load balancers were configured with the literal path otherwise.
        let status = self.text(Id::StatusEndpoint);
        let status_path =
            if self.settings.is_default(Id::StatusEndpoint) { format!("{url_prefix}{status}") } else { status };
        Listen { address: self.text(Id::ListenAddress), socket: self.path(Id::ListenSocket), url_prefix, status_path }
    }

    fn topology_access(&self) -> TopologyAccess {
        let tls = match (self.bool(Id::MySQLTopologyUseMutualTLS), self.bool(Id::MySQLTopologyUseMixedTLS)) {
            (true, _) => TlsUse::Always,
            (false, true) => TlsUse::WhereDemanded,
            (false, false) => TlsUse::Never,
        };
        TopologyAccess {
            user: self.text(Id::MySQLTopologyUser),
            password: self.secret(Id::MySQLTopologyPassword),
            default_port: self.port(Id::DefaultInstancePort),
            tls,
            tls_files: TlsFiles {
                key: self.path(Id::MySQLTopologySSLPrivateKeyFile),
                certificate: self.path(Id::MySQLTopologySSLCertFile),
                authority: self.path(Id::MySQLTopologySSLCAFile),
                skip_verify: self.bool(Id::MySQLTopologySSLSkipVerify),
            },
            connect_timeout: self.seconds(Id::MySQLConnectTimeoutSeconds),
            probe_timeout: self.seconds(Id::MySQLDiscoveryReadTimeoutSeconds),
            read_timeout: self.seconds(Id::MySQLTopologyReadTimeoutSeconds),
            connection_lifetime: positive(self.seconds(Id::MySQLConnectionLifetimeSeconds)),
        }
    }

    fn backend(&self) -> Backend {
        Backend { sqlite_file: self.path(Id::SQLite3DataFile) }
    }

    fn discovery(&mut self) -> Discovery {
        Discovery {
            poll: self.seconds(Id::InstancePollSeconds),
            reasonable_check: self.seconds(Id::ReasonableInstanceCheckSeconds),
            forget_after: self.times(Id::UnseenInstanceForgetHours, 3600),
            max_concurrency: self.count(Id::DiscoveryMaxConcurrency),
            queue_capacity: self.count(Id::DiscoveryQueueCapacity),
            seeds: self.list(Id::DiscoverySeeds),
            by_show_replica_hosts: self.bool(Id::DiscoverByShowSlaveHosts),
            ignore: self.hosts(Id::DiscoveryIgnoreHostnameFilters),
            ignore_replicas: self.hosts(Id::DiscoveryIgnoreReplicaHostnameFilters),
            ignore_sources: self.hosts(Id::DiscoveryIgnoreMasterHostnameFilters),
            ignore_replication_users: self
                .patterns(Id::DiscoveryIgnoreReplicationUsernameFilters, NameFilters::compile),
            log_ignored: self.bool(Id::EnableDiscoveryFiltersLogs),
            unreachable_backoff: self.settings.float(Id::DeadInstancePollSecondsMultiplyFactor),
            unreachable_poll_max: self.seconds(Id::DeadInstancePollSecondsMax),
            max_concurrent_moves: self.count(Id::MaxConcurrentReplicaOperations),
            bulk_stop_timeout: self.seconds(Id::InstanceBulkOperationsWaitTimeoutSeconds),
            snapshot_interval: positive(self.times(Id::SnapshotTopologiesIntervalHours, 3600)),
            lower_replica_version_allowed: self.bool(Id::LowerReplicaVersionAllowed),
        }
    }

    fn resolve(&mut self) -> Resolve {
        let reject = self.text(Id::RejectHostnameResolvePattern);
        Resolve {
            method: resolve_method(self.settings.text(Id::HostnameResolveMethod)).unwrap_or(ResolveMethod::None),
            server_method: server_name_method(self.settings.text(Id::MySQLHostnameResolveMethod))
                .unwrap_or(ServerNameMethod::None),
            expiry: self.times(Id::ExpiryHostnameResolvesMinutes, 60).max(Duration::from_secs(60)),
            reject: if reject.is_empty() { None } else { self.one_pattern(Id::RejectHostnameResolvePattern, compile) },
        }
    }

    fn metadata(&mut self) -> Metadata {
        Metadata {
            queries: DetectQueries {
                replication_lag: self.option(Id::ReplicationLagQuery),
                replication_credentials: self.option(Id::ReplicationCredentialsQuery),
                cluster_alias: self.option(Id::DetectClusterAliasQuery),
                cluster_domain: self.option(Id::DetectClusterDomainQuery),
                instance_alias: self.option(Id::DetectInstanceAliasQuery),
                promotion_rule: self.option(Id::DetectPromotionRuleQuery),
                data_center: self.option(Id::DetectDataCenterQuery),
                region: self.option(Id::DetectRegionQuery),
                environment: self.option(Id::DetectPhysicalEnvironmentQuery),
                semi_sync: self.option(Id::DetectSemiSyncEnforcedQuery),
            },
            aliases: self.aliases(),
            data_center_pattern: self.label(Id::DataCenterPattern),
            region_pattern: self.label(Id::RegionPattern),
            environment_pattern: self.label(Id::PhysicalEnvironmentPattern),
        }
    }

    fn problems_section(&mut self) -> Problems {
        Problems {
            lag: self.seconds(Id::ReasonableReplicationLagSeconds),
            maintenance_lag: self.seconds(Id::ReasonableMaintenanceReplicationLagSeconds),
            ignore: self.hosts(Id::ProblemIgnoreHostnameFilters),
            verify_replication_filters: self.bool(Id::VerifyReplicationFilters),
            schema_change_ignore: self.hosts(Id::OSCIgnoreHostnameFilters),
        }
    }

    fn candidates(&mut self) -> Candidates {
        Candidates {
            rule_expiry: self.times(Id::CandidateInstanceExpireMinutes, 60),
            ignore: self.hosts(Id::PromotionIgnoreHostnameFilters),
            use_super_read_only: self.bool(Id::UseSuperReadOnly),
        }
    }

    fn audit(&self) -> Audit {
        Audit {
            log_file: self.path(Id::AuditLogFile),
            to_backend: self.bool(Id::AuditToBackendDB),
            keep: self.times(Id::AuditPurgeDays, DAY),
        }
    }

    fn auth(&self) -> Auth {
        Auth {
            read_only: self.bool(Id::ReadOnly),
            // The rules have refused everything else; denying writes is the safe reading if they ever do not.
            method: auth_method(self.settings.text(Id::AuthenticationMethod)).unwrap_or(AuthMethod::OAuth),
            user: self.text(Id::HTTPAuthUser),
            password: self.secret(Id::HTTPAuthPassword),
            user_header: self.text(Id::AuthUserHeader),
            power_users: self.list(Id::PowerAuthUsers),
            power_groups: self.list(Id::PowerAuthGroups),
            token_use_expiry: self.seconds(Id::AccessTokenUseExpirySeconds),
            token_expiry: self.times(Id::AccessTokenExpiryMinutes, 60),
        }
    }

    fn tls(&self) -> ServerTls {
        ServerTls {
            enabled: self.bool(Id::UseSSL),
            mutual: self.bool(Id::UseMutualTLS),
            files: TlsFiles {
                key: self.path(Id::SSLPrivateKeyFile),
                certificate: self.path(Id::SSLCertFile),
                authority: self.path(Id::SSLCAFile),
                skip_verify: self.bool(Id::SSLSkipVerify),
            },
            valid_units: self.list(Id::SSLValidOUs),
            status_checks_unit: self.bool(Id::StatusOUVerify),
        }
    }

    fn recovery(&mut self) -> Recovery {
        let refuse = self.bool(Id::FailMasterPromotionIfSQLThreadNotUpToDate);
        let wait = self.bool(Id::DelayMasterPromotionIfSQLThreadNotUpToDate);
        Recovery {
            primary_filters: self.patterns(Id::RecoverMasterClusterFilters, ClusterFilters::compile),
            intermediate_filters: self.patterns(Id::RecoverIntermediateMasterClusterFilters, ClusterFilters::compile),
            ignore: self.patterns(Id::RecoveryIgnoreHostnameFilters, RecoveryIgnore::compile),
            reduce_analysis: self.bool(Id::ReduceReplicationAnalysisCount),
            detection_block: self.times(Id::FailureDetectionPeriodBlockMinutes, 60),
            recovery_block: self.seconds(Id::RecoveryPeriodBlockSeconds),
            apply_promotion: self.bool(Id::ApplyMySQLPromotionAfterMasterFailover),
            prevent_cross_data_center: self.bool(Id::PreventCrossDataCenterMasterFailover),
            prevent_cross_region: self.bool(Id::PreventCrossRegionMasterFailover),
            detach_lost_replicas: self.bool(Id::DetachLostReplicasAfterMasterFailover),
            detach_promoted: self.bool(Id::MasterFailoverDetachReplicaMasterHost),
            lost_downtime: positive(self.times(Id::MasterFailoverLostInstancesDowntimeMinutes, 60)).unwrap_or(YEAR),
            fail_on_lag: positive(self.times(Id::FailMasterPromotionOnLagMinutes, 60)),
            unapplied: match (refuse, wait) {
                (true, _) => UnappliedPolicy::Refuse,
                (false, true) => UnappliedPolicy::Wait,
                (false, false) => UnappliedPolicy::Promote,
            },
            data_loss: data_loss_policy(self.settings.text(Id::DataLossPolicy)).unwrap_or(DataLossPolicy::Refuse),
            postpone_above_lag: positive(self.times(Id::PostponeReplicaRecoveryOnLagMinutes, 60)),
            only_other_co_primary: self.bool(Id::CoMasterRecoveryMustPromoteOtherCoMaster),
            make_primary_writable: self.bool(Id::RecoverNonWriteableMaster),
            semi_sync: SemiSyncPolicy {
                exact_replicas: self.bool(Id::EnforceExactSemiSyncReplicas),
                unlock_primary: self.bool(Id::RecoverLockedSemiSyncMaster),
                reasonable_lock: self.seconds(Id::ReasonableLockedSemiSyncMasterSeconds),
            },
            drain_timeout: self.seconds(Id::PromotionDrainTimeoutSeconds),
            write_block: self.seconds(Id::TakeoverWriteBlockSeconds),
            restart_grace: self.seconds(Id::PrimaryRestartGraceSeconds),
            heartbeat: Duration::from_millis(self.number(Id::HeartbeatMilliseconds)).min(CENTURY),
            receiver_restart_after: self.seconds(Id::ReceiverRestartAfterSeconds),
            returned_primary: returned_primary(self.settings.text(Id::ReturnedPrimaryPolicy))
                .unwrap_or(ReturnedPrimaryPolicy::Off),
            divergence_directory: self.path(Id::DivergenceDirectory),
        }
    }

    fn hooks(&self) -> Hooks {
        Hooks {
            shell: self.text(Id::ProcessesShellCommand),
            timeout: self.seconds(Id::HookTimeoutSeconds),
            on_failure_detection: self.list(Id::OnFailureDetectionProcesses),
            pre_failover: self.list(Id::PreFailoverProcesses),
            post_primary_failover: self.list(Id::PostMasterFailoverProcesses),
            post_intermediate_failover: self.list(Id::PostIntermediateMasterFailoverProcesses),
            post_failover: self.list(Id::PostFailoverProcesses),
            post_unsuccessful_failover: self.list(Id::PostUnsuccessfulFailoverProcesses),
            pre_graceful_takeover: self.list(Id::PreGracefulTakeoverProcesses),
            post_graceful_takeover: self.list(Id::PostGracefulTakeoverProcesses),
            post_take_primary: self.list(Id::PostTakeMasterProcesses),
        }
    }

    fn raft(&self) -> Raft {
        let default_port = self.port(Id::DefaultRaftPort);
        // What is no address was refused if raft is enabled, and is of no use otherwise.
        let address = |text: &str| address::normalise(text, default_port).unwrap_or_else(|_| text.to_owned());
        let nodes: BTreeSet<String> = self.settings.list(Id::RaftNodes).iter().map(|node| address(node)).collect();
        Raft {
            enabled: self.bool(Id::RaftEnabled),
            data_dir: self.path(Id::RaftDataDir).unwrap_or_default(),
            bind: address(self.settings.text(Id::RaftBind)),
            advertise: address(self.settings.text(Id::RaftAdvertise)),
            nodes: nodes.into_iter().collect(),
            default_port,
            security: self.raft_security(),
            http_advertise: self.option(Id::HTTPAdvertise),
        }
    }

    fn raft_security(&self) -> RaftSecurity {
        let files =
            (self.path(Id::RaftTLSCertFile), self.path(Id::RaftTLSPrivateKeyFile), self.path(Id::RaftTLSCAFile));
        match (self.secret(Id::RaftSharedSecret), files) {
            (_, (Some(certificate), Some(key), Some(authority))) => {
                RaftSecurity::Certificates { certificate, key, authority }
            }
            (secret, _) if !secret.is_empty() => RaftSecurity::Secret(secret),
            _ => RaftSecurity::Plain,
        }
    }
}

/// The shapes.
impl Builder<'_> {
    fn bool(&self, id: Id) -> bool {
        self.settings.bool(id)
    }

    fn text(&self, id: Id) -> String {
        self.settings.text(id).to_owned()
    }

    fn option(&self, id: Id) -> Option<String> {
        Some(self.text(id)).filter(|text| !text.trim().is_empty())
    }

    fn path(&self, id: Id) -> Option<PathBuf> {
        self.option(id).map(PathBuf::from)
    }

    fn secret(&self, id: Id) -> Secret {
        Secret::new(self.settings.text(id))
    }

    fn list(&self, id: Id) -> Vec<String> {
        self.settings.list(id).to_vec()
    }

    /// A number of which nothing below zero has a meaning.
    fn number(&self, id: Id) -> u64 {
        u64::try_from(self.settings.whole(id)).unwrap_or(0)
    }

    fn count(&self, id: Id) -> usize {
        usize::try_from(self.number(id)).unwrap_or(usize::MAX)
    }

    fn port(&self, id: Id) -> u16 {
        u16::try_from(self.number(id)).unwrap_or(u16::MAX)
    }

    fn seconds(&self, id: Id) -> Duration {
        self.times(id, 1)
    }

    fn times(&self, id: Id, seconds: u64) -> Duration {
        Duration::from_secs(self.number(id).saturating_mul(seconds)).min(CENTURY)
    }

    fn hosts(&mut self, id: Id) -> HostFilters {
        self.patterns(id, HostFilters::compile)
    }

    fn patterns<F: Default>(&mut self, id: Id, compile: impl Fn(&[String]) -> Result<F, Vec<BadPattern>>) -> F {
        let compiled = compile(self.settings.list(id));
        let settings = self.settings;
        self.accept(id, compiled, |index| settings.list(id)[index].clone())
    }

    fn aliases(&mut self) -> ClusterAliases {
        let id = Id::ClusterNameToAlias;
        let settings = self.settings;
        let compiled = ClusterAliases::compile(settings.map(id));
        self.accept(id, compiled, |index| settings.map(id)[index].0.clone())
    }

    /// Takes what compiled, or notes each bad entry at its line.
    fn accept<F: Default>(
        &mut self,
        id: Id,
        compiled: Result<F, Vec<BadPattern>>,
        entry: impl Fn(usize) -> String,
    ) -> F {
        compiled.unwrap_or_else(|bad| {
            for BadPattern { index, reason } in bad {
                let place = self.settings.get(id).entries.get(index).cloned();
                self.bad_pattern(id, place, &entry(index), &reason);
            }
            F::default()
        })
    }

    fn label(&mut self, id: Id) -> Option<LabelPattern> {
        self.option(id)?;
        self.one_pattern(id, LabelPattern::compile)
    }

    fn one_pattern<P>(&mut self, id: Id, compile: impl Fn(&str) -> Result<P, String>) -> Option<P> {
        match compile(self.settings.text(id)) {
            Ok(pattern) => Some(pattern),
            Err(reason) => {
                self.bad_pattern(id, None, self.settings.text(id), &reason);
                None
            }
        }
    }

    fn bad_pattern(&mut self, id: Id, place: Option<Place>, pattern: &str, reason: &str) {
        let place = place.or_else(|| self.settings.place(id));
        let message = format!("{}: \"{pattern}\" is not a pattern we can use: {reason}", id.name());
        self.problems.push(Problem::new(place, message));
    }
}

/// Returns the time, unless it is zero, which means "off".
fn positive(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| !time.is_zero())
}

/// Reads `HostnameResolveMethod`.
pub(crate) fn resolve_method(text: &str) -> Option<ResolveMethod> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Some(ResolveMethod::None),
        "default" => Some(ResolveMethod::Default),
        "cname" => Some(ResolveMethod::Cname),
        "ip" => Some(ResolveMethod::Ip),
        _ => None,
    }
}

/// Reads `MySQLHostnameResolveMethod`.
pub(crate) fn server_name_method(text: &str) -> Option<ServerNameMethod> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Some(ServerNameMethod::None),
        "default" | "hostname" | "@@hostname" => Some(ServerNameMethod::Hostname),
        "report_host" | "@@report_host" => Some(ServerNameMethod::ReportHost),
        _ => None,
    }
}

/// Reads `ReturnedPrimaryPolicy`.
pub(crate) fn returned_primary(text: &str) -> Option<ReturnedPrimaryPolicy> {
    match text.to_ascii_lowercase().as_str() {
        "off" | "" => Some(ReturnedPrimaryPolicy::Off),
        "subset" => Some(ReturnedPrimaryPolicy::Subset),
        "clone" => Some(ReturnedPrimaryPolicy::Clone),
        _ => None,
    }
}

/// Reads `DataLossPolicy`.
pub(crate) fn data_loss_policy(text: &str) -> Option<DataLossPolicy> {
    match text.trim().to_ascii_lowercase().as_str() {
        "allow" => Some(DataLossPolicy::Allow),
        "refuse" => Some(DataLossPolicy::Refuse),
        other => {
            let seconds: u32 = other.strip_prefix("wait:")?.trim().parse().ok()?;
            (seconds > 0).then(|| DataLossPolicy::Wait(Duration::from_secs(seconds.into())))
        }
    }
}

/// Reads `AuthenticationMethod`.
pub(crate) fn auth_method(text: &str) -> Option<AuthMethod> {
    match text.to_ascii_lowercase().as_str() {
        "" => Some(AuthMethod::None),
        "basic" => Some(AuthMethod::Basic),
        "multi" => Some(AuthMethod::Multi),
        "proxy" => Some(AuthMethod::Proxy),
        "token" => Some(AuthMethod::Token),
        "oauth" => Some(AuthMethod::OAuth),
        _ => None,
    }
}
