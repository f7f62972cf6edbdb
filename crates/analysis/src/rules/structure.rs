//! Structural remarks: not failures, but what would make one worse. Each is made whatever else is wrong.
//!
//! - `StatementAndMixedLogging`: of the replicas of a primary that log what they replicate, some log by STATEMENT and
//!   some MIXED.
//! - `StatementAndRowLogging`: likewise, STATEMENT and ROW.
//! - `MixedAndRowLogging`: likewise, MIXED and ROW.
//! - `MultipleMajorVersionsLogging`: those replicas are of more than one release line.
//! - `NoLoggingReplicas`: a primary has more than one replica, and none logs what it replicates.
//! - `DifferentGtidModes`: `gtid_mode` of any source differs from that of a replica of it.
//! - `ErrantGtid`: a replica of any source, at any depth and not in downtime, has transactions that its source does not
//!   have and that no server above it wrote. All such replicas are named, not the one whose set is last by name.
//! - `NoFailoverSupport`: a primary has more than one replica, and not all that answer keep their position by GTID of one
//!   kind, or only relay binary logs.
//! - `NoWritablePrimary`: a primary is read-only.
//! - `NotEnoughSemiSyncReplicas`: semi-sync is enabled on a primary and not in effect, and fewer replicas are connected
//!   than it waits for.

use topology::GtidMode;

use crate::{Facts, Structure};

/// Returns every remark that applies, sorted.
pub(crate) fn structure(facts: &Facts) -> Vec<Structure> {
    let mut found = Vec::new();
    let count = facts.replicas.len();
    let [statement, mixed, row] = facts.logging_by_format;
    let of_primary = [
        (statement > 0 && mixed > 0, Structure::StatementAndMixedLogging),
        (statement > 0 && row > 0, Structure::StatementAndRowLogging),
        (mixed > 0 && row > 0, Structure::MixedAndRowLogging),
        (facts.logging_lines > 1, Structure::MultipleMajorVersionsLogging),
        (facts.logging_replicas == 0 && count > 1, Structure::NoLoggingReplicas),
        (count > 1 && !can_be_moved(facts), Structure::NoFailoverSupport),
        (facts.is_read_only, Structure::NoWritablePrimary),
        (semi_sync_fell_back(facts), Structure::NotEnoughSemiSyncReplicas),
    ];
    if facts.is_primary {
        found.extend(of_primary.into_iter().filter(|(applies, _)| *applies).map(|(_, remark)| remark));
    }
    let modes_differ = |(least, most): (GtidMode, GtidMode)| facts.gtid_mode != least || facts.gtid_mode != most;
    if facts.replica_gtid_modes.is_some_and(modes_differ) {
        found.push(Structure::DifferentGtidModes);
    }
    if !facts.errant.is_empty() {
        found.push(Structure::ErrantGtid);
    }
    found.sort();
    found
}

fn can_be_moved(facts: &Facts) -> bool {
    let by = [facts.mysql_gtid_replicas, facts.mariadb_gtid_replicas, facts.binlog_server_replicas];
    by.into_iter().any(|count| count > 0 && count == facts.valid_replicas)
}

fn semi_sync_fell_back(facts: &Facts) -> bool {
    let semi_sync = &facts.semi_sync;
    semi_sync.source.enabled
        && !semi_sync.source.active
        && semi_sync.wait_count > 0
        && semi_sync.clients < semi_sync.wait_count
}
