//! What is remembered of a server over time, beside what its last probe saw.
//!
//! A snapshot shows servers as they were when each was last read, and these are different moments. Whether a promotion
//! loses something is a question about the time between them: whether a primary has waited for its replicas all the
//! while, and whether a replica still holds all that it once received. A ledger keeps just that, folded from one good
//! probe to the next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{GtidSet, Instance, Timestamp, Unreachable};

/// What is remembered of one server. Empty when it was read once, or never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Its process has been running since this moment, or for longer.
    pub up_since: Option<Timestamp>,
    /// Transactions that it was seen to hold, and does not hold any more: it lost its relay log, or was rebuilt.
    pub lost: GtidSet,
    /// When such a loss was last noticed.
    pub lost_at: Option<Timestamp>,
    /// Since when it has been waiting for its replicas, as a lossless semi-synchronous source, without having been seen to
    /// give up: no commit went unacknowledged, and it did not restart. None when it does not wait.
    pub waits_since: Option<Timestamp>,
    /// When semi-synchronous replication was last seen to have fallen back to asynchronous, while this manager looked.
    pub degraded_at: Option<Timestamp>,
    /// A commit that waited for an acknowledgement at the last probe has not been waiting since before this moment.
    pub calm: Option<Timestamp>,
    /// Since when each good probe has found commits that wait for an acknowledgement, and none that got one. None while nobody
    /// waits, and where the server does not tell.
    pub stuck_since: Option<Timestamp>,
    /// Since when, in an unbroken run of failures, its host has said that no process listens: then it was dead already.
    pub refused_since: Option<Timestamp>,
    /// What a server without a source had executed, at earlier probes, oldest first; the last probe is not among them.
    pub readings: Vec<Reading>,
}

/// What a server had executed at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// When the probe began.
    pub at: Timestamp,
    /// What it had executed.
    pub executed: GtidSet,
}

/// Readings are kept so far apart that replicas, which are read at other moments, were read since one of them.
const READINGS_APART: Duration = Duration::from_secs(5);
const READINGS_KEPT: usize = 3;

impl Ledger {
    /// Returns the ledger after a good probe saw `now`, where `before` was seen at `then` by the good probe before it.
    /// `at` is when the new probe began, `ended` when it was over.
    #[must_use]
    pub fn after(
        &self,
        before: Option<(&Instance, Timestamp)>,
        now: &Instance,
        at: Timestamp,
        ended: Timestamp,
    ) -> Self {
        let started = started_by(now, ended);
        let Some((before, then)) = before else {
            let (waits_since, calm) = (waits(now).then_some(at), calm_now(now, at));
            let stuck_since = are_waiting(now).then_some(at);
            return Self { up_since: Some(started), waits_since, calm, stuck_since, ..Self::default() };
        };
        let mut next = Self { refused_since: None, ..self.clone() };
        let is_same_process = started <= then && before.is_same_server(now);
        let known = self.up_since.filter(|_| is_same_process);
        next.up_since = Some(known.map_or(started, |known| known.min(started)));
        next.note_losses(before, now, at);
        next.note_waiting(before, then, now, at);
        next.note_reading(before, then, now);
        next
    }

    /// Notes that a probe failed, and when it ended.
    pub fn failed(&mut self, how: Unreachable, ended: Timestamp) {
        self.refused_since = (how == Unreachable::Refused).then(|| self.refused_since.unwrap_or(ended));
    }

    fn note_losses(&mut self, before: &Instance, now: &Instance, at: Timestamp) {
        let same_sets = before.gtid.executed == now.gtid.executed
            && before
                .channels
                .iter()
                .map(|channel| &channel.retrieved)
                .eq(now.channels.iter().map(|channel| &channel.retrieved));
        if same_sets && self.lost.is_empty() {
            return;
        }
        let (had, has) = (before.held(), now.held());
        if !has.contains(&had) {
            self.lost_at = Some(at);
        }
        self.lost = self.lost.union(&had).subtract(&has);
    }

