//! Rules between keys: what is refused, what one key makes of another, what is brought into one form.

mod raft;

use std::collections::BTreeSet;

use crate::build::{auth_method, data_loss_policy, resolve_method, returned_primary, server_name_method};
use crate::findings::{doubtful, overridden};
use crate::key::Effect;
use crate::model::AuthMethod;
use crate::report::{Finding, Problem};
use crate::settings::{Settings, Value};
use crate::table::Id;

/// What the rules make of the files' values.
pub(crate) struct Judged {
    /// The values that apply.
    pub(crate) effective: Settings,
    pub(crate) problems: Vec<Problem>,
    pub(crate) findings: Vec<Finding>,
}

/// Lowest and highest value that mean something.
const RANGES: &[(Id, i64, i64)] = &[
    (Id::InstancePollSeconds, 1, i64::MAX),
    (Id::DiscoveryMaxConcurrency, 1, i64::MAX),
    (Id::DiscoveryQueueCapacity, 1, i64::MAX),
    (Id::MaxConcurrentReplicaOperations, 1, i64::MAX),
    (Id::MySQLConnectTimeoutSeconds, 1, i64::MAX),
    (Id::MySQLDiscoveryReadTimeoutSeconds, 1, i64::MAX),
    (Id::MySQLTopologyReadTimeoutSeconds, 1, i64::MAX),
    (Id::MySQLConnectionLifetimeSeconds, 0, i64::MAX),
    (Id::DefaultInstancePort, 1, 65_535),
    (Id::DefaultRaftPort, 1, 65_535),
    (Id::ReasonableReplicationLagSeconds, 0, i64::MAX),
    (Id::ReasonableMaintenanceReplicationLagSeconds, 0, i64::MAX),
    (Id::FailureDetectionPeriodBlockMinutes, 0, i64::MAX),
    (Id::RecoveryPeriodBlockSeconds, 0, i64::MAX),
    (Id::RecoveryPeriodBlockMinutes, 0, i64::MAX),
    (Id::HookTimeoutSeconds, 1, i64::MAX),
    (Id::TakeoverWriteBlockSeconds, 1, i64::MAX),
    (Id::HeartbeatMilliseconds, 10, i64::MAX),
];

/// Applies every rule to `raw`. A rule that would look at a key of `broken`, whose value could not be read, is left out.
pub(crate) fn judge(raw: &Settings, broken: &BTreeSet<Id>) -> Judged {
    let mut judge = Judge { raw, now: raw.clone(), broken, problems: Vec::new(), findings: Vec::new() };
    judge.ranges();
    judge.lag_query();
    judge.postponed_lag();
    judge.switches_with_two_names();
    judge.recovery_block();
    judge.promotion();
    judge.backend();
    judge.raft();
    judge.http_advertise();
    judge.dead_instances();
    judge.listener();
    judge.topology_tls();
    judge.hooks();
    judge.authentication();
    judge.server_tls();
    judge.resolve_methods();
    judge.returned_primary();
    judge.host_filters();
    judge.normalise();
    judge.pseudo_gtid();
    Judged { effective: judge.now, problems: judge.problems, findings: judge.findings }
}

