//! Clients that write all the time, and remember what was acknowledged.

use rand::Rng;
use topology::InstanceKey;

use crate::fleet::{Fleet, Met, Place};
use crate::trx::Trx;

/// One client.
pub(crate) struct Client {
    /// Where it is.
    pub(crate) at: u8,
    /// Stays with its connection for as long as that takes writes, whatever is published.
    pub(crate) sticks: bool,
    /// Milliseconds between two writes.
    pub(crate) pause: u64,
    pub(crate) next: u64,
    /// The server that it is connected to, in which of its lives.
    pub(crate) connected: Option<(u8, u64)>,
    /// What it waits for, since when.
    pub(crate) waits: Option<(Trx, u64)>,
}

/// A transaction that a client was told is committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) trx: Trx,
    pub(crate) at: u64,
    /// By whom.
    pub(crate) by: u8,
    /// Its server waited for acknowledgements of replicas.
    pub(crate) is_sync: bool,
    /// The manager reached that server at this moment.
    pub(crate) is_seen: bool,
}

/// How long a client waits for an answer before it turns to whoever is published.
const PATIENCE: u64 = 5000;

impl Fleet {
    pub(crate) fn run_clients(&mut self) {
        let mut clients = std::mem::take(&mut self.clients);
        for client in &mut clients {
            self.await_answer(client);
            if client.waits.is_none() && self.now >= client.next {
                let pause = client.pause;
                client.next = self.now + self.dice.random_range(pause / 2..=pause * 3 / 2);
                self.write(client);
            }
        }
        self.clients = clients;
    }

    fn await_answer(&mut self, client: &mut Client) {
        let Some((trx, since)) = client.waits else { return };
        let Some((id, generation)) = client.connected else { return };
        let server = self.server(id);
        let is_path = self.is_path(Place::Clients(client.at), Place::Server(id));
        if server.generation != generation && is_path {
            // Whether it was committed, nobody says.
            (client.connected, client.waits) = (None, None);
        } else if is_path && server.runs() && server.executed.contains(trx) {
            let is_sync = server.semi_source && server.semi_active;
            let is_seen = self.meets(self.managed_from, &server.key) == Met::Answers;
            self.acknowledged.push(Acknowledged { trx, at: self.now, by: id, is_sync, is_seen });
            client.waits = None;
        } else if self.now - since > PATIENCE {
            (client.connected, client.waits) = (None, None);
        }
    }

    fn write(&mut self, client: &mut Client) {
        let here = Place::Clients(client.at);
        let published = self.published.clone();
        let is_other = |fleet: &Self, id: u8| fleet.server(id).key != published;
        if client.connected.is_some_and(|(id, _)| !client.sticks && is_other(self, id)) {
            client.connected = None;
        }
        if client.connected.is_none() && self.meets(here, &published) == Met::Answers {
            client.connected = self.find(&published).map(|id| (id, self.server(id).generation));
        }
        let Some((id, generation)) = client.connected else { return };
        let lives = self.server(id).generation == generation;
        match self.meets(here, &self.server(id).key) {
            Met::Answers if !lives || !self.server(id).takes_writes() => client.connected = None,
            Met::Answers => {
                let now = self.now;
                let trx = self.server_mut(id).commit(now);
                client.waits = Some((trx, now));
            }
            Met::Refused => client.connected = None,
            // Its statement lies in the connection; a client that is not answered gives up.
            _ => client.connected = None,
        }
    }

    /// True when some client reaches `id`.
    pub(crate) fn serves_clients(&self, id: u8) -> bool {
        let key: &InstanceKey = &self.server(id).key;
        self.clients.iter().any(|client| self.meets(Place::Clients(client.at), key) == Met::Answers)
    }
}
