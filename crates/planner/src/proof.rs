//! The proof that a promotion loses no acknowledged transaction, by counting acknowledgements.
//!
//! Let a *base* be a moment at which the primary was read while it waited for its replicas, and let it not have given up
//! waiting since. Then nothing that it acknowledged is lost if
//!
//! 1. the new primary will hold all that the primary had executed at the base, and
//! 2. of the replicas that could have acknowledged a commit since, fewer than the wait count are missing: those that were not
//!    read since the failure, or may have lost since the base what they had received.
//!
//! What was acknowledged before the base had been executed by then: (1). What was acknowledged after it is in the relay logs of
//! as many replicas as the wait count says (`AFTER_SYNC`: MySQL 8.4 Reference Manual, 19.4.10), and by (2) one of them was
//! read, and still holds it; the new primary gets all that such replicas hold. `DESIGN.md` goes through the cases.

use std::time::Duration;

use analysis::Facts;
use topology::{GtidSet, Instance, InstanceKey, Snapshot, Timestamp, Unreachable, Watched};

/// For how long a primary that is silent, and not known to be dead, must still be waiting for its replicas: until then it is
/// fenced, or its clients have been led elsewhere.
const UNTIL_NOBODY_LISTENS: Duration = Duration::from_secs(60);

/// Returns the sentences of the proof that a new primary which holds `holds` lacks nothing, or what the proof lacks.
pub(crate) fn of(
    snapshot: &Snapshot,
    facts: &Facts,
    holds: &GtidSet,
    answers: &dyn Fn(&InstanceKey) -> bool,
) -> Result<Vec<String>, String> {
    waits(facts)?;
    let primary = snapshot.get(&facts.key).filter(|primary| primary.seen.is_some());
    let Some(primary) = primary else { return Err("the old primary was never seen alive".to_owned()) };
    if !primary.instance.as_deref().is_some_and(Instance::numbers_transactions) {
        return Err("the old primary gave its transactions no GTID: nobody can tell who holds which".to_owned());
    }
    let patience = does_not_give_up(snapshot, facts, primary)?;
    let wait_count = facts.semi_sync.wait_count as usize;
    // An older reading proves nothing about what a newer one contradicts: who acknowledged then may not any more.
    let last = readings(primary).first().map(|(_, executed)| *executed);
    let contradicted = facts.failing_since.is_some() && last.is_some_and(|executed| !holds.contains(executed));
    let mut gap = None;
    for (base, executed) in bases(primary) {
        let ackers = Ackers::since(base, snapshot, facts, holds, answers);
        if ackers.missing() >= wait_count {
            gap.get_or_insert_with(|| ackers.too_many_missing(wait_count));
        } else if contradicted || !holds.contains(executed) {
            gap.get_or_insert_with(|| {
                "it had committed more, when it was last seen, than those who answer hold".to_owned()
            });
        } else {
            return Ok(vec![
                format!(
                    "each commit waited for {wait_count} of {} semi-synchronous replicas (AFTER_SYNC)",
                    ackers.count()
                ),
                ackers.present(),
                patience,
            ]);
        }
    }
    Err(gap.unwrap_or_else(|| "the old primary was never seen alive".to_owned()))
}

/// Returns what `primary` had executed, newest first.
pub(crate) fn readings(primary: &Watched) -> Vec<(Timestamp, &GtidSet)> {
    let last = primary.seen.zip(primary.instance.as_deref().map(|instance| &instance.gtid.executed));
    let earlier = primary.ledger.readings.iter().rev().map(|reading| (reading.at, &reading.executed));
    last.into_iter().chain(earlier).collect()
}

/// Returns the readings since which it has not given up waiting, newest first.
fn bases(primary: &Watched) -> Vec<(Timestamp, &GtidSet)> {
    let since = primary.ledger.waits_since.or(primary.seen);
    readings(primary).into_iter().filter(|(at, _)| since.is_some_and(|since| *at >= since)).collect()
}

/// Returns why the primary did not wait for replicas when it was last read.
fn waits(facts: &Facts) -> Result<(), String> {
    let semi_sync = &facts.semi_sync;
    let gap = if !semi_sync.source.enabled {
        "the old primary did not wait for replicas (semi-synchronous replication is off)"
    } else if !semi_sync.source.active {
        "semi-synchronous replication was degraded to asynchronous when the old primary was last seen"
    } else if !semi_sync.lossless {
        "the old primary made commits visible before replicas acknowledged them (wait point AFTER_COMMIT)"
    } else if semi_sync.gives_up_alone {
        "the old primary stops waiting as soon as too few replicas are connected (rpl_semi_sync_source_wait_no_replica)"
    } else {
        return Ok(());
    };
    Err(gap.to_owned())
}

/// Returns why the primary cannot have stopped waiting between the last look at it and its end.
fn does_not_give_up(snapshot: &Snapshot, facts: &Facts, primary: &Watched) -> Result<String, String> {
    let timeout_ms = facts.semi_sync.timeout_ms;
    // Somebody may have been waiting for long when it was last read: the timeout counts from then.
    let calm = if facts.semi_sync.waiting_sessions == Some(0) { primary.seen } else { primary.ledger.calm };
    let Some(calm) = calm else {
        return Err(
            "a commit was waiting for replicas when the old primary was last seen, nobody knows since when".to_owned()
        );
    };
    let is_dead = facts.failure.as_ref().is_some_and(|failure| failure.kind == Unreachable::Refused);
    let last_breath = primary.ledger.refused_since.filter(|_| is_dead).unwrap_or(snapshot.now);
    let unseen_ms = last_breath.since(calm).as_millis();
    if u128::from(timeout_ms) <= unseen_ms {
        return Err(format!(
            "the old primary was last seen with nobody waiting long, and it stops waiting for replicas after {timeout_ms} ms: it may have done so since"
        ));
    }
    if !is_dead && u128::from(timeout_ms) <= unseen_ms + UNTIL_NOBODY_LISTENS.as_millis() {
        return Err(format!(
            "the old primary is silent and not known to be dead: if it lives, it acknowledges by itself after {timeout_ms} ms"
        ));
    }
    let failed = facts.failing_since.unwrap_or(snapshot.now);
    Ok(format!(
        "no commit had waited for longer than {} ms when it failed, and it does not give up within {timeout_ms} ms",
        failed.since(calm).as_millis()
    ))
}

