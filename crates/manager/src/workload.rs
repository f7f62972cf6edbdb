//! What probing cost lately: a short history, in memory.
//!
//! Time is cut into stretches of equal length. While one lasts it is counted; when it is over its figures are kept, and the
//! oldest make way. How long polls wait for their turn shows whether this node keeps up with its servers.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use topology::{Observation, Timestamp};

use crate::clock::Clock;
use crate::hub::lock;

/// How long a stretch is.
const STRETCH: Duration = Duration::from_secs(10);
/// As many are kept: a quarter of an hour.
const KEPT: usize = 90;
/// Probes of one stretch whose latency is kept one by one until it is over. Further ones only count.
const SAMPLES: usize = 16_384;

/// What probing cost on this node, lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// How long a stretch is.
    pub stretch: Duration,
    /// The stretches that are over, oldest first, without gaps.
    pub past: Vec<Stretch>,
    /// Polls that wait for their turn now.
    pub queue: usize,
    /// How long the first of them waits.
    pub waits: Duration,
}

/// A stretch of time that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// When it began.
    pub begins: Timestamp,
    /// Probes that ended in it.
    pub probes: u32,
    /// Of these, such as read nothing.
    pub failures: u32,
    /// How long the others took; none where there were none.
    pub latency: Option<Latency>,
    /// As many polls as waited for their turn at one time, at most.
    pub queue: usize,
    /// The longest that one of them had waited.
    pub waited: Duration,
}

/// How long probes took that were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took at most this.
    pub median: Duration,
    /// Nineteen of twenty took at most this.
    pub p95: Duration,
    /// None took longer.
    pub max: Duration,
}

/// Counts, and keeps the history.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    past: VecDeque<Stretch>,
    /// The stretch that lasts.
    present: Stretch,
    latencies: Vec<Duration>,
    /// Polls that wait, by when they began to; numbered, since several may begin at one moment.
    waiting: BTreeSet<(Timestamp, u64)>,
    last_number: u64,
}

impl Ledger {
    /// Counts a probe.
    pub(crate) fn probed(&self, observation: &Observation) {
        let mut book = lock(&self.0);
        book.turn_to(observation.ended);
        book.present.probes += 1;
        if observation.outcome.is_err() {
            book.present.failures += 1;
        } else if book.latencies.len() < SAMPLES {
            book.latencies.push(observation.ended.since(observation.began));
        }
    }

    /// Notes that a poll waits for its turn, until what is returned is dropped.
    pub(crate) fn wait(&self, clock: Clock) -> Waiting<'_> {
        let since = clock.now();
        let mut book = lock(&self.0);
        book.turn_to(since);
        book.last_number += 1;
        let place = (since, book.last_number);
        book.waiting.insert(place);
        book.look_at_queue(since);
        Waiting { ledger: self, clock, place }
    }

    /// Returns the history as it is at `now`.
    pub(crate) fn history(&self, now: Timestamp) -> Workload {
        let mut book = lock(&self.0);
        book.turn_to(now);
        let waits = book.waiting.first().map_or(Duration::ZERO, |(since, _)| now.since(*since));
        Workload { stretch: STRETCH, past: book.past.iter().cloned().collect(), queue: book.waiting.len(), waits }
    }
}

/// A poll that waits for its turn.
pub(crate) struct Waiting<'l> {
    ledger: &'l Ledger,
    clock: Clock,
    place: (Timestamp, u64),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now = self.clock.now();
        let mut book = lock(&self.ledger.0);
        book.turn_to(now);
        book.look_at_queue(now);
        book.waiting.remove(&self.place);
    }
}

impl Book {
    /// Ends the stretches that are over at `now`.
    fn turn_to(&mut self, now: Timestamp) {
        if self.present.begins == Timestamp::default() {
            self.present.begins = first_of(now);
        }
        let kept = u32::try_from(KEPT).unwrap_or(u32::MAX);
        if now.since(self.present.begins) > STRETCH * (kept + 1) {
            // Longer than all that is kept: nothing of it is left.
            self.past.clear();
            self.latencies.clear();
            self.present = Stretch { begins: first_of(now.minus(STRETCH * kept)), ..Stretch::default() };
        }
        while self.present.begins.plus(STRETCH) <= now {
            let ends = self.present.begins.plus(STRETCH);
            self.look_at_queue(ends);
            self.present.latency = latency(&mut self.latencies);
            self.latencies.clear();
            let next = Stretch { begins: ends, ..Stretch::default() };
            self.past.push_back(std::mem::replace(&mut self.present, next));
            if self.past.len() > KEPT {
                self.past.pop_front();
            }
        }
    }

