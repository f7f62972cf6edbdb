//! Whether one server can replicate from another.

use std::time::Duration;

use topology::{GtidMode, Instance, InstanceKey};

/// What operators configured about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicationRules {
    /// `LowerReplicaVersionAllowed`: an older server may replicate from a newer one.
    pub older_may_follow: bool,
    /// `VerifyReplicationFilters`: who replicates from a server with filters must have some too.
    pub verify_filters: bool,
    /// `ReasonableMaintenanceReplicationLagSeconds`: a longer delay of the source must be the replica's too.
    pub short_delay: Duration,
}

/// Why one server cannot replicate from another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// They are the same.
    #[error("{0} cannot replicate from itself")]
    Itself(InstanceKey),
    /// The source has no binary log.
    #[error("{0} has no binary log")]
    NoBinaryLog(InstanceKey),
    /// The source is a replica and does not pass on what it replicates.
    #[error("{0} is a replica and does not log what it replicates (log_replica_updates)")]
    DoesNotPassOn(InstanceKey),
    /// The source is of a newer line.
    #[error("instance {replica} has version {old}, which is lower than {new} on {source_key}")]
    Older {
        /// Who would replicate.
        replica: InstanceKey,
        /// Its version.
        old: String,
        /// From whom.
        source_key: InstanceKey,
        /// Its version.
        new: String,
    },
    /// The replica logs in a format in which it cannot log what comes.
    #[error("{replica} logs as {own}, and could not log what comes as {theirs} from {source_key}")]
    Format {
        /// Who would replicate.
        replica: InstanceKey,
        /// Its format.
        own: &'static str,
        /// From whom.
        source_key: InstanceKey,
        /// Its format.
        theirs: &'static str,
    },
    /// The source has replication filters, and the replica has none.
    #[error("{0} has replication filters")]
    Filters(InstanceKey),
    /// Both have the same number.
    #[error("{one} and {other} have the same server_id {id}")]
    SameId {
        /// One of them.
        one: InstanceKey,
        /// The other.
        other: InstanceKey,
        /// The number.
        id: u32,
    },
    /// Both have the same identity.
    #[error("{one} and {other} have the same server_uuid {uuid}")]
    SameUuid {
        /// One of them.
        one: InstanceKey,
        /// The other.
        other: InstanceKey,
        /// The identity.
        uuid: String,
    },
    /// The source is delayed by more than the replica.
    #[error("{source_key} is delayed by {theirs} s and {replica} by {own} s")]
    Delay {
        /// Who would replicate.
        replica: InstanceKey,
        /// Its delay in seconds.
        own: u64,
        /// From whom.
        source_key: InstanceKey,
        /// Its delay in seconds.
        theirs: u64,
    },
    /// They have no GTID in common.
    #[error("{replica} and {source_key} do not both use the same kind of GTID")]
    NoCommonGtid {
        /// Who would replicate.
        replica: InstanceKey,
        /// From whom.
        source_key: InstanceKey,
    },
    /// The source no longer has what the replica lacks.
    #[error("{source_key} has purged what {replica} lacks: {lacks}")]
    Purged {
        /// Who would replicate.
        replica: InstanceKey,
        /// From whom.
        source_key: InstanceKey,
        /// What it lacks.
        lacks: String,
    },
}

/// Asserts that `replica` can replicate from `source`.
///
/// # Errors
/// The first reason why not.
pub fn can_replicate(replica: &Instance, source: &Instance, rules: &ReplicationRules) -> Result<(), Incompatible> {
    let (one, other) = (replica.key.clone(), source.key.clone());
    if one == other {
        return Err(Incompatible::Itself(one));
    }
    if !source.binlog.enabled {
        return Err(Incompatible::NoBinaryLog(other));
    }
    if source.is_replica() && !source.binlog.logs_replica_updates {
        return Err(Incompatible::DoesNotPassOn(other));
    }
    // It passes on what it receives as it is.
    let relays = replica.version.is_binlog_server();
    if replica.version.line() < source.version.line() && !rules.older_may_follow && !relays {
        let (old, new) = (replica.version.text.clone(), source.version.text.clone());
        return Err(Incompatible::Older { replica: one, old, source_key: other, new });
    }
    let (own, theirs) = (replica.binlog.format, source.binlog.format);
    if replica.can_be_source() && own < theirs {
        let (own, theirs) = (own.as_str(), theirs.as_str());
        return Err(Incompatible::Format { replica: one, own, source_key: other, theirs });
    }
    let filters = |instance: &Instance| instance.channel().is_some_and(|channel| channel.has_filters);
    if rules.verify_filters && filters(source) && !filters(replica) {
        return Err(Incompatible::Filters(other));
    }
    if replica.server_id == source.server_id && !relays {
        return Err(Incompatible::SameId { one, other, id: source.server_id });
    }
    if let Some(uuid) = source.uuid.as_ref().filter(|uuid| replica.uuid.as_ref() == Some(uuid) && !relays) {
        return Err(Incompatible::SameUuid { one, other, uuid: uuid.to_string() });
    }
    let delay = |instance: &Instance| instance.channel().map_or(0, |channel| channel.delay_secs);
    let (own, theirs) = (delay(replica), delay(source));
    if own < theirs && theirs > rules.short_delay.as_secs() {
        return Err(Incompatible::Delay { replica: one, own, source_key: other, theirs });
    }
    Ok(())
}

