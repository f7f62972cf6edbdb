//! The written proof that a promotion loses no acknowledged transaction, or the names of those that it may lose.

use std::fmt;

use analysis::Facts;
use serde::{Deserialize, Serialize};
use topology::{GtidMode, GtidSet, Instance, InstanceKey, Snapshot, Timestamp};

use crate::{Choice, proof};

/// What a promotion may lose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// No acknowledged transaction is lost.
    NothingLost,
    /// Transactions may be lost: those in `known`, and any that the failed primary committed after `after`.
    MayLose {
        /// Transactions that the failed primary was seen to have and that nobody who answers holds.
        known: GtidSet,
        /// For each origin, the last transaction that the new primary will have; later ones, if the failed primary
        /// committed any, are lost. Such as `3e11fa47-…:1042-`.
        after: Vec<String>,
    },
}

/// The proof about data loss that goes with a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// What is lost.
    pub verdict: Verdict,
    /// Why, in sentences that a person can check.
    pub because: Vec<String>,
    /// What the new primary will hold.
    pub holds: GtidSet,
    /// When the failed primary was last read; none when it never was.
    pub last_seen: Option<Timestamp>,
}

impl Certificate {
    /// Returns the certificate of promoting the chosen candidate, which will hold all that those who answer hold.
    pub fn of(snapshot: &Snapshot, facts: &Facts, choice: &Choice, answers: &dyn Fn(&InstanceKey) -> bool) -> Self {
        let own = choice.chosen.as_ref().and_then(|chosen| choice.candidate(chosen));
        let holds = own.map_or_else(GtidSet::default, |own| own.held.clone()).union(&choice.held_together);
        let because = Vec::new();
        let mut certificate = Self { verdict: Verdict::NothingLost, because, holds, last_seen: facts.last_seen };
        match proof::of(snapshot, facts, &certificate.holds, answers) {
            Ok(sentences) => certificate.because = sentences,
            Err(gap) => {
                certificate.because = vec![gap];
                certificate.verdict = Verdict::MayLose {
                    known: known(snapshot, facts, answers).subtract(&certificate.holds),
                    after: origins(snapshot, facts, &certificate.holds),
                };
            }
        }
        certificate
    }

    /// Returns the transactions that the old primary is known to have had and that the new one will lack; empty where it is
    /// proved that nothing is lost.
    pub fn known_lost(&self) -> GtidSet {
        match &self.verdict {
            Verdict::NothingLost => GtidSet::default(),
            Verdict::MayLose { known, .. } => known.clone(),
        }
    }

    /// True when no acknowledged transaction is lost.
    pub fn proves_nothing_lost(&self) -> bool {
        self.verdict == Verdict::NothingLost
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::NothingLost => write!(out, "no acknowledged transaction is lost: {}", self.because.join("; ")),
            Verdict::MayLose { known, after } => {
                if known.is_empty() {
                    write!(out, "transactions may be lost")?;
                } else {
                    write!(out, "seen on the old primary and not to be had from those who answer: {known}")?;
                }
                if !after.is_empty() {
                    write!(out, "; any that the old primary committed from {}", after.join(", "))?;
                }
                write!(out, "; {}", self.because.join("; "))
            }
        }
    }
}

/// Returns what the primary is known to have committed: what it was seen to have executed, and what replicas, also those that
/// do not answer or lost it again, were seen to have received from it.
fn known(snapshot: &Snapshot, facts: &Facts, answers: &dyn Fn(&InstanceKey) -> bool) -> GtidSet {
    let Some(primary) = snapshot.get(&facts.key) else { return GtidSet::default() };
    let Some(own) = &primary.instance else { return GtidSet::default() };
    let origin = own.gtid_origin();
    let replicas = facts.replicas.iter().filter_map(|key| snapshot.get(key));
    let mut known = match facts.failing_since {
        Some(_) => own.gtid.executed.clone(),
        // While it lives, replicas were read before or after it was. What it had before each of them was read counts.
        None => {
            let read = replicas.clone().filter(|replica| answers(&replica.key)).filter_map(|replica| replica.seen);
            let earliest = read.min().unwrap_or(snapshot.now);
            proof::readings(primary)
                .into_iter()
                .find(|(at, _)| *at <= earliest)
                .map(|(_, had)| had)
                .cloned()
                .unwrap_or_default()
        }
    };
    for replica in replicas {
        let held = replica.instance.as_deref().map(Instance::held).unwrap_or_default().union(&replica.ledger.lost);
        known = known.union(&held.subtract(&held.without_uuid(&origin)));
    }
    known
}

/// Returns, for the origins that the failed primary wrote under, where its unknown transactions begin. Nothing where it gave
/// them no numbers.
fn origins(snapshot: &Snapshot, facts: &Facts, holds: &GtidSet) -> Vec<String> {
    let failed = snapshot.instance(&facts.key);
    if failed.is_some_and(|failed| !failed.version.is_mariadb() && failed.gtid.mode == GtidMode::Off) {
        return Vec::new();
    }
    let Some(uuid) = failed.and_then(|failed| failed.uuid.as_ref()) else {
        return holds.after().iter().map(ToString::to_string).collect();
    };
    let own: Vec<String> = holds
        .after()
        .into_iter()
        .filter(|after| after.origin.starts_with(uuid.as_str()))
        .map(|after| after.to_string())
        .collect();
    if own.is_empty() { vec![format!("{uuid}:1-…")] } else { own }
}
