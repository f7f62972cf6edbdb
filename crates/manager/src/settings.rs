//! The configuration, as the parts of this crate need it.

use std::sync::Arc;
use std::time::Duration;

use analysis::{ClusterFilter, DataLoss, KeyFilter, Policy, ReturnedPrimary};
use config::{Config, DataLossPolicy, ReturnedPrimaryPolicy, ServerNameMethod, TlsUse, UnappliedPolicy};
use mysql::{Access, DetectQueries, HostnameResolve, ProbeSettings, Secret, Tls, TlsOptions};

/// One configuration in effect, with what follows from it.
pub(crate) struct Settings {
    pub(crate) config: Arc<Config>,
    pub(crate) policy: Arc<Policy>,
    /// For probes: short deadlines.
    pub(crate) probing: Access,
    /// For statements that change a server: they may take long.
    pub(crate) acting: Access,
}

impl Settings {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        let access = &config.topology_access;
        let options = TlsOptions {
            ca: access.tls_files.authority.clone(),
            cert: access.tls_files.certificate.clone(),
            key: access.tls_files.key.clone(),
            skip_verify: access.tls_files.skip_verify,
        };
        let tls = match access.tls {
            TlsUse::Never => Tls::Off,
            TlsUse::WhereDemanded => Tls::Mixed(options),
            TlsUse::Always => Tls::Required(options),
        };
        let account = Access::new(access.user.clone(), Secret::new(access.password.reveal())).with_tls(tls);
        let probing = account.clone().with_timeouts(access.connect_timeout, probe_deadline(&config));
        let acting = account.with_timeouts(access.connect_timeout, access.read_timeout);
        Self { policy: Arc::new(policy(&config)), probing, acting, config }
    }
}

/// How long a probe may take in all. Orchestrator's `MySQLDiscoveryReadTimeoutSeconds` (10) bounds each query; a hung
/// primary would then go unnoticed for longer than its failover may take, so a probe as a whole gets at most this.
pub(crate) fn probe_deadline(config: &Config) -> Duration {
    const AT_MOST: Duration = Duration::from_secs(3);
    config.topology_access.probe_timeout.min(AT_MOST)
}

fn policy(config: &Arc<Config>) -> Policy {
    let recovery = &config.recovery;
    let filters = Arc::clone(config);
    let ignores = KeyFilter::new(move |key| filters.recovery.ignore.matches(&key.host));
    let filters = Arc::clone(config);
    let never_promote = KeyFilter::new(move |key| filters.candidates.ignore.matches(&key.host, key.port));
    let filters = Arc::clone(config);
    let recovers_primary =
        ClusterFilter::new(move |cluster| filters.recovery.primary_filters.matches(&cluster.name, &cluster.alias));
    let filters = Arc::clone(config);
    let recovers_intermediate =
        ClusterFilter::new(move |cluster| filters.recovery.intermediate_filters.matches(&cluster.name, &cluster.alias));
    Policy {
        reasonable_lag: config.problems.lag,
        ignores,
        recovers_primary,
        recovers_intermediate,
        recover_non_writable: recovery.make_primary_writable,
        locked_semi_sync_after: recovery.semi_sync.reasonable_lock,
        exact_semi_sync: recovery.semi_sync.exact_replicas,
        unlock_semi_sync: recovery.semi_sync.unlock_primary,
        only_other_co_primary: recovery.only_other_co_primary,
        reduce_analysis: recovery.reduce_analysis,
        never_promote,
        rule_expires_after: config.candidates.rule_expiry,
        cooldown: recovery.recovery_block,
        restart_grace: recovery.restart_grace,
        receiver_restart_after: recovery.receiver_restart_after,
        same_data_center: recovery.prevent_cross_data_center,
        same_region: recovery.prevent_cross_region,
        max_promotion_lag: recovery.fail_on_lag,
        refuse_unapplied: recovery.unapplied == UnappliedPolicy::Refuse,
        data_loss: match recovery.data_loss {
            DataLossPolicy::Allow => DataLoss::Allow,
            DataLossPolicy::Wait(span) => DataLoss::Wait(span),
            DataLossPolicy::Refuse => DataLoss::Refuse,
        },
        // As Orchestrator: a day, and an applier that stops ends it at once.
        drain_timeout: match recovery.unapplied {
            UnappliedPolicy::Wait => recovery.drain_timeout.max(Duration::from_secs(86_400)),
            _ => recovery.drain_timeout,
        },
        detach_lost: recovery.detach_lost_replicas,
        detach_promoted: recovery.detach_promoted,
        postpone_above_lag: recovery.postpone_above_lag,
        lost_downtime: recovery.lost_downtime,
        apply_promotion: recovery.apply_promotion,
        parallel_moves: config.discovery.max_concurrent_moves,
        returned_primary: match recovery.returned_primary {
            ReturnedPrimaryPolicy::Off => ReturnedPrimary::Off,
            ReturnedPrimaryPolicy::Subset => ReturnedPrimary::Subset,
            ReturnedPrimaryPolicy::Clone => ReturnedPrimary::Clone,
        },
        takeover_lag: config.problems.maintenance_lag,
        write_block: recovery.write_block,
    }
}

/// Returns what probes ask for, and how often.
pub(crate) fn probe_settings(config: &Config) -> ProbeSettings {
    let queries = &config.metadata.queries;
    let text = |query: &Option<String>| query.clone().unwrap_or_default();
    ProbeSettings {
        discover_by_show_replicas: config.discovery.by_show_replica_hosts,
        hostname_resolve: match config.resolve.server_method {
            ServerNameMethod::None => HostnameResolve::None,
            ServerNameMethod::Hostname => HostnameResolve::Hostname,
            ServerNameMethod::ReportHost => HostnameResolve::ReportHost,
        },
        queries: DetectQueries {
            data_center: text(&queries.data_center),
            region: text(&queries.region),
            environment: text(&queries.environment),
            instance_alias: text(&queries.instance_alias),
            cluster_alias: text(&queries.cluster_alias),
            cluster_domain: text(&queries.cluster_domain),
            promotion_rule: text(&queries.promotion_rule),
            semi_sync_enforced: text(&queries.semi_sync),
            replication_lag: text(&queries.replication_lag),
        },
        credentials_query_configured: queries.replication_credentials.is_some(),
        deadline: probe_deadline(config),
        ..ProbeSettings::default()
    }
}
