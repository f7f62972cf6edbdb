//! Clusters with what would become of them, and recoveries that do not begin.

use analysis::Diagnosis;
use manager::{Held, Readiness, Reason, View};
use planner::Verdict;
use serde_json::{Value, json};
use topology::{Cluster, InstanceKey, Watched};
use wire::{Acks, ClusterOverview, HeldRecovery, HoldView, InstanceCounts, Key, PassedOver, Problem, exact_time};

use crate::compat::Limits;

/// Returns a cluster as `view` shows it. `automated` says whether its primary is replaced without asking.
pub(crate) fn cluster(view: &View, readiness: &Readiness, limits: &Limits, automated: bool) -> ClusterOverview {
    let cluster = &readiness.cluster;
    let is_of_it = |diagnosis: &&Diagnosis| cluster.members.binary_search(&diagnosis.subject).is_ok();
    ClusterOverview {
        name: cluster.name.clone(),
        alias: cluster.alias.clone(),
        domain: cluster.domain.clone(),
        primary: Key::from(&cluster.head),
        instances: counts(view, cluster, limits),
        problems: view.diagnoses.iter().filter(is_of_it).map(problem).collect(),
        automated,
        recovering: readiness.running.clone(),
        readiness: rehearsed(readiness),
    }
}

fn counts(view: &View, cluster: &Cluster, limits: &Limits) -> InstanceCounts {
    let declared = &view.snapshot.declared;
    let now = view.snapshot.now;
    let mut counts = InstanceCounts { total: cluster.members.len(), ..InstanceCounts::default() };
    for key in &cluster.members {
        counts.downtimed += usize::from(declared.downtime(key, now).is_some());
        counts.in_maintenance += usize::from(declared.maintenance(key, now).is_some());
        let Some(watched) = view.snapshot.get(key) else { continue };
        counts.valid += usize::from(watched.is_valid());
        let Some(channel) = watched.instance.as_ref().and_then(|instance| instance.channel()) else { continue };
        counts.replicas += 1;
        counts.replicating += usize::from(watched.is_valid() && channel.is_replicating());
        let lags = |watched: &Watched| watched.instance.as_ref().and_then(|instance| instance.lag_secs());
        counts.lagging += usize::from(lags(watched).is_some_and(|lag| lag > limits.lag.as_secs()));
    }
    counts
}

fn problem(diagnosis: &Diagnosis) -> Problem {
    Problem {
        instance: Key::from(&diagnosis.subject),
        analysis: diagnosis.code.compat().to_owned(),
        description: diagnosis.code.description().to_owned(),
        structure: diagnosis.structure.iter().map(|remark| remark.compat().to_owned()).collect(),
    }
}

fn rehearsed(readiness: &Readiness) -> wire::Readiness {
    let acks = acks(&readiness.acks);
    let primary = &readiness.cluster.head;
    let Some(rehearsal) = &readiness.rehearsal else {
        return wire::Readiness { verdict: "unknown".to_owned(), acks, ..wire::Readiness::default() };
    };
    let certificate = rehearsal.certificate.as_ref();
    let chosen = rehearsal.choice.chosen.as_ref().filter(|_| certificate.is_some());
    let verdict = match certificate.map(|certificate| &certificate.verdict) {
        Some(Verdict::NothingLost) => "nothing_lost",
        Some(Verdict::MayLose { .. }) => "may_lose",
        None => "no_candidate",
    };
    let lost = certificate.map(planner::Certificate::known_lost);
    let others = rehearsal.choice.candidates.iter().filter(|candidate| Some(&candidate.key) != chosen);
    wire::Readiness {
        ready: rehearsal.hold.is_none(),
        candidate: chosen.map(Key::from),
        verdict: verdict.to_owned(),
        because: certificate.map(|certificate| certificate.because.clone()).unwrap_or_default(),
        at_risk_gtids: lost.as_ref().map(ToString::to_string).unwrap_or_default(),
        at_risk: lost.as_ref().map(topology::GtidSet::count),
        hold: rehearsal.hold.as_ref().map(|hold| view_of(&Reason::Hold(hold.clone()), primary)),
        others: others
            .map(|candidate| PassedOver {
                instance: Key::from(&candidate.key),
                eligible: candidate.rejections.is_empty(),
                why: candidate.why_not().unwrap_or_default(),
            })
            .collect(),
        acks,
    }
}