    fn note_waiting(&mut self, before: &Instance, then: Timestamp, now: &Instance, at: Timestamp) {
        let (was, is) = (&before.semi_sync, &now.semi_sync);
        let restarted = has_restarted(before, then, now, at) || !before.is_same_server(now);
        let fell_back =
            is.source.enabled && (!is.source.active || (!restarted && is.unacknowledged > was.unacknowledged));
        if fell_back {
            self.degraded_at = Some(at);
        }
        let unbroken = !restarted
            && waits(before)
            && is.unacknowledged == was.unacknowledged
            && is.acknowledged >= was.acknowledged
            && is.wait_count == was.wait_count;
        self.waits_since = match self.waits_since {
            _ if !waits(now) => None,
            Some(since) if unbroken => Some(since),
            _ => Some(at),
        };
        let still_stuck = !restarted
            && are_waiting(before)
            && is.acknowledged == was.acknowledged
            && is.unacknowledged == was.unacknowledged;
        self.stuck_since = are_waiting(now).then_some(self.stuck_since.filter(|_| still_stuck).unwrap_or(at));
        // Commits wait one after the other (`AFTER_SYNC`): if one was acknowledged since the probe before, then whoever waits
        // now began to wait after that probe.
        let moved_on = !restarted
            && is.waiting_sessions.is_some_and(|sessions| sessions <= 1)
            && is.acknowledged > was.acknowledged;
        self.calm = match calm_now(now, at) {
            Some(calm) => Some(calm),
            None if moved_on => self.calm.max(Some(then)),
            None if restarted => None,
            None => self.calm,
        };
    }

    fn note_reading(&mut self, before: &Instance, then: Timestamp, now: &Instance) {
        if now.is_replica() || !before.is_same_server(now) {
            self.readings.clear();
            return;
        }
        let is_due = self.readings.last().is_none_or(|last| then.since(last.at) >= READINGS_APART);
        if is_due {
            self.readings.push(Reading { at: then, executed: before.gtid.executed.clone() });
            let surplus = self.readings.len().saturating_sub(READINGS_KEPT);
            self.readings.drain(..surplus);
        }
    }
}

/// True when `instance` lets no client know of a commit before its replicas have it.
fn waits(instance: &Instance) -> bool {
    let semi_sync = &instance.semi_sync;
    semi_sync.source.enabled && semi_sync.source.active && semi_sync.lossless
}

/// True when the server says that commits wait for an acknowledgement.
fn are_waiting(instance: &Instance) -> bool {
    instance.semi_sync.waiting_sessions.is_some_and(|sessions| sessions > 0)
}

fn calm_now(instance: &Instance, at: Timestamp) -> Option<Timestamp> {
    (waits(instance) && instance.semi_sync.waiting_sessions == Some(0)).then_some(at)
}

/// Returns the latest moment at which the process of `instance` may have started, when a probe of it ended at `ended`. Uptime is
/// the difference of two clock readings without their fractions (MySQL 9.7, `Uptime`): up to a second too long.
#[must_use]
pub fn started_by(instance: &Instance, ended: Timestamp) -> Timestamp {
    ended.minus(Duration::from_secs(instance.uptime_secs)).plus(Duration::from_secs(1))
}

