//! What the tasks of this crate share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use analysis::{Diagnosis, Policy};
use config::Config;
use consensus::Consensus;
use store::{Applied, Command, NodeId, Store};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use topology::{Declared, Graph, InstanceKey, Snapshot, Timestamp};

use crate::Error;
use crate::changelog::Changelog;
use crate::clock::Clock;
use crate::holds::Held;
use crate::mandate::{Mandate, Office};
use crate::names::Names;
use crate::observatory::Observatory;
use crate::pulse::Pulse;
use crate::reach::{Probing, Reach};
use crate::readiness::Readiness;
use crate::returning::Attended;
use crate::settings::{self, Settings};
use crate::watcher::Watcher;
use crate::workload::Ledger;
use crate::world::World;

/// All that is known at one moment, with what follows from it.
#[derive(Debug)]
pub struct View {
    /// What is known.
    pub snapshot: Snapshot,
    /// Who replicates from whom.
    pub graph: Graph,
    /// What is wrong.
    pub diagnoses: Vec<Diagnosis>,
}

/// State that several tasks use. Each part has one owner that changes it; the others read.
pub(crate) struct Hub {
    pub(crate) clock: Clock,
    /// The way to servers.
    pub(crate) reach: Arc<dyn Reach>,
    pub(crate) node: NodeId,
    pub(crate) started: Timestamp,
    pub(crate) consensus: Consensus,
    /// Whether this node acts.
    pub(crate) office: Office,
    /// The same store that `consensus` keeps its state in, for queries and for what is this node's own.
    pub(crate) store: Store,
    pub(crate) observatory: Observatory,
    pub(crate) names: Names,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    /// Ends recoveries too, wherever they are: the journal knows how far they came.
    pub(crate) abandoned: CancellationToken,
    /// In a drill: the step in which executors stop, after it was done and before that is journaled.
    pub(crate) halt_in_step: Option<u32>,
    /// Wakes the cycle.
    pub(crate) nudge: Notify,
    /// Bounds polling (`DiscoveryMaxConcurrency`); urgent probes do not wait for it.
    pub(crate) polling: Semaphore,
    /// Bounds polling of servers that failed, apart from the others: each waits for its timeout, and would take their turns.
    pub(crate) polling_failing: Semaphore,
    /// What probing cost lately.
    pub(crate) workload: Ledger,
    pub(crate) watchers: Mutex<BTreeMap<InstanceKey, Watcher>>,
    /// Sources whose death is being looked into.
    pub(crate) suspects: Mutex<BTreeSet<InstanceKey>>,
    /// Living servers with which something is wrong that is being looked into.
    pub(crate) mending: Mutex<BTreeSet<InstanceKey>>,
    /// Clusters in which a recovery of this process is running, with its uid.
    pub(crate) recovering: Mutex<BTreeMap<String, String>>,
    /// Recoveries that have not begun to open a new primary: until then the old one is not to be fenced for coming back.
    pub(crate) undecided: Mutex<BTreeSet<String>>,
    /// Pulses of sources.
    pub(crate) pulses: Mutex<BTreeMap<InstanceKey, Pulse>>,
    /// When leadership was last handed to a node that sees more.
    pub(crate) handed_over: Mutex<Option<Timestamp>>,
    /// Why nothing can be put on record; none while all is well.
    pub(crate) trouble: Mutex<Option<String>>,
    /// Detections whose hooks this process ran, or found to have been run.
    pub(crate) known_detections: Mutex<BTreeSet<i64>>,
    /// Why recoveries are held back, as last told, so that it is told once.
    pub(crate) holds: Mutex<BTreeMap<InstanceKey, String>>,
    /// What was last diagnosed of each source.
    pub(crate) changelog: Changelog,
    /// Replaced primaries that came back, and when they were last attended to.
    pub(crate) returning: Mutex<BTreeMap<InstanceKey, Attended>>,
    /// Primaries that a recovery left closed, and that are looked after.
    pub(crate) reopening: Mutex<BTreeSet<InstanceKey>>,
    /// Recoveries that are needed and do not begin, by the instance that failed.
    pub(crate) held: Mutex<BTreeMap<InstanceKey, Held>>,
    /// Names that servers report and that were looked into: key probed, name reported.
    pub(crate) asked_names: Mutex<BTreeSet<(InstanceKey, InstanceKey)>>,
    /// What would become of each cluster, as of a moment ago.
    pub(crate) readiness: Mutex<Option<(Timestamp, Arc<Vec<Readiness>>)>>,
    /// All that is known, on a manager that only answers; none on one that watches servers.
    pub(crate) given: Option<Snapshot>,
    settings: RwLock<Arc<Settings>>,
    view: Mutex<Option<(u64, Arc<View>)>>,
}

