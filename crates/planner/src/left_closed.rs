//! A primary that is read-only because a recovery of ours closed it, and that was given up: nobody took its place.
//!
//! It is opened if it is the one primary still, and there is nothing newer. Whatever speaks against that is told, with the
//! command by which a person opens it.

use topology::{Demoted, Graph, InstanceKey, Snapshot};

use crate::Beyond;

/// Returns what speaks against opening the server at `key` at this moment; nothing when it may be. `record` says by which
/// recovery it was closed, and who was to take its place.
pub fn against_reopening(snapshot: &Snapshot, graph: &Graph, key: &InstanceKey, record: &Demoted) -> Option<String> {
    let (declared, now) = (&snapshot.declared, snapshot.now);
    let candidate = &record.successor;
    let watched = snapshot.get(key).filter(|watched| watched.is_valid());
    let Some(server) = watched.and_then(|watched| watched.instance.as_deref()) else {
        return Some("it does not answer".to_owned());
    };
    let own = graph.cluster_of(key);
    let members = own.map(|own| own.members.as_slice()).unwrap_or_default();
    // By whichever name: the cluster's, or that of a server that leads it, or is about to.
    let is_about_it = |name: &String| {
        own.is_some_and(|own| own.name == *name)
            || members.iter().chain([key, candidate]).any(|member| member.to_string() == *name)
    };
    if declared.recovering.iter().any(is_about_it) {
        return Some("a recovery is running".to_owned());
    }
    if let Some(demoted) = snapshot.demotion(server) {
        return Some(format!("it was replaced by {}", demoted.successor));
    }
    if let Some(downtime) = declared.downtime(key, now) {
        return Some(format!("it is in downtime (by {}: {})", downtime.owner, downtime.reason));
    }
    if let Some(maintenance) = declared.maintenance(key, now) {
        return Some(format!("it is in maintenance by {}", maintenance.owner));
    }
    let is_namesake = |alias: &str, name: &str| own.is_some_and(|own| own.alias == alias && own.name != name);
    let namesakes = graph.clusters().iter().filter(|other| is_namesake(&other.alias, &other.name));
    let others = members.iter().chain([candidate]);
    let is_open = |key: &&InstanceKey| snapshot.instance(key).is_some_and(|other| other.writes.is_writable());
    let others = others.chain(namesakes.map(|cluster| &cluster.head)).filter(|other| *other != key);
    if let Some(open) = others.into_iter().find(is_open) {
        return Some(format!("{open} takes writes, or did when it was last seen"));
    }
    let Some(to_be) = snapshot.instance(candidate) else {
        let leads = graph.replicas(key).iter().any(|replica| snapshot.get(replica).is_some_and(|one| one.is_valid()));
        return (!leads).then(|| "nobody replicates from it".to_owned());
    };
    if to_be.source() != Some(key) && !graph.descendants(key).contains(candidate) {
        return Some(format!("{candidate}, which was to take its place, does not replicate from it"));
    }
    match Beyond::of(to_be, server) {
        Some(beyond) if !beyond.is_empty() => {
            Some(format!("{candidate}, which was to take its place, has transactions that it has not: {beyond}"))
        }
        _ => None,
    }
}