fn acks(acks: &manager::Acks) -> Acks {
    Acks {
        enabled: acks.enabled,
        active: acks.active,
        lossless: acks.lossless,
        wait_count: acks.wait_count,
        timeout_ms: acks.timeout_ms,
        clients: acks.clients,
        ackers: acks.ackers.iter().map(Key::from).collect(),
        unacknowledged: acks.unacknowledged,
        since: acks.since.map(exact_time),
        degraded_at: acks.degraded_at.map(exact_time),
    }
}

pub(crate) fn view_of(reason: &Reason, subject: &InstanceKey) -> HoldView {
    HoldView {
        kind: reason.code().to_owned(),
        reason: reason.sentence(),
        until: reason.until().map(exact_time),
        remedy: reason.remedy(subject),
    }
}

/// Returns a recovery that is needed and does not begin.
pub(crate) fn held(held: &Held) -> HeldRecovery {
    HeldRecovery {
        cluster: held.cluster.clone(),
        cluster_alias: held.cluster_alias.clone(),
        instance: Key::from(&held.instance),
        analysis: held.code.compat().to_owned(),
        since: exact_time(held.since),
        hold: view_of(&held.reason, &held.instance),
        evidence: held.evidence.clone(),
        details: details(&held.reason),
    }
}

/// A reason without parts is a text, one with parts an object named after it.
fn details(reason: &Reason) -> Value {
    match reason {
        Reason::Hold(hold) => json!(hold),
        Reason::Refused { by, why } => json!({ "Refused": { "by": by, "why": why } }),
        Reason::Failed { uid, errors } => json!({ "Failed": { "uid": uid, "errors": errors } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planner::{Certificate, Hold};
    use topology::{GtidSet, Timestamp};

    #[test]
    fn a_hold_says_what_may_be_lost_and_what_would_lift_it() {
        let known = GtidSet::parse("00000000-0000-0000-0000-000000000001:91-100").expect("a set");
        let certificate = Certificate {
            verdict: Verdict::MayLose { known, after: vec!["00000000-0000-0000-0000-000000000001:101-…".to_owned()] },
            because: vec!["it did not wait for replicas".to_owned()],
            holds: GtidSet::default(),
            last_seen: None,
        };
        let hold = Hold::MayLose {
            successor: InstanceKey::new("db2", 3306),
            certificate: Box::new(certificate),
            until: Some(Timestamp::from_secs(30)),
        };
        let shown = view_of(&Reason::Hold(hold.clone()), &InstanceKey::new("db1", 3306));
        assert_eq!(shown.kind, "may_lose");
        assert!(
            shown.reason.contains("not to be had from those who answer: 00000000-0000-0000-0000-000000000001:91-100")
        );
        assert_eq!(shown.until.as_deref(), Some("1970-01-01T00:00:30.000000Z"));
        assert_eq!(shown.remedy.as_deref(), Some("orchestrator-client -c recover -i db1:3306"));
        assert_eq!(details(&Reason::Hold(hold))["MayLose"]["successor"], json!({"host": "db2", "port": 3306}));
    }

    #[test]
    fn a_refusal_names_the_hooks_and_what_they_said() {
        let refused = Reason::Refused { by: "PreFailoverProcesses".to_owned(), why: "exit 1; it said: no".to_owned() };
        let shown = view_of(&refused, &InstanceKey::new("db1", 3306));
        assert_eq!((shown.kind.as_str(), shown.until), ("refused_by_hook", None));
        assert_eq!(shown.reason, "a hook of PreFailoverProcesses refused: exit 1; it said: no");
        assert_eq!(details(&refused)["Refused"]["by"], "PreFailoverProcesses");
    }
}
