//! Notes when the diagnosis of a source changed, on every node: for people who ask afterwards what was seen, and when.

use std::collections::BTreeMap;
use std::sync::Mutex;

use analysis::{Code, Diagnosis};
use store::{Diagnosed, Store};
use topology::{InstanceKey, Timestamp};

use crate::View;
use crate::hub::{Hub, lock};

/// What was last diagnosed of each source.
pub(crate) struct Changelog {
    last: Mutex<BTreeMap<InstanceKey, String>>,
}

impl Changelog {
    /// Returns the changelog as the store has it; an empty one if that cannot be read.
    pub(crate) fn of(store: &Store) -> Self {
        let last = store.last_diagnoses().unwrap_or_else(|error| {
            tracing::warn!(%error, "what was last diagnosed is not known: the changelog begins anew");
            BTreeMap::new()
        });
        Self { last: Mutex::new(last) }
    }

    /// Notes what is news. The lock is held until the store has it in its queue, so that the order is kept.
    fn note(&self, store: &Store, found: impl Iterator<Item = (InstanceKey, Code)>, at: Timestamp) {
        let mut last = lock(&self.last);
        let mut news = Vec::new();
        for (key, code) in found {
            if last.get(&key).is_none_or(|known| known != code.compat()) {
                let code = code.compat().to_owned();
                last.insert(key.clone(), code.clone());
                news.push(Diagnosed { key, code, at });
            }
        }
        if let Err(error) = store.note_diagnoses(news) {
            tracing::debug!(%error, "a change of diagnosis was not noted");
        }
    }
}

/// Notes the diagnoses of all sources in `view`, those without a problem included. Servers in maintenance and ignored hosts
/// are not analysed, and keep what was noted before.
pub(crate) fn note_all(hub: &Hub, view: &View) {
    let policy = hub.policy();
    let codes: BTreeMap<&InstanceKey, Code> =
        view.diagnoses.iter().map(|diagnosis| (&diagnosis.subject, diagnosis.code)).collect();
    let is_analysed = |key: &&InstanceKey| {
        let in_maintenance = view.snapshot.declared.maintenance(key, view.snapshot.now).is_some();
        !view.graph.replicas(key).is_empty() && !in_maintenance && !policy.ignores.holds(key)
    };
    let sources = view.snapshot.watched.keys().filter(is_analysed);
    let found = sources.map(|key| (key.clone(), codes.get(key).copied().unwrap_or(Code::NoProblem)));
    hub.changelog.note(&hub.store, found, view.snapshot.now);
}

/// Notes one diagnosis at once: what lasts for less than a cycle is what people ask about after a recovery.
pub(crate) fn note(hub: &Hub, diagnosis: &Diagnosis) {
    let found = std::iter::once((diagnosis.subject.clone(), diagnosis.code));
    hub.changelog.note(&hub.store, found, diagnosis.facts.at);
}
