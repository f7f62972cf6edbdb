//! One simulated server: what it holds, and what replication makes of it.

use std::collections::VecDeque;

use topology::{InstanceKey, Version, WritePolicy};

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

/// How replicas know where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracking {
    /// By GTID; on MariaDB all in one domain.
    Gtid,
    /// By MariaDB's GTIDs, each server writing in a domain of its own.
    OwnDomains,
    /// By file and position of the source's log.
    Position,
}

/// What a receiver got: a transaction, and where the next one begins in the source's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) event: Event,
    pub(crate) end: usize,
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
    pub(crate) relay: VecDeque<Received>,
    pub(crate) last_received: Option<Trx>,
    /// It knows where to go on by the place in the source's log, and by nothing else.
    pub(crate) by_position: bool,
    /// How far it has read the source's log, and how far it has applied it.
    pub(crate) read: usize,
    pub(crate) applied: usize,
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
            by_position: false,
            read: 0,
            applied: 0,
            applier_errno: 0,
        }
    }

    /// From a place in the source's log.
    pub(crate) fn from_place(source: InstanceKey, place: usize) -> Self {
        Self { by_position: true, read: place, applied: place, ..Self::from(source) }
    }

    /// Drops the relay log.
    pub(crate) fn drop_relay(&mut self) {
        self.relay.clear();
        self.retrieved.clear();
        self.last_received = None;
        self.read = self.applied;
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
    pub(crate) tracking: Tracking,
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
    /// Whose transactions it writes: another one after somebody set the server up anew.
    pub(crate) identity: u8,
    pub(crate) key: InstanceKey,
    pub(crate) setup: Setup,
    pub(crate) process: Process,
    /// Counts the lives of the process: connections of an earlier one are dead.
    pub(crate) generation: u64,
    pub(crate) started: u64,
    /// The host is off: packets vanish.
    pub(crate) host_up: bool,
    pub(crate) writes: WritePolicy,
    /// It is told to refuse writes and takes none; it says so when commits that wait have ended.
    pub(crate) closing: Option<WritePolicy>,
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
            identity: id,
            key,
            process: Process::Running,
            generation: 1,
            started: 0,
            host_up: true,
            writes: WritePolicy::SuperReadOnly,
            closing: None,
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
        let mut own = self.own_way(source, 0);
        (own.receiver, own.applier) = (true, true);
        self.replication = Some(own);
    }

    pub(crate) fn is_mariadb(&self) -> bool {
        self.setup.version.is_mariadb()
    }

    pub(crate) fn runs(&self) -> bool {
        self.process == Process::Running && self.host_up
    }

    /// Returns a replica's relation to `source`, as the fleet does it; without GTID from `place` on.
    fn own_way(&self, source: &InstanceKey, place: usize) -> Replication {
        match self.setup.tracking {
            Tracking::Position => Replication::from_place(source.clone(), place),
            _ => Replication::from(source.clone()),
        }
    }

    pub(crate) fn tracks(&self, by: Tracking) -> bool {
        self.setup.tracking == by
    }

    pub(crate) fn uuid(&self) -> String {
        uuid(self.identity)
    }

    /// True when it holds `trx`, applied or not.
    pub(crate) fn holds(&self, trx: Trx) -> bool {
        self.executed.contains(trx) || self.replication.as_ref().is_some_and(|own| own.retrieved.contains(trx))
    }

    /// Commits a transaction of its own. It is acknowledged once [`Server::executed`] has it.
    pub(crate) fn commit(&mut self, now: u64) -> Trx {
        let shares = self.is_mariadb() && !self.tracks(Tracking::OwnDomains);
        let logged = self.binlog.iter().rev().find(|event| shares || event.trx.origin == self.identity);
        let number = logged.map_or(0, |event| event.trx.number).max(self.executed.last_of(self.identity)) + 1;
        let trx = Trx { origin: self.identity, number };
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

    pub(crate) fn takes_writes(&self) -> bool {
        self.writes == WritePolicy::Writable && self.closing.is_none()
    }

    /// Ends what [`Server::closing`] began, if nothing waits any more.
    pub(crate) fn finish_closing(&mut self) {
        if !self.has_pending_commits()
            && let Some(policy) = self.closing.take()
        {
            (self.writes, self.closed_by_us) = (policy, true);
        }
    }

    /// Opens or closes it, whatever waits.
    pub(crate) fn set_writes(&mut self, policy: WritePolicy) {
        (self.writes, self.closing) = (policy, None);
        self.closed_by_us = policy != WritePolicy::Writable;
    }

    pub(crate) fn has_pending_commits(&self) -> bool {
        self.committed < self.binlog.len()
    }

    /// The process ends from one moment to the next. `power` is lost too: what was not synced to disk is gone.
    pub(crate) fn die(&mut self, power: bool) {
        self.process = Process::Down;
        self.generation += 1;
        self.orders.clear();
        self.closing = None;
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
        let is_mariadb = self.is_mariadb();
        if let Some(own) = &mut self.replication {
            if is_mariadb && !own.by_position {
                own.drop_relay();
            }
            own.receiver = true;
            own.applier = true;
            own.link = Link::Trying { from: now, errno: 0 };
        }
    }

    /// Another server, empty and closed, has its address from now on.
    pub(crate) fn set_up_anew(&mut self, identity: u8, now: u64) {
        self.die(false);
        (self.host_up, self.identity, self.replication) = (true, identity, None);
        self.hold_copy(TrxSet::default());
        self.start(now);
        self.writes = WritePolicy::SuperReadOnly;
        (self.stalled_until, self.broken) = (0, false);
    }

    /// Gets a copy of another server's data, and replicates from `source` from `place` on.
    pub(crate) fn become_copy(&mut self, copy: TrxSet, source: &InstanceKey, place: usize, now: u64) {
        self.hold_copy(copy);
        let mut own = self.own_way(source, place);
        own.start_receiver(now);
        own.start_applier();
        self.replication = Some(own);
        self.writes = WritePolicy::SuperReadOnly;
    }

    fn hold_copy(&mut self, copy: TrxSet) {
        (self.purged, self.purged_events) = (copy.clone(), 0);
        self.executed = copy;
        self.binlog.clear();
        self.committed = 0;
    }

    /// Applies what is due.
    pub(crate) fn apply(&mut self, now: u64) {
        // What is in the log already, and waits for acknowledgements, is committed first.
        if self.has_pending_commits() {
            return;
        }
        let Some(own) = &mut self.replication else { return };
        if !own.applier || now < self.stalled_until || now < self.next_apply {
            return;
        }
        const AT_ONCE: usize = 50;
        let at_most = if self.setup.apply_ms == 0 { AT_ONCE } else { 1 };
        for _ in 0..at_most {
            let Some(Received { event, end }) = own.relay.front().copied() else { return };
            if now < event.at + self.setup.delay_secs * 1000 {
                return;
            }
            // Without GTID nobody notices that it was applied before, but for the row that is there.
            let is_twice = own.by_position && self.executed.contains(event.trx);
            if self.broken || is_twice {
                own.applier = false;
                own.applier_errno = 1062;
                return;
            }
            own.relay.pop_front();
            own.applied = end;
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
}

/// Returns the uuid of an identity.
pub(crate) fn uuid(identity: u8) -> String {
    format!("{identity:08x}-0000-4000-8000-{identity:012x}")
}
