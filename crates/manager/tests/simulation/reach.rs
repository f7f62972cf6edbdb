//! The manager's way to simulated servers: connections that are refused, silent or cut, statements that are carried out
//! though nobody hears the answer, and the errors that real servers give.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use manager::Clock;
use manager::reach::{Probing, Pulse, Reach, Tell, Verbs};
use mysql::{
    Access, Account, AckPolicy, Closing, Error, ErrorKind, Fenced, Frozen, HeldLine, Identity, PendingFence, Probe,
    ProbeSettings, PulseEvent, Secret, SourceChange, Waited,
};
use rand::Rng;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout};
use topology::{
    Channel, GtidSet, InstanceKey, Observation, ProbeFailure, ServerUuid, Unreachable, Version, WritePolicy,
};

use crate::clients::Client;
use crate::fleet::{Fleet, Met, Place};
use crate::server::{Order, Process, Replication, Server};
use crate::trx::TrxSet;

/// The fleet, shared by all that happens to it.
#[derive(Clone)]
pub(crate) struct Shared {
    fleet: Arc<Mutex<Fleet>>,
    changed: Arc<Notify>,
}

impl Shared {
    pub(crate) fn new(fleet: Fleet) -> Self {
        Self { fleet: Arc::new(Mutex::new(fleet)), changed: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes who meets whom.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Fleet) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_waiters();
        changed
    }
}

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    id: u8,
    generation: u64,
}

/// The way of one manager's process.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) shared: Shared,
    pub(crate) from: Place,
    /// Cleared when the process is killed: nothing goes out any more.
    pub(crate) lives: Arc<AtomicBool>,
    lines: Arc<Mutex<BTreeMap<InstanceKey, Session>>>,
}

impl Way {
    pub(crate) fn new(shared: &Shared, from: Place) -> Self {
        Self { shared: shared.clone(), from, lives: Arc::new(AtomicBool::new(true)), lines: Arc::default() }
    }

    /// Waits as long as packets are on their way.
    async fn travel(&self) {
        let millis = self.shared.lock().dice.random_range(1..5);
        sleep(Duration::from_millis(millis)).await;
        if !self.lives.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    fn meets(&self, key: &InstanceKey) -> Met {
        self.shared.lock().meets(self.from, key)
    }

    /// Waits until something changes, or until `deadline`; false when that is over.
    async fn wait(&self, deadline: Instant) -> bool {
        tokio::time::timeout_at(deadline, self.shared.changed.notified()).await.is_ok()
    }

    async fn connect(&self, key: &InstanceKey, limit: Duration) -> Result<Session, Error> {
        let error = |kind| Err(Error::new("open a session", key, kind));
        let deadline = Instant::now() + limit;
        self.travel().await;
        loop {
            let met = self.meets(key);
            match met {
                Met::Answers => {
                    let fleet = self.shared.lock();
                    let id = fleet.find(key).unwrap();
                    return Ok(Session { id, generation: fleet.server(id).generation });
                }
                Met::Refused => return error(ErrorKind::Io(std::io::ErrorKind::ConnectionRefused.into())),
                Met::UnknownHost => return error(ErrorKind::UnknownHost("no such host".to_owned())),
                Met::Hung | Met::NoAnswer => {}
            }
            if !self.wait(deadline).await {
                let hung = met == Met::Hung;
                return error(if hung { ErrorKind::AnswerTimeout(limit) } else { ErrorKind::ConnectTimeout(limit) });
            }
        }
    }

    /// Has `statement` carried out over `session`. One that was sent is carried out when the server comes to it, also if
    /// nobody waits for it any more.
    async fn ask<T: Send + 'static>(
        &self,
        session: Session,
        doing: &str,
        limit: Duration,
        statement: impl FnOnce(&mut Fleet) -> Result<T, ErrorKind> + Send + 'static,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + limit;
        let key = self.shared.lock().server(session.id).key.clone();
        let error = |kind| Error::new(doing, &key, kind);
        self.travel().await;
        let (answer, answered) = oneshot::channel();
        let order: Order = Box::new(move |fleet| drop(answer.send(statement(fleet))));
        let mut statement = Some(order);
        loop {
            {
                let mut fleet = self.shared.lock();
                let is_path = fleet.is_path(self.from, Place::Server(session.id));
                let process = fleet.server(session.id).process;
                if is_path && (fleet.server(session.id).generation != session.generation || process == Process::Down) {
                    return Err(error(ErrorKind::Io(std::io::ErrorKind::UnexpectedEof.into())));
                }
                if is_path && let Some(statement) = statement.take() {
                    match process {
                        Process::Running => statement(&mut fleet),
                        _ => fleet.server_mut(session.id).orders.push(statement),
                    }
                    break;
                }
            }
            if !self.wait(deadline).await {
                return Err(error(ErrorKind::AnswerTimeout(limit)));
            }
        }
        let answer = match tokio::time::timeout_at(deadline, answered).await {
            Err(_) => return Err(error(ErrorKind::AnswerTimeout(limit))),
            Ok(Err(_)) => return Err(error(ErrorKind::Io(std::io::ErrorKind::UnexpectedEof.into()))),
            Ok(Ok(answer)) => answer,
        };
        self.travel().await;
        loop {
            if self.shared.lock().is_path(self.from, Place::Server(session.id)) {
                break;
            }
            if !self.wait(deadline).await {
                return Err(error(ErrorKind::AnswerTimeout(limit)));
            }
        }
        if self.shared.lock().server(session.id).generation != session.generation {
            return Err(error(ErrorKind::Io(std::io::ErrorKind::UnexpectedEof.into())));
        }
        answer.map_err(error)
    }
}

