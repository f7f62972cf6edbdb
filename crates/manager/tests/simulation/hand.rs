//! The verbs of simulated servers, and the errors that real ones give.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use manager::reach::Verbs;
use mysql::{Access, Account, AckPolicy, Closing, Error, ErrorKind, Frozen, Identity, Secret, SourceChange, Waited};
use tokio::time::{Instant, sleep};
use topology::{BinlogCoordinates, Channel, GtidSet, InstanceKey, ServerUuid, WritePolicy};

use crate::clients::Client;
use crate::fleet::Fleet;
use crate::server::{Replication, Server, Tracking};
use crate::status::events_before;
use crate::trx::TrxSet;
use crate::way::{Session, Way};

/// The verbs of one server.
pub(crate) struct Hand {
    pub(crate) way: Way,
    pub(crate) key: InstanceKey,
    pub(crate) access: Access,
    pub(crate) session: Option<Session>,
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
        self.way.acts(&doing);
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
    server.is_mariadb()
        && server.replication.as_ref().is_some_and(|own| !own.by_position && !own.applier && !own.relay.is_empty())
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
            relay.for_each(|received| set.insert(received.event.trx));
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
                if server.tracks(Tracking::Position) && !server.is_mariadb() {
                    let message = "this operation cannot be executed without GTID".to_owned();
                    return Err(ErrorKind::Server { number: 1777, state: "HY000".to_owned(), message });
                }
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

    fn change_source_at<'a>(&'a mut self, _: &'a str, to: &'a InstanceKey, at: &'a BinlogCoordinates) -> Verb<'a, ()> {
        async move {
            self.stop_replication("").await?;
            let (to, place) = (to.clone(), events_before(at));
            self.change(format!("replicates from {to} at {at} from now on"), move |server, _| {
                server.replication = Some(Replication::from_place(to, place));
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
        self.way.acts("make it writable");
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
            server.set_writes(WritePolicy::Writable);
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
        self.way.acts("close the server to writes");
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
            server.set_writes(WritePolicy::SuperReadOnly);
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
