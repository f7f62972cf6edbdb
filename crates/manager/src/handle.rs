//! What the HTTP API and the commands ask for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use analysis::Policy;
use config::{Config, Finding};
use consensus::Consensus;
use planner::{Explanation, Hold, Request, Wish};
use store::{Applied, Command, NodeId, Store};
use topology::{Declared, InstanceKey, Snapshot, Timestamp, Unreachable};

use crate::clock::Clock;
use crate::forced::Forced;
use crate::holds::{self, Held};
use crate::hub::{Hub, View, lock};
use crate::mandate::Mandate;
use crate::nodes::Lookout;
use crate::observatory::Observatory;
use crate::preview::{self, Deed, Preview};
use crate::readiness::{self, Readiness};
use crate::recovery::{self, Recovered};
use crate::rehearsal::{self, Rehearsed};
use crate::returning::{self, Returned};
use crate::seat::Seat;
use crate::takeover::{self, TakenOver};
use crate::workload::Workload;
use crate::world::World;
use crate::{Error, audit, caretaker, cycle, discovery, fleet, forced, hands, mandate, nodes, suspicion, watcher};

/// Reads the configuration again, with one more file behind the others; gives all problems at once.
pub type Reload = dyn Fn(&Config, Option<&Path>) -> Result<(Config, Vec<Finding>), Vec<String>> + Send + Sync;

/// What the manager does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Watches, diagnoses and recovers.
    Service,
    /// Only what it is asked for: one command of the command line.
    OneCommand,
    /// As a service, and recoveries stop for ever in this step, done and not journaled: to try what a crash there leaves.
    Drill {
        /// The step's number.
        halt_in_step: u32,
    },
}

/// How this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why nothing can be put on record, and so no recovery begins; none while all is well.
    pub trouble: Option<String>,
    /// Which node.
    pub node: NodeId,
    /// Since when it runs.
    pub started: Timestamp,
    /// Where its store is.
    pub store: PathBuf,
}

/// The manager, as its callers see it. Cheap to clone.
#[derive(Clone)]
pub struct Manager {
    hub: Arc<Hub>,
    reload: Arc<Reload>,
}

impl Manager {
    /// Starts the manager on what the store of `consensus` knows.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be read.
    pub async fn start(config: Config, consensus: Consensus, mode: Mode, reload: Arc<Reload>) -> Result<Self, Error> {
        let world = World::real(&consensus);
        Self::start_in(world, config, consensus, mode, reload).await
    }

    /// As [`Manager::start`], with a leadership that a test decides.
    ///
    /// # Errors
    /// As [`Manager::start`].
    #[doc(hidden)]
    pub async fn start_in_seat(
        config: Config,
        consensus: Consensus,
        seat: Arc<dyn Seat>,
        mode: Mode,
        reload: Arc<Reload>,
    ) -> Result<Self, Error> {
        let world = World { seat, ..World::real(&consensus) };
        Self::start_in(world, config, consensus, mode, reload).await
    }

    /// As [`Manager::start`], in surroundings that a test decides.
    ///
    /// # Errors
    /// As [`Manager::start`].
    #[doc(hidden)]
    pub async fn start_in(
        world: World,
        config: Config,
        consensus: Consensus,
        mode: Mode,
        reload: Arc<Reload>,
    ) -> Result<Self, Error> {
        let config = Arc::new(config);
        let loaded = consensus.store().load_instances()?;
        for note in loaded.notes {
            tracing::warn!("{note}");
        }
        let hostname = gethostname::gethostname().to_string_lossy().into_owned();
        let node = NodeId { hostname, token: crate::random_hex() };
        let mut hub = Hub::new(Arc::clone(&config), consensus, world, node, Observatory::new(loaded.watched));
        if let Mode::Drill { halt_in_step } = mode {
            hub.halt_in_step = Some(halt_in_step);
        }
        let hub = Arc::new(hub);
        let runs_on = mode != Mode::OneCommand;
        // First of all: a recovery that is not over decides what may be done to its servers.
        let mandate = mandate::begin_alone(&hub, runs_on)?;
        hub.office.seat().answer_with(Arc::new(Lookout { hub: Arc::downgrade(&hub) }));
        hub.spawn(mandate::follow(Arc::clone(&hub), mandate, runs_on));
        if runs_on {
            for key in hub.observatory.keys() {
                watcher::watch(&hub, &key);
            }
            hub.spawn(fleet::keep(Arc::clone(&hub)));
            hub.spawn(seed(Arc::clone(&hub), config.discovery.seeds.clone()));
            hub.spawn(cycle::run(Arc::clone(&hub)));
            hub.spawn(caretaker::tell_alive(Arc::clone(&hub)));
            hub.spawn(caretaker::keep_observations(Arc::clone(&hub)));
            hub.spawn(caretaker::age(Arc::clone(&hub)));
        }
        Ok(Self { hub, reload })
    }

