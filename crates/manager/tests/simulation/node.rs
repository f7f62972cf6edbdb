//! One manager's process after the other: each on its own way to the servers, on the store that the last one left.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use config::{Config, SourceFile};
use consensus::{Consensus, Lease, Local, Peer, Standing};
use futures::future::{BoxFuture, FutureExt, join_all};
use manager::reach::Reach;
use manager::{Clock, Manager, Mode, Seat, World};
use mysql::{Access, ProbeSettings, Secret};
use store::Store;
use tokio::sync::watch;
use topology::{InstanceKey, Sight};

use crate::fleet::Place;
use crate::way::{Shared, Way};

/// A seat among voters that hear each other always, and see servers each from its own place.
struct Staged {
    shared: Shared,
    clock: Clock,
    at: u8,
    voters: u8,
    standing: watch::Sender<Standing>,
    /// To whom leadership was handed.
    handed: Arc<Mutex<Option<u8>>>,
}

fn peer(number: u8) -> Peer {
    Peer { id: u64::from(number) + 1, address: format!("m{number}:10008") }
}

impl Seat for Staged {
    fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    fn lease(&self) -> Option<Lease> {
        match *self.standing.borrow() {
            Standing::Alone => Some(Lease { term: 0, rest: Duration::MAX }),
            Standing::Leader { term } => Some(Lease { term, rest: Duration::from_secs(1) }),
            _ => None,
        }
    }

    fn voters(&self) -> usize {
        usize::from(self.voters)
    }

    fn ask_others(&self, key: InstanceKey, limit: Duration) -> BoxFuture<'static, Vec<(Peer, Result<Sight, String>)>> {
        let others = (0..self.voters).filter(|other| *other != self.at);
        let (shared, clock) = (self.shared.clone(), self.clock);
        let looks = others.map(move |other| {
            let way = Way::new(&shared, Place::Manager(other));
            let key = key.clone();
            async move {
                let access = Access::new("m", Secret::new("")).with_timeouts(LOOK, LOOK);
                let questions = ProbeSettings { deadline: LOOK, ..ProbeSettings::default() };
                let mut prober = way.prober(key, access, questions);
                let answer = match tokio::time::timeout(limit, prober.probe(clock)).await {
                    Err(_) => Err("no answer in time".to_owned()),
                    Ok(probe) => {
                        let failure = probe.observation.outcome.err();
                        Ok(Sight { node: peer(other).address, at: clock.now(), failure })
                    }
                };
                (peer(other), answer)
            }
        });
        join_all(looks).boxed()
    }

    fn answer_with(&self, _: Arc<dyn Local>) {}

    fn transfer(&self, to: Peer) -> BoxFuture<'static, Result<Peer, consensus::Error>> {
        *self.handed.lock().unwrap() = u8::try_from(to.id - 1).ok();
        self.standing.send_replace(Standing::Follower { leader: Some(to.clone()) });
        async move { Ok(to) }.boxed()
    }
}

const LOOK: Duration = Duration::from_secs(1);

/// Who manages, and on what.
pub(crate) struct Node {
    pub(crate) manager: Manager,
    voters: u8,
    way: Way,
    handed: Arc<Mutex<Option<u8>>>,
}

/// What outlives the processes.
pub(crate) struct Home {
    pub(crate) shared: Shared,
    pub(crate) voters: u8,
    pub(crate) configuration: String,
    clock: Clock,
    starts: u64,
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new(shared: Shared, voters: u8, configuration: String) -> Self {
        // In memory, if the machine has such a place: a schedule writes thousands of times.
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let clock = Clock::start_at(topology::Timestamp::from_secs(1_795_348_800));
        Self { shared, voters, configuration, clock, starts: 0, directory: directory.unwrap() }
    }

    /// True when the configuration says that returned primaries are attached.
    pub(crate) fn attaches_returned(&self) -> bool {
        self.configuration.contains(r#""ReturnedPrimaryPolicy": "subset""#)
    }

    fn config(&self) -> Config {
        let file = SourceFile { name: "simulation.json".to_owned(), text: self.configuration.clone() };
        config::parse(&[file], &config::NoSurroundings).unwrap().config
    }

    /// Starts a manager at `at` on the store as it is.
    pub(crate) async fn start(&mut self, at: u8, mode: Mode) -> Node {
        self.starts += 1;
        let store = Store::open_inline(self.directory.path().join("store")).unwrap();
        let standing = if self.voters == 1 { Standing::Alone } else { Standing::Leader { term: self.starts } };
        let way = Way::new(&self.shared, Place::Manager(at));
        let handed = Arc::default();
        let seat = Staged {
            shared: self.shared.clone(),
            clock: self.clock,
            at,
            voters: self.voters,
            standing: watch::Sender::new(standing),
            handed: Arc::clone(&handed),
        };
        let world = World { seat: Arc::new(seat), reach: Arc::new(way.clone()), clock: self.clock };
        let consensus = Consensus::alone(store);
        let reload = Arc::new(|_: &Config, _: Option<&std::path::Path>| Err(Vec::new()));
        let manager = Manager::start_in(world, self.config(), consensus, mode, reload).await.unwrap();
        Node { voters: self.voters, manager, way, handed }
    }
}

impl Node {
    pub(crate) fn store(&self) -> &Store {
        self.manager.store()
    }

    pub(crate) fn voters(&self) -> u8 {
        self.voters
    }

    /// Returns to whom leadership was handed since.
    pub(crate) fn handed(&self) -> Option<u8> {
        *self.handed.lock().unwrap()
    }

    /// The process is gone from one moment to the next; its store stays as it is.
    pub(crate) async fn kill(self) {
        self.way.lives.store(false, Ordering::Relaxed);
        self.store().close();
        self.manager.stop(Duration::ZERO).await;
    }
}
