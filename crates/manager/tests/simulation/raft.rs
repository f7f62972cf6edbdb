//! What several managers have in common: a log, and one of them who may act. As raft would have it, and decided here:
//! `consensus` has a simulation of its own.
//!
//! A leader has a lease for as long as a majority hears it, and [`LEASE`] beyond. Nobody else leads before [`LEASE`] and
//! [`MARGIN`] are over, unless leadership is handed on. What is declared is in the log once the node it was declared on hears a
//! leader that a majority hears; until then it waits, and dies with its process. Each node carries the log out on its own store, when
//! it hears the leader.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use consensus::{Error, Lease, Local, Peer, Standing};
use rand::Rng;
use store::{Applied, Command, Store};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::fleet::{Fleet, Place};
use crate::way::Shared;

/// Milliseconds for which a leader may act that a majority does not hear any more.
const LEASE: u64 = 1000;

/// Milliseconds that the others wait longer than that.
const MARGIN: u64 = 200;

/// The log and the voters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Raft {
    shared: Shared,
    state: Arc<Mutex<State>>,
}

struct State {
    log: Vec<Command>,
    members: Vec<Member>,
    term: u64,
    leader: Option<u8>,
    /// When a majority last heard a leader, in milliseconds; none while there was none.
    heard: Option<u64>,
}

/// What outlives a node's process, but for what is said to be the process's.
struct Member {
    /// Of the process that runs.
    process: Option<Process>,
    /// How much of the log its store has.
    applied: usize,
    standing: watch::Sender<Standing>,
}

struct Process {
    store: Store,
    local: Option<Arc<dyn Local>>,
    waiting: VecDeque<Proposal>,
}

struct Proposal {
    command: Command,
    reply: oneshot::Sender<Result<Applied, Error>>,
}

pub(crate) fn peer(number: u8) -> Peer {
    Peer { id: u64::from(number) + 1, address: format!("m{number}:10008") }
}

impl State {
    fn voters(&self) -> u8 {
        u8::try_from(self.members.len()).unwrap()
    }

    fn runs(&self, at: u8) -> bool {
        self.members[usize::from(at)].process.is_some()
    }

    /// True when both run and hear each other.
    fn hear(&self, fleet: &Fleet, one: u8, other: u8) -> bool {
        let is_path = one == other || fleet.is_path(Place::Manager(one), Place::Manager(other));
        is_path && self.runs(one) && self.runs(other)
    }

    fn is_heard_by_majority(&self, fleet: &Fleet, at: u8) -> bool {
        (0..self.voters()).filter(|other| self.hear(fleet, at, *other)).count() * 2 > self.members.len()
    }

    /// Returns the leader that `at` hears and that can have something written down.
    fn leader_of(&self, fleet: &Fleet, at: u8) -> Option<u8> {
        self.leader.filter(|leader| self.hear(fleet, *leader, at) && self.is_heard_by_majority(fleet, *leader))
    }

    /// Carries out on `at` what it lacks of the log; returns what came of the last command.
    fn catch_up(&mut self, at: u8) -> Option<Result<Applied, store::Error>> {
        let member = &mut self.members[usize::from(at)];
        let process = member.process.as_ref()?;
        let mut last = None;
        for command in &self.log[member.applied..] {
            last = Some(process.store.apply(command.clone()));
        }
        member.applied = self.log.len();
        last
    }

    /// Writes down what waits on nodes that hear the leader, and carries it out there.
    fn write_down(&mut self, fleet: &Fleet) {
        for at in 0..self.voters() {
            if self.leader_of(fleet, at).is_none() {
                continue;
            }
            self.catch_up(at);
            while let Some(proposal) = self.members[usize::from(at)].process.as_mut().unwrap().waiting.pop_front() {
                self.log.push(proposal.command);
                let done = self.catch_up(at).unwrap();
                // Who asked may be gone.
                drop(proposal.reply.send(done.map_err(Error::Store)));
            }
        }
        for at in (0..self.voters()).filter(|at| self.leader_of(fleet, *at).is_some()).collect::<Vec<_>>() {
            self.catch_up(at);
        }
    }

    fn lead(&mut self, fleet: &mut Fleet, at: u8) {
        self.catch_up(at);
        self.term += 1;
        (self.leader, self.heard) = (Some(at), Some(fleet.now));
        fleet.lead(Some(at));
        for other in 0..self.voters() {
            let leader = (other == at || self.hear(fleet, at, other)).then(|| peer(at));
            let standing =
                if other == at { Standing::Leader { term: self.term } } else { Standing::Follower { leader } };
            self.members[usize::from(other)].standing.send_replace(standing);
        }
    }

    fn step_down(&mut self, fleet: &mut Fleet) {
        if let Some(leader) = self.leader.take() {
            self.members[usize::from(leader)].standing.send_replace(Standing::Follower { leader: None });
            fleet.lead(None);
        }
    }
}