impl Hub {
    pub(crate) fn new(
        config: Arc<Config>,
        consensus: Consensus,
        world: World,
        node: NodeId,
        observatory: Observatory,
    ) -> Self {
        let World { seat, reach, clock } = world;
        let store = consensus.store().clone();
        Self {
            clock,
            reach,
            node,
            started: clock.now(),
            changelog: Changelog::of(&store),
            names: Names::new(store.hostname_resolves().unwrap_or_default()),
            store,
            consensus,
            office: Office::new(seat),
            observatory,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            halt_in_step: None,
            nudge: Notify::new(),
            polling: Semaphore::new(config.discovery.max_concurrency.max(1)),
            polling_failing: Semaphore::new((config.discovery.max_concurrency.max(1) / 4).max(1)),
            workload: Ledger::default(),
            watchers: Mutex::default(),
            suspects: Mutex::default(),
            mending: Mutex::default(),
            recovering: Mutex::default(),
            undecided: Mutex::default(),
            pulses: Mutex::default(),
            handed_over: Mutex::default(),
            trouble: Mutex::default(),
            known_detections: Mutex::default(),
            holds: Mutex::default(),
            returning: Mutex::default(),
            reopening: Mutex::default(),
            held: Mutex::default(),
            readiness: Mutex::default(),
            asked_names: Mutex::default(),
            given: None,
            settings: RwLock::new(Arc::new(Settings::new(config))),
            view: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn configure(&self, config: Arc<Config>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Settings::new(config));
        *lock(&self.view) = None;
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.settings().config)
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.settings().policy)
    }

    /// Returns a prober of `key` on a connection of its own.
    pub(crate) fn prober(&self, key: &InstanceKey) -> Box<dyn Probing> {
        let settings = self.settings();
        self.reach.prober(key.clone(), settings.probing.clone(), settings::probe_settings(&settings.config))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        if let Some(given) = &self.given {
            return given.clone();
        }
        let snapshot = self.observatory.snapshot(self.now(), self.store.declared());
        Snapshot { voters: self.office.seat().voters(), ..snapshot }
    }

    /// Returns the present view; one that is at most a second old if nothing was observed since.
    pub(crate) fn view(&self) -> Arc<View> {
        const AT_MOST: Duration = Duration::from_secs(1);
        let change = *self.observatory.changes().borrow();
        let declared = self.declared();
        if let Some((of_change, view)) = &*lock(&self.view) {
            let is_new = self.now().since(view.snapshot.now) < AT_MOST;
            if *of_change == change && is_new && Arc::ptr_eq(&view.snapshot.declared, &declared) {
                return Arc::clone(view);
            }
        }
        let view = Arc::new(self.examine());
        *lock(&self.view) = Some((change, Arc::clone(&view)));
        view
    }

    /// Returns all that was declared so far.
    pub(crate) fn declared(&self) -> Arc<Declared> {
        self.given.as_ref().map_or_else(|| self.store.declared(), |given| Arc::clone(&given.declared))
    }

    /// Returns a view of this very moment.
    pub(crate) fn examine(&self) -> View {
        let snapshot = self.snapshot();
        let graph = Graph::of(&snapshot);
        let diagnoses = analysis::diagnose(&snapshot, &graph, &self.policy());
        View { snapshot, graph, diagnoses }
    }

    /// Changes declared or decided state, in the order of the calls.
    pub(crate) fn declare(
        &self,
        command: Command,
    ) -> impl Future<Output = Result<Applied, consensus::Error>> + Send + 'static {
        self.office.seat().declare(&self.consensus, command)
    }

    /// Keeps what is this node's own, and no other's.
    pub(crate) async fn note(&self, command: Command) -> Result<Applied, store::Error> {
        self.store.apply_async(command).await
    }

    /// Runs a recovery as a task of its own: it goes on whatever becomes of who began it, for as long as `mandate` lasts.
    ///
    /// # Errors
    /// [`Error::Consensus`] when the mandate ended first; [`Error::Unexpected`] when this process stops, or it panicked.
    pub(crate) async fn recover<T: Send + 'static>(
        &self,
        mandate: &Mandate,
        recovery: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let mandate = mandate.clone();
        let task = self.tasks.spawn(async move { mandate.run(recovery).await });
        match task.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) if self.abandoned.is_cancelled() => Err(Error::Unexpected("abandoned".to_owned())),
            Ok(None) => Err(self.office.not_leading()),
            Err(error) => Err(Error::Unexpected(error.to_string())),
        }
    }

    /// Runs a task that ends when this process stops.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                () = task => {}
            }
        });
    }
}

/// Locks what no panic can leave half-changed: every critical section here is one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