/// Asserts that `replica` could be moved below `source` by GTID, as far as the two sets tell.
///
/// # Errors
/// The first reason why not.
pub fn can_follow_by_gtid(replica: &Instance, source: &Instance) -> Result<(), Incompatible> {
    let uses_gtid = replica.channel().is_some_and(|channel| channel.auto_position);
    let is_common = match (replica.version.is_mariadb(), source.version.is_mariadb()) {
        (true, true) => uses_gtid,
        (false, false) => uses_gtid && source.gtid.mode > GtidMode::Off,
        _ => false,
    };
    let (one, other) = (replica.key.clone(), source.key.clone());
    if !is_common {
        return Err(Incompatible::NoCommonGtid { replica: one, source_key: other });
    }
    let lacks = source.gtid.purged.subtract(&replica.gtid.executed);
    if lacks.is_empty() {
        Ok(())
    } else {
        Err(Incompatible::Purged { replica: one, source_key: other, lacks: lacks.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::{Binlog, BinlogFormat, Channel, Gtid, GtidSet, ServerUuid, Version};

    const RULES: ReplicationRules =
        ReplicationRules { older_may_follow: false, verify_filters: true, short_delay: Duration::from_secs(20) };

    fn server(number: u32) -> Instance {
        let channel = Channel { source: InstanceKey::new("db9", 3306), auto_position: true, ..Channel::default() };
        Instance {
            key: InstanceKey::new(format!("db{number}"), 3306),
            server_id: number,
            uuid: ServerUuid::new(&format!("0000-{number}")),
            version: Version::parse("8.4.3", ""),
            binlog: Binlog { enabled: true, logs_replica_updates: true, ..Binlog::default() },
            gtid: Gtid { mode: GtidMode::On, ..Gtid::default() },
            channels: vec![channel],
            ..Instance::default()
        }
    }

    /// Returns why a changed replica cannot replicate from a changed source; empty when it can.
    fn why(change: impl FnOnce(&mut Instance, &mut Instance)) -> String {
        let (mut replica, mut source) = (server(1), server(2));
        change(&mut replica, &mut source);
        let checked = can_replicate(&replica, &source, &RULES).and_then(|()| can_follow_by_gtid(&replica, &source));
        checked.map_or_else(|why| why.to_string(), |()| String::new())
    }

    #[test]
    fn each_rule_has_its_two_sides() {
        assert_eq!(why(|_, _| ()), "");
        assert!(why(|one, two| one.key = two.key.clone()).contains("itself"));
        assert!(why(|_, two| two.binlog.enabled = false).contains("no binary log"));
        assert!(why(|_, two| two.binlog.logs_replica_updates = false).contains("log_replica_updates"));
        let head = |two: &mut Instance| {
            two.channels.clear();
            two.binlog.logs_replica_updates = false;
        };
        assert_eq!(why(|_, two| head(two)), "");
        assert!(why(|one, _| one.version = Version::parse("8.0.40", "")).contains("which is lower than 8.4.3"));
        assert_eq!(why(|_, two| two.version = Version::parse("8.0.40", "")), "");
        assert!(why(|one, _| one.binlog.format = BinlogFormat::Mixed).contains("logs as MIXED"));
        assert_eq!(why(|_, two| two.binlog.format = BinlogFormat::Statement), "");
        let quiet = |one: &mut Instance| {
            one.binlog.format = BinlogFormat::Statement;
            one.binlog.logs_replica_updates = false;
        };
        assert_eq!(why(|one, _| quiet(one)), "");
        assert!(why(|_, two| two.channels[0].has_filters = true).contains("filters"));
        assert!(why(|one, two| one.server_id = two.server_id).contains("server_id 2"));
        assert!(why(|one, two| one.uuid = two.uuid.clone()).contains("server_uuid 0000-2"));
        assert!(why(|_, two| two.channels[0].delay_secs = 21).contains("delayed by 21 s"));
        assert_eq!(why(|_, two| two.channels[0].delay_secs = 20), "");
    }

    #[test]
    fn gtid_must_be_common_and_not_purged() {
        assert!(why(|one, _| one.channels[0].auto_position = false).contains("same kind of GTID"));
        assert!(why(|_, two| two.gtid.mode = GtidMode::Off).contains("same kind of GTID"));
        let set = |text| GtidSet::parse(text).unwrap();
        let purged = "00000000-0000-0000-0000-000000000009:1-5";
        assert!(why(|_, two| two.gtid.purged = set(purged)).contains("has purged"));
        let has = |one: &mut Instance, two: &mut Instance| {
            one.gtid.executed = set(purged);
            two.gtid.purged = set(purged);
        };
        assert_eq!(why(has), "");
    }
}
