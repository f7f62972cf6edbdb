//! Metrics as Prometheus reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analysis::Code;
use axum::http::StatusCode;
use consensus::{Lease, Standing, Status};
use manager::{Held, Readiness, View};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// What was counted. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// Kept where it is not the process's own: in tests, and where another one was installed first.
    local: Option<Arc<PrometheusRecorder>>,
}

impl Metrics {
    /// Makes everything that this process counts through the `metrics` facade visible here. The first call in a process
    /// does; what later ones return counts requests to the API only.
    pub fn install() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        match metrics::set_global_recorder(recorder) {
            Ok(()) => Self { handle, local: None },
            Err(refused) => Self { handle, local: Some(Arc::new(refused.into_inner())) },
        }
    }

    pub(crate) fn count_request(&self, status: StatusCode, took: Duration) {
        let count = || {
            metrics::counter!("orchestrator_http_requests_total", "status" => status.as_str().to_owned()).increment(1);
            metrics::histogram!("orchestrator_http_request_seconds").record(took.as_secs_f64());
        };
        match &self.local {
            None => count(),
            Some(recorder) => metrics::with_local_recorder(recorder.as_ref(), count),
        }
    }

    /// Returns everything in Prometheus' text format: what was counted, and what `seen` and `nodes` show at this moment. The
    /// latter is written from the values themselves, so that a cluster that is gone leaves no number behind.
    pub(crate) fn render(&self, seen: &Seen<'_>, nodes: &Status, lease: Option<Lease>) -> String {
        self.handle.run_upkeep();
        let mut text = self.handle.render();
        for (name, help, samples) in gauges(seen).into_iter().chain(raft_gauges(nodes, lease)) {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            for (labels, value) in samples {
                text.push_str(&format!("{name}{labels} {value}\n"));
            }
        }
        text
    }
}

/// What this node sees at the moment.
pub(crate) struct Seen<'a> {
    pub(crate) view: &'a View,
    pub(crate) healthy: bool,
    pub(crate) readiness: &'a [Readiness],
    pub(crate) held: &'a [Held],
}

/// Name, help, and the values by labels.
type Gauge = (&'static str, &'static str, Vec<(String, f64)>);

fn gauges(seen: &Seen<'_>) -> Vec<Gauge> {
    let Seen { view, healthy, .. } = *seen;
    let watched = &view.snapshot.watched;
    let valid = watched.values().filter(|watched| watched.is_valid()).count();
    let states = vec![label("state", "valid", valid), label("state", "unreachable", watched.len() - valid)];
    let per_cluster =
        view.graph.clusters().iter().map(|cluster| label("cluster", &cluster.alias, cluster.members.len()));
    let mut by_code: BTreeMap<&str, usize> = Code::ALL.iter().map(|code| (code.compat(), 0)).collect();
    for diagnosis in &view.diagnoses {
        *by_code.entry(diagnosis.code.compat()).or_default() += 1;
    }
    let by_code = by_code.into_iter().map(|(code, count)| label("code", code, count));
    let mut gauges = vec![
        ("orchestrator_healthy", "1 while this node works.", flag(healthy)),
        ("orchestrator_instances", "Watched servers.", states),
        ("orchestrator_cluster_instances", "Members of each cluster.", per_cluster.collect()),
        ("orchestrator_diagnoses", "Servers with each diagnosis.", by_code.collect()),
        (
            "orchestrator_recoveries_running",
            "Recoveries that are running.",
            only(view.snapshot.declared.recovering.len() as f64),
        ),
        (
            "orchestrator_recoveries_disabled",
            "1 while automatic recoveries are disabled.",
            flag(view.snapshot.declared.recoveries_disabled),
        ),
    ];
    gauges.extend(failover_gauges(seen));
    gauges
}

