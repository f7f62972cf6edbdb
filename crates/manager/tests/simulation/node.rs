//! Managers: one process after the other at each place, each on its own way to the servers, on the store that the last one
//! left.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use config::{Config, SourceFile};
use consensus::{Consensus, Lease, Local, Peer, Standing};
use futures::future::{BoxFuture, FutureExt, join_all};
use manager::{Clock, Manager, Mode, Seat, World};
use store::{Applied, Command, Store};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use topology::{InstanceKey, Sight};

use crate::fleet::Place;
use crate::raft::{Raft, peer};
use crate::way::{Shared, Way};

/// A seat among voters that hear each other where nothing is cut.
struct Staged {
    raft: Raft,
    at: u8,
}

impl Seat for Staged {
    fn standing(&self) -> watch::Receiver<Standing> {
        self.raft.standing(self.at)
    }

    fn lease(&self) -> Option<Lease> {
        self.raft.lease(self.at)
    }

    fn voters(&self) -> usize {
        usize::from(self.raft.voters())
    }

    fn ask_others(&self, key: InstanceKey, limit: Duration) -> BoxFuture<'static, Vec<(Peer, Result<Sight, String>)>> {
        let (raft, at) = (self.raft.clone(), self.at);
        let others = (0..raft.voters()).filter(move |other| *other != at);
        let questions = others.map(move |other| {
            let (raft, key) = (raft.clone(), key.clone());
            let asking = async move {
                on_the_way().await;
                let sight = match raft.ask(at, other) {
                    Some(local) => local.look(key).await,
                    None => std::future::pending().await,
                };
                on_the_way().await;
                raft.ask(at, other).map(|_| sight).ok_or_else(|| "the answer was lost".to_owned())
            };
            async move { (peer(other), timeout(limit, asking).await.unwrap_or(Err("no answer in time".to_owned()))) }
        });
        join_all(questions).boxed()
    }

    fn answer_with(&self, local: Arc<dyn Local>) {
        self.raft.answer_with(self.at, local);
    }

    fn declare(&self, _: &Consensus, command: Command) -> BoxFuture<'static, Result<Applied, consensus::Error>> {
        let declared = self.raft.declare(self.at, command);
        let is_alone = self.raft.voters() == 1;
        async move {
            let done = declared.await;
            if !is_alone {
                on_the_way().await;
            }
            done
        }
        .boxed()
    }

    fn transfer(&self, to: Peer) -> BoxFuture<'static, Result<Peer, consensus::Error>> {
        let handed = self.raft.hand_over(self.at, u8::try_from(to.id - 1).unwrap());
        async move { handed }.boxed()
    }
}

/// How long a message between managers takes.
const ON_THE_WAY: Duration = Duration::from_millis(1);

async fn on_the_way() {
    sleep(ON_THE_WAY).await;
}

/// One manager's process.
pub(crate) struct Node {
    pub(crate) manager: Manager,
    at: u8,
    way: Way,
    raft: Raft,
}

/// What outlives the processes.
pub(crate) struct Home {
    pub(crate) shared: Shared,
    pub(crate) raft: Raft,
    pub(crate) configuration: String,
    clock: Clock,
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new(shared: Shared, voters: u8, configuration: String) -> Self {
        // In memory, if the machine has such a place: a schedule writes thousands of times.
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let clock = Clock::start_at(topology::Timestamp::from_secs(1_795_348_800));
        let raft = Raft::new(shared.clone(), voters);
        Self { shared, raft, configuration, clock, directory: directory.unwrap() }
    }

    /// True when the configuration says that returned primaries are attached.
    pub(crate) fn attaches_returned(&self) -> bool {
        self.configuration.contains(r#""ReturnedPrimaryPolicy": "subset""#)
    }

    fn config(&self) -> Config {
        let file = SourceFile { name: "simulation.json".to_owned(), text: self.configuration.clone() };
        config::parse(&[file], &config::NoSurroundings).unwrap().config
    }

    /// Starts a manager at `at` on its store as it is.
    pub(crate) async fn start(&mut self, at: u8, mode: Mode) -> Node {
        let store = Store::open_inline(self.directory.path().join(format!("store{at}"))).unwrap();
        let way = Way::new(&self.shared, Place::Manager(at));
        self.raft.start(at, store.clone());
        let seat = Staged { raft: self.raft.clone(), at };
        let world = World { seat: Arc::new(seat), reach: Arc::new(way.clone()), clock: self.clock };
        let reload = Arc::new(|_: &Config, _: Option<&std::path::Path>| Err(Vec::new()));
        let starting = Manager::start_in(world, self.config(), Consensus::alone(store), mode, reload);
        Node { manager: starting.await.unwrap(), at, way, raft: self.raft.clone() }
    }
}

impl Node {
    pub(crate) fn store(&self) -> &Store {
        self.manager.store()
    }

    pub(crate) fn at(&self) -> u8 {
        self.at
    }

    /// The process is gone from one moment to the next; its store stays as it is.
    pub(crate) async fn kill(self) {
        self.way.lives.store(false, Ordering::Relaxed);
        self.raft.stop(self.at);
        self.store().close();
        self.manager.stop(Duration::ZERO).await;
    }
}
