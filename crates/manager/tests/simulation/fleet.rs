//! All simulated servers, what lies between them, and the clients.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::StdRng;
use topology::InstanceKey;

use crate::clients::{Acknowledged, Client};
use crate::server::{Event, Link, Process, Received, Server};

/// The alias of the cluster.
pub(crate) const ALIAS: &str = "fleet";

/// The time between two steps of the simulated servers, in milliseconds.
pub(crate) const TICK: u64 = 10;

/// Something that packets come from or go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A server's host, by number.
    Server(u8),
    /// The host of one of the managers.
    Manager(u8),
    /// Where some of the clients are.
    Clients(u8),
}

/// What somebody meets who tries to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Answers,
    Refused,
    /// Accepted, and no word.
    Hung,
    NoAnswer,
    UnknownHost,
}

/// All servers and clients.
pub(crate) struct Fleet {
    pub(crate) now: u64,
    pub(crate) dice: StdRng,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    /// Pairs that do not hear each other.
    pub(crate) cuts: BTreeSet<(Place, Place)>,
    /// Where the manager is, or was, that acts.
    pub(crate) managed_from: Place,
    /// Which of the managers may act, and since when it is so.
    pub(crate) leader: Option<u8>,
    pub(crate) leads_since: u64,
    /// What clients were told: the address of the primary, as published.
    pub(crate) published: InstanceKey,
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) story: Vec<String>,
    /// Servers that the manager opened for writes, in order, and when.
    pub(crate) opened: Vec<(u8, u64)>,
    /// The first two replicated from each other in the beginning.
    pub(crate) is_ring: bool,
    /// Servers that were set up anew, empty, and are nobody's replica yet.
    pub(crate) strangers: BTreeSet<u8>,
    /// How many servers there were, counting each that was set up anew as another one.
    pub(crate) identities: u8,
}

impl Fleet {
    pub(crate) fn new(servers: Vec<Server>, clients: Vec<Client>, seed: u64) -> Self {
        Self {
            now: 0,
            dice: StdRng::seed_from_u64(seed),
            published: servers[0].key.clone(),
            identities: u8::try_from(servers.len()).unwrap(),
            servers,
            clients,
            cuts: BTreeSet::new(),
            managed_from: Place::Manager(0),
            leader: None,
            leads_since: 0,
            acknowledged: Vec::new(),
            story: Vec::new(),
            opened: Vec::new(),
            is_ring: false,
            strangers: BTreeSet::new(),
        }
    }

    /// From now on this one acts, or nobody.
    pub(crate) fn lead(&mut self, leader: Option<u8>) {
        (self.leader, self.leads_since) = (leader, self.now);
        if let Some(leader) = leader {
            self.managed_from = Place::Manager(leader);
        }
    }

    /// True when clients of `id` write at the head of the tree: not on a mere replica, which its configuration file may have
    /// left open.
    pub(crate) fn is_head(&self, id: u8) -> bool {
        let could_be_in_ring = self.is_ring && id < 2;
        !self.strangers.contains(&id) && (self.server(id).replication.is_none() || could_be_in_ring)
    }

    /// The host of `id` gets another server, which is empty, under the old address.
    pub(crate) fn set_up_anew(&mut self, id: u8) {
        let (now, identity) = (self.now, self.identities);
        self.identities += 1;
        self.strangers.insert(id);
        self.server_mut(id).set_up_anew(identity, now);
        self.tell(format!("s{id} is set up anew, as a server that nobody knows"));
    }

    /// True when a server and its source replicate from each other.
    pub(crate) fn is_co_primary(&self, id: u8) -> bool {
        let source = |id: u8| self.find(&self.server(id).replication.as_ref()?.source);
        source(id).and_then(source) == Some(id)
    }

    pub(crate) fn tell(&mut self, what: impl AsRef<str>) {
        let line = format!("{:>7.2} s  {}", self.now as f64 / 1000.0, what.as_ref());
        tracing::info!("SIM {line}");
        self.story.push(line);
    }

