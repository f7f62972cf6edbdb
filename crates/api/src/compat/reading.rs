//! A farm from a file: the array of instances that `/api/all-instances` returns, from us or from an existing Orchestrator,
//! read back into the snapshot that shows it. The inverse of `instance.rs`.
//!
//! A server needs an address, and nothing else: keys that are missing, or null, have the value that a healthy server of
//! an ordinary farm has. Nothing ages because the file is old: its newest moment is now.

mod errno;
mod row;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use topology::{
    Binlog, BinlogFormat, Channel, Declared, Downtime, Flavor, Graph, GroupMember, GroupMembership, Gtid, GtidMode,
    Instance, InstanceKey, Labels, Maintenance, Placement, ProbeFailure, PromotionRule, SemiSync, SemiSyncRole,
    ServerUuid, Snapshot, ThreadState, Timestamp, TlsProfile, Unreachable, Version, Watched, WritePolicy,
};
use wire::read_error_text;

use self::row::{Problem, Row, ThreadSaid};
use super::RECENT_POLLS;

/// A downtime or a lock without an end lasts as long as anybody looks at the file.
const OPEN_END: Duration = Duration::from_secs(365 * 86_400);

/// A server of which nothing else is said has not been restarted lately: it still has what it received.
const ORDINARY_UPTIME_SECS: u64 = 86_400;

/// A server that does not answer has not answered for this long at least: what was found of it is no moment's accident.
const FAILED_FOR: Duration = Duration::from_secs(2);

/// As many probes failed as confirm each other, however they failed.
const FAILURES: u32 = 3;

/// Why a text is no farm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASnapshot {
    /// It is no JSON.
    #[error("this is no JSON ({0}): save what /api/all-instances returns")]
    NotJson(String),
    /// It is JSON of another shape.
    #[error("this is {found}, and not the array that /api/all-instances returns")]
    NotAnArray {
        /// What it is.
        found: String,
    },
    /// An instance cannot be read.
    #[error("instance {number} of the array{name}: {problem}")]
    BadInstance {
        /// Its place, from 1.
        number: usize,
        /// Its address in brackets, where it has one.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Two instances have one address.
    #[error("instances {first} and {second} of the array are both {key}: leave one of them out")]
    Twice {
        /// The address.
        key: InstanceKey,
        /// The place of the first, from 1.
        first: usize,
        /// The place of the second.
        second: usize,
    },
}

/// Returns the farm that `text` shows. Servers are polled each `poll`; `clock` is the present moment, which counts only where
/// the file has no time at all.
///
/// # Errors
/// [`NotASnapshot`].
pub fn read_snapshot(text: &[u8], poll: Duration, clock: Timestamp) -> Result<Snapshot, NotASnapshot> {
    // Editors and shells of some systems put a mark before the text.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let value: Value = serde_json::from_slice(text).map_err(|error| NotASnapshot::NotJson(error.to_string()))?;
    let Value::Array(items) = &value else {
        return Err(NotASnapshot::NotAnArray { found: named(&value) });
    };
    let rows = rows(items)?;
    let now = moment(&rows).unwrap_or(clock);
    let mut snapshot = Snapshot { now, voters: 1, ..Snapshot::default() };
    let mut declared = Declared::default();
    for (number, (key, row)) in rows.iter().enumerate() {
        let watched = watched(row, key, now, poll).map_err(|problem| bad(number, Some(key), problem))?;
        declare(&mut declared, row, key, now).map_err(|problem| bad(number, Some(key), problem))?;
        snapshot.watched.insert(key.clone(), Arc::new(watched));
    }
    snapshot.declared = Arc::new(declared);
    date_failures(&mut snapshot, poll);
    Ok(snapshot)
}

/// Returns what a JSON value is, in words.
fn named(value: &Value) -> String {
    let message = value["Message"].as_str().filter(|_| value["Code"] == "ERROR");
    match (value, message) {
        (_, Some(message)) => format!("an error that the API answered ({message:?})"),
        (Value::Object(fields), _) if fields.contains_key("Key") => {
            "one instance without the brackets around it".into()
        }
        (Value::Object(_), _) => "an object".into(),
        (Value::Null, _) => "null".into(),
        _ => "a single value".into(),
    }
}

