//! When faults are over, the tree is whole: one server takes writes and is published, and all others replicate from it,
//! directly or not, but for those that cannot or that a recovery left to operators, on record.

use std::collections::BTreeSet;

use topology::{InstanceKey, WritePolicy};

use super::{Counts, Moment, number};
use crate::fleet::Fleet;
use crate::server::{Server, Tracking};

/// Returns what is not as it should be, yet; nothing when all is. Counts those that are left out.
pub(crate) fn why_not_whole(moment: &Moment<'_>, counts: &mut Counts) -> Option<String> {
    let (fleet, node) = (&*moment.fleet, moment.node?);
    let head = fleet.server(number(fleet, &fleet.published));
    if !node.store().declared().recovering.is_empty() {
        return Some("a recovery is running".to_owned());
    }
    if head.writes != WritePolicy::Writable || head.replication.is_some() && !fleet.is_co_primary(head.id) {
        return Some(format!("the primary s{} does not take writes, or replicates", head.id));
    }
    if let Some(stranger) = fleet.strangers.first() {
        return Some(format!("s{stranger} was set up anew and is nobody's replica"));
    }
    let mut left_out = 0;
    for server in fleet.servers.iter().filter(|server| server.id != head.id) {
        if follows(fleet, server, head) {
            continue;
        }
        left_out += 1;
        let is_ahead = !server.executed.beyond(&head.executed).is_empty();
        if fleet.is_head(server.id) && server.writes == WritePolicy::Writable {
            return Some(format!("s{} takes writes beside the primary s{}", server.id, head.id));
        }
        if moment.attaches_returned && is_demoted(moment, server) && could_follow(server, head) {
            return Some(format!(
                "s{} was replaced, has nothing that s{} has not, and is not attached",
                server.id, head.id
            ));
        }
        if !is_ahead && !is_on_record(moment, &server.key, &mut BTreeSet::new()) {
            return Some(format!("s{} does not follow s{}, and nothing says why", server.id, head.id));
        }
    }
    counts.left_out += left_out;
    None
}

fn is_demoted(moment: &Moment<'_>, server: &Server) -> bool {
    moment.node.is_some_and(|node| node.store().declared().demoted.contains_key(&server.key))
}

/// True when a server can be attached below `head` as it is, and that can be told.
fn could_follow(server: &Server, head: &Server) -> bool {
    let can_be_told = server.is_mariadb() || !server.tracks(Tracking::Position);
    let is_ahead = !server.executed.beyond(&head.executed).is_empty();
    can_be_told && !is_ahead && server.executed.covers(&head.purged)
}

/// True when both threads run, all the way up to `head`.
pub(super) fn follows(fleet: &Fleet, server: &Server, head: &Server) -> bool {
    let mut seen = BTreeSet::new();
    let mut current = server;
    while current.id != head.id {
        let Some(own) = current.replication.as_ref().filter(|own| own.is_running()) else { return false };
        let Some(source) = fleet.find(&own.source).filter(|source| seen.insert(*source)) else { return false };
        current = fleet.server(source);
    }
    true
}

/// True when the server was lost in a recovery or replaced, and so says the manager or the source it has, or what it replicates from was.
fn is_on_record(moment: &Moment<'_>, key: &InstanceKey, seen: &mut BTreeSet<InstanceKey>) -> bool {
    let Some(node) = moment.node else { return false };
    let declared = node.store().declared();
    if declared.demoted.contains_key(key) || declared.downtimes.contains_key(key) {
        return true;
    }
    let is_detached = |server: &Server| server.replication.as_ref().is_some_and(|own| !own.source.is_valid());
    if moment.fleet.find(key).is_some_and(|id| is_detached(moment.fleet.server(id))) {
        return true;
    }
    let source = moment
        .fleet
        .find(key)
        .and_then(|id| moment.fleet.server(id).replication.as_ref().map(|own| own.source.clone()));
    let is_ahead = |key: &InstanceKey| {
        let head = moment.fleet.server(number(moment.fleet, &moment.fleet.published));
        moment.fleet.find(key).is_some_and(|id| !moment.fleet.server(id).executed.beyond(&head.executed).is_empty())
    };
    source
        .is_some_and(|source| seen.insert(source.clone()) && (is_ahead(&source) || is_on_record(moment, &source, seen)))
}