impl Raft {
    pub(crate) fn new(shared: Shared, voters: u8) -> Self {
        let standing = || watch::Sender::new(Standing::Follower { leader: None });
        let members = (0..voters).map(|_| Member { process: None, applied: 0, standing: standing() }).collect();
        let state = State { log: Vec::new(), members, term: 0, leader: None, heard: None };
        Self { shared, state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn voters(&self) -> u8 {
        self.lock().voters()
    }

    /// Returns who leads.
    pub(crate) fn leader(&self) -> Option<u8> {
        self.lock().leader
    }

    /// A process begins to run at `at`, on the store that the last one left.
    pub(crate) fn start(&self, at: u8, store: Store) {
        let mut state = self.lock();
        let is_alone = state.members.len() == 1;
        let standing = if is_alone { Standing::Alone } else { Standing::Follower { leader: None } };
        let member = &mut state.members[usize::from(at)];
        member.process = Some(Process { store, local: None, waiting: VecDeque::new() });
        member.standing = watch::Sender::new(standing);
        if is_alone {
            state.leader = Some(at);
            self.shared.lock().lead(Some(at));
        }
    }

    pub(crate) fn stop(&self, at: u8) {
        let mut state = self.lock();
        state.members[usize::from(at)].process = None;
        if state.leader == Some(at) {
            state.step_down(&mut self.shared.lock());
        }
    }

    /// Lets a moment pass: leases run out, and somebody is elected where nobody leads.
    pub(crate) fn step(&self) {
        let (mut state, mut fleet) = (self.lock(), self.shared.lock());
        if state.members.len() == 1 {
            return;
        }
        let is_over = |state: &State, now| state.heard.is_none_or(|heard| now - heard > LEASE + MARGIN);
        match state.leader {
            Some(leader) if state.is_heard_by_majority(&fleet, leader) => state.heard = Some(fleet.now),
            Some(_) if is_over(&state, fleet.now) => state.step_down(&mut fleet),
            _ => {}
        }
        if state.leader.is_none() && is_over(&state, fleet.now) {
            let fit: Vec<u8> = (0..state.voters()).filter(|at| state.is_heard_by_majority(&fleet, *at)).collect();
            if !fit.is_empty() {
                let chosen = fit[fleet.dice.random_range(0..fit.len())];
                fleet.tell(format!("manager {chosen} leads from now on"));
                state.lead(&mut fleet, chosen);
            }
        }
        state.write_down(&fleet);
    }

    pub(crate) fn standing(&self, at: u8) -> watch::Receiver<Standing> {
        self.lock().members[usize::from(at)].standing.subscribe()
    }

    pub(crate) fn lease(&self, at: u8) -> Option<Lease> {
        let state = self.lock();
        if state.members.len() == 1 {
            return Some(Lease { term: 0, rest: Duration::MAX });
        }
        let until = state.heard.filter(|_| state.leader == Some(at))? + LEASE;
        let rest = Duration::from_millis(until.saturating_sub(self.shared.lock().now));
        (!rest.is_zero()).then_some(Lease { term: state.term, rest })
    }

    pub(crate) fn hand_over(&self, from: u8, to: u8) -> Result<Peer, Error> {
        let (mut state, mut fleet) = (self.lock(), self.shared.lock());
        if state.leader != Some(from) || !state.hear(&fleet, from, to) || !state.is_heard_by_majority(&fleet, to) {
            return Err(Error::Impossible("it does not answer".to_owned()));
        }
        fleet.tell(format!("manager {from} hands leadership to {to}"));
        state.lead(&mut fleet, to);
        Ok(peer(to))
    }

    /// Commands take effect in the order of the calls; dropping the future takes none back.
    pub(crate) fn declare(
        &self,
        at: u8,
        command: Command,
    ) -> impl Future<Output = Result<Applied, Error>> + Send + 'static {
        const PATIENCE: Duration = Duration::from_secs(5);
        let (reply, waiting) = oneshot::channel();
        {
            let mut state = self.lock();
            if let Some(process) = &mut state.members[usize::from(at)].process {
                process.waiting.push_back(Proposal { command, reply });
            }
            state.write_down(&self.shared.lock());
        }
        async move {
            match timeout(PATIENCE, waiting).await {
                Ok(Ok(done)) => done,
                Ok(Err(_)) => Err(Error::Unavailable { why: "it is stopping".to_owned() }),
                Err(_) => Err(Error::NotConfirmed { millis: 5000 }),
            }
        }
    }

    pub(crate) fn answer_with(&self, at: u8, local: Arc<dyn Local>) {
        if let Some(process) = &mut self.lock().members[usize::from(at)].process {
            process.local = Some(local);
        }
    }

    /// Returns who answers at `other` what `at` asks, if they hear each other.
    pub(crate) fn ask(&self, at: u8, other: u8) -> Option<Arc<dyn Local>> {
        let state = self.lock();
        let heard = state.hear(&self.shared.lock(), at, other);
        state.members[usize::from(other)].process.as_ref().filter(|_| heard)?.local.clone()
    }
}