    pub(crate) fn find(&self, key: &InstanceKey) -> Option<u8> {
        self.servers.iter().find(|server| &server.key == key).map(|server| server.id)
    }

    pub(crate) fn server(&self, id: u8) -> &Server {
        &self.servers[usize::from(id)]
    }

    pub(crate) fn server_mut(&mut self, id: u8) -> &mut Server {
        &mut self.servers[usize::from(id)]
    }

    pub(crate) fn cut(&mut self, one: Place, other: Place) {
        self.cuts.insert((one.min(other), one.max(other)));
    }

    /// True when packets go from one place to the other.
    pub(crate) fn is_path(&self, one: Place, other: Place) -> bool {
        let is_up = |place: Place| match place {
            Place::Server(id) => self.server(id).host_up,
            _ => true,
        };
        is_up(one) && is_up(other) && !self.cuts.contains(&(one.min(other), one.max(other)))
    }

    /// Returns what somebody at `from` meets who connects to `key`.
    pub(crate) fn meets(&self, from: Place, key: &InstanceKey) -> Met {
        let Some(id) = self.find(key) else { return Met::UnknownHost };
        match self.server(id).process {
            _ if !self.is_path(from, Place::Server(id)) => Met::NoAnswer,
            Process::Running => Met::Answers,
            Process::Hung => Met::Hung,
            Process::Down => Met::Refused,
        }
    }

    /// Returns the replicas that are connected to `source`, by number.
    pub(crate) fn connected(&self, source: u8) -> impl Iterator<Item = &Server> {
        let key = &self.server(source).key;
        let generation = self.server(source).generation;
        self.servers.iter().filter(move |server| {
            server.replication.as_ref().is_some_and(|own| {
                &own.source == key && matches!(own.link, Link::Up { generation: met, .. } if met == generation)
            })
        })
    }

    fn semi_links(&self, source: u8) -> Vec<usize> {
        let cursor = |replica: &Server| match replica.replication.as_ref()?.link {
            Link::Up { cursor, semi_sync: true, .. } => Some(cursor),
            _ => None,
        };
        self.connected(source)
            .filter(|replica| self.is_path(Place::Server(source), Place::Server(replica.id)))
            .filter_map(cursor)
            .collect()
    }

    pub(crate) fn instance(&self, id: u8) -> topology::Instance {
        let replicas = self.connected(id).map(|replica| replica.key.clone()).collect();
        let clients = u32::try_from(self.semi_links(id).len()).unwrap();
        self.server(id).instance(self.now, replicas, clients)
    }

    /// Lets a step of time pass on all servers.
    pub(crate) fn step(&mut self, now: u64) {
        self.now = now;
        for id in 0..u8::try_from(self.servers.len()).unwrap() {
            if self.server(id).runs() {
                self.receive(id);
                self.server_mut(id).apply(now);
            }
        }
        for id in 0..u8::try_from(self.servers.len()).unwrap() {
            if self.server(id).runs() {
                self.acknowledge(id);
                self.server_mut(id).finish_closing();
            }
        }
        self.run_clients();
    }

    /// The receiver of `id` does its part.
    fn receive(&mut self, id: u8) {
        let now = self.now;
        let Some(own) = self.server(id).replication.as_ref().filter(|own| own.receiver) else { return };
        let (link, source) = (own.link, own.source.clone());
        let met = self.meets(Place::Server(id), &source);
        let retry = now + self.server(id).setup.connect_retry_ms;
        let net_timeout = self.server(id).setup.net_timeout_ms;
        let next = match (link, met) {
            (Link::Failed { .. }, _) => return,
            (Link::Trying { from, .. }, _) if now < from => return,
            (Link::Trying { .. } | Link::Waiting { .. }, Met::Answers) => self.begin(id, &source),
            (Link::Trying { .. } | Link::Waiting { .. }, Met::Refused) => Link::Trying { from: retry, errno: 2003 },
            (Link::Trying { .. } | Link::Waiting { .. }, Met::UnknownHost) => Link::Trying { from: retry, errno: 2005 },
            (Link::Waiting { until, .. }, Met::Hung) if now >= until => Link::Trying { from: retry, errno: 2013 },
            (Link::Waiting { until, .. }, Met::NoAnswer) if now >= until => Link::Trying { from: retry, errno: 2003 },
            (Link::Waiting { .. }, _) => return,
            (Link::Trying { errno, .. }, Met::Hung | Met::NoAnswer) => {
                Link::Waiting { until: now + net_timeout, errno }
            }
            (Link::Up { generation, .. }, _) => {
                let lives = self.find(&source).is_some_and(|source| self.server(source).generation == generation);
                self.stream(id, &source, met, lives)
            }
        };
        if let Some(own) = &mut self.server_mut(id).replication {
            own.link = next;
        }
    }

