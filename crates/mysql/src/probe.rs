//! One look at one server.
//!
//! In the steady state a probe is one round trip on a session that is kept. See `DESIGN.md` for the plan.

mod labels;
mod plan;

use std::time::Duration;

use tokio::time::Instant;
use topology::{Instance, InstanceKey, Labels, Observation, Placement, ProbeFailure, Timestamp, Unreachable};

use crate::Dialect;
use crate::access::Access;
use crate::error::{Error, ErrorKind};
use crate::read::{Answers, Variables, instance_from, version_of};
use crate::replicas::FoundReplica;
use crate::session::Session;

/// How a server's own name becomes the name it is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostnameResolve {
    /// The name it was probed by.
    None,
    /// `@@hostname`.
    #[default]
    Hostname,
    /// `@@report_host`.
    ReportHost,
}

/// The operator's queries about a server: each returns one row with one column. Empty ones are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectQueries {
    /// `DetectDataCenterQuery`.
    pub data_center: String,
    /// `DetectRegionQuery`.
    pub region: String,
    /// `DetectPhysicalEnvironmentQuery`.
    pub environment: String,
    /// `DetectInstanceAliasQuery`.
    pub instance_alias: String,
    /// `DetectClusterAliasQuery`.
    pub cluster_alias: String,
    /// `DetectClusterDomainQuery`.
    pub cluster_domain: String,
    /// `DetectPromotionRuleQuery`.
    pub promotion_rule: String,
    /// `DetectSemiSyncEnforcedQuery`.
    pub semi_sync_enforced: String,
    /// `ReplicationLagQuery`; run with every probe, the others with the slow facts.
    pub replication_lag: String,
}

/// What to ask and how often.
#[derive(Clone, Debug)]
pub struct ProbeSettings {
    /// Replicas only by `SHOW REPLICAS`, where it names any (`DiscoverByShowSlaveHosts`).
    pub discover_by_show_replicas: bool,
    /// What a server calls itself.
    pub hostname_resolve: HostnameResolve,
    /// The operator's queries.
    pub queries: DetectQueries,
    /// `ReplicationCredentialsQuery` is set: credentials are available whatever the server stores.
    pub credentials_query_configured: bool,
    /// One deadline for the whole probe.
    pub deadline: Duration,
    /// Version, static variables and labels are read again after this time.
    pub slow_every: Duration,
    /// The replica list is read again after this time.
    pub replicas_every: Duration,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            discover_by_show_replicas: false,
            hostname_resolve: HostnameResolve::default(),
            queries: DetectQueries::default(),
            credentials_query_configured: false,
            deadline: Duration::from_secs(5),
            slow_every: Duration::from_secs(60),
            replicas_every: Duration::from_secs(5),
        }
    }
}

/// What one probe brought.
#[derive(Debug)]
pub struct Probe {
    /// What was seen, under the address that was probed. Whether to know the server by another name is the caller's to
    /// decide: two servers may report the same one.
    pub observation: Observation,
    /// What the server calls itself, by [`ProbeSettings::hostname_resolve`]; none when that is nothing.
    pub reported: Option<InstanceKey>,
    /// The replicas, with what is known of each beside its address.
    pub replicas: Vec<FoundReplica>,
    /// Questions that brought no answer without spoiling the probe: a query of the operator that fails, a list that the
    /// account may not read.
    pub notes: Vec<Note>,
    /// True when the outcome was seen on a connection that this probe opened; a failure always is.
    pub fresh: bool,
}

/// A question that brought no answer.
#[derive(Debug)]
pub struct Note {
    /// Which, such as `DetectRegionQuery`.
    pub about: &'static str,
    /// Why.
    pub why: String,
}

/// Probes one server again and again, on a session that it keeps.
///
/// Cancel safe: a probe that is dropped costs the session, nothing else.
#[derive(Debug)]
pub struct Prober {
    key: InstanceKey,
    access: Access,
    settings: ProbeSettings,
    session: Option<Session>,
    slow: Option<Slow>,
    found: Vec<FoundReplica>,
    listed_at: Option<Instant>,
    said: Said,
    asked_at: Option<Instant>,
    notes: Vec<Note>,
}

/// What the operator's queries said last. Outlives the session, which a query that hangs takes with it.
#[derive(Clone, Debug, Default)]
struct Said {
    placement: Placement,
    labels: Labels,
    semi_sync_priority: u32,
}

/// Facts that change slowly, of the session that they were read on: a server that restarts loses its session, and its
/// successor is read anew.
#[derive(Clone, Debug)]
struct Slow {
    read_at: Instant,
    dialect: Dialect,
    variables: Variables,
    status: Variables,
    credentials_available: bool,
    /// The server replicated then. One that has become a replica since has an account by now.
    of_replica: bool,
}

/// A failure on the way, and whether anything was answered before it.
struct Failed {
    error: Error,
    partial: bool,
}

impl Prober {
    /// Returns a prober of `key`. Nothing is connected yet.
    pub fn new(key: InstanceKey, access: Access, settings: ProbeSettings) -> Self {
        Self {
            key,
            access,
            settings,
            session: None,
            slow: None,
            found: Vec::new(),
            listed_at: None,
            said: Said::default(),
            asked_at: None,
            notes: Vec::new(),
        }
    }

    /// Returns the address.
    pub fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// Takes over new settings and a new account; the next probe connects anew and reads everything.
    pub fn reconfigure(&mut self, access: Access, settings: ProbeSettings) {
        self.access = access;
        self.settings = settings;
        self.said = Said::default();
        self.asked_at = None;
        self.forget();
    }