impl Reach for Way {
    fn prober(&self, key: InstanceKey, access: Access, settings: ProbeSettings) -> Box<dyn Probing> {
        Box::new(Prober {
            way: self.clone(),
            key,
            connect: access.connect_timeout,
            deadline: settings.deadline,
            session: None,
        })
    }

    fn server(&self, key: InstanceKey, access: Access, _: &Version) -> Box<dyn Verbs> {
        Box::new(Hand { way: self.clone(), key, access, session: None })
    }

    fn pulse<'a>(&self, held: Pulse, clock: Clock, mut tell: Box<Tell<'a>>) -> BoxFuture<'a, ()> {
        let way = self.clone();
        async move {
            let mut last = None;
            loop {
                let error = match way.connect(&held.key, held.access.connect_timeout).await {
                    Err(error) => error,
                    Ok(session) => {
                        last = None;
                        tell(PulseEvent::Up { at: clock.now() });
                        way.lines.lock().unwrap().entry(held.key.clone()).or_insert(session);
                        way.beat(session, &held).await
                    }
                };
                let how = error.unreachable();
                if last.replace(how) != Some(how) {
                    tell(PulseEvent::Lost { how, at: clock.now(), message: error.to_string() });
                }
                if how == Unreachable::Refused {
                    way.lines.lock().unwrap().remove(&held.key);
                }
                sleep(held.rhythm.retry).await;
            }
        }
        .boxed()
    }

    fn fence(&self, _: Option<HeldLine>, key: InstanceKey, access: Access) -> BoxFuture<'static, Fenced> {
        let way = self.clone();
        async move {
            const PROMPT: Duration = Duration::from_millis(200);
            const FOR_LONG: Duration = Duration::from_secs(3600);
            let mut line = way.lines.lock().unwrap().remove(&key);
            loop {
                let was_held = line.is_some();
                let session = match line.take() {
                    Some(session) => session,
                    None => match way.connect(&key, access.connect_timeout).await {
                        Ok(session) => session,
                        Err(error) => return Fenced::Unreachable(error.unreachable(), error),
                    },
                };
                let ordering = way.clone();
                #[expect(clippy::disallowed_methods, reason = "ends with the fence that waits for it")]
                let mut task = tokio::spawn(async move { ordering.close(session, true, FOR_LONG).await });
                match timeout(PROMPT, &mut task).await {
                    Err(_) => return Fenced::Pending(PendingFence::new(key, task)),
                    Ok(Ok(Ok(()))) => return Fenced::Fenced,
                    Ok(Ok(Err(_))) if was_held => {}
                    Ok(Ok(Err(error))) => return Fenced::Unreachable(error.unreachable(), error),
                    Ok(Err(error)) => panic!("{error}"),
                }
            }
        }
        .boxed()
    }

    fn knock(&self, key: InstanceKey, limit: Duration) -> BoxFuture<'static, std::io::Result<()>> {
        let way = self.clone();
        async move {
            let deadline = Instant::now() + limit;
            way.travel().await;
            loop {
                match way.meets(&key) {
                    Met::Answers | Met::Hung => return Ok(()),
                    Met::Refused => return Err(std::io::ErrorKind::ConnectionRefused.into()),
                    Met::UnknownHost => return Err(std::io::ErrorKind::NotFound.into()),
                    Met::NoAnswer => {}
                }
                if !way.wait(deadline).await {
                    return Err(std::io::ErrorKind::TimedOut.into());
                }
            }
        }
        .boxed()
    }
}

