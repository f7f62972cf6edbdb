//! Schedules of faults, one for each seed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use store::{Applied, Command};
use tokio::time::{Instant, sleep};

use super::cluster::{Cluster, pair};
use super::simulate;
use crate::{Consensus, Error};

/// What was acknowledged.
#[derive(Default)]
struct Oracle {
    asked: u32,
    keys: BTreeSet<String>,
    epochs: BTreeSet<u64>,
}

/// What a schedule came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    acknowledged: usize,
    trace: (u64, u64),
}

/// One run.
struct Schedule {
    cluster: Cluster,
    dice: StdRng,
    oracle: Arc<Mutex<Oracle>>,
    /// A member that lost its file, or was removed: one at a time, since more are more than a majority can bear.
    outsider: Option<String>,
    /// The last faults, to tell when something is wrong.
    story: VecDeque<String>,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut cluster = Cluster::new(seed, if dice.random_ratio(1, 4) { 5 } else { 3 });
        for address in cluster.addresses() {
            cluster.set_clock(&address, dice.random_range(930..1070));
        }
        cluster.set_snapshots(dice.random_range(20..300));
        Self { cluster, dice, oracle: Arc::default(), outsider: None, story: VecDeque::new() }
    }

    fn tell(&mut self, what: String) {
        tracing::info!("FAULT {what}");
        self.story.push_back(what);
    }

    async fn run(mut self) -> Outcome {
        for address in self.cluster.addresses() {
            let pause = self.dice.random_range(0..1500);
            self.pass(Duration::from_millis(pause)).await;
            self.cluster.start(&address).await;
        }
        for _ in 0..self.dice.random_range(5..25) {
            self.fault().await;
            let pause = self.dice.random_range(20..2500);
            self.pass(Duration::from_millis(pause)).await;
        }
        self.heal().await;
        self.verify().await;
        let outcome =
            Outcome { acknowledged: self.oracle.lock().unwrap().keys.len(), trace: self.cluster.wire.trace() };
        self.cluster.end().await;
        outcome
    }

    /// Lets time pass: clients ask, and at each moment at most one node may have the lease.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let holders = self.cluster.holders();
            assert!(holders.len() <= 1, "two hold the lease: {holders:?}; {:?}", self.story);
            if self.dice.random_ratio(1, 8) {
                self.ask();
            }
            sleep(Duration::from_millis(self.dice.random_range(1..12))).await;
        }
    }

    /// A client asks some node for something.
    fn ask(&mut self) {
        let nodes: Vec<&Consensus> = self.cluster.nodes.values().collect();
        let Some(node) = nodes.choose(&mut self.dice).map(|node| (*node).clone()) else { return };
        let oracle = Arc::clone(&self.oracle);
        let number = {
            let mut oracle = oracle.lock().unwrap();
            oracle.asked += 1;
            oracle.asked
        };
        // Clocks of clients jump.
        let command = if number.is_multiple_of(7) {
            Command::RaiseEpoch { cluster: "c".to_owned() }
        } else {
            pair(&format!("k{number}"), self.dice.random_range(-1_000_000..1_000_000))
        };
        let answer = node.declare(command);
        tokio::spawn(async move {
            match answer.await {
                Ok(Applied::Epoch(epoch)) => {
                    assert!(oracle.lock().unwrap().epochs.insert(epoch), "epoch {epoch} was given twice");
                }
                Ok(_) => {
                    oracle.lock().unwrap().keys.insert(format!("k{number}"));
                }
                Err(Error::Store(error)) => panic!("{error}"),
                Err(_) => {}
            }
        });
    }

    fn any_address(&mut self) -> String {
        self.cluster.addresses().choose(&mut self.dice).unwrap().clone()
    }

    fn down(&self) -> Vec<String> {
        self.cluster.addresses().into_iter().filter(|address| !self.cluster.nodes.contains_key(address)).collect()
    }

    async fn fault(&mut self) {
        match self.dice.random_range(0..14) {
            0..3 => {
                let address = self.any_address();
                self.tell(format!("crash {address}"));
                self.cluster.crash(&address).await;
            }
            3..6 => {
                if let Some(address) = self.down().choose(&mut self.dice).cloned() {
                    self.tell(format!("start {address}"));
                    self.cluster.start(&address).await;
                }
            }
            6 => {
                let (from, to) = (self.any_address(), self.any_address());
                self.tell(format!("cut {from} to {to}"));
                self.cluster.wire.cut(&from, &to);
            }
            7 => self.split(),
            8..10 => {
                self.tell("heal".to_owned());
                self.cluster.wire.heal();
            }
            10 => {
                let weather =
                    (self.dice.random_range(1..250), self.dice.random_range(0..25), self.dice.random_range(0..25));
                self.tell(format!("weather {weather:?}"));
                self.cluster.wire.weather(weather.0, weather.1, weather.2);
            }
            11 => self.hand_over(),
            12 => self.put_out().await,
            _ => self.let_in().await,
        }
    }

    fn split(&mut self) {
        let addresses = self.cluster.addresses();
        let (one, other): (Vec<&str>, Vec<&str>) =
            addresses.iter().map(String::as_str).partition(|_| self.dice.random_ratio(1, 2));
        self.story.push_back(format!("split {one:?} | {other:?}"));
        self.cluster.wire.part(&one, &other);
    }

    fn hand_over(&mut self) {
        let Some(leader) = self.cluster.leader() else { return };
        self.tell(format!("{leader} hands over"));
        let node = self.cluster.nodes[&leader].clone();
        let target = if self.dice.random_ratio(1, 2) {
            let address = self.any_address();
            self.cluster.nodes.get(&address).map(|node| node.status().node)
        } else {
            None
        };
        tokio::spawn(async move { drop(node.transfer(target.as_ref()).await) });
    }

    /// A member loses its file, or is removed.
    async fn put_out(&mut self) {
        let Some(leader) = self.cluster.leader().filter(|_| self.outsider.is_none()) else { return };
        let address = self.any_address();
        let is_full = self.cluster.nodes[&leader].voters() == self.cluster.addresses().len();
        if address == leader || !is_full {
            return;
        }
        if self.dice.random_ratio(1, 2) {
            self.tell(format!("{leader} removes {address}"));
            let node = self.cluster.nodes[&leader].clone();
            // Whether it happened or not: it is let in again later.
            drop(tokio::time::timeout(Duration::from_secs(5), node.remove_peer(&address)).await);
        }
        self.tell(format!("{address} loses its file"));
        self.cluster.wipe(&address).await;
        self.cluster.start(&address).await;
        self.outsider = Some(address);
    }

    /// A member that lost its file is let in again.
    async fn let_in(&mut self) {
        let Some(address) = self.outsider.clone() else { return };
        let Some(leader) = self.cluster.leader() else { return };
        if leader == address || !self.cluster.nodes.contains_key(&address) {
            return;
        }
        self.tell(format!("{leader} lets {address} in"));
        let node = self.cluster.nodes[&leader].clone();
        let added = tokio::time::timeout(Duration::from_secs(10), node.add_peer(&address)).await;
        if matches!(added, Ok(Ok(_))) && node.voters() == self.cluster.addresses().len() {
            self.outsider = None;
        }
    }

    /// No faults any more.
    async fn heal(&mut self) {
        self.tell("all is well from here on".to_owned());
        self.cluster.wire.heal();
        self.cluster.wire.weather(3, 0, 0);
        for address in self.down() {
            self.cluster.start(&address).await;
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        let count = self.cluster.addresses().len();
        loop {
            self.pass(Duration::from_millis(500)).await;
            self.let_in().await;
            let leader = self.cluster.leader();
            if leader.is_some_and(|leader| self.cluster.nodes[&leader].voters() == count) && self.outsider.is_none() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the nodes do not find together: {:?}; {:?}",
                self.cluster.nodes.values().map(Consensus::status).collect::<Vec<_>>(),
                self.story
            );
        }
    }

    async fn verify(&mut self) {
        let leader = self.cluster.await_leader(Duration::from_secs(10)).await;
        self.cluster.put(&leader, "last").await.unwrap();
        // Answers that are still under way.
        sleep(Duration::from_secs(15)).await;
        self.cluster.assert_equal(Duration::from_secs(10)).await;
        let oracle = self.oracle.lock().unwrap();
        for (address, node) in &self.cluster.nodes {
            let known = |key: &&String| node.store().kv(key).unwrap().is_some();
            let lost: Vec<&String> = oracle.keys.iter().filter(|key| !known(key)).collect();
            assert!(lost.is_empty(), "{address} lost {lost:?}; {:?}", self.story);
        }
    }
}