    /// Drops the session and all cached facts: the next probe is on a fresh connection.
    pub fn forget(&mut self) {
        self.session = None;
        self.slow = None;
        self.listed_at = None;
    }

    /// Probes the server, within one deadline. `clock` gives the time before and after.
    ///
    /// A kept session that fails proves little (an idle one may have been killed), so that the same probe tries once
    /// more on a fresh connection: what it reports as failed, failed on that.
    pub async fn probe(&mut self, clock: impl Fn() -> Timestamp) -> Probe {
        let began = clock();
        let deadline = Instant::now() + self.settings.deadline;
        self.notes.clear();
        let mut fresh = self.session.as_ref().is_none_or(Session::is_broken);
        // Half of the time for the kept session, or a hung server would leave none for the fresh connection.
        let first = if fresh { deadline } else { Instant::now() + self.settings.deadline / 2 };
        let mut outcome = self.attempt(first).await;
        if !fresh && outcome.as_ref().is_err_and(|failed| failed.error.is_fatal()) {
            fresh = true;
            self.forget();
            outcome = self.attempt(deadline).await;
        }
        let reported = outcome.is_ok().then(|| self.reported()).flatten();
        let outcome = outcome.map_err(|failed| ProbeFailure {
            kind: failed.error.unreachable(),
            message: failed.error.to_string(),
            partial: failed.partial,
        });
        if outcome.is_err() {
            self.forget();
        }
        let replicas = if outcome.is_ok() { self.found.clone() } else { Vec::new() };
        let observation = Observation { key: self.key.clone(), began, ended: clock(), outcome };
        Probe { observation, reported, replicas, notes: std::mem::take(&mut self.notes), fresh }
    }

    async fn attempt(&mut self, deadline: Instant) -> Result<Instance, Failed> {
        let mut session = self.session(deadline).await.map_err(|error| Failed { error, partial: false })?;
        let known_before = self.slow.is_some();
        let outcome = self.examine(&mut session, deadline).await;
        let usable = !session.is_broken();
        if usable {
            self.session = Some(session);
        }
        outcome.map_err(|error| Failed { error, partial: self.slow.is_some() && !known_before })
    }

    /// Returns the kept session, or a new one. What was cached belongs to the old one.
    async fn session(&mut self, deadline: Instant) -> Result<Session, Error> {
        if let Some(session) = self.session.take()
            && !session.is_broken()
        {
            return Ok(session);
        }
        self.slow = None;
        self.listed_at = None;
        let mut access = self.access.clone();
        access.connect_timeout = access.connect_timeout.min(left(deadline));
        Session::connect(&self.key, &access).await
    }

    async fn examine(&mut self, session: &mut Session, deadline: Instant) -> Result<Instance, Error> {
        let due = |slow: &Slow| slow.read_at.elapsed() >= self.settings.slow_every;
        if self.slow.as_ref().is_none_or(due) {
            let slow = self.read_slow(session, deadline).await?;
            self.slow = Some(slow);
        }
        let Some(mut slow) = self.slow.clone() else {
            return Err(self.error(ErrorKind::Unexpected("no variables".to_owned())));
        };
        let answers = self.read_fast(session, &slow, deadline).await?;
        let mut instance =
            instance_from(&self.key, &answers).map_err(|error| self.error(ErrorKind::Unexpected(error.to_string())))?;
        if instance.uuid != topology::ServerUuid::new(slow.variables.text(&["server_uuid"])) {
            // A proxy led the same session to another server: what was cached is about the wrong one.
            self.forget();
            return Err(self.error(ErrorKind::Broken));
        }
        if !answers.status.has("uptime") {
            let at_read: u64 = slow.status.text(&["uptime"]).parse().unwrap_or(0);
            instance.uptime_secs = at_read + slow.read_at.elapsed().as_secs();
        }
        // The operator's queries come last: whatever they do, the picture is complete.
        self.ask_if_due(session, deadline).await;
        instance.placement = self.said.placement.clone();
        instance.labels = self.said.labels.clone();
        instance.semi_sync.priority = self.said.semi_sync_priority;
        if slow.of_replica != instance.is_replica() {
            let of_replica = instance.is_replica();
            let anew = if of_replica { self.read_slow(session, deadline).await? } else { slow };
            slow = Slow { of_replica, ..anew };
            self.slow = Some(slow.clone());
        }
        instance.credentials_available = self.settings.credentials_query_configured || slow.credentials_available;
        instance.replicas = self.found.iter().map(|replica| replica.key.clone()).collect();
        if instance.is_replica() {
            instance.labels.lag_secs = self.custom_lag(session, deadline).await;
        }
        Ok(instance)
    }

    /// What the server calls itself.
    fn reported(&self) -> Option<InstanceKey> {
        let variables = &self.slow.as_ref()?.variables;
        let host = match self.settings.hostname_resolve {
            HostnameResolve::None => return None,
            HostnameResolve::Hostname => variables.text(&["hostname"]),
            HostnameResolve::ReportHost => variables.text(&["report_host"]),
        };
        let reported = InstanceKey::new(host.trim(), self.key.port);
        reported.is_valid().then_some(reported)
    }

    fn note(&mut self, about: &'static str, why: impl ToString) {
        self.notes.push(Note { about, why: why.to_string() });
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new("probe", &self.key, kind)
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// True for failures that say nothing about the server but that it cannot answer this one question.
fn is_answer(error: &Error) -> bool {
    !error.is_fatal() && error.unreachable() != Unreachable::ShuttingDown
}
