//! One simulated server: what it holds, and what replication makes of it.

use std::collections::VecDeque;

use topology::{
    Binlog, BinlogCoordinates, BinlogFormat, Channel, Gtid, GtidMode, GtidSet, Instance, InstanceKey, Labels,
    Placement, SemiSync, SemiSyncRole, ServerUuid, ThreadState, Version, WritePolicy,
};

use crate::fleet::Fleet;
use crate::trx::{Trx, TrxSet};

/// The process of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Running,
    /// Stopped by a signal, or stuck: the kernel accepts connections, and takes bytes for those that there are.
    Hung,
    Down,
}

/// A transaction in a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) trx: Trx,
    /// When it was committed first.
    pub(crate) at: u64,
    /// When it came into this log.
    pub(crate) logged: u64,
}

/// The connection of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Tries from this moment on; the last attempt ended with this error.
    Trying { from: u64, errno: u32 },
    /// Waits for a word of a server that says none, until this moment.
    Waiting { until: u64, errno: u32 },
    /// Has what the source logged up to `cursor`.
    Up { generation: u64, cursor: usize, heard: u64, semi_sync: bool },
    /// The source's answer was an error that ends the receiver.
    Failed { errno: u32 },
}

/// A replica's relation to its source.
#[derive(Clone, Debug)]
pub(crate) struct Replication {
    pub(crate) source: InstanceKey,
    pub(crate) receiver: bool,
    pub(crate) applier: bool,
    pub(crate) link: Link,
    pub(crate) retrieved: TrxSet,
    /// Received and not applied.
    pub(crate) relay: VecDeque<Event>,
    pub(crate) last_received: Option<Trx>,
    pub(crate) applier_errno: u32,
}

impl Replication {
    pub(crate) fn from(source: InstanceKey) -> Self {
        Self {
            source,
            receiver: false,
            applier: false,
            link: Link::Trying { from: 0, errno: 0 },
            retrieved: TrxSet::default(),
            relay: VecDeque::new(),
            last_received: None,
            applier_errno: 0,
        }
    }

    /// Drops the relay log.
    pub(crate) fn drop_relay(&mut self) {
        self.relay.clear();
        self.retrieved.clear();
        self.last_received = None;
    }

    pub(crate) fn start_receiver(&mut self, now: u64) {
        if !self.receiver || matches!(self.link, Link::Failed { .. }) {
            self.receiver = true;
            self.link = Link::Trying { from: now, errno: 0 };
        }
    }

    pub(crate) fn stop_receiver(&mut self) {
        self.receiver = false;
        self.link = Link::Trying { from: 0, errno: 0 };
    }

    pub(crate) fn start_applier(&mut self) {
        self.applier = true;
        self.applier_errno = 0;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.receiver && self.applier && matches!(self.link, Link::Up { .. })
    }
}

/// How a server is configured.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) version: Version,
    pub(crate) data_center: String,
    /// `read_only` in its configuration file.
    pub(crate) starts_as: WritePolicy,
    pub(crate) semi_source: bool,
    pub(crate) semi_replica: bool,
    pub(crate) wait_count: u32,
    pub(crate) semi_timeout_ms: u64,
    /// Falls back to asynchronous at once when too few replicas are connected.
    pub(crate) gives_up_alone: bool,
    pub(crate) relay_log_recovery: bool,
    pub(crate) logs_updates: bool,
    pub(crate) delay_secs: u64,
    /// Milliseconds that one transaction takes to apply.
    pub(crate) apply_ms: u64,
    pub(crate) connect_retry_ms: u64,
    pub(crate) net_timeout_ms: u64,
}

/// A statement that lies in the connection of a process that does not read.
pub(crate) type Order = Box<dyn FnOnce(&mut Fleet) + Send>;

/// One server.
pub(crate) struct Server {
    pub(crate) id: u8,
    pub(crate) key: InstanceKey,
    pub(crate) setup: Setup,
    pub(crate) process: Process,
    /// Counts the lives of the process: connections of an earlier one are dead.
    pub(crate) generation: u64,
    pub(crate) started: u64,
    /// The host is off: packets vanish.
    pub(crate) host_up: bool,
    pub(crate) writes: WritePolicy,
    /// A manager made it read-only.
    pub(crate) closed_by_us: bool,
    pub(crate) binlog: Vec<Event>,
    /// How many of these are committed; the others wait for acknowledgements.
    pub(crate) committed: usize,
    pub(crate) executed: TrxSet,
    pub(crate) purged: TrxSet,
    pub(crate) purged_events: usize,
    pub(crate) semi_source: bool,
    pub(crate) semi_replica: bool,
    pub(crate) semi_active: bool,
    pub(crate) wait_count: u32,
    pub(crate) semi_timeout_ms: u64,
    pub(crate) unacknowledged: u64,
    /// Commits that replicas acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) replication: Option<Replication>,
    pub(crate) orders: Vec<Order>,
    /// One transaction is being applied until then.
    pub(crate) stalled_until: u64,
    /// The applier meets a row that is there already.
    pub(crate) broken: bool,
    /// It stays closed, whoever opens it.
    pub(crate) cannot_open: bool,
    next_apply: u64,
}

