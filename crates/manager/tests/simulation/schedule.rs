//! Schedules of faults, one for each seed.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use manager::Mode;
use planner::{Request, Wish};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Command, Page, RecoveryFilter};
use tokio::time::{Instant, sleep};
use topology::{Downtime, PromotionRule, WritePolicy};

use crate::fleet::{Fleet, Met, Place, TICK};
use crate::invariants::{Counts, Invariants, Moment, why_not_same, why_not_whole};
use crate::node::{Home, Node};
use crate::plot::Plot;
use crate::server::{Process, Server, Tracking};
use crate::simulate;
use crate::way::Shared;

/// What ends a fault, some time later.
#[derive(Clone, Copy, Debug)]
enum End {
    Restart(u8),
    Resume(u8),
    Heal(Place, Place),
    Mend(u8),
    StartReplication(u8),
    StartManager(u8),
    KillLeader,
    /// A server that was set up anew gets a copy of the primary and follows it.
    Enlist(u8),
}

/// One run.
pub(crate) struct Schedule {
    home: Home,
    /// The managers that run, by place.
    nodes: BTreeMap<u8, Node>,
    pub(crate) shared: Shared,
    dice: StdRng,
    began: Instant,
    ends: Vec<(u64, End)>,
    invariants: Invariants,
    counts: Counts,
    /// Replicas that an operator stopped.
    stopped: BTreeSet<u8>,
    is_calm: bool,
}

impl Drop for Schedule {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.shared.lock().story.join("\n"));
        }
    }
}

/// What a schedule came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) story: Vec<String>,
}

impl Schedule {
    fn drawn(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let plot = Plot::draw(&mut dice);
        Self::new(plot, dice)
    }

    pub(crate) fn new(plot: Plot, dice: StdRng) -> Self {
        let Plot { fleet, configuration, voters } = plot;
        let shared = Shared::new(fleet);
        tell_plot(&shared, &configuration, voters);
        Self {
            home: Home::new(shared.clone(), voters, configuration),
            nodes: BTreeMap::new(),
            shared,
            dice,
            began: Instant::now(),
            ends: Vec::new(),
            invariants: Invariants::default(),
            counts: Counts::default(),
            stopped: BTreeSet::new(),
            is_calm: false,
        }
    }

    /// Starts a manager, and has it find everybody.
    pub(crate) async fn settle(&mut self, millis: u64) {
        self.start_managers().await;
        let first = self.shared.lock().server(0).key.clone();
        self.pass(300).await;
        self.manager().discover(&first).await.unwrap();
        self.pass(millis).await;
    }

    async fn run(mut self) -> Outcome {
        let settling = self.dice.random_range(8_000..15_000);
        self.settle(settling).await;
        if self.dice.random_ratio(1, 4) {
            self.register_candidate().await;
        }
        for _ in 0..self.dice.random_range(2..12) {
            self.fault().await;
            // Faults come in bunches.
            let pause = if self.dice.random_ratio(1, 3) {
                self.dice.random_range(10..800)
            } else {
                self.dice.random_range(1000..20_000)
            };
            self.pass(pause).await;
        }
        self.heal().await;
        self.end().await
    }

    /// Returns the manager that acts, if one does.
    pub(crate) fn acting(&self) -> Option<&Node> {
        self.nodes.get(&self.home.raft.leader()?)
    }

    fn acting_manager(&self) -> Option<manager::Manager> {
        self.acting().map(|node| node.manager.clone())
    }

    pub(crate) fn manager(&self) -> manager::Manager {
        self.acting_manager().unwrap()
    }

    fn moment<'a>(&'a self, fleet: &'a mut Fleet) -> Moment<'a> {
        let (voters, attaches_returned) = (self.home.raft.voters(), self.home.attaches_returned());
        Moment { fleet, node: self.acting(), voters, is_calm: self.is_calm, attaches_returned }
    }

