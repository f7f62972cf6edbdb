//! Nodes that come and go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use store::{Applied, Command, Dump, Store};
use tokio::time::{Instant, sleep};
use topology::Timestamp;

use super::wire::{End, Wire};
use crate::{Card, Consensus, Error, Lease, Settings, Standing, Timing};

/// Some nodes, running or not, and what lies between them.
pub(super) struct Cluster {
    pub(super) wire: Arc<Wire>,
    pub(super) nodes: BTreeMap<String, Consensus>,
    addresses: Vec<String>,
    seed: u64,
    starts: u64,
    timings: BTreeMap<String, Timing>,
    directory: tempfile::TempDir,
}

impl Cluster {
    /// Returns `count` nodes that are not running yet, all of them in `RaftNodes`.
    pub(super) fn new(seed: u64, count: usize) -> Self {
        // In memory, if the machine has such a place: a schedule writes thousands of times.
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self {
            wire: Wire::new(seed),
            nodes: BTreeMap::new(),
            addresses: (1..=count).map(|number| format!("n{number}:10008")).collect(),
            seed,
            starts: 0,
            timings: BTreeMap::new(),
            directory: directory.unwrap(),
        }
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.addresses.clone()
    }

    /// The clock of this node runs at another speed: per mille of the right one.
    pub(super) fn set_clock(&mut self, address: &str, per_mille: u32) {
        let scale = |time: Duration| whole_millis(time * per_mille / 1000);
        let right = Timing::default();
        let timing = Timing {
            heartbeat: scale(right.heartbeat),
            lease: scale(right.lease),
            loyalty: scale(right.loyalty),
            jitter: scale(right.jitter),
            ..right
        };
        self.timings.insert(address.to_owned(), timing);
    }

    /// Takes snapshots so often from the next starts on.
    pub(super) fn set_snapshots(&mut self, every: u64) {
        for address in self.addresses() {
            self.timings.entry(address).or_default().snapshot_every = every;
        }
    }

    fn file(&self, address: &str) -> PathBuf {
        self.directory.path().join(address.replace(':', "_"))
    }

    /// Puts `count` rows into the file of a node that does not run.
    pub(super) fn fill(&self, address: &str, count: i64) {
        let store = Store::open_inline(self.file(address)).unwrap();
        for number in 0..count {
            let at = Timestamp::from_secs(1_795_348_800 + number);
            // Hardly to be packed.
            let message = format!("{address} {:x} {:x}", number * 7_919_131, number * number * 104_729);
            let command = Command::Audit { kind: "old".to_owned(), key: None, cluster: String::new(), message, at };
            store.apply(command).unwrap();
        }
        store.close();
    }

    /// Starts a node on its file.
    pub(super) async fn start(&mut self, address: &str) {
        let nodes = self.addresses.clone();
        self.start_with(address, nodes).await;
    }

    /// Starts a node with these `RaftNodes`.
    pub(super) async fn start_with(&mut self, address: &str, nodes: Vec<String>) {
        self.starts += 1;
        let store = Store::open_inline(self.file(address)).unwrap();
        let settings = Settings {
            bind: address.to_owned(),
            advertise: address.to_owned(),
            nodes,
            card: Card { hostname: address.to_owned(), http: format!("http://{address}"), version: "1".to_owned() },
            timing: self.timings.get(address).copied().unwrap_or_default(),
            seed: Some(self.seed.wrapping_mul(1_000_003).wrapping_add(self.starts)),
        };
        let end = End { wire: Arc::clone(&self.wire), address: address.to_owned() };
        let node = Consensus::with_carrier(settings, store, Arc::new(end)).await.unwrap();
        self.wire.plug(address, node.handler().unwrap());
        self.nodes.insert(address.to_owned(), node);
    }

    pub(super) async fn start_all(&mut self) {
        for address in self.addresses() {
            self.start(&address).await;
        }
    }

    /// The node is gone from one moment to the next; its file stays as it is.
    pub(super) async fn crash(&mut self, address: &str) {
        let Some(node) = self.nodes.remove(address) else { return };
        self.wire.unplug(address);
        node.store().close();
        node.end().await;
    }

    /// Its file is lost too.
    pub(super) async fn wipe(&mut self, address: &str) {
        self.crash(address).await;
        for tail in ["", "-wal", "-shm", ".lock"] {
            let path = PathBuf::from(format!("{}{tail}", self.file(address).display()));
            if path.exists() {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// Returns who holds the lease.
    pub(super) fn holders(&self) -> Vec<(String, Lease)> {
        let of = |(address, node): (&String, &Consensus)| Some((address.clone(), node.lease()?));
        self.nodes.iter().filter_map(of).collect()
    }

    pub(super) fn leader(&self) -> Option<String> {
        self.holders().into_iter().next().map(|(address, _)| address)
    }

    /// Waits until somebody leads, at most `limit`.
    pub(super) async fn await_leader(&self, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(leader) = self.leader() {
                return leader;
            }
            assert!(Instant::now() < deadline, "nobody leads after {limit:?}: {:?}", self.standings());
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) fn standings(&self) -> BTreeMap<String, Standing> {
        self.nodes.iter().map(|(address, node)| (address.clone(), node.status().standing)).collect()
    }

    /// Puts a pair through the node at `address`.
    pub(super) async fn put(&self, address: &str, key: &str) -> Result<Applied, Error> {
        self.nodes[address].declare(pair(key, 0)).await
    }

    pub(super) fn dump(&self, address: &str) -> Dump {
        self.nodes[address].store().dump().unwrap().0
    }

    /// Waits until all running nodes applied the same last entry, at most `limit`, and says that all have the same rows.
    pub(super) async fn assert_equal(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let places: Vec<(u64, u64)> =
                self.nodes.values().map(|node| node.status()).map(|status| (status.last_log, status.applied)).collect();
            if places.windows(2).all(|two| two[0] == two[1]) && places.iter().all(|(last, applied)| last == applied) {
                break;
            }
            assert!(Instant::now() < deadline, "the logs differ: {places:?} {:?}", self.standings());
            sleep(Duration::from_millis(20)).await;
        }
        let mut dumps = self.nodes.keys().map(|address| (address, self.dump(address)));
        let (first, expected) = dumps.next().unwrap();
        for (address, dump) in dumps {
            assert!(dump == expected, "{address} has other rows than {first}");
        }
    }

    /// Ends all.
    pub(super) async fn end(mut self) {
        for address in self.addresses() {
            self.crash(&address).await;
        }
    }
}

pub(super) fn pair(key: &str, at: i64) -> Command {
    let at = Timestamp::from_secs(1_795_348_800 + at);
    Command::PutKeyValue { key: key.to_owned(), value: "1".to_owned(), at }
}

/// Waiting ends at whole milliseconds.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap())
}
