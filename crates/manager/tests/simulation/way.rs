//! A manager's way to simulated servers: connections that are refused, silent or cut, and statements that are carried out
//! though nobody hears the answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mysql::{Error, ErrorKind};
use rand::Rng;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};
use topology::{InstanceKey, WritePolicy};

use crate::fleet::{Fleet, Met, Place};
use crate::server::{Order, Process};

/// The fleet, shared by all that happens to it.
#[derive(Clone)]
pub(crate) struct Shared {
    fleet: Arc<Mutex<Fleet>>,
    pub(crate) changed: Arc<Notify>,
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
pub(crate) struct Session {
    pub(crate) id: u8,
    pub(crate) generation: u64,
}

/// The way of one manager's process.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) shared: Shared,
    pub(crate) from: Place,
    /// Cleared when the process is killed: nothing goes out any more.
    pub(crate) lives: Arc<AtomicBool>,
    pub(crate) lines: Arc<Mutex<BTreeMap<InstanceKey, Session>>>,
}

impl Way {
    pub(crate) fn new(shared: &Shared, from: Place) -> Self {
        Self { shared: shared.clone(), from, lives: Arc::new(AtomicBool::new(true)), lines: Arc::default() }
    }

    /// Waits as long as packets are on their way.
    pub(crate) async fn travel(&self) {
        let millis = self.shared.lock().dice.random_range(1..5);
        sleep(Duration::from_millis(millis)).await;
        if !self.lives.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Something is about to be changed: no other manager may be acting.
    pub(crate) fn acts(&self, doing: &str) {
        let leader = self.shared.lock().leader;
        assert!(
            leader.is_none_or(|leader| self.from == Place::Manager(leader)),
            "{:?} would {doing}, and {leader:?} leads",
            self.from
        );
    }

    pub(crate) fn meets(&self, key: &InstanceKey) -> Met {
        self.shared.lock().meets(self.from, key)
    }

    /// Waits until something changes, or until `deadline`; false when that is over.
    pub(crate) async fn wait(&self, deadline: Instant) -> bool {
        tokio::time::timeout_at(deadline, self.shared.changed.notified()).await.is_ok()
    }

    pub(crate) async fn connect(&self, key: &InstanceKey, limit: Duration) -> Result<Session, Error> {
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
    pub(crate) async fn ask<T: Send + 'static>(
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

    /// Makes the server refuse writes; answered when commits that are under way have ended.
    pub(crate) async fn close(&self, session: Session, with_super: bool, limit: Duration) -> Result<(), Error> {
        const DOING: &str = "make it read-only";
        let (who, id) = (self.from, session.id);
        let deadline = Instant::now() + limit;
        self.acts(DOING);
        self.ask(session, DOING, limit, move |fleet| {
            let policy = if with_super { WritePolicy::SuperReadOnly } else { WritePolicy::ReadOnly };
            if fleet.server(id).writes != policy {
                fleet.tell(format!("{who:?}: s{id} refuses writes"));
            }
            let server = fleet.server_mut(id);
            server.closing = Some(policy);
            server.finish_closing();
            Ok(())
        })
        .await?;
        while self.shared.lock().server(id).closing.is_some() {
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