    fn look_at_queue(&mut self, now: Timestamp) {
        let waited = self.waiting.first().map_or(Duration::ZERO, |(since, _)| now.since(*since));
        self.present.queue = self.present.queue.max(self.waiting.len());
        self.present.waited = self.present.waited.max(waited);
    }
}

/// Returns when the stretch of `moment` begins, so that those of all nodes begin together.
fn first_of(moment: Timestamp) -> Timestamp {
    let length = i64::try_from(STRETCH.as_micros()).unwrap_or(i64::MAX);
    Timestamp(moment.0 - moment.0.rem_euclid(length))
}

fn latency(taken: &mut [Duration]) -> Option<Latency> {
    taken.sort_unstable();
    let at = |percent: usize| taken.get((taken.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Latency { median: at(50)?, p95: at(95)?, max: *taken.last()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::{Instance, InstanceKey, ProbeFailure, Unreachable};

    fn probe(ended_secs: i64, took_ms: u64, good: bool) -> Observation {
        let ended = Timestamp::from_secs(ended_secs);
        let failure = ProbeFailure { kind: Unreachable::Hung, message: String::new(), partial: false };
        let outcome = if good { Ok(Instance::default()) } else { Err(failure) };
        let began = ended.minus(Duration::from_millis(took_ms));
        Observation { key: InstanceKey::new("db1", 3306), began, ended, outcome }
    }

    #[test]
    fn probes_are_counted_where_they_ended_and_failures_have_no_latency() {
        let ledger = Ledger::default();
        for took_ms in 1..=100 {
            ledger.probed(&probe(1_003, took_ms, true));
        }
        ledger.probed(&probe(1_004, 5_000, false));
        ledger.probed(&probe(1_031, 7, true));
        let past = ledger.history(Timestamp::from_secs(1_040)).past;
        let latency = |median, p95, max| {
            let [median, p95, max] = [median, p95, max].map(Duration::from_millis);
            Some(Latency { median, p95, max })
        };
        let shown: Vec<_> = past.iter().map(|one| (one.begins, one.probes, one.failures, one.latency)).collect();
        assert_eq!(
            shown,
            [
                (Timestamp::from_secs(1_000), 101, 1, latency(50, 95, 100)),
                (Timestamp::from_secs(1_010), 0, 0, None),
                (Timestamp::from_secs(1_020), 0, 0, None),
                (Timestamp::from_secs(1_030), 1, 0, latency(7, 7, 7)),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_that_waits_is_seen_in_every_stretch_in_which_it_does() {
        let clock = Clock::start_at(Timestamp::from_secs(2_000));
        let ledger = Ledger::default();
        tokio::time::advance(Duration::from_secs(4)).await;
        let first = ledger.wait(clock);
        tokio::time::advance(Duration::from_secs(4)).await;
        drop(ledger.wait(clock));
        tokio::time::advance(Duration::from_secs(15)).await;
        let now = ledger.history(clock.now());
        assert_eq!((now.queue, now.waits), (1, Duration::from_secs(19)));
        drop(first);
        tokio::time::advance(Duration::from_secs(17)).await;
        let then = ledger.history(clock.now());
        let shown: Vec<_> = then.past.iter().map(|one| (one.queue, one.waited.as_secs())).collect();
        assert_eq!(shown, [(2, 6), (1, 16), (1, 19), (0, 0)]);
        assert_eq!((then.queue, then.waits), (0, Duration::ZERO));
    }

    #[test]
    fn no_more_is_kept_than_a_quarter_of_an_hour() {
        let ledger = Ledger::default();
        for second in 0..2_000 {
            ledger.probed(&probe(10_000 + second, 1, true));
        }
        let past = ledger.history(Timestamp::from_secs(12_000)).past;
        assert_eq!((past.len(), past[0].begins), (KEPT, Timestamp::from_secs(11_100)));
        let later = ledger.history(Timestamp::from_secs(50_003)).past;
        assert_eq!((later.len(), later[0].begins), (KEPT, Timestamp::from_secs(49_100)));
        assert!(later.iter().all(|one| one.probes == 0));
    }
}