    /// Returns a manager that only answers: `snapshot` is all that it will ever know, at the moment it shows. It reaches no
    /// server and keeps nothing. Whoever has it must not ask it to change anything.
    ///
    /// # Errors
    /// [`Error::Store`] when there is no memory for its store.
    pub fn of_snapshot(config: Config, snapshot: Snapshot) -> Result<Self, Error> {
        let consensus = Consensus::alone(Store::open(":memory:", store::Mode::Own)?);
        let world = World { clock: Clock::still(snapshot.now), ..World::real(&consensus) };
        let hostname = gethostname::gethostname().to_string_lossy().into_owned();
        let node = NodeId { hostname, token: crate::random_hex() };
        let mut hub = Hub::new(Arc::new(config), consensus, world, node, Observatory::new([]));
        hub.given = Some(snapshot);
        let hub = Arc::new(hub);
        mandate::begin_alone(&hub, false)?;
        Ok(Self { hub, reload: Arc::new(|_, _| Err(vec!["a snapshot has no service to tell".to_owned()])) })
    }

    /// True when this manager only answers from what it was given.
    pub fn only_answers(&self) -> bool {
        self.hub.given.is_some()
    }

    /// Returns all that was declared so far.
    pub fn declared(&self) -> Arc<Declared> {
        self.hub.declared()
    }

    /// Stops: no new work, a running step finished as far as `grace` allows, observations kept.
    pub async fn stop(&self, grace: Duration) {
        let hub = &self.hub;
        let deadline = tokio::time::Instant::now() + grace;
        while !lock(&hub.recovering).is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        hub.stopping.cancel();
        hub.tasks.close();
        if deadline <= tokio::time::Instant::now() {
            hub.abandoned.cancel();
        }
        if tokio::time::timeout_at(deadline, hub.tasks.wait()).await.is_err() {
            tracing::warn!("stopped with work in progress: the next start goes on with it from the journal");
        }
        hub.abandoned.cancel();
        // What is cancelled ends at its next breath; whoever opens the store next should not meet it.
        const LAST_BREATH: Duration = Duration::from_secs(1);
        drop(tokio::time::timeout(LAST_BREATH, hub.tasks.wait()).await);
        // What is not kept, the next start finds by itself.
        drop(caretaker::keep_changes(hub, &BTreeMap::new()).await);
    }

    /// Returns all that is known now, with what follows from it.
    pub fn view(&self) -> Arc<View> {
        self.hub.view()
    }

    /// Returns the configuration in effect.
    pub fn config(&self) -> Arc<Config> {
        self.hub.config()
    }

    /// Returns the configuration as analysis and planning see it.
    pub fn policy(&self) -> Arc<Policy> {
        self.hub.policy()
    }

    /// Returns this node's part in deciding.
    pub fn consensus(&self) -> &Consensus {
        &self.hub.consensus
    }

    /// Returns the store, for queries.
    pub fn store(&self) -> &Store {
        &self.hub.store
    }

    /// Returns who this node is.
    pub fn node(&self) -> &NodeId {
        &self.hub.node
    }

    /// Returns the present moment.
    pub fn now(&self) -> Timestamp {
        self.hub.now()
    }

    /// Returns how this node is.
    pub fn health(&self) -> Health {
        Health {
            trouble: lock(&self.hub.trouble).clone(),
            node: self.hub.node.clone(),
            started: self.hub.started,
            store: self.hub.store.path().to_owned(),
        }
    }

