//! Where a receiver begins in the log of its source, and when the source refuses it.

use topology::InstanceKey;

use crate::fleet::Fleet;
use crate::server::{Link, Server, Tracking};
use crate::trx::Trx;

/// The source's answer that ends a receiver.
const REFUSED_BY_SOURCE: u32 = 13114;

impl Fleet {
    /// A receiver and its source agree where to begin, or do not.
    pub(crate) fn begin(&self, id: u8, source: &InstanceKey) -> Link {
        let (replica, source) = (self.server(id), self.server(self.find(source).unwrap()));
        let by_place = replica.replication.as_ref().is_some_and(|own| own.by_position);
        let place = match (replica.is_mariadb(), replica.setup.tracking) {
            _ if by_place => by_position(replica, source),
            (false, _) => by_gtid(replica, source),
            (true, Tracking::OwnDomains) => in_all_domains(replica, source),
            (true, _) => in_one_domain(replica, source),
        };
        let semi_sync = replica.semi_replica && source.semi_source;
        match place {
            Some(cursor) => Link::Up { generation: source.generation, cursor, heard: self.now, semi_sync },
            None => Link::Failed { errno: REFUSED_BY_SOURCE },
        }
    }
}

fn by_position(replica: &Server, source: &Server) -> Option<usize> {
    let read = replica.replication.as_ref()?.read;
    (read <= source.binlog.len()).then_some(read)
}

/// MariaDB: the last that the replica has must be in the source's log.
fn in_one_domain(replica: &Server, source: &Server) -> Option<usize> {
    let own = replica.replication.as_ref()?;
    match own.last_received.or(replica.binlog.last().map(|event| event.trx)) {
        None => Some(0),
        Some(last) => source.binlog.iter().position(|event| event.trx == last).map(|place| place + 1),
    }
}

/// Likewise in each domain that the source knows, but for the replica's own: what it wrote itself it has not replicated.
fn in_all_domains(replica: &Server, source: &Server) -> Option<usize> {
    let received = &replica.replication.as_ref()?.retrieved;
    let logged = |trx: Trx| source.binlog.iter().any(|event| event.trx == trx);
    let knows = |origin: u8| source.binlog.iter().any(|event| event.trx.origin == origin);
    let last = |origin: u8| replica.executed.last_of(origin).max(received.last_of(origin));
    let origins = replica.executed.spans().chain(received.spans()).map(|(origin, _)| origin);
    let mut others = origins.filter(|origin| *origin != replica.identity && knows(*origin));
    others.all(|origin| logged(Trx { origin, number: last(origin) })).then_some(0)
}

/// MySQL: the source has purged nothing that the replica needs, and the replica has no more from the source's own hand than
/// the source has.
fn by_gtid(replica: &Server, source: &Server) -> Option<usize> {
    let own = replica.replication.as_ref()?;
    if !source.purged.iter().all(|trx| replica.holds(trx)) {
        return None;
    }
    let logged = source.binlog.iter().rev().map(|event| event.trx).find(|trx| trx.origin == source.identity);
    let last = logged.map_or(0, |trx| trx.number).max(source.executed.last_of(source.identity));
    let has = replica.executed.last_of(source.identity).max(own.retrieved.last_of(source.identity));
    (has <= last).then_some(source.purged_events)
}