/// True when the process that was seen at `at` may not be the one that was seen at `then`. Seconds of uptime are whole, and the
/// clocks of two hosts run at nearly the same speed.
fn has_restarted(before: &Instance, then: Timestamp, now: &Instance, at: Timestamp) -> bool {
    const SLACK_SECS: u64 = 2;
    now.uptime_secs + SLACK_SECS < before.uptime_secs + at.since(then).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channel, InstanceKey, SemiSync, SemiSyncRole};

    fn primary(uptime_secs: u64, last: u64) -> Instance {
        let on = SemiSyncRole { available: true, enabled: true, active: true, new_names: true };
        let semi_sync = SemiSync {
            source: on,
            lossless: true,
            wait_count: 1,
            acknowledged: last,
            waiting_sessions: Some(0),
            ..SemiSync::default()
        };
        Instance { uptime_secs, semi_sync, gtid: gtid(last), ..Instance::default() }
    }

    fn gtid(last: u64) -> crate::Gtid {
        crate::Gtid { executed: set(last), ..crate::Gtid::default() }
    }

    fn set(last: u64) -> GtidSet {
        GtidSet::parse(&format!("00000000-0000-0000-0000-000000000001:1-{last}")).unwrap()
    }

    fn secs(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    /// Folds probes, each at its second.
    fn fold(probes: &[(i64, Instance)]) -> Ledger {
        let mut ledger = Ledger::default();
        let mut before: Option<(&Instance, Timestamp)> = None;
        for (at, instance) in probes {
            ledger = ledger.after(before, instance, secs(*at), secs(*at));
            before = Some((instance, secs(*at)));
        }
        ledger
    }

    fn waiting(mut instance: Instance) -> Instance {
        instance.semi_sync.waiting_sessions = Some(1);
        instance
    }

    #[test]
    fn an_unacknowledged_commit_ends_what_is_known_of_waiting() {
        let mut degraded = primary(110, 30);
        degraded.semi_sync.unacknowledged = 1;
        let mut after = primary(115, 40);
        after.semi_sync.unacknowledged = 1;
        let ledger = fold(&[(100, primary(100, 10)), (105, primary(105, 20))]);
        assert_eq!((ledger.waits_since, ledger.degraded_at), (Some(secs(100)), None));
        let ledger = fold(&[(100, primary(100, 10)), (110, degraded), (115, after)]);
        assert_eq!((ledger.waits_since, ledger.degraded_at), (Some(secs(110)), Some(secs(110))));
    }

    #[test]
    fn commits_are_stuck_while_some_wait_and_none_is_acknowledged() {
        let stuck = |sessions: u32, acknowledged: u64, uptime_secs: u64| {
            let mut instance = waiting(primary(uptime_secs, 10));
            instance.semi_sync.waiting_sessions = Some(sessions);
            instance.semi_sync.acknowledged = acknowledged;
            instance
        };
        let since = |probes: &[(i64, Instance)]| fold(probes).stuck_since;
        let (first, second) = ((100, stuck(1, 5, 1000)), (101, stuck(3, 5, 1001)));
        assert_eq!(since(&[first.clone(), second.clone()]), Some(secs(100)), "more wait by now");
        assert_eq!(
            since(&[first.clone(), second.clone(), (102, stuck(2, 6, 1002))]),
            Some(secs(102)),
            "one got through"
        );
        assert_eq!(since(&[first.clone(), second.clone(), (102, stuck(0, 5, 1002))]), None);
        assert_eq!(since(&[first, second, (102, stuck(2, 5, 0))]), Some(secs(102)), "it restarted");
    }

    #[test]
    fn a_restart_begins_anew_and_is_no_fall_back() {
        let ledger = fold(&[(100, primary(100, 10)), (105, primary(1, 12))]);
        assert_eq!((ledger.waits_since, ledger.degraded_at), (Some(secs(105)), None));
    }

    #[test]
    fn who_waits_began_after_the_last_commit_that_went_through() {
        let stuck = fold(&[(100, waiting(primary(100, 10))), (105, waiting(primary(105, 10)))]);
        assert_eq!(stuck.calm, None, "perhaps it has been waiting for an hour");
        let moving = fold(&[(100, waiting(primary(100, 10))), (105, waiting(primary(105, 11)))]);
        assert_eq!(moving.calm, Some(secs(100)));
        let calm = fold(&[(100, primary(100, 10)), (105, waiting(primary(105, 10)))]);
        assert_eq!(calm.calm, Some(secs(100)));
    }

    #[test]
    fn a_replica_that_lost_its_relay_log_is_remembered_until_it_has_it_again() {
        let replica = |retrieved: u64, executed: u64| {
            let source = InstanceKey::new("db1", 3306);
            let channel = Channel { source, retrieved: set(retrieved), ..Channel::default() };
            Instance { channels: vec![channel], gtid: gtid(executed), uptime_secs: 1000, ..Instance::default() }
        };
        let ledger = fold(&[(1, replica(50, 40)), (2, replica(1, 40))]);
        assert_eq!((ledger.lost.count(), ledger.lost_at), (10, Some(secs(2))));
        let ledger = fold(&[(1, replica(50, 40)), (2, replica(1, 40)), (3, replica(60, 41))]);
        assert_eq!((ledger.lost.count(), ledger.lost_at), (0, Some(secs(2))));
    }

    #[test]
    fn what_was_known_of_a_start_is_not_forgotten_until_the_next_one() {
        let up_since = |probes: &[(i64, u64)]| {
            let probes: Vec<_> = probes.iter().map(|&(at, uptime)| (at, primary(uptime, 1))).collect();
            fold(&probes).up_since.unwrap().secs()
        };
        assert_eq!(up_since(&[(100, 0)]), 101);
        assert_eq!(up_since(&[(100, 10)]), 91);
        assert_eq!(up_since(&[(100, 10), (105, 14)]), 91, "a second reading may be less exact");
        assert_eq!(up_since(&[(100, 10), (105, 3)]), 103, "it has restarted");
        assert_eq!(up_since(&[(100, 0), (101, 1)]), 101, "it may have restarted");
    }

    #[test]
    fn readings_are_some_seconds_apart_and_few() {
        let probes: Vec<(i64, Instance)> =
            (0..40).map(|second| (100 + second, primary(100 + u64::try_from(second).unwrap(), 1))).collect();
        let at: Vec<i64> = fold(&probes).readings.iter().map(|reading| reading.at.secs()).collect();
        assert_eq!(at, [125, 130, 135]);
    }
}