    /// Probes `key` now, and has it and all that it leads to watched from then on, by all nodes. Returns the key it is known by.
    ///
    /// # Errors
    /// [`Error::NotDiscovered`] when a filter names it; [`Error::Unreadable`] when it does not answer; [`Error::Consensus`]
    /// when that it is watched cannot be put on record.
    pub async fn discover(&self, key: &InstanceKey) -> Result<InstanceKey, Error> {
        self.remember(key).await?;
        let known = discovery::hear_of(&self.hub, key).await.map_err(|passed| not_discovered(key, &passed))?;
        watcher::probe_anew(&self.hub, &known).await;
        // The server may go by another name since.
        let known = self.hub.names.known(&known);
        self.readable(&known)?;
        // Before the answer: a manager that dies the moment after it has not forgotten what it said it knows.
        if !self.hub.store.declared().watched.contains(&known) {
            self.hub.declare(Command::Watch { keys: vec![known.clone()], at: self.hub.now() }).await?;
        }
        Ok(known)
    }

    /// Watches `key` and all that it leads to from now on, without waiting for an answer.
    pub fn discover_later(&self, key: InstanceKey) {
        let manager = self.clone();
        self.hub.spawn(async move {
            if let Err(error) = manager.discover(&key).await {
                tracing::warn!(instance = %key, %error, "not discovered");
            }
        });
    }

    /// Probes `key` now.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it is not known; [`Error::Unreadable`] when it does not answer.
    pub async fn refresh(&self, key: &InstanceKey) -> Result<(), Error> {
        if self.hub.observatory.get(key).is_none() {
            return Err(Error::Unknown(key.clone()));
        }
        watcher::probe_anew(&self.hub, key).await;
        self.readable(key)
    }

    /// Forgets instances; discovery leaves them alone for a while.
    ///
    /// # Errors
    /// [`Error::Unknown`] when none of them is known.
    pub async fn forget(&self, keys: Vec<InstanceKey>) -> Result<(), Error> {
        if let [key] = keys.as_slice()
            && self.hub.observatory.get(key).is_none()
        {
            return Err(Error::Unknown(key.clone()));
        }
        let now = self.hub.now();
        let until = now.plus(self.hub.config().discovery.poll * 3);
        self.hub.declare(Command::Forget { keys: keys.clone(), at: now, until }).await?;
        // The other nodes learn it from the set of what is watched; here it is so before the answer.
        watcher::unwatch(&self.hub, &keys);
        for key in &keys {
            audit::record(&self.hub, "forget", Some(key), "", "").await;
        }
        Ok(())
    }

    /// Starts replication on `key`.
    ///
    /// # Errors
    /// [`Error::Server`] with what the server answered; [`Error::Consensus`] on a node that does not lead.
    pub async fn start_replication(&self, key: &InstanceKey) -> Result<(), Error> {
        let mandate = self.hub.office.mandate()?;
        self.act(key, "start-replica", &mandate, hands::start_replication(&self.hub, &mandate, key)).await
    }

    /// Stops replication on `key`.
    ///
    /// # Errors
    /// [`Error::Server`] with what the server answered; [`Error::Consensus`] on a node that does not lead.
    pub async fn stop_replication(&self, key: &InstanceKey) -> Result<(), Error> {
        let mandate = self.hub.office.mandate()?;
        self.act(key, "stop-replica", &mandate, hands::stop_replication(&self.hub, &mandate, key)).await
    }

    /// Stops and starts replication on `key`.
    ///
    /// # Errors
    /// [`Error::Server`] with what the server answered; [`Error::Consensus`] on a node that does not lead.
    pub async fn restart_replication(&self, key: &InstanceKey) -> Result<(), Error> {
        let mandate = self.hub.office.mandate()?;
        let restart = async {
            hands::stop_replication(&self.hub, &mandate, key).await?;
            hands::start_replication(&self.hub, &mandate, key).await
        };
        self.act(key, "restart-replica", &mandate, restart).await
    }

    /// Makes `key` refuse writes.
    ///
    /// # Errors
    /// [`Error::Server`] with what the server answered; [`Error::Consensus`] on a node that does not lead.
    pub async fn set_read_only(&self, key: &InstanceKey) -> Result<(), Error> {
        let mandate = self.hub.office.mandate()?;
        if self.hub.store.declared().left_closed.contains_key(key) {
            // Closed by a person from now on.
            hands::reinstate(&self.hub, key).await?;
        }
        self.act(key, "read-only", &mandate, hands::set_read_only(&self.hub, &mandate, key)).await
    }

