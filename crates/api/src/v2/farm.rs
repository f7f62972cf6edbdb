//! Clusters at a glance, and instances as a tree shows them.

use std::collections::BTreeMap;

use manager::Readiness;
use planner::Hold;
use topology::{
    Channel, Cluster, Declared, Instance, InstanceKey, SemiSync, SemiSyncRole, ThreadState, Watched, WritePolicy,
};
use wire::{ClusterCard, IfItDied, InstanceRow, Key, Notice, exact_time};

use crate::compat::Scene;

/// A check is recent when it is not older than this many polls.
const RECENT_POLLS: u32 = 5;

/// Returns a cluster at a glance; who would follow its primary is put in by who knows.
pub(crate) fn card(scene: &Scene<'_>, cluster: &Cluster) -> ClusterCard {
    let rows: Vec<InstanceRow> = cluster.members.iter().map(|key| row(scene, key)).collect();
    let mut card = ClusterCard {
        name: cluster.name.clone(),
        alias: cluster.alias.clone(),
        domain: cluster.domain.clone(),
        primary: row(scene, &cluster.head),
        instances: rows.len(),
        replaced_by: successor(scene, &cluster.head).map(Key::from),
        ..ClusterCard::default()
    };
    for row in &rows {
        card.downtimed += usize::from(row.downtime.is_some());
        card.in_maintenance += usize::from(row.maintenance.is_some());
        *card.data_centers.entry(row.data_center.clone()).or_default() += 1;
        for problem in &row.problems {
            *card.problems.entry(problem.clone()).or_default() += 1;
        }
    }
    let awake = rows.iter().filter(|row| row.downtime.is_none());
    card.lag_secs = awake.filter_map(|row| Some(row.lag_secs?.saturating_sub(row.delay_secs))).max();
    card
}

/// Returns what would become of a cluster if its primary died now. None where nothing is known of its primary.
pub(crate) fn if_it_died(readiness: &Readiness) -> Option<IfItDied> {
    let rehearsal = readiness.rehearsal.as_ref()?;
    // Who only watches tells what the leader would do.
    let hold = rehearsal.hold.as_ref().filter(|hold| !matches!(hold, Hold::NotLeading { leader: Some(_) }));
    let certificate = rehearsal.certificate.as_ref();
    let (verdict, because) = match (hold, certificate) {
        (Some(hold), _) => ("held", hold.to_string()),
        (None, Some(proof)) if proof.proves_nothing_lost() => ("nothing_lost", proof.because.join("; ")),
        (None, Some(proof)) => ("may_lose", proof.because.join("; ")),
        (None, None) => ("held", "nobody could be promoted".to_owned()),
    };
    Some(IfItDied {
        verdict: verdict.to_owned(),
        successor: rehearsal.choice.chosen.as_ref().map(Key::from),
        because,
        known_lost: certificate.map_or(0, |certificate| certificate.known_lost().count()),
    })
}

/// Returns every member of `cluster`, by address.
pub(crate) fn rows(scene: &Scene<'_>, cluster: &Cluster) -> BTreeMap<String, InstanceRow> {
    cluster.members.iter().map(|key| (key.to_string(), row(scene, key))).collect()
}

/// Returns one instance as a tree shows it.
pub(crate) fn row(scene: &Scene<'_>, key: &InstanceKey) -> InstanceRow {
    let watched = scene.snapshot.get(key);
    let own = watched.and_then(|watched| watched.instance.as_deref());
    let mut row = InstanceRow {
        host: key.host.clone(),
        port: key.port,
        depth: scene.graph.depth(key),
        role: role(scene, key).to_owned(),
        source: scene.graph.source(key).map(Key::from),
        ..InstanceRow::default()
    };
    if let Some(cluster) = scene.graph.cluster_of(key) {
        row.cluster.clone_from(&cluster.name);
        row.cluster_alias.clone_from(&cluster.alias);
    }
    if let Some(own) = own {
        put_facts(&mut row, own);
    }
    put_check(&mut row, scene, watched);
    put_declared(&mut row, scene, key);
    if own.is_some_and(|own| !own.version.is_mariadb()) {
        row.errant = analysis::errant_of(scene.snapshot, scene.graph, key).to_string();
    }
    row.problems = problems(&row, scene, own);
    row
}

/// Returns who took over from `key`, if that was a primary that was replaced and belongs to the cluster no more.
pub(crate) fn successor<'s>(scene: &Scene<'s>, key: &InstanceKey) -> Option<&'s InstanceKey> {
    let successor = &scene.snapshot.demotion_at(key)?.successor;
    let (own, new) = (scene.graph.cluster_of(key)?, scene.graph.cluster_of(successor)?);
    (own.head == *key && own.name != new.name).then_some(successor)
}

