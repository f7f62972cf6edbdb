//! What this node saw: the owner of every [`Watched`].

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;
use topology::{Declared, InstanceKey, NodeView, Observation, Snapshot, Timestamp, Watched};

type Map = BTreeMap<InstanceKey, Arc<Watched>>;

/// Everything that probes saw, by address. Readers get cheap copies; a change is announced by a growing number.
pub(crate) struct Observatory {
    watched: RwLock<Map>,
    changes: watch::Sender<u64>,
}

/// How a probe connected. Failures on a connection of its own confirm each other; one on a connection that was kept open
/// may only mean that the connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// A connection opened for this probe.
    OwnConnection,
    /// The connection that is kept open.
    KeptConnection,
}

impl Observatory {
    pub(crate) fn new(known: impl IntoIterator<Item = Watched>) -> Self {
        let watched = known.into_iter().map(|watched| (watched.key.clone(), Arc::new(watched))).collect();
        Self { watched: RwLock::new(watched), changes: watch::Sender::new(0) }
    }

    /// Returns all that is known at `now`.
    pub(crate) fn snapshot(&self, now: Timestamp, declared: Arc<Declared>) -> Snapshot {
        Snapshot { now, watched: self.read().clone(), declared, ..Snapshot::default() }
    }

    /// Returns a receiver of the number of changes so far.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn get(&self, key: &InstanceKey) -> Option<Arc<Watched>> {
        self.read().get(key).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<InstanceKey> {
        self.read().keys().cloned().collect()
    }

    /// Hears of an address; true when it is new.
    pub(crate) fn hear_of(&self, key: &InstanceKey, now: Timestamp) -> bool {
        if self.read().contains_key(key) {
            return false;
        }
        let watched = Watched { key: key.clone(), first_heard: now, ..Watched::default() };
        self.write().entry(key.clone()).or_insert_with(|| Arc::new(watched));
        self.announce();
        true
    }

    /// Notes that a probe of `key` begins.
    pub(crate) fn attempt(&self, key: &InstanceKey, now: Timestamp) {
        self.update(key, |watched| watched.attempted = Some(now));
    }

    /// Notes what a probe saw. Of two overlapping probes the one that began later has the last word.
    pub(crate) fn record(&self, observation: Observation, via: Via) {
        let Observation { key, began, ended, outcome } = observation;
        self.update(&key, |watched| {
            if watched.seen.is_some_and(|seen| seen > began) {
                return;
            }
            watched.checked = Some(ended);
            match outcome {
                Ok(instance) => {
                    if watched.instance.as_deref().is_none_or(|before| !before.stands_where(&instance)) {
                        watched.unchanged_since = Some(began);
                    }
                    let before = watched.instance.as_deref().zip(watched.seen);
                    watched.ledger = watched.ledger.after(before, &instance, began, ended);
                    watched.instance = Some(Arc::new(instance));
                    watched.seen = Some(began);
                    watched.latency_us = u64::try_from(ended.since(began).as_micros()).unwrap_or(u64::MAX);
                    watched.failure = None;
                    watched.failing_since = None;
                    watched.failures = 0;
                    watched.elsewhere.clear();
                }
                Err(failure) => {
                    watched.ledger.failed(failure.kind, ended);
                    watched.failing_since.get_or_insert(began);
                    watched.failures += u32::from(via == Via::OwnConnection);
                    watched.failure = Some(failure);
                }
            }
        });
        self.announce();
    }

    /// Notes that receivers of the replicas of `key` were restarted.
    pub(crate) fn receivers_restarted(&self, key: &InstanceKey, now: Timestamp) {
        self.update(key, |watched| watched.receivers_restarted = Some(now));
        self.announce();
    }

    /// Notes what other nodes said of `key`.
    pub(crate) fn seen_elsewhere(&self, key: &InstanceKey, views: Vec<NodeView>) {
        self.update(key, |watched| watched.elsewhere = views);
        self.announce();
    }

    /// Drops addresses.
    pub(crate) fn forget(&self, keys: &[InstanceKey]) {
        let mut map = self.write();
        for key in keys {
            map.remove(key);
        }
        drop(map);
        self.announce();
    }

    fn update(&self, key: &InstanceKey, change: impl FnOnce(&mut Watched)) {
        if let Some(watched) = self.write().get_mut(key) {
            change(Arc::make_mut(watched));
        }
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    // A panic while the lock was held leaves a map that is still whole: each change is one assignment of fields.
    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.watched.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.watched.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::{Instance, ProbeFailure, Unreachable};

    fn key() -> InstanceKey {
        InstanceKey::new("db1", 3306)
    }

    fn good(began: i64) -> Observation {
        let instance = Instance { key: key(), ..Instance::default() };
        Observation { key: key(), began: Timestamp(began), ended: Timestamp(began + 5), outcome: Ok(instance) }
    }

    fn bad(began: i64) -> Observation {
        let failure = ProbeFailure { kind: Unreachable::Hung, message: String::new(), partial: false };
        Observation { outcome: Err(failure), ..good(began) }
    }

    fn observatory() -> Observatory {
        let observatory = Observatory::new([]);
        assert!(observatory.hear_of(&key(), Timestamp(1)));
        assert!(!observatory.hear_of(&key(), Timestamp(2)));
        observatory
    }

    #[test]
    fn only_failures_on_connections_of_their_own_confirm() {
        let observatory = observatory();
        observatory.record(good(10), Via::KeptConnection);
        observatory.record(bad(20), Via::KeptConnection);
        observatory.record(bad(30), Via::OwnConnection);
        let watched = observatory.get(&key()).unwrap();
        assert_eq!(
            (watched.failures, watched.failing_since, watched.seen),
            (1, Some(Timestamp(20)), Some(Timestamp(10)))
        );
        observatory.record(good(40), Via::OwnConnection);
        let watched = observatory.get(&key()).unwrap();
        assert_eq!((watched.failures, watched.failing_since, watched.is_valid()), (0, None, true));
    }

    #[test]
    fn a_slow_failure_does_not_overrule_a_newer_success() {
        let observatory = observatory();
        observatory.record(good(50), Via::OwnConnection);
        observatory.record(bad(20), Via::KeptConnection);
        assert!(observatory.get(&key()).unwrap().is_valid());
    }

    #[test]
    fn what_was_forgotten_is_not_recorded() {
        let observatory = observatory();
        observatory.forget(&[key()]);
        observatory.record(good(50), Via::OwnConnection);
        assert!(observatory.get(&key()).is_none());
    }
}