fn bad(at: usize, key: Option<&InstanceKey>, problem: Problem) -> NotASnapshot {
    let name = key.map(|key| format!(" ({key})")).unwrap_or_default();
    NotASnapshot::BadInstance { number: at + 1, name, problem: problem.0 }
}

fn rows(items: &[Value]) -> Result<Vec<(InstanceKey, Row<'_>)>, NotASnapshot> {
    let mut places: BTreeMap<InstanceKey, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let row = Row::of(item).map_err(|problem| bad(at, None, problem))?;
        let key = row.key("Key").map_err(|problem| bad(at, None, problem))?.filter(InstanceKey::is_valid);
        let key = key.ok_or_else(|| bad(at, None, Problem("it has no Key with Hostname and Port".to_owned())))?;
        if let Some(first) = places.insert(key.clone(), at) {
            return Err(NotASnapshot::Twice { key, first: first + 1, second: at + 1 });
        }
        rows.push((key, row));
    }
    Ok(rows)
}

/// Returns the moment that the file shows: what most servers say by the time they were seen and how long ago that was, and
/// no earlier than any of them was seen. None where nothing tells a time.
fn moment(rows: &[(InstanceKey, Row<'_>)]) -> Option<Timestamp> {
    let mut votes: BTreeMap<Timestamp, usize> = BTreeMap::new();
    let mut newest = None;
    for (_, row) in rows {
        let Some(seen) = row.time("LastSeenTimestamp").ok().flatten() else { continue };
        newest = newest.max(Some(seen));
        let ago = row.nullable("SecondsSinceLastSeen").ok().flatten().flatten();
        if let Some(ago) = ago.filter(|_| is_valid(row)) {
            *votes.entry(seen.plus(Duration::from_secs(ago))).or_default() += 1;
        }
    }
    let chosen = votes.into_iter().max_by_key(|(moment, count)| (*count, *moment)).map(|(moment, _)| moment);
    newest.max(chosen)
}

fn is_valid(row: &Row<'_>) -> bool {
    row.flag("IsLastCheckValid").ok().flatten().unwrap_or(true)
}

fn watched(row: &Row<'_>, key: &InstanceKey, now: Timestamp, poll: Duration) -> Result<Watched, Problem> {
    let is_valid = row.flag("IsLastCheckValid")?.unwrap_or(true);
    let is_partial = !is_valid && row.flag("LastCheckPartialSuccess")?.unwrap_or(false);
    // Somebody replicates from it, and nobody ever read it.
    let is_unseen = !is_valid && row.text("FlavorName")? == "unknown" && row.text("Version")?.is_empty();
    let seen = row.time("LastSeenTimestamp")?.or((!is_unseen).then_some(now));
    let checked = match (row.flag("IsUpToDate")?.unwrap_or(true), row.flag("IsRecentlyChecked")?.unwrap_or(true)) {
        (true, true) => now,
        (false, true) => now.minus(poll * 2),
        (_, false) => now.minus(poll * (RECENT_POLLS + 1)),
    };
    let failure = (!is_valid).then(|| ProbeFailure {
        kind: if is_partial { Unreachable::Hung } else { Unreachable::Refused },
        message: "not reachable at its last check".to_owned(),
        partial: is_partial,
    });
    let instance = if is_unseen { None } else { Some(Arc::new(instance(row, key)?)) };
    Ok(Watched {
        key: key.clone(),
        instance,
        seen,
        checked: Some(checked),
        attempted: Some(checked),
        failures: if failure.is_some() { FAILURES } else { 0 },
        failure,
        latency_us: row.elapsed("LastDiscoveryLatency")?.as_micros().try_into().unwrap_or(u64::MAX),
        unchanged_since: row.flag("StaleBinlogCoordinates")?.unwrap_or(false).then_some(Timestamp::FIRST),
        first_heard: seen.unwrap_or(now),
        ..Watched::default()
    })
}

/// Dates failures so that what valid members of the same cluster say is newer than them: the file has one state of each
/// server, and all of it holds together.
fn date_failures(snapshot: &mut Snapshot, poll: Duration) {
    let graph = Graph::of(snapshot);
    let mut dated = Vec::new();
    for watched in snapshot.watched.values().filter(|watched| watched.failure.is_some()) {
        let members = graph.cluster_of(&watched.key).map_or(&[][..], |cluster| &cluster.members);
        let others = members.iter().filter_map(|key| snapshot.get(key).filter(|other| other.is_valid())?.seen);
        let next_probe = watched.seen.map(|seen| seen.plus(poll));
        let since = others.chain(next_probe).chain([snapshot.now.minus(FAILED_FOR)]).min();
        dated.push((watched.key.clone(), since));
    }
    for (key, since) in dated {
        if let Some(watched) = snapshot.watched.get_mut(&key) {
            Arc::make_mut(watched).failing_since = since;
        }
    }
}

fn instance(row: &Row<'_>, key: &InstanceKey) -> Result<Instance, Problem> {
    let version = version(row)?;
    let is_mariadb = version.is_mariadb();
    let channel = channel(row, is_mariadb)?;
    Ok(Instance {
        key: key.clone(),
        uuid: ServerUuid::new(row.text("ServerUUID")?),
        server_id: row.number("ServerID")?.unwrap_or_default(),
        version_comment: row.text("VersionComment")?.to_owned(),
        uptime_secs: row.number("Uptime")?.unwrap_or(ORDINARY_UPTIME_SECS),
        writes: if row.flag("ReadOnly")?.unwrap_or(false) { WritePolicy::ReadOnly } else { WritePolicy::Writable },
        binlog: Binlog {
            enabled: row.flag("LogBinEnabled")?.unwrap_or(true),
            format: BinlogFormat::parse(row.text("Binlog_format")?),
            row_image: row.text("BinlogRowImage")?.to_owned(),
            logs_replica_updates: row
                .either_flag("LogReplicationUpdatesEnabled", "LogSlaveUpdatesEnabled")?
                .unwrap_or(true),
            coordinates: row.coordinates("SelfBinlogCoordinates")?,
            is_braked: false,
        },
        gtid: gtid(row, is_mariadb)?,
        semi_sync: semi_sync(row, is_mariadb)?,
        group: group(row)?,
        replicas: row.keys("Replicas")?,
        placement: Placement {
            data_center: row.text("DataCenter")?.to_owned(),
            region: row.text("Region")?.to_owned(),
            environment: row.text("PhysicalEnvironment")?.to_owned(),
        },
        labels: labels(row, channel.as_ref())?,
        credentials_available: row.flag("ReplicationCredentialsAvailable")?.unwrap_or(false),
        channels: channel.into_iter().collect(),
        version,
    })
}

fn version(row: &Row<'_>) -> Result<Version, Problem> {
    let version = Version::parse(row.text("Version")?, row.text("VersionComment")?);
    let flavor = match row.text("FlavorName")? {
        "MariaDB" => Flavor::MariaDb,
        "MaxScale" => Flavor::MaxScale,
        "Percona" => Flavor::Percona,
        "MySQL" => Flavor::MySql,
        _ => version.flavor,
    };
    Ok(Version { flavor, ..version })
}

fn gtid(row: &Row<'_>, is_mariadb: bool) -> Result<Gtid, Problem> {
    let supports = row.flag("SupportsOracleGTID")?.unwrap_or(false) || row.flag("UsingOracleGTID")?.unwrap_or(false);
    let mode = match GtidMode::parse(row.text("GTIDMode")?) {
        GtidMode::None if supports && !is_mariadb => GtidMode::On,
        mode => mode,
    };
    let executed = row.gtid_set("ExecutedGtidSet")?;
    // It executed what it has beyond its source, also where the two sets were left as they are.
    let executed = if is_mariadb { executed } else { executed.union(&row.gtid_set("GtidErrant")?) };
    Ok(Gtid { mode, executed, purged: row.gtid_set("GtidPurged")?, ..Gtid::default() })
}

fn channel(row: &Row<'_>, is_mariadb: bool) -> Result<Option<Channel>, Problem> {
    let Some(source) = row.key("MasterKey")?.filter(|key| key.port > 0 && !matches!(key.host.as_str(), "" | "_"))
    else {
        return Ok(None);
    };
    let source = if row.flag("IsDetachedMaster")?.unwrap_or(false) { source.detached() } else { source };
    let receiver_error = read_error_text(row.text("LastIOError")?);
    let receiver_errno = errno::of_receiver(&receiver_error);
    let receiver = row.thread("ReplicationIOThreadState", "ReplicationIOThreadRuning", "Slave_IO_Running")?;
    let applier = row.thread("ReplicationSQLThreadState", "ReplicationSQLThreadRuning", "Slave_SQL_Running")?;
    let applier_error = read_error_text(row.text("LastSQLError")?);
    let receiver = match receiver {
        ThreadSaid::State(state) => state,
        // A receiver that cannot connect goes on trying; one that is stopped has no such error, or an old one.
        _ if errno::is_of_connecting(&receiver_error) => ThreadState::Connecting,
        ThreadSaid::Nothing if receiver_error.is_empty() => ThreadState::Running,
        ThreadSaid::Nothing | ThreadSaid::NotRunning => ThreadState::Stopped,
    };
    let applier = match applier {
        ThreadSaid::State(state) => state,
        ThreadSaid::Nothing if applier_error.is_empty() => ThreadState::Running,
        ThreadSaid::Nothing | ThreadSaid::NotRunning => ThreadState::Stopped,
    };
    let both_run = receiver == ThreadState::Running && applier == ThreadState::Running;
    let uses_gtid = if is_mariadb {
        row.flag("UsingMariaDBGTID")?.unwrap_or(false)
    } else {
        row.flag("UsingOracleGTID")?.unwrap_or(GtidMode::parse(row.text("GTIDMode")?) == GtidMode::On)
    };
    let using_gtid = match (is_mariadb, uses_gtid) {
        (false, _) => "",
        (true, true) => "Slave_Pos",
        (true, false) => "No",
    };
    let has_credentials = row.flag("HasReplicationCredentials")?.unwrap_or(true);
    Ok(Some(Channel {
        source,
        // On MariaDB, Orchestrator shows `Using_Gtid` here, shifted by one column.
        source_uuid: ServerUuid::new(row.text("MasterUUID")?).filter(|_| !is_mariadb),
        user: if has_credentials { "replication".to_owned() } else { String::new() },
        receiver,
        applier,
        receiver_errno,
        receiver_error,
        applier_errno: errno::of_applier(&applier_error),
        applier_error,
        read: row.coordinates("ReadBinlogCoordinates")?,
        executed: row.coordinates("ExecBinlogCoordinates")?,
        relay: row.coordinates("RelaylogCoordinates")?,
        auto_position: uses_gtid,
        using_gtid: using_gtid.to_owned(),
        lag_secs: row.nullable("SecondsBehindMaster")?.unwrap_or(both_run.then_some(0)),
        delay_secs: row.number("SQLDelay")?.unwrap_or_default(),
        has_filters: row.flag("HasReplicationFilters")?.unwrap_or(false),
        tls: tls(row)?,
        ..Channel::default()
    }))
}

fn tls(row: &Row<'_>) -> Result<TlsProfile, Problem> {
    let text = |name| row.text(name).map(str::to_owned);
    Ok(TlsProfile {
        enabled: row.flag("AllowTLS")?.unwrap_or(false),
        ca_file: text("ReplicationSSLCAFile")?,
        ca_path: text("ReplicationSSLCAPath")?,
        cert: text("ReplicationSSLCert")?,
        cipher: text("ReplicationSSLCipher")?,
        key: text("ReplicationSSLKey")?,
        crl: text("ReplicationSSLCRLFile")?,
        crl_path: text("ReplicationSSLCRLPath")?,
        verify_server_cert: row.nullable_flag("ReplicationSSLVerifyServerCert")?,
        tls_version: text("ReplicationTLSVersion")?,
        public_key_path: text("ReplicationSourcePublicKeyPath")?,
        get_public_key: row.nullable_flag("ReplicationGetSourcePublicKey")?,
    })
}

fn semi_sync(row: &Row<'_>, is_mariadb: bool) -> Result<SemiSync, Problem> {
    let flag = |name| row.flag(name).map(|flag| flag.unwrap_or(false));
    let available = flag("SemiSyncAvailable")?;
    let role = |enabled: bool, active: bool, new_names: bool| SemiSyncRole {
        available: available || enabled,
        enabled,
        active,
        new_names,
    };
    let source =
        role(flag("SemiSyncMasterEnabled")?, flag("SemiSyncMasterStatus")?, flag("SemiSyncMasterPluginNewVersion")?);
    let replica =
        role(flag("SemiSyncReplicaEnabled")?, flag("SemiSyncReplicaStatus")?, flag("SemiSyncReplicaPluginNewVersion")?);
    let (clients, wait_count) = (
        row.number("SemiSyncMasterClients")?.unwrap_or_default(),
        row.number("SemiSyncMasterWaitForReplicaCount")?.unwrap_or_default(),
    );
    Ok(SemiSync {
        source,
        replica,
        wait_count,
        timeout_ms: row.number("SemiSyncMasterTimeout")?.unwrap_or_default(),
        // The array does not say; these are the servers' defaults.
        lossless: source.enabled && !is_mariadb,
        clients,
        // Nor this: while enough replicas are connected, nobody waits for long.
        waiting_sessions: (source.active && clients >= wait_count).then_some(0),
        priority: row.number("SemiSyncPriority")?.unwrap_or_default(),
        ..SemiSync::default()
    })
}

fn group(row: &Row<'_>) -> Result<Option<GroupMembership>, Problem> {
    let name = row.text("ReplicationGroupName")?;
    if name.is_empty() {
        return Ok(None);
    }
    let primary = row.key("ReplicationGroupPrimaryInstanceKey")?;
    let member = |key: InstanceKey| GroupMember { is_primary: primary.as_ref() == Some(&key), key };
    let mut members: Vec<GroupMember> = row.keys("ReplicationGroupMembers")?.into_iter().map(member).collect();
    members.sort_by(|one, two| one.key.cmp(&two.key));
    Ok(Some(GroupMembership {
        name: name.to_owned(),
        single_primary: row.flag("ReplicationGroupIsSinglePrimary")?.unwrap_or(true),
        state: row.text_or("ReplicationGroupMemberState", "ONLINE")?.to_owned(),
        is_primary: row.text("ReplicationGroupMemberRole")? == "PRIMARY",
        members,
    }))
}

fn labels(row: &Row<'_>, channel: Option<&Channel>) -> Result<Labels, Problem> {
    let rule = row.text_or("PromotionRule", "neutral")?;
    let rule: PromotionRule = if rule.is_empty() { PromotionRule::Neutral } else { rule.parse().map_err(Problem)? };
    let by_server = channel.and_then(|channel| channel.lag_secs);
    let by_query = row.nullable("ReplicationLagSeconds")?.or(row.nullable("SlaveLagSeconds")?).flatten();
    Ok(Labels {
        instance_alias: row.text("InstanceAlias")?.to_owned(),
        cluster_alias: row.text("SuggestedClusterAlias")?.to_owned(),
        cluster_domain: String::new(),
        promotion_rule: Some(rule).filter(|rule| *rule != PromotionRule::Neutral),
        lag_secs: by_query.filter(|lag| Some(*lag) != by_server),
    })
}

/// Adds what operators declared about one instance.
fn declare(declared: &mut Declared, row: &Row<'_>, key: &InstanceKey, now: Timestamp) -> Result<(), Problem> {
    let ends = row.time("DowntimeEndTimestamp")?;
    if row.flag("IsDowntimed")?.unwrap_or(ends.is_some_and(|ends| ends > now)) {
        let downtime = Downtime {
            owner: row.text("DowntimeOwner")?.to_owned(),
            reason: row.text("DowntimeReason")?.to_owned(),
            begins: now.minus(row.elapsed("ElapsedDowntime")?),
            // It is in effect, whatever the two clocks say.
            ends: ends.unwrap_or(now.plus(OPEN_END)).max(now.plus(Duration::from_secs(1))),
        };
        declared.downtimes.insert(key.clone(), downtime);
    }
    if row.flag("InMaintenance")?.unwrap_or(false) {
        let id = i64::try_from(declared.maintenance.len() + 1).unwrap_or(i64::MAX);
        let (owner, reason) = (String::new(), String::new());
        let lock = Maintenance { id, owner, reason, begins: now, ends: now.plus(OPEN_END) };
        declared.maintenance.insert(key.clone(), lock);
    }
    let tags = row.tags("Tags")?;
    if !tags.is_empty() {
        declared.tags.insert(key.clone(), tags);
    }
    for pool in row.words("Pools")? {
        declared.pools.entry(pool).or_default().insert(key.clone());
    }
    let cluster = row.text("ClusterName")?;
    if !cluster.is_empty() {
        declared.cluster_names.insert(key.clone(), cluster.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