    /// Returns the link of a receiver that is connected to `source`, after this step.
    fn stream(&mut self, id: u8, source: &InstanceKey, met: Met, lives: bool) -> Link {
        let now = self.now;
        let own = self.server(id).replication.as_ref().unwrap();
        let Link::Up { generation, cursor, heard, semi_sync } = own.link else { unreachable!("only for those") };
        match met {
            Met::Answers if lives => {}
            // The kernel of the source's host says that this connection is none.
            Met::Answers | Met::Refused => return Link::Trying { from: now, errno: 2013 },
            Met::Hung if !lives => return Link::Trying { from: now, errno: 2013 },
            // Silence: no packet, or no process that sends one.
            _ if now.saturating_sub(heard) > self.server(id).setup.net_timeout_ms => {
                return Link::Trying { from: now, errno: 2013 };
            }
            _ => return own.link,
        }
        let source = self.find(source).unwrap();
        let news: Vec<Event> =
            self.server(source).binlog[cursor..].iter().take_while(|event| event.logged < now).copied().collect();
        let replica = self.server_mut(id);
        let by_position = replica.replication.as_ref().is_some_and(|own| own.by_position);
        for (event, end) in news.iter().zip(cursor + 1..) {
            // What it wrote itself comes back in a ring, and is dropped by its server id.
            let is_known = event.trx.origin == replica.identity || !by_position && replica.holds(event.trx);
            let own = replica.replication.as_mut().unwrap();
            own.read = end;
            if is_known {
                if own.relay.is_empty() {
                    own.applied = end;
                }
                continue;
            }
            own.retrieved.insert(event.trx);
            own.relay.push_back(Received { event: *event, end });
            own.last_received = Some(event.trx);
        }
        Link::Up { generation, cursor: cursor + news.len(), heard: now, semi_sync }
    }

    /// Commits on `id` that were acknowledged, or waited for long enough.
    fn acknowledge(&mut self, id: u8) {
        let links = self.semi_links(id);
        let now = self.now;
        let server = self.server_mut(id);
        if !server.semi_source {
            server.finish_commits();
            return;
        }
        let needed = server.wait_count as usize;
        if server.setup.gives_up_alone && links.len() < needed {
            server.semi_active = false;
        }
        if !server.semi_active {
            let pending = server.binlog.len() - server.committed;
            server.unacknowledged += pending as u64;
            server.finish_commits();
            let caught_up = links.iter().filter(|cursor| **cursor == server.binlog.len()).count();
            server.semi_active = caught_up >= needed && !links.is_empty();
            return;
        }
        while let Some(event) = server.binlog.get(server.committed).copied() {
            let has = links.iter().filter(|cursor| **cursor > server.committed).count();
            if has >= needed {
                server.acknowledged += 1;
                server.executed.insert(event.trx);
                server.committed += 1;
            } else if now - event.logged > server.semi_timeout_ms {
                server.semi_active = false;
                server.unacknowledged += 1;
                server.executed.insert(event.trx);
                server.committed += 1;
                self.tell(format!("s{id} does not wait for replicas any more"));
                return;
            } else {
                return;
            }
        }
    }

    /// A server goes on that hung: what lies in its connections is carried out first.
    pub(crate) fn resume(&mut self, id: u8) {
        self.server_mut(id).process = Process::Running;
        for order in std::mem::take(&mut self.server_mut(id).orders) {
            order(self);
        }
    }
}
