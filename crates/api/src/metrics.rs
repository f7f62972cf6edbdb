//! Metrics as Prometheus reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analysis::Code;
use axum::http::StatusCode;
use manager::View;
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

    /// Returns everything in Prometheus' text format: what was counted, and what `view` shows at this moment. The latter
    /// is written from the view itself, so that a cluster that is gone leaves no number behind.
    pub(crate) fn render(&self, view: &View, healthy: bool) -> String {
        self.handle.run_upkeep();
        let mut text = self.handle.render();
        for (name, help, samples) in gauges(view, healthy) {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            for (labels, value) in samples {
                text.push_str(&format!("{name}{labels} {value}\n"));
            }
        }
        text
    }
}

type Gauge = (&'static str, &'static str, Vec<(String, usize)>);

fn gauges(view: &View, healthy: bool) -> Vec<Gauge> {
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
    let flag = |on: bool| vec![(String::new(), usize::from(on))];
    vec![
        ("orchestrator_healthy", "1 while this node works.", flag(healthy)),
        ("orchestrator_instances", "Watched servers.", states),
        ("orchestrator_cluster_instances", "Members of each cluster.", per_cluster.collect()),
        ("orchestrator_diagnoses", "Servers with each diagnosis.", by_code.collect()),
        (
            "orchestrator_recoveries_running",
            "Recoveries that are running.",
            vec![(String::new(), view.snapshot.declared.recovering.len())],
        ),
        (
            "orchestrator_recoveries_disabled",
            "1 while automatic recoveries are disabled.",
            flag(view.snapshot.declared.recoveries_disabled),
        ),
    ]
}

fn label(name: &str, value: &str, number: usize) -> (String, usize) {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    (format!("{{{name}=\"{escaped}\"}}"), number)
}
