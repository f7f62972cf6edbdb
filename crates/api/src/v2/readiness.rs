//! Who would follow each primary, kept for a moment: to tell it of one cluster means to look at all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use planner::{Explanation, Hold, Verdict};
use topology::Graph;
use wire::{Key, Readiness};

use crate::app::Api;

/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(2);
/// How long one look may take before the rest waits for the next one.
const AT_ONCE: Duration = Duration::from_millis(100);

/// What is known of the clusters. Shared by all who watch.
#[derive(Default)]
pub(crate) struct Outlooks {
    known: Mutex<BTreeMap<String, (Instant, Readiness)>>,
}

impl Outlooks {
    /// Returns the readiness of every cluster that is known by now, the oldest looked into first.
    pub(crate) fn of(&self, api: &Api, graph: &Graph) -> BTreeMap<String, Readiness> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.retain(|name, _| graph.cluster(name).is_some());
        let begun = Instant::now();
        let mut due: Vec<(Option<Instant>, &str)> = graph
            .clusters()
            .iter()
            .map(|cluster| (known.get(&cluster.name).map(|(at, _)| *at), cluster.name.as_str()))
            .filter(|(at, _)| at.is_none_or(|at| at.elapsed() > FRESH))
            .collect();
        due.sort();
        for (_, name) in due {
            if begun.elapsed() > AT_ONCE {
                break;
            }
            if let Some(explained) = api.manager.explain(name) {
                known.insert(name.to_owned(), (Instant::now(), readiness(&explained)));
            }
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&known);
        known.into_iter().map(|(name, (_, readiness))| (name, readiness)).collect()
    }
}

fn readiness(explained: &Explanation) -> Readiness {
    let rehearsal = &explained.if_primary_died;
    // Who only watches tells what the leader would do.
    let hold = rehearsal.hold.as_ref().filter(|hold| !matches!(hold, Hold::NotLeading { leader: Some(_) }));
    let successor = rehearsal.choice.chosen.as_ref().map(Key::from);
    match (hold, &rehearsal.certificate) {
        (Some(hold), _) => {
            Readiness { verdict: "held".to_owned(), successor, because: hold.to_string(), known_lost: 0 }
        }
        (None, Some(certificate)) => Readiness {
            verdict: if certificate.proves_nothing_lost() { "nothing_lost" } else { "may_lose" }.to_owned(),
            successor,
            because: certificate.because.join("; "),
            known_lost: match &certificate.verdict {
                Verdict::MayLose { known, .. } => known.count(),
                Verdict::NothingLost => 0,
            },
        },
        (None, None) => Readiness {
            verdict: "held".to_owned(),
            successor,
            because: "nobody could be promoted".to_owned(),
            known_lost: 0,
        },
    }
}