impl Server {
    pub(crate) fn new(id: u8, key: InstanceKey, setup: Setup) -> Self {
        Self {
            id,
            key,
            process: Process::Running,
            generation: 1,
            started: 0,
            host_up: true,
            writes: WritePolicy::SuperReadOnly,
            closed_by_us: false,
            binlog: Vec::new(),
            committed: 0,
            executed: TrxSet::default(),
            purged: TrxSet::default(),
            purged_events: 0,
            semi_source: setup.semi_source,
            semi_replica: setup.semi_replica,
            semi_active: setup.semi_source,
            wait_count: setup.wait_count,
            semi_timeout_ms: setup.semi_timeout_ms,
            unacknowledged: 0,
            acknowledged: 0,
            replication: None,
            orders: Vec::new(),
            stalled_until: 0,
            broken: false,
            cannot_open: false,
            next_apply: 0,
            setup,
        }
    }

    /// Replicates from `source` from the beginning.
    pub(crate) fn replicate_from(&mut self, source: &InstanceKey) {
        let mut own = Replication::from(source.clone());
        (own.receiver, own.applier) = (true, true);
        self.replication = Some(own);
    }

    pub(crate) fn is_mariadb(&self) -> bool {
        self.setup.version.is_mariadb()
    }

    pub(crate) fn runs(&self) -> bool {
        self.process == Process::Running && self.host_up
    }

    pub(crate) fn uuid(&self) -> String {
        uuid(self.id)
    }

    /// True when it holds `trx`, applied or not.
    pub(crate) fn holds(&self, trx: Trx) -> bool {
        self.executed.contains(trx) || self.replication.as_ref().is_some_and(|own| own.retrieved.contains(trx))
    }

    /// Commits a transaction of its own. It is acknowledged once [`Server::executed`] has it.
    pub(crate) fn commit(&mut self, now: u64) -> Trx {
        let logged = self.binlog.iter().rev().find(|event| self.is_mariadb() || event.trx.origin == self.id);
        let number = logged.map_or(0, |event| event.trx.number).max(self.executed.last_of(self.id)) + 1;
        let trx = Trx { origin: self.id, number };
        self.binlog.push(Event { trx, at: now, logged: now });
        if !(self.semi_source && self.semi_active) {
            self.finish_commits();
        }
        trx
    }

    /// Commits all that is in the binary log.
    pub(crate) fn finish_commits(&mut self) {
        for event in &self.binlog[self.committed..] {
            self.executed.insert(event.trx);
        }
        self.committed = self.binlog.len();
    }

    pub(crate) fn has_pending_commits(&self) -> bool {
        self.committed < self.binlog.len()
    }

    /// The process ends from one moment to the next. `power` is lost too: what was not synced to disk is gone.
    pub(crate) fn die(&mut self, power: bool) {
        self.process = Process::Down;
        self.generation += 1;
        self.orders.clear();
        if let Some(own) = &mut self.replication
            && (power || self.setup.relay_log_recovery)
        {
            own.drop_relay();
        }
    }

    /// The process starts: what its binary log holds is committed, acknowledged or not.
    pub(crate) fn start(&mut self, now: u64) {
        self.process = Process::Running;
        self.started = now;
        self.finish_commits();
        self.writes = self.setup.starts_as;
        self.closed_by_us = false;
        self.semi_source = self.setup.semi_source;
        self.semi_replica = self.setup.semi_replica;
        self.semi_active = self.semi_source;
        (self.wait_count, self.semi_timeout_ms) = (self.setup.wait_count, self.setup.semi_timeout_ms);
        self.unacknowledged = 0;
        self.acknowledged = 0;
        let drops_relay = self.is_mariadb();
        if let Some(own) = &mut self.replication {
            if drops_relay {
                own.drop_relay();
            }
            own.receiver = true;
            own.applier = true;
            own.link = Link::Trying { from: now, errno: 0 };
        }
    }

    /// Applies what is due.
    pub(crate) fn apply(&mut self, now: u64) {
        let Some(own) = &mut self.replication else { return };
        if !own.applier || now < self.stalled_until || now < self.next_apply {
            return;
        }
        const AT_ONCE: usize = 50;
        let at_most = if self.setup.apply_ms == 0 { AT_ONCE } else { 1 };
        for _ in 0..at_most {
            let Some(event) = own.relay.front().copied() else { return };
            if now < event.at + self.setup.delay_secs * 1000 {
                return;
            }
            if self.broken {
                own.applier = false;
                own.applier_errno = 1062;
                return;
            }
            own.relay.pop_front();
            if !self.executed.contains(event.trx) {
                self.executed.insert(event.trx);
                if self.setup.logs_updates {
                    self.binlog.push(Event { logged: now, ..event });
                    self.committed = self.binlog.len();
                }
            }
        }
        self.next_apply = now + self.setup.apply_ms;
    }