    /// Makes `key` accept writes. An operator's word: a server on record as demoted is so no longer.
    ///
    /// # Errors
    /// [`Error::Server`] with what the server answered; [`Error::Consensus`] on a node that does not lead.
    pub async fn set_writable(&self, key: &InstanceKey) -> Result<(), Error> {
        let mandate = self.hub.office.mandate()?;
        hands::reinstate(&self.hub, key).await?;
        self.act(key, "read-only", &mandate, hands::set_writable(&self.hub, &mandate, key)).await
    }

    /// Recovers from the failure of `key` if a recovery exists for what is wrong with it, as a person asks for it.
    ///
    /// # Errors
    /// [`Error::Held`] when there is nothing to recover or nobody to promote; [`Error::Refused`] when a hook refused;
    /// [`Error::Consensus`] on a node that does not lead.
    pub async fn recover(&self, key: &InstanceKey, request: Request) -> Result<Recovered, Error> {
        let hub = &self.hub;
        if hub.observatory.get(key).is_none() {
            return Err(Error::Unknown(key.clone()));
        }
        let mandate = hub.office.mandate()?;
        watcher::probe_anew(hub, key).await;
        tokio::join!(suspicion::ask_replicas(hub, key), nodes::ask(hub, key, nodes::PATIENT));
        let view = hub.examine();
        let policy = hub.policy();
        let diagnosis = analysis::diagnose_one(&view.snapshot, &view.graph, &policy, key)
            .ok_or_else(|| Error::Unknown(key.clone()))?;
        if diagnosis.code == analysis::Code::NoProblem {
            return Err(Error::Held(Hold::NothingToRecover));
        }
        // In a task of its own: a recovery goes on when the caller hangs up.
        let (hub_of_task, under, snapshot) = (Arc::clone(hub), mandate.clone(), view.snapshot);
        let recovery = async move { recovery::consider(&hub_of_task, &under, &snapshot, &diagnosis, &request).await };
        hub.recover(&mandate, recovery).await
    }

    /// Attaches a replaced primary that came back below the present primary, as a person asks for it; with `rebuild`, after
    /// all its data were replaced, if it does not fit as it is. Returns none when it had found its place already.
    ///
    /// # Errors
    /// [`Error::Held`] when it stays as it is; [`Error::Consensus`] on a node that does not lead.
    pub async fn rejoin(&self, key: &InstanceKey, rebuild: bool) -> Result<Option<Recovered>, Error> {
        returning::rejoin(&self.hub, key, rebuild).await
    }

    /// Returns every replaced primary that is known, with what becomes of it as things are now.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be read.
    pub fn returned(&self) -> Result<Vec<Returned>, Error> {
        returning::all(&self.hub)
    }

    /// Replaces the primary of a cluster because a person says so; one that lives is closed to writes first, for certain.
    ///
    /// # Errors
    /// [`Error::Held`] when it cannot be closed or nobody can be promoted; [`Error::Ambiguous`] when the cluster has not
    /// exactly one primary; [`Error::Refused`] and [`Error::Consensus`] as [`Manager::recover`].
    pub async fn replace_primary(&self, cluster: &str, request: Request) -> Result<Forced, Error> {
        forced::replace(&self.hub, cluster, None, request).await
    }

    /// As [`Manager::replace_primary`], and only if the primary of `cluster` is `primary`: a co-primary that takes no writes, say,
    /// is not.
    ///
    /// # Errors
    /// As [`Manager::replace_primary`]; [`Error::Ambiguous`] when it is another one.
    pub async fn replace_this_primary(
        &self,
        cluster: &str,
        primary: &InstanceKey,
        request: Request,
    ) -> Result<Forced, Error> {
        forced::replace(&self.hub, cluster, Some(primary), request).await
    }

    /// Lets another server take over from the living primary `primary`.
    ///
    /// # Errors
    /// [`Error::Held`] with what stands in the way; [`Error::Consensus`] on a node that does not lead. What went wrong after
    /// it began is in the answer, and was undone.
    pub async fn take_over(&self, primary: &InstanceKey, wish: Wish, skip_hooks: bool) -> Result<TakenOver, Error> {
        let mandate = self.hub.office.mandate()?;
        // In a task of its own: it goes on when the caller hangs up.
        let (hub, under, primary) = (Arc::clone(&self.hub), mandate.clone(), primary.clone());
        let taking = async move { takeover::take_over(&hub, &under, &primary, &wish, skip_hooks).await };
        self.hub.recover(&mandate, taking).await
    }