fn run(seed: u64) -> Outcome {
    // Made inside: outside, the clock is the real one.
    simulate(async move { Schedule::new(seed).run().await })
}

/// Runs this part of the schedules; `SIMULATE` says how many there are, `SIMULATE_FROM` the first seed.
fn run_part(part: u64) {
    const PARTS: u64 = 4;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (count, from) = (number("SIMULATE").unwrap_or(120), number("SIMULATE_FROM").unwrap_or(1));
    let mut acknowledged = 0;
    for seed in (from..from + count).filter(|seed| seed % PARTS == part) {
        let outcome = std::panic::catch_unwind(|| run(seed));
        match outcome {
            Ok(outcome) => acknowledged += outcome.acknowledged,
            Err(_) => panic!("schedule {seed} failed: SIMULATE=1 SIMULATE_FROM={seed} runs it again"),
        }
    }
    println!("part {part}: {acknowledged} commands acknowledged, none lost");
}

#[test]
fn schedules_of_faults_first_part() {
    run_part(0);
}

#[test]
fn schedules_of_faults_second_part() {
    run_part(1);
}

#[test]
fn schedules_of_faults_third_part() {
    run_part(2);
}

#[test]
fn schedules_of_faults_fourth_part() {
    run_part(3);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 17, 29, 31, 41, 59] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