struct Judge<'a> {
    raw: &'a Settings,
    now: Settings,
    broken: &'a BTreeSet<Id>,
    problems: Vec<Problem>,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    /// Refuses the configuration because of `ids`; the place is that of the first of them that a file gave.
    fn refuse(&mut self, ids: &[Id], message: String) {
        if ids.iter().any(|id| self.broken.contains(id)) {
            return;
        }
        let place = ids.iter().find_map(|id| self.raw.place(*id));
        self.problems.push(Problem::new(place, message));
    }

    fn ranges(&mut self) {
        for &(id, lowest, highest) in RANGES {
            let value = self.raw.whole(id);
            if value < lowest {
                self.refuse(&[id], format!("{} must be at least {lowest}, found {value}", id.name()));
            } else if value > highest {
                self.refuse(&[id], format!("{} must be at most {highest}, found {value}", id.name()));
            }
        }
    }

    fn lag_query(&mut self) {
        let (old, new) = (Id::SlaveLagQuery, Id::ReplicationLagQuery);
        let (old_text, new_text) = (self.raw.text(old).to_owned(), self.raw.text(new));
        if old_text.is_empty() {
            return;
        }
        if !new_text.is_empty() && new_text != old_text {
            self.refuse_two_names(old, new);
        }
        self.now.adjust(new, Value::Text(old_text));
        self.now.adjust(old, Value::Text(String::new()));
    }

    fn postponed_lag(&mut self) {
        let (old, new) = (Id::PostponeSlaveRecoveryOnLagMinutes, Id::PostponeReplicaRecoveryOnLagMinutes);
        let (old_value, new_value) = (self.raw.whole(old), self.raw.whole(new));
        if old_value != 0 && new_value != 0 && old_value != new_value {
            self.refuse_two_names(old, new);
        }
        if old_value != 0 {
            self.now.adjust(new, Value::Whole(old_value));
        }
    }

    fn refuse_two_names(&mut self, old: Id, new: Id) {
        let other = self.raw.place(new).map(|place| format!(" (the other is at {place})")).unwrap_or_default();
        let message =
            format!("{} is the old name of {} and they differ{other}: keep {}", old.name(), new.name(), new.name());
        self.refuse(&[old, new], message);
    }

    /// The present name counts when it is given, the old one otherwise. Orchestrator lets the old one, whose default is
    /// on, switch on what the present one switches off.
    fn switches_with_two_names(&mut self) {
        let pairs = [
            (Id::DetachLostSlavesAfterMasterFailover, Id::DetachLostReplicasAfterMasterFailover),
            (Id::MasterFailoverDetachSlaveMasterHost, Id::MasterFailoverDetachReplicaMasterHost),
        ];
        for (old, new) in pairs {
            let applies = if self.raw.is_given(new) { self.raw.bool(new) } else { self.raw.bool(old) };
            if self.raw.is_given(old) && self.raw.bool(old) != applies {
                let message = format!("{} ({applies}) counts, not its old name {}", new.name(), old.name());
                self.findings.push(overridden(self.raw, old, message));
            }
            self.now.adjust(old, Value::Bool(applies));
            self.now.adjust(new, Value::Bool(applies));
        }
    }

    fn recovery_block(&mut self) {
        let (seconds, minutes) = (Id::RecoveryPeriodBlockSeconds, Id::RecoveryPeriodBlockMinutes);
        let from_minutes = self.raw.whole(minutes).saturating_mul(60);
        match (self.raw.is_given(seconds), self.raw.whole(seconds)) {
            (false, _) if self.raw.is_given(minutes) => self.now.adjust(seconds, Value::Whole(from_minutes)),
            // As Orchestrator: zero seconds mean "see the minutes", which are an hour unless they are given.
            (true, 0) => {
                self.now.adjust(seconds, Value::Whole(from_minutes));
                if from_minutes != 0 && !self.raw.is_given(minutes) {
                    let message = "RecoveryPeriodBlockSeconds 0 means the default of RecoveryPeriodBlockMinutes, 60: \
                                   set both to 0 for no block at all";
                    self.findings.push(doubtful(self.raw, seconds, message.to_owned()));
                }
            }
            (true, given) if self.raw.is_given(minutes) && given != from_minutes => {
                let message = format!("RecoveryPeriodBlockSeconds ({given}) counts, not RecoveryPeriodBlockMinutes");
                self.findings.push(overridden(self.raw, minutes, message));
            }
            _ => {}
        }
    }

    fn promotion(&mut self) {
        let fail = Id::FailMasterPromotionIfSQLThreadNotUpToDate;
        let delay = Id::DelayMasterPromotionIfSQLThreadNotUpToDate;
        if self.raw.bool(fail) && self.raw.bool(delay) {
            let message = format!("{} and {} exclude each other: choose one", fail.name(), delay.name());
            self.refuse(&[fail, delay], message);
        }
        let lag = Id::FailMasterPromotionOnLagMinutes;
        if self.raw.whole(lag) > 0 && self.now.text(Id::ReplicationLagQuery).is_empty() {
            let message = format!("{} needs ReplicationLagQuery: give one, or set it to 0", lag.name());
            self.refuse(&[lag, Id::ReplicationLagQuery, Id::SlaveLagQuery], message);
        }
        let loss = Id::DataLossPolicy;
        let policy = self.raw.text(loss);
        if data_loss_policy(policy).is_none() {
            let message = format!(
                "{}: expected \"allow\", \"refuse\" or \"wait:N\" with a number of seconds, found \"{policy}\"",
                loss.name()
            );
            self.refuse(&[loss], message);
        }
    }

    fn backend(&mut self) {
        let (backend, host, file) = (Id::BackendDB, Id::MySQLOrchestratorHost, Id::SQLite3DataFile);
        let kind = self.raw.text(backend).to_ascii_lowercase();
        let not_yet =
            "the MySQL backend is not supported yet: set BackendDB to \"sqlite\" and SQLite3DataFile to a path";
        if self.raw.is_given(backend) {
            if matches!(kind.as_str(), "mysql" | "") {
                self.refuse(&[backend], format!("BackendDB: {not_yet}"));
            } else if !kind.contains("sqlite") {
                self.refuse(&[backend], format!("BackendDB: expected \"sqlite\", found \"{kind}\""));
            } else if self.raw.text(file).is_empty() {
                let message = "BackendDB \"sqlite\" needs SQLite3DataFile: set it to the path of the file";
                self.refuse(&[backend, file], message.to_owned());
            }
        } else if !self.raw.text(host).is_empty() {
            self.refuse(&[host, backend], format!("MySQLOrchestratorHost: {not_yet}"));
        }
    }

    fn http_advertise(&mut self) {
        let id = Id::HTTPAdvertise;
        let uri = self.raw.text(id);
        if !uri.is_empty()
            && let Err(reason) = check_advertised(uri)
        {
            let message = format!("HTTPAdvertise: expected scheme://host:port, found \"{uri}\": {reason}");
            self.refuse(&[id], message);
        }
    }

    fn dead_instances(&mut self) {
        let factor = Id::DeadInstancePollSecondsMultiplyFactor;
        if self.raw.float(factor) < 1.0 {
            let message = format!("{} must be at least 1, found {}", factor.name(), self.raw.float(factor));
            self.refuse(&[factor], message);
        }
        let (poll, max) = (Id::InstancePollSeconds, Id::DeadInstancePollSecondsMax);
        let (poll_seconds, max_seconds) = (self.raw.whole(poll), self.raw.whole(max));
        if max_seconds < poll_seconds {
            let message = format!(
                "{} ({max_seconds}) must not be below {} ({poll_seconds}): raise it to {poll_seconds}",
                max.name(),
                poll.name()
            );
            self.refuse(&[max, poll], message);
        }
    }

    fn listener(&mut self) {
        let id = Id::ListenAddress;
        let address = self.raw.text(id);
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) && self.raw.text(Id::ListenSocket).is_empty() {
            let message = format!("ListenAddress: expected host:port or :port, found \"{address}\"");
            self.refuse(&[id], message);
        }
    }

    fn topology_tls(&mut self) {
        let (mutual, certificate, key) =
            (Id::MySQLTopologyUseMutualTLS, Id::MySQLTopologySSLCertFile, Id::MySQLTopologySSLPrivateKeyFile);
        let (has_certificate, has_key) = (!self.raw.text(certificate).is_empty(), !self.raw.text(key).is_empty());
        if self.raw.bool(mutual) && !(has_certificate && has_key) {
            let message = format!("{} needs {} and {}: set both", mutual.name(), certificate.name(), key.name());
            self.refuse(&[mutual, certificate, key], message);
        } else if has_certificate != has_key {
            let (given, missing) = if has_certificate { (certificate, key) } else { (key, certificate) };
            let message = format!("{} is of no use without {}", given.name(), missing.name());
            self.findings.push(doubtful(self.raw, given, message));
        }
    }

    fn hooks(&mut self) {
        let id = Id::ProcessesShellCommand;
        if self.raw.text(id).trim().is_empty() {
            self.refuse(&[id], format!("{} must name the shell that runs the hooks, such as \"bash\"", id.name()));
        }
    }

    fn authentication(&mut self) {
        let (method, user) = (Id::AuthenticationMethod, Id::HTTPAuthUser);
        let written = self.raw.text(method).to_owned();
        match auth_method(&written) {
            None => {
                let message = format!(
                    "AuthenticationMethod: expected \"basic\", \"multi\", \"proxy\", \"token\", \"oauth\" or \"\", \
                     found \"{written}\", with which everyone could do everything"
                );
                self.refuse(&[method], message);
            }
            Some(AuthMethod::Basic | AuthMethod::Multi) if self.raw.text(user).is_empty() => {
                let message = format!("AuthenticationMethod \"{written}\" needs HTTPAuthUser: set it");
                self.refuse(&[method, user], message);
            }
            Some(AuthMethod::Basic | AuthMethod::Multi) if self.raw.text(Id::HTTPAuthPassword).is_empty() => {
                let message =
                    format!("AuthenticationMethod \"{written}\" without HTTPAuthPassword: the password is empty");
                self.findings.push(doubtful(self.raw, method, message));
            }
            Some(AuthMethod::Token | AuthMethod::OAuth) => {
                let message = format!("AuthenticationMethod \"{written}\" is not built yet: every write is denied");
                self.findings.push(doubtful(self.raw, method, message));
            }
            Some(_) => {}
        }
    }

    /// Serving in the clear what was meant to be protected is worse than not starting.
    fn server_tls(&mut self) {
        let id = Id::UseMutualTLS;
        if self.raw.bool(id) && id.key().effect == Effect::NotYet {
            let message = "UseMutualTLS is not built yet, and without it anybody would be served: set it to false and let a \
                           proxy on this host check client certificates";
            self.refuse(&[id], message.to_owned());
        }
        let (certificate, key) = (Id::SSLCertFile, Id::SSLPrivateKeyFile);
        if self.raw.bool(Id::UseSSL) && (self.raw.text(certificate).is_empty() || self.raw.text(key).is_empty()) {
            let message = "UseSSL needs SSLCertFile and SSLPrivateKeyFile: set both";
            self.refuse(&[Id::UseSSL, certificate, key], message.to_owned());
        }
    }

    fn resolve_methods(&mut self) {
        let (ours, theirs) = (Id::HostnameResolveMethod, Id::MySQLHostnameResolveMethod);
        if resolve_method(self.raw.text(ours)).is_none() {
            self.acts_as_none(ours, "\"none\", \"default\", \"cname\" or \"ip\"");
        }
        if server_name_method(self.raw.text(theirs)).is_none() {
            self.acts_as_none(theirs, "\"none\", \"@@hostname\" or \"@@report_host\"");
        }
    }

    fn returned_primary(&mut self) {
        let id = Id::ReturnedPrimaryPolicy;
        let found = self.raw.text(id);
        if returned_primary(found).is_none() {
            let message = format!("{}: expected \"off\", \"subset\" or \"clone\", found \"{found}\"", id.name());
            self.refuse(&[id], message);
        }
    }

    fn acts_as_none(&mut self, id: Id, expected: &str) {
        let found = self.raw.text(id);
        let message = format!("{}: expected {expected}, found \"{found}\", which acts as \"none\"", id.name());
        self.findings.push(doubtful(self.raw, id, message));
    }

    fn host_filters(&mut self) {
        let lists = [
            Id::DiscoveryIgnoreHostnameFilters,
            Id::DiscoveryIgnoreReplicaHostnameFilters,
            Id::DiscoveryIgnoreMasterHostnameFilters,
            Id::DiscoveryIgnoreReplicationUsernameFilters,
            Id::ProblemIgnoreHostnameFilters,
            Id::PromotionIgnoreHostnameFilters,
            Id::RecoveryIgnoreHostnameFilters,
        ];
        for id in lists {
            if self.raw.list(id).iter().any(String::is_empty) {
                let message = format!("{}: the empty entry \"\" matches everything", id.name());
                self.findings.push(doubtful(self.raw, id, message));
            }
        }
    }

    fn normalise(&mut self) {
        let prefix = self.raw.text(Id::URLPrefix).trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        self.now.adjust(Id::URLPrefix, Value::Text(prefix));
        let prefix = format!("{}/", self.raw.text(Id::KVClusterMasterPrefix).trim_end_matches('/'));
        self.now.adjust(Id::KVClusterMasterPrefix, Value::Text(prefix));
        let most = self.raw.whole(Id::ConsulMaxKVsPerTransaction).clamp(5, 64);
        self.now.adjust(Id::ConsulMaxKVsPerTransaction, Value::Whole(most));
        if self.raw.whole(Id::ReasonableLockedSemiSyncMasterSeconds) == 0 {
            let lag = self.raw.whole(Id::ReasonableReplicationLagSeconds);
            self.now.adjust(Id::ReasonableLockedSemiSyncMasterSeconds, Value::Whole(lag));
        }
    }

    fn pseudo_gtid(&mut self) {
        if self.raw.bool(Id::AutoPseudoGTID) {
            let pattern = "drop view if exists `_pseudo_gtid_`";
            self.now.adjust(Id::PseudoGTIDPattern, Value::Text(pattern.to_owned()));
            self.now.adjust(Id::PseudoGTIDPatternIsFixedSubstring, Value::Bool(true));
            self.now.adjust(Id::PseudoGTIDMonotonicHint, Value::Text("asc:".to_owned()));
            self.now.adjust(Id::DetectPseudoGTIDQuery, Value::Text("select 1".to_owned()));
        }
    }
}

/// Checks that `uri` is a scheme, a host and a port, and nothing else.
fn check_advertised(uri: &str) -> Result<(), &'static str> {
    let (scheme, rest) = uri.split_once("://").ok_or("the scheme is missing")?;
    if scheme.is_empty() {
        return Err("the scheme is missing");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.len() < rest.len() {
        return Err("it must not have a path");
    }
    let (host, port) = authority.rsplit_once(':').ok_or("the port is missing")?;
    if host.is_empty() {
        return Err("the host is missing");
    }
    port.parse::<u16>().map(|_| ()).map_err(|_| "the port is not a number")
}