fn role(scene: &Scene<'_>, key: &InstanceKey) -> &'static str {
    if successor(scene, key).is_some() {
        return "replaced";
    }
    let is_head = scene.graph.cluster_of(key).is_some_and(|cluster| cluster.head == *key);
    match (scene.graph.is_co_primary(key), is_head, scene.graph.replicas(key).is_empty()) {
        (true, _, _) => "co-primary",
        (_, true, _) => "primary",
        (_, _, false) => "intermediate",
        _ => "replica",
    }
}

fn put_facts(row: &mut InstanceRow, own: &Instance) {
    row.alias.clone_from(&own.labels.instance_alias);
    row.version.clone_from(&own.version.text);
    row.flavor = own.version.flavor.to_string();
    row.writes = match own.writes {
        WritePolicy::Writable => "writable",
        WritePolicy::ReadOnly => "read_only",
        WritePolicy::SuperReadOnly => "super_read_only",
    }
    .to_owned();
    row.gtid = if own.version.is_mariadb() { "MariaDB" } else { own.gtid.mode.as_str() }.to_owned();
    row.logs_updates = own.can_be_source();
    row.binlog_format = own.binlog.format.as_str().to_owned();
    row.data_center.clone_from(&own.placement.data_center);
    row.region.clone_from(&own.placement.region);
    row.environment.clone_from(&own.placement.environment);
    let SemiSync { source, replica, .. } = &own.semi_sync;
    row.semi_sync_source = side(source).to_owned();
    row.semi_sync_replica = side(replica).to_owned();
    row.lag_secs = own.lag_secs();
    if let Some(channel) = own.channel() {
        put_channel(row, channel);
    }
}

fn put_channel(row: &mut InstanceRow, channel: &Channel) {
    row.delay_secs = channel.delay_secs;
    row.receiver = thread(channel.receiver).to_owned();
    row.applier = thread(channel.applier).to_owned();
    row.receiver_error.clone_from(&channel.receiver_error);
    row.applier_error.clone_from(&channel.applier_error);
    row.auto_position = channel.auto_position;
    row.filters = channel.has_filters;
    if row.source.is_none() {
        // Detached: the graph knows no such server.
        row.source = Some(Key::from(&channel.source));
    }
}

fn side(role: &SemiSyncRole) -> &'static str {
    match (role.enabled, role.active) {
        (false, _) => "",
        (true, false) => "enabled",
        (true, true) => "active",
    }
}

fn thread(state: ThreadState) -> &'static str {
    match state {
        ThreadState::Stopped => "stopped",
        ThreadState::Connecting => "connecting",
        ThreadState::Running => "running",
    }
}

fn put_check(row: &mut InstanceRow, scene: &Scene<'_>, watched: Option<&Watched>) {
    let Some(watched) = watched else {
        row.state = "unseen".to_owned();
        return;
    };
    let now = scene.snapshot.now;
    let is_recent = watched.checked.is_some_and(|checked| now.since(checked) <= scene.limits.poll * RECENT_POLLS);
    row.state = match (watched.is_valid(), watched.seen) {
        (true, _) if is_recent => "ok",
        (true, _) => "stale",
        (false, Some(_)) => "unreachable",
        (false, None) => "unseen",
    }
    .to_owned();
    if let Some(failure) = &watched.failure {
        row.failure = failure_words(failure);
        row.failing_since = watched.failing_since.map(exact_time);
    }
}

/// Returns how a probe failed, in words.
pub(crate) fn failure_words(failure: &topology::ProbeFailure) -> String {
    let kind = failure.kind.to_string();
    if failure.message.is_empty() || failure.message == kind { kind } else { format!("{kind}: {}", failure.message) }
}

fn put_declared(row: &mut InstanceRow, scene: &Scene<'_>, key: &InstanceKey) {
    let declared: &Declared = &scene.snapshot.declared;
    let now = scene.snapshot.now;
    row.promotion_rule = scene.snapshot.promotion_rule(key, scene.limits.rule_expiry).as_str().to_owned();
    row.downtime = declared.downtime(key, now).map(|downtime| Notice {
        owner: downtime.owner.clone(),
        reason: downtime.reason.clone(),
        ends: exact_time(downtime.ends),
    });
    row.maintenance = declared.maintenance(key, now).map(|lock| Notice {
        owner: lock.owner.clone(),
        reason: lock.reason.clone(),
        ends: exact_time(lock.ends),
    });
    row.tags = declared.tags.get(key).cloned().unwrap_or_default();
}

/// Returns the words for what is wrong: the first of the checks that fails, and what is apart from them.
fn problems(row: &InstanceRow, scene: &Scene<'_>, own: Option<&Instance>) -> Vec<String> {
    let is_replica = row.source.is_some() && !row.receiver.is_empty();
    let lag = row.lag_secs.unwrap_or(0).saturating_sub(row.delay_secs);
    let check = match row.state.as_str() {
        "unreachable" | "unseen" => Some("unreachable"),
        "stale" => Some("not_recently_checked"),
        _ if is_replica && (row.receiver != "running" || row.applier != "running") => Some("not_replicating"),
        _ if is_replica && lag > scene.limits.lag.as_secs() => Some("replication_lag"),
        _ => None,
    };
    let errant = (!row.errant.is_empty()).then_some("errant_gtid");
    let group = own.and_then(|own| own.group.as_ref()).filter(|group| group.state != "ONLINE");
    let offline = group.map(|_| "group_member_offline");
    check.into_iter().chain(errant).chain(offline).map(str::to_owned).collect()
}