    fn tell(&self, what: impl AsRef<str>) {
        self.shared.lock().tell(what);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// Lets time pass.
    pub(crate) async fn pass(&mut self, millis: u64) {
        const CHECK_EVERY: u64 = 5;
        let until = self.now() + millis;
        let mut steps = 0;
        while self.now() < until {
            sleep(Duration::from_millis(TICK)).await;
            let now = self.now();
            self.shared.lock().step(now);
            self.home.raft.step();
            steps += 1;
            if steps % CHECK_EVERY == 0 {
                self.end_faults().await;
                self.publish();
                self.look_at_invariants(|invariants, moment, counts| invariants.check(moment, counts));
            }
        }
        assert!(!PANICKED.get(), "something panicked beside the schedule");
    }

    fn look_at_invariants(&mut self, look: impl FnOnce(&mut Invariants, &mut Moment<'_>, &mut Counts)) {
        let mut invariants = std::mem::take(&mut self.invariants);
        let mut counts = std::mem::take(&mut self.counts);
        let shared = self.shared.clone();
        look(&mut invariants, &mut self.moment(&mut shared.lock()), &mut counts);
        (self.invariants, self.counts) = (invariants, counts);
    }

    /// Clients learn what was published.
    fn publish(&self) {
        let Some(node) = self.acting() else { return };
        let Some(value) = node.store().kv(&format!("mysql/master/{}", crate::fleet::ALIAS)).unwrap() else { return };
        let published = topology::InstanceKey::parse(&value, 3306).unwrap();
        let mut fleet = self.shared.lock();
        if fleet.published != published {
            fleet.tell(format!("clients are told that {published} is the primary"));
            fleet.published = published;
        }
    }

    pub(crate) async fn start_manager(&mut self, at: u8, mode: Mode) {
        self.nodes.insert(at, self.home.start(at, mode).await);
    }

    pub(crate) async fn start_managers(&mut self) {
        for at in 0..self.home.raft.voters() {
            self.start_manager(at, Mode::Service).await;
        }
    }

    /// Kills the manager at `at`, if one runs there.
    pub(crate) async fn kill_manager(&mut self, at: u8) {
        let Some(node) = self.nodes.remove(&at) else { return };
        let in_recovery = !node.store().declared().recovering.is_empty();
        let which = if self.home.raft.leader() == Some(node.at()) { "that acts" } else { "that follows" };
        self.tell(format!("the manager {which} is killed{}", if in_recovery { " in a recovery" } else { "" }));
        node.kill().await;
    }

    async fn end_faults(&mut self) {
        let now = self.now();
        let due: Vec<End> = self.ends.iter().filter(|(at, _)| *at <= now).map(|(_, end)| *end).collect();
        self.ends.retain(|(at, _)| *at > now);
        for end in due {
            self.end_fault(end).await;
        }
    }

    async fn end_fault(&mut self, end: End) {
        match end {
            End::Restart(id) => self.shared.change(|fleet| restart(fleet, id)),
            End::Resume(id) => self.shared.change(|fleet| resume(fleet, id)),
            End::Heal(one, other) => self.shared.change(|fleet| {
                if fleet.cuts.remove(&(one.min(other), one.max(other))) {
                    fleet.tell(format!("{one:?} and {other:?} hear each other again"));
                }
            }),
            End::Mend(id) => self.shared.change(|fleet| mend(fleet, id)),
            End::StartReplication(id) => {
                self.shared.change(|fleet| start_replication(fleet, id));
            }
            End::StartManager(at) if !self.nodes.contains_key(&at) => {
                let mode = self.draw_mode();
                self.tell(format!("a manager starts at {at}: {mode:?}"));
                self.start_manager(at, mode).await;
            }
            End::StartManager(_) => {}
            End::KillLeader => self.kill_a_manager(true).await,
            End::Enlist(id) => self.shared.change(|fleet| enlist(fleet, id)),
        }
    }

    fn draw_mode(&mut self) -> Mode {
        // Among several, the next one goes on: halting would be no fault but a hole.
        match self.home.raft.voters() == 1 && self.dice.random_ratio(1, 3) {
            true => Mode::Drill { halt_in_step: self.dice.random_range(1..14) },
            false => Mode::Service,
        }
    }

    fn later(&mut self, within: std::ops::Range<u64>, end: End) {
        let at = self.now() + self.dice.random_range(within);
        self.ends.push((at, end));
    }

    /// Most faults are about the primary.
    fn any_server(&mut self) -> u8 {
        let mut fleet = self.shared.lock();
        let primary = fleet.find(&fleet.published.clone()).unwrap_or(0);
        let count = u8::try_from(fleet.servers.len()).unwrap();
        if fleet.dice.random_ratio(1, 2) { primary } else { self.dice.random_range(0..count) }
    }

    async fn fault(&mut self) {
        let id = self.any_server();
        match self.dice.random_range(0..28) {
            0..5 => self.kill_server(id, false),
            5..7 => self.kill_server(id, true),
            7..9 => self.hang(id),
            9..12 => self.cut(id),
            12 => self.stop_replication(id),
            13 => self.write_errant(id),
            14 => self.stall(id),
            15 => self.shared.change(|fleet| {
                fleet.tell(format!("s{id}'s applier meets a row that is there"));
                fleet.server_mut(id).broken = true;
            }),
            16..18 => {
                let acts = self.dice.random_ratio(2, 3);
                self.kill_a_manager(acts).await;
            }
            18 => self.ask_for_recovery(id).await,
            19 => self.downtime(id).await,
            20 => self.shared.change(|fleet| {
                fleet.tell(format!("somebody lets s{id} acknowledge no more"));
                fleet.server_mut(id).semi_replica = false;
            }),
            21 | 22 => self.set_up_anew(id),
            23 | 24 => self.cut_manager(),
            _ => self.take_over().await,
        }
        if self.shared.lock().server(id).broken {
            self.later(1000..30_000, End::Mend(id));
        }
    }

    fn kill_server(&mut self, id: u8, power: bool) {
        if self.shared.lock().server(id).process == Process::Down {
            return;
        }
        self.shared.change(|fleet| {
            fleet.tell(format!("s{id} {}", if power { "loses power" } else { "is killed" }));
            fleet.server_mut(id).die(power);
            fleet.server_mut(id).host_up = !power;
        });
        if self.home.raft.voters() > 1 && self.dice.random_ratio(1, 3) {
            self.later(20..1500, End::KillLeader);
        }
        if self.dice.random_ratio(2, 3) {
            let within = if self.dice.random_ratio(1, 3) { 300..3000 } else { 3000..40_000 };
            self.later(within, End::Restart(id));
        }
    }

    fn hang(&mut self, id: u8) {
        if self.shared.lock().server(id).process != Process::Running {
            return;
        }
        self.shared.change(|fleet| {
            fleet.tell(format!("s{id} hangs"));
            fleet.server_mut(id).process = Process::Hung;
        });
        self.later(1000..40_000, End::Resume(id));
    }

    fn cut(&mut self, id: u8) {
        let here = Place::Server(id);
        let (servers, clients) = {
            let fleet = self.shared.lock();
            (u8::try_from(fleet.servers.len()).unwrap(), u8::try_from(fleet.clients.len()).unwrap())
        };
        let managers = self.home.raft.voters();
        let others = (0..servers).filter(|other| *other != id).map(Place::Server);
        let all: Vec<Place> =
            others.chain((0..managers).map(Place::Manager)).chain((0..clients).map(Place::Clients)).collect();
        let away: Vec<Place> = match self.dice.random_range(0..4) {
            // From everybody.
            0 => all,
            // From us, or one of us.
            1 => vec![Place::Manager(self.dice.random_range(0..managers))],
            // From us and the replicas; clients reach it.
            2 => all.into_iter().filter(|place| !matches!(place, Place::Clients(_))).collect(),
            _ => all.into_iter().filter(|_| self.dice.random_ratio(1, 2)).collect(),
        };
        self.cut_off(here, &away, 1000..60_000);
    }

    fn stop_replication(&mut self, id: u8) {
        self.shared.change(|fleet| {
            if let Some(own) = &mut fleet.server_mut(id).replication {
                own.stop_receiver();
                own.applier = false;
                fleet.tell(format!("an operator stops replication on s{id}"));
            }
        });
        self.stopped.insert(id);
        self.later(5000..60_000, End::StartReplication(id));
    }

    fn write_errant(&mut self, id: u8) {
        self.shared.change(|fleet| {
            let now = fleet.now;
            let server = fleet.server_mut(id);
            if server.runs() && server.replication.is_some() && !server.is_mariadb() && server.tracks(Tracking::Gtid) {
                let trx = server.commit(now);
                server.finish_commits();
                fleet.tell(format!("somebody writes {trx} on the replica s{id}"));
            }
        });
    }

    /// The host gets a new server, empty, under the old address.
    fn set_up_anew(&mut self, id: u8) {
        let is_done = self.shared.change(|fleet| {
            let key = fleet.server(id).key.clone();
            let is_source = |server: &Server| server.replication.as_ref().is_some_and(|own| own.source == key);
            let is_wanted = key == fleet.published || fleet.servers.iter().any(is_source);
            // What MariaDB knows of a copy is not simulated.
            if is_wanted || fleet.server(id).is_mariadb() {
                return false;
            }
            fleet.set_up_anew(id);
            true
        });
        if is_done {
            self.later(1000..20_000, End::Enlist(id));
        }
    }

    fn stall(&mut self, id: u8) {
        let millis = self.dice.random_range(1000..20_000);
        self.shared.change(|fleet| {
            fleet.tell(format!("s{id} applies one transaction for {millis} ms"));
            fleet.server_mut(id).stalled_until = fleet.now + millis;
        });
    }

    async fn register_candidate(&mut self) {
        let id = self.any_server();
        let key = self.shared.lock().server(id).key.clone();
        let rules = [PromotionRule::Must, PromotionRule::Prefer, PromotionRule::PreferNot, PromotionRule::MustNot];
        let rule = rules[self.dice.random_range(0..rules.len())];
        self.tell(format!("s{id} has the promotion rule {rule}"));
        let Some(manager) = self.acting_manager() else { return };
        let at = manager.now();
        manager.declare(Command::RegisterCandidate { key, rule, at }).await.unwrap();
    }

    /// The one that acts, or any.
    async fn kill_a_manager(&mut self, acts: bool) {
        let any = self.dice.random_range(0..self.home.raft.voters());
        let Some(at) = (if acts { self.home.raft.leader() } else { Some(any) }) else { return };
        if self.nodes.contains_key(&at) {
            self.kill_manager(at).await;
            self.later(50..8000, End::StartManager(at));
        }
    }

    /// The manager that acts is cut off from the others, perhaps from some servers too.
    fn cut_manager(&mut self) {
        let voters = self.home.raft.voters();
        let Some(leader) = self.home.raft.leader().filter(|_| voters > 1) else { return };
        let here = Place::Manager(leader);
        let others = (0..voters).filter(|other| *other != leader).map(Place::Manager);
        let mut away: Vec<Place> = others.collect();
        if self.dice.random_ratio(1, 3) {
            let servers = u8::try_from(self.shared.lock().servers.len()).unwrap();
            away.extend((0..servers).filter(|_| self.dice.random_ratio(1, 2)).map(Place::Server));
        }
        self.cut_off(here, &away, 500..20_000);
    }

    fn cut_off(&mut self, here: Place, away: &[Place], within: std::ops::Range<u64>) {
        self.shared.change(|fleet| {
            fleet.tell(format!("{here:?} is cut off from {away:?}"));
            away.iter().for_each(|other| fleet.cut(here, *other));
        });
        let until = self.now() + self.dice.random_range(within);
        self.ends.extend(away.iter().map(|other| (until, End::Heal(here, *other))));
    }

    async fn ask_for_recovery(&mut self, id: u8) {
        let Some(manager) = self.acting_manager() else { return };
        let key = self.shared.lock().server(id).key.clone();
        self.tell(format!("an operator asks for the recovery of s{id}"));
        #[expect(clippy::disallowed_methods, reason = "ends with the simulation")]
        tokio::spawn(async move { manager.recover(&key, Request::default()).await });
    }

    /// A planned switch, whatever the state of things.
    async fn take_over(&mut self) {
        let Some(manager) = self.acting_manager() else { return };
        let primary = self.shared.lock().published.clone();
        self.tell(format!("an operator asks that somebody take over from {primary}"));
        let wish = Wish { designated: None, auto: true };
        #[expect(clippy::disallowed_methods, reason = "ends with the simulation")]
        tokio::spawn(async move { manager.take_over(&primary, wish, false).await.map_err(|error| error.to_string()) });
    }

    async fn downtime(&mut self, id: u8) {
        let Some(manager) = self.acting_manager() else { return };
        let lasts = Duration::from_millis(self.dice.random_range(1000..30_000));
        let begins = manager.now();
        let downtime = Downtime { owner: "op".to_owned(), reason: "work".to_owned(), begins, ends: begins.plus(lasts) };
        let key = self.shared.lock().server(id).key.clone();
        self.tell(format!("an operator puts s{id} into downtime for {lasts:?}"));
        // Declared on its way: it may wait for a majority.
        #[expect(clippy::disallowed_methods, reason = "ends with the simulation")]
        tokio::spawn(async move { manager.declare(Command::BeginDowntime { key, downtime }).await });
    }

    /// No faults any more, and operators do what they have to do.
    pub(crate) async fn heal(&mut self) {
        self.tell("all is well from here on");
        for (_, end) in std::mem::take(&mut self.ends) {
            self.end_fault(end).await;
        }
        self.shared.change(|fleet| {
            fleet.cuts.clear();
            for id in 0..u8::try_from(fleet.servers.len()).unwrap() {
                mend(fleet, id);
                fleet.server_mut(id).stalled_until = 0;
                resume(fleet, id);
                restart(fleet, id);
            }
        });
        // One that halts in a step goes on for ever.
        for at in 0..self.home.raft.voters() {
            self.kill_manager(at).await;
        }
        self.tell("all managers start");
        self.start_managers().await;
        self.is_calm = true;
        const WITHIN: u64 = 180_000;
        const STAYS: u32 = 3;
        let deadline = self.now() + WITHIN;
        let mut whole = 0;
        while whole < STAYS {
            self.pass(2000).await;
            let why = self.look();
            whole = if why.is_none() { whole + 1 } else { 0 };
            if let Some(why) = why {
                assert!(self.now() < deadline, "not whole after {WITHIN} ms: {why}");
                self.open_what_its_file_closed().await;
                self.start_what_was_stopped();
                self.enlist_strangers();
            }
        }
    }

    fn look(&mut self) -> Option<String> {
        let (shared, mut counted) = (self.shared.clone(), Counts::default());
        let mut fleet = shared.lock();
        let moment = self.moment(&mut fleet);
        let why = match moment.node {
            None => Some("no manager acts".to_owned()),
            Some(_) => why_not_whole(&moment, &mut counted).or_else(|| why_not_same(&moment)),
        };
        drop(fleet);
        self.counts.left_out = counted.left_out;
        why
    }

    /// A primary that restarts with `read_only` in its configuration file is an operator's to open.
    async fn open_what_its_file_closed(&mut self) {
        let closed = {
            let fleet = self.shared.lock();
            let server = fleet.server(fleet.find(&fleet.published).unwrap_or(0));
            let is_head = fleet.is_head(server.id) || fleet.is_co_primary(server.id);
            let is_closed = server.writes != WritePolicy::Writable && !server.closed_by_us && is_head;
            (is_closed && fleet.meets(fleet.managed_from, &server.key) == Met::Answers).then(|| server.key.clone())
        };
        let is_quiet = self.acting().is_some_and(|node| node.store().declared().recovering.is_empty());
        if let Some(key) = closed.filter(|_| is_quiet) {
            self.tell(format!("an operator opens {key}, which its configuration file closed"));
            if let Some(manager) = self.acting_manager() {
                manager.set_writable(&key).await.ok();
            }
        }
    }

    /// Operators look after what they stopped, as a recovery in between may have put it back as it found it, and after what a
    /// recovery says that it could not start again.
    fn start_what_was_stopped(&mut self) {
        let told = self.left_stopped();
        self.stopped.extend(told);
        let is_quiet = self.acting().is_some_and(|node| node.store().declared().recovering.is_empty());
        for id in self.stopped.iter().filter(|_| is_quiet) {
            self.shared.change(|fleet| {
                let own = fleet.server(*id).replication.as_ref();
                if own.is_some_and(|own| own.source.is_valid() && !(own.receiver && own.applier)) {
                    start_replication(fleet, *id);
                }
            });
        }
    }

    fn left_stopped(&self) -> BTreeSet<u8> {
        let Some(node) = self.acting() else { return BTreeSet::new() };
        let recoveries = node.store().recoveries(RecoveryFilter::default(), Page::all()).unwrap();
        let sentences = recoveries.iter().flat_map(|recovery| node.store().recovery_steps(&recovery.uid).unwrap());
        let cannot = |message: &String| message.starts_with("cannot start ") && message.contains(" again: ");
        let messages: Vec<String> = sentences.map(|sentence| sentence.message).filter(cannot).collect();
        let fleet = self.shared.lock();
        let named =
            |server: &&Server| messages.iter().any(|message| message.contains(&format!(" {} again", server.key)));
        fleet.servers.iter().filter(named).map(|server| server.id).collect()
    }

    fn enlist_strangers(&self) {
        self.shared.change(|fleet| {
            let strangers = fleet.strangers.clone();
            strangers.into_iter().for_each(|id| enlist(fleet, id));
        });
    }

    pub(crate) async fn end(mut self) -> Outcome {
        self.look_at_invariants(|invariants, moment, counts| {
            invariants.check_end(moment);
            counts.acknowledged = moment.fleet.acknowledged.len() as u64;
            counts.schedules = 1;
        });
        for node in std::mem::take(&mut self.nodes).into_values() {
            node.kill().await;
        }
        let story = std::mem::take(&mut self.shared.lock().story);
        Outcome { counts: self.counts.clone(), story }
    }
}

fn tell_plot(shared: &Shared, configuration: &str, voters: u8) {
    let mut fleet = shared.lock();
    let lines: Vec<String> = fleet
        .servers
        .iter()
        .map(|server| {
            let source = server.replication.as_ref().map_or("nobody".to_owned(), |own| own.source.host.clone());
            let setup = &server.setup;
            format!(
                "s{} replicates from {source}: {} {:?} {} semi-sync {}/{} of {} for {} ms, starts {:?}, relay log {}, logs {}, delay {} s, apply {} ms, retry {} ms, net {} ms",
                server.id, setup.version.text, setup.tracking, setup.data_center, setup.semi_source, setup.semi_replica, setup.wait_count,
                setup.semi_timeout_ms, setup.starts_as, if setup.relay_log_recovery { "recovered" } else { "kept" }, setup.logs_updates,
                setup.delay_secs, setup.apply_ms, setup.connect_retry_ms, setup.net_timeout_ms,
            )
        })
        .collect();
    lines.iter().for_each(|line| fleet.tell(line));
    fleet.tell(format!("{voters} managers: {configuration}"));
}

pub(crate) fn restart(fleet: &mut Fleet, id: u8) {
    let now = fleet.now;
    if fleet.server(id).process == Process::Down {
        let server = fleet.server_mut(id);
        server.host_up = true;
        server.start(now);
        let writes = server.writes;
        fleet.tell(format!("s{id} starts, {writes:?}"));
    }
}

/// An operator gives a server that was set up anew a copy of the primary, and lets it replicate from there.
fn enlist(fleet: &mut Fleet, id: u8) {
    let Some(head) = fleet.find(&fleet.published).map(|head| fleet.server(head)) else { return };
    let is_primary = head.runs() && head.writes == WritePolicy::Writable && fleet.is_head(head.id);
    if !is_primary || !fleet.server(id).runs() || !fleet.strangers.contains(&id) {
        return;
    }
    let (now, source, copy, place) = (fleet.now, head.key.clone(), head.executed.clone(), head.committed);
    fleet.strangers.remove(&id);
    fleet.server_mut(id).become_copy(copy, &source, place, now);
    fleet.tell(format!("an operator makes s{id} a replica of {source}"));
}

fn resume(fleet: &mut Fleet, id: u8) {
    if fleet.server(id).process == Process::Hung {
        fleet.tell(format!("s{id} goes on"));
        fleet.resume(id);
    }
}

/// An operator mends the rows and starts the applier.
fn mend(fleet: &mut Fleet, id: u8) {
    if std::mem::take(&mut fleet.server_mut(id).broken) {
        fleet.tell(format!("an operator mends s{id}"));
        if let Some(own) = &mut fleet.server_mut(id).replication
            && own.applier_errno != 0
        {
            own.start_applier();
        }
    }
}

fn start_replication(fleet: &mut Fleet, id: u8) {
    let now = fleet.now;
    let server = fleet.server_mut(id);
    let runs = server.runs();
    if let Some(own) = &mut server.replication
        && runs
    {
        own.start_receiver(now);
        own.start_applier();
        fleet.tell(format!("an operator starts replication on s{id}"));
    }
}

thread_local! {
    /// A task of this thread's simulation panicked.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

fn run(seed: u64) -> Outcome {
    PANICKED.set(false);
    // Made inside: outside, the clock is the real one.
    simulate(async move { Schedule::drawn(seed).run().await })
}

/// Lets a panic in any task be seen by its schedule.
pub(crate) fn note_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.set(true);
            tell(panic);
        }));
    });
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok())
}

/// Runs this part of the schedules; `SIMULATE` says how many there are, `SIMULATE_FROM` the first seed.
fn run_part(part: u64) {
    const PARTS: u64 = 2;
    note_panics();
    let (count, from) = (number("SIMULATE").unwrap_or(300), number("SIMULATE_FROM").unwrap_or(1));
    let mut counts = Counts::default();
    let mut failed = Vec::new();
    for seed in (from..from + count).filter(|seed| seed % PARTS == part) {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(outcome) => {
                counts.add(&outcome.counts);
                if count == 1 {
                    println!("{}", outcome.story.join("\n"));
                }
            }
            Err(_) => {
                eprintln!("schedule {seed} failed: SIMULATE=1 SIMULATE_FROM={seed} runs it again");
                failed.push(seed);
            }
        }
    }
    println!("part {part}: {counts:?}");
    assert!(failed.is_empty(), "schedules that failed: {failed:?}");
}

#[test]
fn fleets_under_faults_first_part() {
    run_part(0);
}

#[test]
fn fleets_under_faults_second_part() {
    run_part(1);
}

#[test]
fn a_seed_replays_exactly() {
    note_panics();
    for seed in [3, 17, 29, 31] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