impl Way {
    /// Asks until there is no answer, and returns why.
    async fn beat(&self, session: Session, held: &Pulse) -> Error {
        let limit = held.rhythm.every + held.rhythm.slack;
        let error = |kind| Error::new("feel the pulse", &held.key, kind);
        let mut silent_since: Option<Instant> = None;
        loop {
            {
                let fleet = self.shared.lock();
                let server = fleet.server(session.id);
                if fleet.is_path(self.from, Place::Server(session.id)) {
                    if server.generation != session.generation || server.process == Process::Down {
                        return error(ErrorKind::Io(std::io::ErrorKind::UnexpectedEof.into()));
                    }
                    if server.process == Process::Running {
                        silent_since = None;
                    } else {
                        silent_since.get_or_insert_with(Instant::now);
                    }
                } else {
                    silent_since.get_or_insert_with(Instant::now);
                }
            }
            match silent_since {
                None => self.shared.changed.notified().await,
                Some(since) => {
                    if !self.wait(since + limit).await {
                        return error(ErrorKind::AnswerTimeout(limit));
                    }
                }
            }
        }
    }

    /// Makes the server refuse writes; answered when commits that are under way have ended.
    async fn close(&self, session: Session, with_super: bool, limit: Duration) -> Result<(), Error> {
        const DOING: &str = "make it read-only";
        let (who, id) = (self.from, session.id);
        let deadline = Instant::now() + limit;
        self.ask(session, DOING, limit, move |fleet| {
            let policy = if with_super { WritePolicy::SuperReadOnly } else { WritePolicy::ReadOnly };
            if fleet.server(id).writes != policy {
                fleet.tell(format!("{who:?}: s{id} refuses writes"));
            }
            let server = fleet.server_mut(id);
            server.writes = policy;
            server.closed_by_us = true;
            Ok(())
        })
        .await?;
        while self.shared.lock().server(id).has_pending_commits() {
            if Instant::now() >= deadline {
                let key = self.shared.lock().server(id).key.clone();
                return Err(Error::new(DOING, &key, ErrorKind::AnswerTimeout(limit)));
            }
            sleep(Duration::from_millis(20)).await;
            if self.shared.lock().server(id).generation != session.generation {
                break;
            }
        }
        Ok(())
    }
}

/// Probes one server.
struct Prober {
    way: Way,
    key: InstanceKey,
    connect: Duration,
    deadline: Duration,
    session: Option<Session>,
}

impl Prober {
    async fn attempt(&mut self, limit: Duration) -> Result<topology::Instance, Error> {
        let began = Instant::now();
        let session = match self.session.take() {
            Some(session) => session,
            None => self.way.connect(&self.key, self.connect.min(limit)).await?,
        };
        let left = limit.saturating_sub(began.elapsed());
        let id = session.id;
        let instance = self.way.ask(session, "probe", left, move |fleet| Ok(fleet.instance(id))).await?;
        self.session = Some(session);
        Ok(instance)
    }
}

