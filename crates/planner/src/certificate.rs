//! The written proof that a promotion loses no acknowledged transaction, or the names of those that it may lose.

use std::fmt;

use analysis::Facts;
use serde::{Deserialize, Serialize};
use topology::{GtidSet, InstanceKey, Snapshot, Timestamp};

use crate::Choice;

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
        match proof(snapshot, facts, answers) {
            Ok(sentences) => certificate.because = sentences,
            Err(gap) => {
                let executed =
                    snapshot.instance(&facts.key).map(|failed| failed.gtid.executed.clone()).unwrap_or_default();
                certificate.because = vec![gap];
                certificate.verdict = Verdict::MayLose {
                    known: executed.subtract(&certificate.holds),
                    after: origins(snapshot, facts, &certificate.holds),
                };
            }
        }
        certificate
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
                    write!(out, "seen on the old primary and held by nobody who answers: {known}")?;
                }
                if !after.is_empty() {
                    write!(out, "; any that the old primary committed from {}", after.join(", "))?;
                }
                write!(out, "; {}", self.because.join("; "))
            }
        }
    }
}

/// Returns the sentences of the proof by lossless semi-synchronous replication, or what it lacks.
///
/// With `AFTER_SYNC` a commit is acknowledged to the client only after `wait_count` replicas have it in their relay logs
/// (MySQL 8.4 Reference Manual, 19.4.10). So if fewer than `wait_count` of the semi-synchronous replicas are missing
/// from those that were read since the failure, at least one that was read holds each acknowledged transaction.
fn proof(snapshot: &Snapshot, facts: &Facts, answers: &dyn Fn(&InstanceKey) -> bool) -> Result<Vec<String>, String> {
    let semi_sync = &facts.semi_sync;
    if !semi_sync.source.enabled {
        return Err("the old primary did not wait for replicas (semi-synchronous replication is off)".to_owned());
    }
    if !semi_sync.source.active {
        return Err(
            "semi-synchronous replication was degraded to asynchronous when the old primary was last seen".to_owned()
        );
    }
    if !semi_sync.lossless {
        return Err("the old primary made commits visible before replicas acknowledged them (wait point AFTER_COMMIT)"
            .to_owned());
    }
    let ackers: Vec<&InstanceKey> = facts
        .replicas
        .iter()
        .filter(|key| snapshot.instance(key).is_some_and(|replica| replica.semi_sync.replica.enabled))
        .collect();
    let missing = ackers.iter().filter(|key| !answers(key)).count();
    let known = u32::try_from(ackers.len()).unwrap_or(u32::MAX);
    if semi_sync.clients > known {
        return Err(format!(
            "the old primary had {} semi-synchronous replicas, of which only {known} are known",
            semi_sync.clients
        ));
    }
    if semi_sync.clients < semi_sync.wait_count {
        return Err(format!(
            "too few semi-synchronous replicas were connected ({} of {})",
            semi_sync.clients, semi_sync.wait_count
        ));
    }
    if missing >= semi_sync.wait_count as usize {
        return Err(format!(
            "{missing} semi-synchronous replicas do not answer, and {} acknowledgements sufficed",
            semi_sync.wait_count
        ));
    }
    let unseen_ms = match (facts.last_seen, facts.failing_since) {
        (Some(seen), Some(failing)) => failing.since(seen).as_millis(),
        _ => return Err("the old primary was never seen alive".to_owned()),
    };
    if u128::from(semi_sync.timeout_ms) <= unseen_ms {
        return Err(format!(
            "the old primary was last seen {unseen_ms} ms before its failure and degrades to asynchronous after {} ms",
            semi_sync.timeout_ms
        ));
    }
    Ok(vec![
        format!("each commit waited for {} of {known} semi-synchronous replicas (AFTER_SYNC)", semi_sync.wait_count),
        format!(
            "{} of these were read after the failure, and the new primary holds all that they received",
            ackers.len() - missing
        ),
        format!(
            "seen in effect {unseen_ms} ms before the failure, and it does not degrade within {} ms",
            semi_sync.timeout_ms
        ),
    ])
}

/// Returns, for the origins that the failed primary wrote under, where its unknown transactions begin.
fn origins(snapshot: &Snapshot, facts: &Facts, holds: &GtidSet) -> Vec<String> {
    let failed = snapshot.instance(&facts.key);
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
