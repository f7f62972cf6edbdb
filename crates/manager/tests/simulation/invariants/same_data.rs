//! Who follows the primary in the end gets what its source has, but for what is on its way.

use std::collections::BTreeSet;

use super::{Moment, number, whole};

/// Milliseconds that a transaction may take from the log of a source to its replica.
const ON_ITS_WAY: u64 = 10_000;

/// Returns what a replica lacks that should have it.
pub(crate) fn why_not_same(moment: &Moment<'_>) -> Option<String> {
    let fleet = &*moment.fleet;
    let head = fleet.server(number(fleet, &fleet.published));
    let until = fleet.now.saturating_sub(ON_ITS_WAY);
    let others = fleet.servers.iter().filter(|server| server.id != head.id && server.setup.delay_secs == 0);
    for server in others.filter(|server| whole::follows(fleet, server, head)) {
        let source = server.replication.as_ref().and_then(|own| fleet.find(&own.source));
        let source = source.map(|source| fleet.server(source))?;
        let logged = &source.binlog[..source.committed];
        let mut old = logged.iter().filter(|event| event.logged < until).map(|event| event.trx);
        // Its own, too, that wait for acknowledgements which do not come any more.
        let waits = server.binlog[server.committed..].iter().map(|event| event.trx);
        let relay = server.replication.iter().flat_map(|own| &own.relay).map(|received| received.event.trx);
        let has: BTreeSet<_> = relay.chain(waits).collect();
        let is_missing = |trx: &_| !server.executed.contains(*trx) && !has.contains(trx);
        if let Some(trx) = old.find(is_missing) {
            return Some(format!("s{} follows s{} and has not got {trx}", server.id, source.id));
        }
    }
    None
}