impl Probing for Prober {
    fn probe(&mut self, clock: Clock) -> BoxFuture<'_, Probe> {
        async move {
            let (began, start) = (clock.now(), Instant::now());
            let mut fresh = self.session.is_none();
            let mut outcome = self.attempt(if fresh { self.deadline } else { self.deadline / 2 }).await;
            if !fresh && outcome.is_err() {
                fresh = true;
                outcome = self.attempt(self.deadline.saturating_sub(start.elapsed())).await;
            }
            let outcome = outcome.map_err(|error| ProbeFailure {
                kind: error.unreachable(),
                message: error.to_string(),
                partial: false,
            });
            let observation = Observation { key: self.key.clone(), began, ended: clock.now(), outcome };
            Probe { observation, reported: None, replicas: Vec::new(), notes: Vec::new(), fresh }
        }
        .boxed()
    }
}

/// The verbs of one server.
struct Hand {
    way: Way,
    key: InstanceKey,
    access: Access,
    session: Option<Session>,
}

type Verb<'a, T> = BoxFuture<'a, Result<T, Error>>;

impl Hand {
    /// Has something done on a session that is opened when it is first needed.
    async fn run<T: Send + 'static>(
        &mut self,
        doing: &str,
        statement: impl FnOnce(&mut Fleet, u8) -> Result<T, ErrorKind> + Send + 'static,
    ) -> Result<T, Error> {
        let session = self.session().await?;
        let done =
            self.way.ask(session, doing, self.access.read_timeout, move |fleet| statement(fleet, session.id)).await;
        if done.as_ref().is_err_and(Error::is_fatal) {
            self.session = None;
        }
        done
    }

    fn is_mariadb(&self) -> bool {
        let fleet = self.way.shared.lock();
        fleet.find(&self.key).is_some_and(|id| fleet.server(id).is_mariadb())
    }

    async fn session(&mut self) -> Result<Session, Error> {
        if let Some(session) = self.session {
            let lives = self.way.shared.lock().server(session.id).generation == session.generation;
            if lives {
                return Ok(session);
            }
        }
        let session = self.way.connect(&self.key, self.access.connect_timeout).await?;
        self.session = Some(session);
        Ok(session)
    }

    /// As [`Hand::run`], for what changes the server; it stands in the story.
    async fn change<T: Send + 'static>(
        &mut self,
        doing: String,
        change: impl FnOnce(&mut Server, u64) -> Result<T, ErrorKind> + Send + 'static,
    ) -> Result<T, Error> {
        let (who, said) = (self.way.from, doing.clone());
        self.run(&doing, move |fleet, id| {
            let now = fleet.now;
            let done = change(fleet.server_mut(id), now);
            let how = if let Err(error) = &done { format!(": {error}") } else { String::new() };
            fleet.tell(format!("{who:?}: s{id} {said}{how}"));
            done
        })
        .await
    }

    /// Waits until the applier is between two transactions: stopping it takes that long.
    async fn let_it_finish(&mut self) -> Result<(), Error> {
        let limit = self.access.read_timeout;
        let deadline = Instant::now() + limit;
        loop {
            let busy = self.run("stop the applier", |fleet, id| {
                let (now, server) = (fleet.now, fleet.server(id));
                Ok(server.replication.as_ref().is_some_and(|own| own.applier && !own.relay.is_empty())
                    && now < server.stalled_until)
            });
            if !busy.await? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::new("stop the applier", &self.key, ErrorKind::AnswerTimeout(limit)));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn applied(
        &mut self,
        limit: Duration,
        is_there: impl Fn(&Server) -> bool + Send + Sync + Clone + 'static,
    ) -> Result<Waited, Error> {
        let deadline = Instant::now() + limit;
        loop {
            let is_there = is_there.clone();
            let look = self.run("wait for transactions to be applied", move |fleet, id| {
                let server = fleet.server(id);
                let runs = server.replication.as_ref().is_some_and(|own| own.applier);
                let errno = server.replication.as_ref().map_or(0, |own| own.applier_errno);
                Ok((is_there(server), runs, errno))
            });
            match look.await? {
                (true, _, _) => return Ok(Waited::Applied),
                (false, false, errno) => return Ok(Waited::ApplierStopped { errno, error: "stopped".to_owned() }),
                _ if Instant::now() >= deadline => return Ok(Waited::TimedOut),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

fn unsupported<T>(why: &str) -> Result<T, ErrorKind> {
    Err(ErrorKind::Unsupported(why.to_owned()))
}

/// Received and not applied, which MariaDB throws away when a receiver starts beside a stopped applier.
fn rests_with_relay_log(server: &Server) -> bool {
    server.is_mariadb() && server.replication.as_ref().is_some_and(|own| !own.applier && !own.relay.is_empty())
}

fn replication(server: &mut Server) -> Result<&mut Replication, ErrorKind> {
    let message = "not a replica".to_owned();
    server.replication.as_mut().ok_or(ErrorKind::Server { number: 1200, state: "HY000".to_owned(), message })
}

fn stop(server: &mut Server, receiver: bool, applier: bool) {
    if let Some(own) = &mut server.replication {
        if receiver {
            own.stop_receiver();
        }
        own.applier &= !applier;
    }
}

impl Verbs for Hand {
    fn key(&self) -> &InstanceKey {
        &self.key
    }

    fn channels(&mut self) -> Verb<'_, Vec<Channel>> {
        self.run("read the replication status", |fleet, id| {
            let server = fleet.server(id);
            Ok(server.replication.iter().map(|own| server.channel(own, fleet.now)).collect())
        })
        .boxed()
    }

    fn start_anew<'a>(&'a mut self, _: &'a str, receiver: bool, applier: bool) -> Verb<'a, ()> {
        self.change(format!("starts anew (receiver {receiver}, applier {applier})"), move |server, now| {
            let own = replication(server)?;
            if receiver {
                own.start_receiver(now);
            }
            if applier {
                own.start_applier();
            }
            Ok(())
        })
        .boxed()
    }

    /// Commits take no time here: they cannot be slowed down.
    fn brake(&mut self, delay: Option<Duration>) -> Verb<'_, bool> {
        self.run("slow commits down", move |_, _| Ok(delay.is_none())).boxed()
    }

    fn executed(&mut self) -> Verb<'_, GtidSet> {
        self.run("read the executed transactions", |fleet, id| Ok(fleet.server(id).executed_gtids())).boxed()
    }

    fn write_policy(&mut self) -> Verb<'_, WritePolicy> {
        self.run("read whether it takes writes", |fleet, id| Ok(fleet.server(id).writes)).boxed()
    }

    fn unapplied_relay_log<'a>(&'a mut self, _: &'a str) -> Verb<'a, GtidSet> {
        self.run("read what was not applied", |fleet, id| {
            let server = fleet.server(id);
            let mut set = TrxSet::default();
            let relay = server.replication.iter().flat_map(|own| &own.relay);
            relay.for_each(|event| set.insert(event.trx));
            Ok(server
                .gtids(&set, server.replication.as_ref().and_then(|own| own.last_received))
                .subtract(&server.executed_gtids()))
        })
        .boxed()
    }

    fn stop_receiver<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        self.change("stops its receiver".to_owned(), |server, _| {
            stop(server, true, false);
            Ok(())
        })
        .boxed()
    }

    fn stop_applier<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        async move {
            self.let_it_finish().await?;
            self.change("stops its applier".to_owned(), |server, _| {
                stop(server, false, true);
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn stop_replication<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        async move {
            self.let_it_finish().await?;
            self.change("stops replication".to_owned(), |server, _| {
                stop(server, true, true);
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn start_receiver<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        self.change("starts its receiver".to_owned(), |server, now| {
            if rests_with_relay_log(server) {
                return unsupported("the start would throw the relay log away");
            }
            replication(server)?.start_receiver(now);
            Ok(())
        })
        .boxed()
    }

    fn restart_receiver<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        self.change("restarts its receiver".to_owned(), |server, now| {
            if rests_with_relay_log(server) {
                return unsupported("the start would throw the relay log away");
            }
            let own = replication(server)?;
            own.stop_receiver();
            own.start_receiver(now);
            Ok(())
        })
        .boxed()
    }

    fn start_applier<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        self.change("starts its applier".to_owned(), |server, _| {
            if rests_with_relay_log(server) && !replication(server)?.receiver {
                return unsupported("the start would throw the relay log away");
            }
            replication(server)?.start_applier();
            Ok(())
        })
        .boxed()
    }

    fn start_replication<'a>(&'a mut self, channel: &'a str) -> Verb<'a, ()> {
        async move {
            if self.run("look at it", |fleet, id| Ok(rests_with_relay_log(fleet.server(id)))).await? {
                self.apply_received(channel, self.access.read_timeout).await?;
            }
            self.change("starts replication".to_owned(), |server, now| {
                let own = replication(server)?;
                own.start_receiver(now);
                own.start_applier();
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn apply_received<'a>(&'a mut self, _: &'a str, limit: Duration) -> Verb<'a, Waited> {
        async move {
            self.run("apply what was received", |fleet, id| {
                if let Some(own) = &mut fleet.server_mut(id).replication
                    && !own.applier
                {
                    own.start_applier();
                }
                Ok(())
            })
            .await?;
            let is_empty = |server: &Server| server.replication.as_ref().is_none_or(|own| own.relay.is_empty());
            self.applied(limit, is_empty).await
        }
        .boxed()
    }

    fn wait_applied<'a>(&'a mut self, set: &'a GtidSet, limit: Duration) -> Verb<'a, Waited> {
        let set = set.clone();
        self.applied(limit, move |server| server.executed_gtids().contains(&set)).boxed()
    }

    fn change_source<'a>(&'a mut self, change: &'a SourceChange) -> Verb<'a, ()> {
        async move {
            let to = change.to.clone();
            let is_there = move |fleet: &mut Fleet, id: u8| {
                Ok(fleet.server(id).replication.as_ref().is_some_and(|own| own.source == to))
            };
            let to = change.to.clone();
            if self.run("look at it", is_there).await? {
                return Ok(());
            }
            self.stop_replication("").await?;
            let discards = change.discard_unapplied;
            self.change(format!("replicates from {to} from now on"), move |server, _| {
                let unapplied = server.replication.as_ref().is_some_and(|own| !own.relay.is_empty());
                if unapplied && !discards {
                    return unsupported("received transactions would be lost");
                }
                server.replication = Some(Replication::from(to));
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn detach_source<'a>(&'a mut self, _: &'a str, _: bool) -> Verb<'a, ()> {
        async move {
            self.stop_replication("").await?;
            self.change("is detached".to_owned(), |server, _| {
                let own = replication(server)?;
                own.source = own.source.detached();
                own.drop_relay();
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn reattach_source<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        async move {
            self.stop_replication("").await?;
            self.change("is attached again".to_owned(), |server, _| {
                let own = replication(server)?;
                own.source = own.source.reattached();
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn reset_replication<'a>(&'a mut self, _: &'a str) -> Verb<'a, ()> {
        async move {
            self.stop_replication("").await?;
            self.change("is no replica any more".to_owned(), |server, _| {
                server.replication = None;
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn set_write_policy(&mut self, policy: WritePolicy) -> Verb<'_, ()> {
        match policy {
            WritePolicy::Writable => self.set_writable(),
            WritePolicy::ReadOnly => self.set_read_only(false),
            WritePolicy::SuperReadOnly => self.set_read_only(true),
        }
    }

    fn set_read_only(&mut self, use_super: bool) -> Verb<'_, ()> {
        async move {
            let session = self.session().await?;
            let limit = self.access.read_timeout;
            self.way.close(session, use_super, limit).await
        }
        .boxed()
    }

    fn set_writable(&mut self) -> Verb<'_, ()> {
        let who = self.way.from;
        self.run("make it writable", move |fleet, id| {
            let now = fleet.now;
            if fleet.server(id).cannot_open {
                return unsupported("the disk is full");
            }
            let is_known = fleet.opened.last().is_some_and(|(last, _)| *last == id);
            if fleet.server(id).writes != WritePolicy::Writable || !is_known {
                fleet.tell(format!("{who:?}: s{id} TAKES WRITES"));
                fleet.opened.push((id, now));
            }
            let server = fleet.server_mut(id);
            server.writes = WritePolicy::Writable;
            server.closed_by_us = false;
            Ok(())
        })
        .boxed()
    }

    fn channel<'a>(&'a mut self, _: &'a str) -> Verb<'a, Option<Channel>> {
        self.channels().map(|channels| Ok(channels?.into_iter().next())).boxed()
    }

    fn stored_account<'a>(&'a mut self, _: &'a str) -> Verb<'a, Option<Account>> {
        let account = Account { user: "replicator".to_owned(), password: Secret::new("") };
        self.run("read the replication account", move |_, _| Ok(Some(account))).boxed()
    }

    fn close_at_once<'a>(&'a mut self, who: &'a Identity) -> Verb<'a, Closing> {
        let (who, from) = (who.clone(), self.way.from);
        self.run("close the server to writes", move |fleet, id| {
            let server = fleet.server(id);
            let uuid = ServerUuid::new(&server.uuid()).filter(|_| !server.is_mariadb());
            if !who.is(&Identity { uuid, server_id: u32::from(id) + 1 }) {
                return Ok(Closing::Stranger);
            }
            if server.writes != WritePolicy::Writable {
                return Ok(Closing::WasClosed);
            }
            fleet.tell(format!("{from:?}: s{id} is closed, and its clients are ended"));
            // What they waited for is in the server after all, and acknowledged to nobody.
            let of_it = |client: &&mut Client| client.connected.is_some_and(|(to, _)| to == id);
            for client in fleet.clients.iter_mut().filter(of_it) {
                (client.connected, client.waits) = (None, None);
            }
            let server = fleet.server_mut(id);
            server.finish_commits();
            server.writes = WritePolicy::SuperReadOnly;
            server.closed_by_us = true;
            Ok(Closing::Closed { ended: 1, took: Duration::ZERO })
        })
        .boxed()
    }

    fn freeze(&mut self, within: Duration) -> Verb<'_, Frozen> {
        async move {
            let session = self.session().await?;
            let closed = self.way.close(session, true, within).await;
            let executed = self.executed().await?;
            if closed.is_err() {
                self.set_writable().await?;
                let why = ErrorKind::Unexpected("writes under way did not end".to_owned());
                return Err(Error::new("freeze the server", &self.key, why));
            }
            Ok(Frozen { executed, killed: Vec::new() })
        }
        .boxed()
    }

    fn stands_still<'a>(&'a mut self, at: Option<&'a GtidSet>) -> Verb<'a, GtidSet> {
        async move {
            let moves =
                |why: &str| Error::new("see that it stands still", &self.key, ErrorKind::Unexpected(why.to_owned()));
            let (open, moved) = (moves("it is not read-only"), moves("it executed more"));
            if self.write_policy().await? != WritePolicy::SuperReadOnly && !self.is_mariadb() {
                return Err(open);
            }
            let before = match at {
                Some(at) => at.clone(),
                None => self.executed().await?,
            };
            let now = self.executed().await?;
            if now == before { Ok(now) } else { Err(moved) }
        }
        .boxed()
    }

    fn thaw(&mut self) -> Verb<'_, ()> {
        self.set_writable()
    }

    fn set_acks(&mut self, policy: AckPolicy) -> Verb<'_, ()> {
        self.change(format!("waits as {policy:?} says"), move |server, _| {
            server.semi_active = if server.semi_source == policy.enabled { server.semi_active } else { policy.enabled };
            server.semi_source = policy.enabled;
            (server.wait_count, server.semi_timeout_ms) = (policy.wait_count, policy.timeout_ms);
            Ok(())
        })
        .boxed()
    }

    fn ack_clients(&mut self) -> Verb<'_, u32> {
        self.run("count semi-synchronous replicas", |fleet, id| Ok(fleet.instance(id).semi_sync.clients)).boxed()
    }

    fn set_semi_sync_source(&mut self, on: bool) -> Verb<'_, ()> {
        self.change(format!("waits for replicas: {on}"), move |server, _| {
            server.semi_active = if server.semi_source == on { server.semi_active } else { on };
            server.semi_source = on;
            Ok(())
        })
        .boxed()
    }

    fn set_semi_sync_replica(&mut self, on: bool) -> Verb<'_, ()> {
        self.change(format!("acknowledges: {on}"), move |server, _| {
            server.semi_replica = on;
            Ok(())
        })
        .boxed()
    }
}
