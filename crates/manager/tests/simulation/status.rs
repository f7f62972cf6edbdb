//! What a simulated server shows of itself.

use topology::{
    Binlog, BinlogCoordinates, BinlogFormat, BinlogState, Channel, Gtid, GtidMode, GtidSet, Instance, InstanceKey,
    Labels, Placement, SemiSync, SemiSyncRole, ServerUuid, ThreadState,
};

use crate::server::{Link, Replication, Server, Tracking, uuid};
use crate::trx::{Trx, TrxSet};

/// Returns the place after so many transactions of a log.
fn place(events: usize) -> BinlogCoordinates {
    BinlogCoordinates { file: "bin.000001".to_owned(), pos: 4 + 100 * events as u64 }
}

/// Returns how many transactions stand before a place.
pub(crate) fn events_before(place: &BinlogCoordinates) -> usize {
    usize::try_from(place.pos.saturating_sub(4) / 100).unwrap()
}

impl Server {
    /// Returns what a probe reads. `replicas` are those that are connected.
    pub(crate) fn instance(&self, now: u64, replicas: Vec<InstanceKey>, semi_clients: u32) -> Instance {
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
                coordinates: place(self.binlog.len()),
                is_braked: false,
            },
            gtid: self.gtid(),
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
        let by_gtid = !own.by_position;
        let behind = || own.relay.front().map_or(0, |received| now.saturating_sub(received.event.at) / 1000);
        let lag_secs = own.applier.then(behind);
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
            read: place(own.read),
            executed: place(own.applied),
            retrieved: if by_gtid { self.gtids(&own.retrieved, own.last_received) } else { GtidSet::default() },
            auto_position: by_gtid,
            using_gtid: match self.is_mariadb() {
                true if by_gtid => "Slave_Pos".to_owned(),
                true => "No".to_owned(),
                false => String::new(),
            },
            lag_secs,
            delay_secs: self.setup.delay_secs,
            ..Channel::default()
        }
    }

    fn gtid(&self) -> Gtid {
        let (mode, purged) = match (self.is_mariadb(), self.setup.tracking) {
            (true, _) => (GtidMode::None, GtidSet::default()),
            (false, Tracking::Position) => (GtidMode::Off, GtidSet::default()),
            (false, _) => (GtidMode::On, self.gtids(&self.purged, None)),
        };
        Gtid { mode, executed: self.executed_gtids(), purged, binlog_state: self.binlog_state(), ..Gtid::default() }
    }

    /// Returns the domain and server id in which a transaction stands on MariaDB.
    fn domain(&self, trx: Trx) -> (u32, u32) {
        let origin = u32::from(trx.origin);
        (if self.tracks(Tracking::OwnDomains) { origin } else { 0 }, origin + 1)
    }

    /// Returns the last transaction of each server that its log holds, also those that wait.
    fn binlog_state(&self) -> BinlogState {
        if !self.is_mariadb() {
            return BinlogState::default();
        }
        let executed = self.executed.spans().filter_map(|(origin, spans)| Some((origin, spans.last()?.1)));
        let pending = self.binlog[self.committed..].iter().map(|event| (event.trx.origin, event.trx.number));
        let last = executed.chain(pending).map(|(origin, number)| {
            let (domain, server) = self.domain(Trx { origin, number });
            format!("{domain}-{server}-{number}")
        });
        BinlogState::parse(&last.collect::<Vec<_>>().join(",")).unwrap()
    }

    /// Returns the server's own notation of `set`; on MariaDB a position is `last`, or the last of each domain.
    pub(crate) fn gtids(&self, set: &TrxSet, last: Option<Trx>) -> GtidSet {
        if self.is_mariadb() {
            let tips: Vec<Trx> = match self.tracks(Tracking::OwnDomains) {
                true => set.spans().map(|(origin, _)| Trx { origin, number: set.last_of(origin) }).collect(),
                false => last.into_iter().collect(),
            };
            let tip = |trx: &Trx| {
                let (domain, server) = self.domain(*trx);
                format!("{domain}-{server}-{}", trx.number)
            };
            return GtidSet::parse_mariadb(&tips.iter().map(tip).collect::<Vec<_>>().join(",")).unwrap();
        }
        let spans =
            |spans: &[(u64, u64)]| spans.iter().map(|(first, last)| format!(":{first}-{last}")).collect::<String>();
        let parts: Vec<String> = set.spans().map(|(origin, of)| format!("{}{}", uuid(origin), spans(of))).collect();
        GtidSet::parse_mysql(&parts.join(",")).unwrap()
    }

    /// Returns all executed transactions in the server's own notation: nothing on MySQL without GTID.
    pub(crate) fn executed_gtids(&self) -> GtidSet {
        if self.tracks(Tracking::Position) && !self.is_mariadb() {
            return GtidSet::default();
        }
        self.gtids(&self.executed, self.binlog[..self.committed].last().map(|event| event.trx))
    }

    /// Returns by what name a certificate calls the transactions of the origin of `trx`.
    pub(crate) fn origin_of(&self, trx: Trx) -> String {
        if self.is_mariadb() { self.domain(trx).0.to_string() } else { uuid(trx.origin) }
    }
}