    /// Returns what [`Manager::take_over`] would do now. Servers are read, and nothing is changed.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such server.
    pub async fn rehearse_takeover(
        &self,
        primary: &InstanceKey,
        wish: &Wish,
        skip_hooks: bool,
    ) -> Result<Rehearsed, Error> {
        takeover::rehearse(&self.hub, primary, wish, skip_hooks).await
    }

    /// Returns what [`Manager::recover`] would do now or, where `request` names a command, [`Manager::replace_primary`].
    /// Servers are read, and nothing is changed.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such server.
    pub async fn rehearse_recovery(&self, key: &InstanceKey, request: &Request) -> Result<Rehearsed, Error> {
        rehearsal::of_recovery(&self.hub, key, request).await
    }

    /// Returns what `deed` would do to `key`, as far as is known now.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such server; [`Error::Store`] when the store cannot be read.
    pub fn preview(&self, key: &InstanceKey, deed: Deed) -> Result<Preview, Error> {
        preview::of(&self.hub, key, deed)
    }

    /// Changes declared state.
    ///
    /// # Errors
    /// [`Error::Store`] when the store refuses or fails.
    pub async fn declare(&self, command: Command) -> Result<Applied, Error> {
        let record = audit_of(&command);
        let applied = self.hub.declare(command).await?;
        if let Some((kind, key, message)) = record {
            audit::record(&self.hub, kind, key.as_ref(), "", &message).await;
        }
        Ok(applied)
    }

    /// Returns what would happen to a cluster now, and why. None when there is no such cluster.
    pub fn explain(&self, cluster_name: &str) -> Option<Explanation> {
        let view = self.hub.examine();
        let policy = self.hub.policy();
        let cluster = view.graph.cluster(cluster_name)?;
        let own = analysis::diagnose_one(&view.snapshot, &view.graph, &policy, &cluster.head)?;
        let past = recovery::past_recoveries(&self.hub, &own).unwrap_or_default();
        let running = lock(&self.hub.recovering).get(cluster_name).cloned();
        let explained = planner::explain(&view.snapshot, &view.graph, &policy, cluster, &past, running.as_deref())?;
        Some(match self.idle_because() {
            Some(hold) => explained.held_by(hold),
            None => explained,
        })
    }

    /// Returns the recoveries that are needed and do not begin; empty on a node that does not act.
    pub fn holds(&self) -> Vec<Held> {
        holds::all(&self.hub)
    }

    /// Returns what probing cost on this node lately.
    pub fn workload(&self) -> Workload {
        self.hub.workload.history(self.now())
    }

    /// Returns what would become of each cluster if its primary died; at most a second old.
    pub fn readiness(&self) -> Arc<Vec<Readiness>> {
        readiness::of_all(&self.hub)
    }

    /// Returns why this node would do nothing whatever is wrong.
    fn idle_because(&self) -> Option<Hold> {
        if self.hub.office.mandate().is_err() {
            return Some(Hold::NotLeading { leader: self.hub.office.leader().map(|leader| leader.address) });
        }
        lock(&self.hub.trouble).clone().map(|why| Hold::CannotRecord { why })
    }

    /// Returns the key that `key` is known by, after a connection test.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when nothing listens there.
    pub async fn resolve(&self, key: &InstanceKey) -> Result<InstanceKey, Error> {
        let config = self.hub.config();
        let known = discovery::known_key(&self.hub, &config, key).await;
        let why = match self.hub.reach.knock(known.clone(), config.topology_access.connect_timeout).await {
            Ok(()) => return Ok(known),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => "no answer".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Error::Unreadable { key: known, why, remedy: None })
    }

    /// Returns host names and what they resolved to.
    pub fn resolved_hosts(&self) -> BTreeMap<String, String> {
        self.hub.names.hosts()
    }

    /// Reads the configuration files again, and `extra` behind them. What needs a restart keeps its value.
    ///
    /// # Errors
    /// [`Error::Configuration`] with every problem; the configuration in effect stays.
    pub async fn reload(&self, extra: Option<&Path>) -> Result<Vec<Finding>, Error> {
        let (config, findings) = (self.reload)(&self.hub.config(), extra).map_err(Error::Configuration)?;
        self.hub.configure(Arc::new(config));
        audit::record(&self.hub, "reload-configuration", None, "", "").await;
        Ok(findings)
    }