/// The semi-synchronous replicas that may have acknowledged a commit since a base.
struct Ackers<'a> {
    /// Read since the failure, with all that they received since the base.
    present: Vec<&'a InstanceKey>,
    /// Not read since the failure.
    silent: Vec<&'a InstanceKey>,
    /// Read, and may have lost what they had received: restarted, rebuilt, or seen to hold less than before.
    forgetful: Vec<&'a InstanceKey>,
    /// Read, and hold transactions of the primary that the new one will not get.
    apart: Vec<&'a InstanceKey>,
    /// Dead since before the base: these acknowledged nothing.
    excused: Vec<&'a InstanceKey>,
    /// Connected at the base, and nobody knows who they are.
    unknown: usize,
}

impl<'a> Ackers<'a> {
    fn since(
        base: Timestamp,
        snapshot: &'a Snapshot,
        facts: &'a Facts,
        holds: &GtidSet,
        answers: &dyn Fn(&InstanceKey) -> bool,
    ) -> Self {
        let mut ackers = Self {
            present: Vec::new(),
            silent: Vec::new(),
            forgetful: Vec::new(),
            excused: Vec::new(),
            apart: Vec::new(),
            unknown: 0,
        };
        let is_acker =
            |replica: &&Watched| replica.instance.as_ref().is_some_and(|instance| instance.semi_sync.replica.enabled);
        let primary = snapshot.instance(&facts.key);
        let is_covered = |replica: &Watched| {
            replica.instance.as_ref().is_some_and(|replica| holds.contains(&from_primary(&replica.held(), primary)))
        };
        for replica in facts.replicas.iter().filter_map(|key| snapshot.get(key)).filter(is_acker) {
            if answers(&replica.key) && !is_covered(replica) {
                ackers.apart.push(&replica.key);
            } else if answers(&replica.key) && keeps_since(base, replica) {
                ackers.present.push(&replica.key);
            } else if answers(&replica.key) {
                ackers.forgetful.push(&replica.key);
            } else if replica.ledger.refused_since.is_some_and(|since| since <= base) {
                ackers.excused.push(&replica.key);
            } else {
                ackers.silent.push(&replica.key);
            }
        }
        // Who was connected to it, and replicates from it no more: what it received then may be nowhere else.
        let listed = primary.map(|own| own.replicas.as_slice()).unwrap_or_default();
        for key in listed.iter().filter(|key| !facts.replicas.contains(key)) {
            let Some(other) = snapshot.get(key).filter(is_acker) else { continue };
            if !(answers(key) && keeps_since(base, other) && is_covered(other)) {
                ackers.silent.push(&other.key);
            }
        }
        let accounted = ackers.present.len() + ackers.missing();
        ackers.unknown = (facts.semi_sync.clients as usize).saturating_sub(accounted);
        ackers
    }

    fn count(&self) -> usize {
        self.present.len() + self.missing()
    }

    fn missing(&self) -> usize {
        self.silent.len() + self.forgetful.len() + self.apart.len() + self.unknown
    }

    fn present(&self) -> String {
        let mut text = format!(
            "{} of these were read after the failure, and the new primary holds all that they received",
            self.present.len()
        );
        if !self.excused.is_empty() {
            text.push_str(&format!("; dead since before it was last seen: {}", list(&self.excused)));
        }
        text
    }

    fn too_many_missing(&self, wait_count: usize) -> String {
        let parts = [
            ("do not answer", &self.silent),
            ("may have lost what they had received (restarted, or seen to hold less than before)", &self.forgetful),
            ("hold what the new primary will not get", &self.apart),
        ];
        let mut words: Vec<String> = parts
            .iter()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(why, keys)| format!("{} semi-synchronous replicas {why}: {}", keys.len(), list(keys)))
            .collect();
        if self.unknown > 0 {
            words.push(format!("{} semi-synchronous replicas were connected that are not known", self.unknown));
        }
        format!("{}; {wait_count} acknowledgements sufficed", words.join(", "))
    }
}

/// True when `replica` holds all that it received since `base`: it has not restarted since, which may cost a relay log, and was
/// not seen to hold less than before.
fn keeps_since(base: Timestamp, replica: &Watched) -> bool {
    let Some((seen, instance)) = replica.seen.zip(replica.instance.as_deref()) else { return false };
    let read = seen.plus(Duration::from_micros(replica.latency_us));
    let started = replica.ledger.up_since.unwrap_or_else(|| topology::started_by(instance, read));
    started <= base && replica.ledger.lost_at.is_none_or(|lost| lost <= base)
}

/// Returns what in `held` the primary committed itself. A position of MariaDB cannot be taken apart: all of it.
fn from_primary(held: &GtidSet, primary: Option<&Instance>) -> GtidSet {
    match primary.and_then(|primary| primary.uuid.as_ref()) {
        Some(uuid) => held.subtract(&held.without_uuid(uuid.as_str())),
        None => held.clone(),
    }
}

fn list(keys: &[&InstanceKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
