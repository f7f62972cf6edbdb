//! What a manager asks of servers beside the verbs: probes, pulses, fences, knocks.

use std::io::ErrorKind::{ConnectionRefused, NotFound, TimedOut, UnexpectedEof};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use manager::Clock;
use manager::reach::{Probing, Pulse, Reach, Tell, Verbs};
use mysql::{Access, Error, ErrorKind, Fenced, HeldLine, PendingFence, Probe, ProbeSettings, PulseEvent};
use tokio::time::{Instant, sleep, timeout};
use topology::{InstanceKey, Observation, ProbeFailure, Unreachable, Version};

use crate::fleet::{Met, Place};
use crate::hand::Hand;
use crate::server::Process;
use crate::way::{Session, Way};

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
                    Met::Refused => return Err(ConnectionRefused.into()),
                    Met::UnknownHost => return Err(NotFound.into()),
                    Met::NoAnswer => {}
                }
                if !way.wait(deadline).await {
                    return Err(TimedOut.into());
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
                        return error(ErrorKind::Io(UnexpectedEof.into()));
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