    async fn act(
        &self,
        key: &InstanceKey,
        kind: &str,
        mandate: &Mandate,
        action: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        if self.hub.observatory.get(key).is_none() {
            return Err(Error::Unknown(key.clone()));
        }
        let outcome = mandate.run(action).await.unwrap_or_else(|| Err(self.hub.office.not_leading()));
        let message = outcome.as_ref().map_or_else(ToString::to_string, |()| "success".to_owned());
        audit::record(&self.hub, kind, Some(key), "", &message).await;
        watcher::probe_anew(&self.hub, key).await;
        outcome
    }

    async fn remember(&self, key: &InstanceKey) -> Result<(), Error> {
        if self.hub.store.declared().forgotten.contains_key(key) {
            self.hub.declare(Command::Remember { keys: vec![key.clone()] }).await?;
        }
        Ok(())
    }

    fn readable(&self, key: &InstanceKey) -> Result<(), Error> {
        let failure = self.hub.observatory.get(key).and_then(|watched| watched.failure.clone());
        match failure {
            None => Ok(()),
            Some(failure) => {
                Err(Error::Unreadable { key: key.clone(), remedy: remedy(failure.kind), why: failure.message })
            }
        }
    }
}

/// Returns what a person can do about a server that cannot be read.
fn remedy(kind: Unreachable) -> Option<&'static str> {
    Some(match kind {
        Unreachable::Refused => "does mysqld run there, on that port?",
        Unreachable::NoAnswer => "is the host up, and does a firewall let us through?",
        Unreachable::Hung => "the port is open and nothing comes: is it MySQL, and is it stuck?",
        Unreachable::UnknownHost => "check the name, or the name server of this machine",
        Unreachable::AccessDenied => "check MySQLTopologyUser and its password here, and its grants there",
        Unreachable::TooManyConnections => "grant the account CONNECTION_ADMIN, or raise max_connections",
        Unreachable::HostBlocked => "let the account in from this host, or FLUSH HOSTS",
        Unreachable::ShuttingDown => "it is starting or stopping: try again",
        Unreachable::NotMySql => "check the port",
        Unreachable::Tls => "check the MySQLTopologySSL… keys",
        Unreachable::Other => return None,
    })
}

fn not_discovered(key: &InstanceKey, passed: &discovery::Passed) -> Error {
    let why = match passed {
        discovery::Passed::Filtered => "DiscoveryIgnoreHostnameFilters names it",
        discovery::Passed::Forgotten => "it was forgotten a moment ago",
        discovery::Passed::Invalid => "it is no address of a server",
    };
    Error::NotDiscovered { key: key.clone(), why: why.to_owned() }
}

/// Returns how a declared change stands in the audit.
fn audit_of(command: &Command) -> Option<(&'static str, Option<InstanceKey>, String)> {
    match command {
        Command::BeginDowntime { key, downtime } => {
            let message = format!("owner: {}, reason: {}", downtime.owner, downtime.reason);
            Some(("begin-downtime", Some(key.clone()), message))
        }
        Command::EndDowntime { key } => Some(("end-downtime", Some(key.clone()), String::new())),
        Command::BeginMaintenance { key, owner, reason, .. } => {
            Some(("begin-maintenance", Some(key.clone()), format!("owner: {owner}, reason: {reason}")))
        }
        Command::EndMaintenance { .. } => Some(("end-maintenance", None, String::new())),
        Command::RegisterCandidate { key, rule, .. } => {
            Some(("register-candidate", Some(key.clone()), rule.to_string()))
        }
        Command::DisableRecoveries { by, .. } => Some(("disable-global-recoveries", None, format!("by {by}"))),
        Command::EnableRecoveries => Some(("enable-global-recoveries", None, String::new())),
        Command::AcknowledgeRecoveries { owner, comment, .. } => {
            Some(("acknowledge-recovery", None, format!("{owner}: {comment}")))
        }
        _ => None,
    }
}

/// Discovers the configured seeds (`DiscoverySeeds`).
async fn seed(hub: Arc<Hub>, seeds: Vec<String>) {
    let port = hub.config().topology_access.default_port;
    for seed in seeds {
        match InstanceKey::parse(&seed, port) {
            Ok(key) => {
                if let Err(passed) = discovery::hear_of(&hub, &key).await {
                    tracing::warn!(instance = %key, ?passed, "a seed is not discovered");
                }
            }
            Err(error) => tracing::warn!(%error, "DiscoverySeeds has an entry that is no address"),
        }
    }
}