/// What would become of each cluster if its primary died at this moment, and what does not begin.
fn failover_gauges(seen: &Seen<'_>) -> Vec<Gauge> {
    let (mut ready, mut proved, mut at_risk) = (Vec::new(), Vec::new(), Vec::new());
    for Readiness { cluster, rehearsal, .. } in seen.readiness {
        let Some(rehearsal) = rehearsal else { continue };
        let certificate = rehearsal.certificate.as_ref();
        let is_proved = certificate.is_some_and(planner::Certificate::proves_nothing_lost);
        ready.push(label("cluster", &cluster.alias, usize::from(rehearsal.hold.is_none())));
        proved.push(label("cluster", &cluster.alias, usize::from(is_proved)));
        let known = certificate.map(|certificate| usize::try_from(certificate.known_lost().count()));
        at_risk.extend(known.map(|known| label("cluster", &cluster.alias, known.unwrap_or(usize::MAX))));
    }
    let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
    for held in seen.held {
        *by_kind.entry(held.reason.code()).or_default() += 1;
    }
    vec![
        ("orchestrator_failover_ready", "1 while the death of the primary would be answered by a promotion.", ready),
        (
            "orchestrator_failover_would_lose_nothing",
            "1 while it is proved that a failover would lose no acknowledged transaction.",
            proved,
        ),
        (
            "orchestrator_failover_transactions_at_risk",
            "Transactions that the primary is known to have, and no server that could be promoted: the least that would be lost.",
            at_risk,
        ),
        (
            "orchestrator_held_recoveries",
            "Recoveries that are needed and do not begin, by the kind of reason, on the node that acts.",
            by_kind.into_iter().map(|(kind, count)| label("kind", kind, count)).collect(),
        ),
    ]
}

/// Nothing on a manager that stands alone. A count of members comes from each node: the leader's is the one that hears all.
fn raft_gauges(nodes: &Status, lease: Option<Lease>) -> Vec<Gauge> {
    if nodes.standing == Standing::Alone {
        return Vec::new();
    }
    let healthy = nodes.healthy().count();
    let members =
        vec![label("healthy", "true", healthy), label("healthy", "false", nodes.members.len().saturating_sub(healthy))];
    let rest = lease.map_or(0.0, |lease| lease.rest.as_secs_f64());
    vec![
        ("orchestrator_raft_is_leader", "1 while this node leads.", flag(nodes.standing.leads())),
        ("orchestrator_raft_has_leader", "1 while this node knows who leads.", flag(nodes.leader.is_some())),
        (
            "orchestrator_raft_lease_seconds",
            "For how long this node may act without hearing more; 0 if not.",
            only(rest),
        ),
        ("orchestrator_raft_term", "The present term.", only(nodes.term as f64)),
        ("orchestrator_raft_last_log_index", "The last entry of the log here.", only(nodes.last_log as f64)),
        ("orchestrator_raft_applied_index", "The last entry applied here.", only(nodes.applied as f64)),
        ("orchestrator_raft_snapshot_index", "The last entry that the snapshot covers.", only(nodes.snapshot as f64)),
        ("orchestrator_raft_members", "Members, by whether they answered a moment ago.", members),
    ]
}

fn flag(on: bool) -> Vec<(String, f64)> {
    only(f64::from(u8::from(on)))
}

fn only(value: f64) -> Vec<(String, f64)> {
    vec![(String::new(), value)]
}

fn label(name: &str, value: &str, number: usize) -> (String, f64) {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    (format!("{{{name}=\"{escaped}\"}}"), number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::nodes;

    fn lines(status: &Status, lease: Option<Lease>) -> Vec<String> {
        let samples = raft_gauges(status, lease).into_iter();
        samples
            .flat_map(|(name, _, values)| {
                values.into_iter().map(move |(labels, value)| format!("{name}{labels} {value}"))
            })
            .collect()
    }

    #[test]
    fn a_leader_shows_its_lease_and_a_manager_that_stands_alone_nothing() {
        let mut status = nodes::seen_by_leader();
        status.members[2].heard = None;
        let lease = Lease { term: 7, rest: Duration::from_millis(480) };
        assert_eq!(
            lines(&status, Some(lease)),
            [
                "orchestrator_raft_is_leader 1",
                "orchestrator_raft_has_leader 1",
                "orchestrator_raft_lease_seconds 0.48",
                "orchestrator_raft_term 7",
                "orchestrator_raft_last_log_index 120",
                "orchestrator_raft_applied_index 118",
                "orchestrator_raft_snapshot_index 100",
                "orchestrator_raft_members{healthy=\"true\"} 2",
                "orchestrator_raft_members{healthy=\"false\"} 1",
            ]
        );
        assert_eq!(lines(&Status { standing: Standing::Alone, ..status }, Some(lease)), Vec::<String>::new());
    }
}