    /// Returns what a probe reads. `replicas` are those that are connected.
    pub(crate) fn instance(&self, now: u64, replicas: Vec<InstanceKey>, semi_clients: u32) -> Instance {
        let size = |events: usize| 4 + 100 * events as u64;
        Instance {
            key: self.key.clone(),
            uuid: if self.is_mariadb() { None } else { ServerUuid::new(&self.uuid()) },
            server_id: u32::from(self.id) + 1,
            version: self.setup.version.clone(),
            uptime_secs: (now - self.started) / 1000,
            writes: self.writes,
            binlog: Binlog {
                enabled: true,
                format: BinlogFormat::Row,
                row_image: "FULL".to_owned(),
                logs_replica_updates: self.setup.logs_updates,
                coordinates: BinlogCoordinates { file: "bin.000001".to_owned(), pos: size(self.binlog.len()) },
                is_braked: false,
            },
            gtid: Gtid {
                mode: if self.is_mariadb() { GtidMode::None } else { GtidMode::On },
                executed: self.gtids(&self.executed, self.binlog[..self.committed].last().map(|event| event.trx)),
                purged: if self.is_mariadb() { GtidSet::default() } else { self.gtids(&self.purged, None) },
                ..Gtid::default()
            },
            channels: self.replication.iter().map(|own| self.channel(own, now)).collect(),
            semi_sync: SemiSync {
                source: SemiSyncRole {
                    available: true,
                    enabled: self.semi_source,
                    active: self.semi_source && self.semi_active,
                    new_names: true,
                },
                replica: SemiSyncRole {
                    available: true,
                    enabled: self.semi_replica,
                    active: self
                        .replication
                        .as_ref()
                        .is_some_and(|own| matches!(own.link, Link::Up { semi_sync: true, .. })),
                    new_names: true,
                },
                wait_count: self.wait_count,
                timeout_ms: self.semi_timeout_ms,
                lossless: true,
                clients: semi_clients,
                priority: 0,
                unacknowledged: self.unacknowledged,
                waiting_sessions: u32::try_from(self.binlog.len() - self.committed).ok(),
                acknowledged: self.acknowledged,
                gives_up_alone: self.setup.gives_up_alone,
            },
            replicas,
            placement: Placement { data_center: self.setup.data_center.clone(), ..Placement::default() },
            labels: Labels { cluster_alias: crate::fleet::ALIAS.to_owned(), ..Labels::default() },
            credentials_available: true,
            ..Instance::default()
        }
    }

    /// Returns the channel as its status shows it.
    pub(crate) fn channel(&self, own: &Replication, now: u64) -> Channel {
        let (receiver, receiver_errno) = match own.link {
            _ if !own.receiver => (ThreadState::Stopped, 0),
            Link::Up { .. } => (ThreadState::Running, 0),
            Link::Trying { errno, .. } | Link::Waiting { errno, .. } => (ThreadState::Connecting, errno),
            Link::Failed { errno } => (ThreadState::Stopped, errno),
        };
        let lag_secs = own.applier.then(|| own.relay.front().map_or(0, |event| now.saturating_sub(event.at) / 1000));
        let word = |errno: u32| if errno == 0 { String::new() } else { format!("error {errno}") };
        Channel {
            source: own.source.clone(),
            user: "replicator".to_owned(),
            receiver,
            applier: if own.applier { ThreadState::Running } else { ThreadState::Stopped },
            receiver_errno,
            receiver_error: word(receiver_errno),
            applier_errno: own.applier_errno,
            applier_error: word(own.applier_errno),
            retrieved: self.gtids(&own.retrieved, own.last_received),
            auto_position: true,
            using_gtid: if self.is_mariadb() { "Slave_Pos".to_owned() } else { String::new() },
            lag_secs,
            delay_secs: self.setup.delay_secs,
            ..Channel::default()
        }
    }

    /// Returns the server's own notation of `set`; on MariaDB a position is `last`.
    pub(crate) fn gtids(&self, set: &TrxSet, last: Option<Trx>) -> GtidSet {
        if self.is_mariadb() {
            let position = last.map(|trx| format!("0-{}-{}", u32::from(trx.origin) + 1, trx.number));
            return GtidSet::parse_mariadb(&position.unwrap_or_default()).unwrap();
        }
        let spans =
            |spans: &[(u64, u64)]| spans.iter().map(|(first, last)| format!(":{first}-{last}")).collect::<String>();
        let parts: Vec<String> = set.spans().map(|(origin, of)| format!("{}{}", uuid(origin), spans(of))).collect();
        GtidSet::parse_mysql(&parts.join(",")).unwrap()
    }

    /// Returns all executed transactions in the server's own notation.
    pub(crate) fn executed_gtids(&self) -> GtidSet {
        self.gtids(&self.executed, self.binlog[..self.committed].last().map(|event| event.trx))
    }
}

/// Returns the identity of the server `id`.
pub(crate) fn uuid(id: u8) -> String {
    format!("{id:08x}-0000-4000-8000-{id:012x}")
}
