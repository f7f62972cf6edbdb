//! What is wrong, and what was.

use analysis::Diagnosis;
use store::DetectionFilter;
use wire::{AnalysisChangelog, Key, ReplicationAnalysis, TopologyRecovery, row_time};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::{analysis as shape, recovery};
use crate::lookup;
use crate::route::{Route, read};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("replication-analysis", everything),
        read("replication-analysis/{cluster}", of_cluster),
        read("replication-analysis/instance/{host}/{port}", of_instance),
        read("replication-analysis-changelog", changelog),
        read("audit-failure-detection", detections),
        read("audit-failure-detection/{page}", detections),
        read("audit-failure-detection/id/{id}", detections),
        read("audit-failure-detection/alias/{alias}", detections),
        read("audit-failure-detection/alias/{alias}/{page}", detections),
    ]
}

async fn everything(api: Api, _call: Call) -> Answer {
    analysis(&api, |_| true)
}

async fn of_cluster(api: Api, call: Call) -> Answer {
    let view = api.view();
    let text = call.param("cluster")?;
    let name = lookup::named(&view, text).map_or(text, |cluster| cluster.name.as_str());
    analysis(&api, |diagnosis| diagnosis.facts.cluster_name == name)
}

async fn of_instance(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_show(&api, &api.view(), call.key()?);
    analysis(&api, |diagnosis| diagnosis.subject == key)
}

fn analysis(api: &Api, is_meant: impl Fn(&Diagnosis) -> bool) -> Answer {
    let view = api.view();
    let meant = view.diagnoses.iter().filter(|diagnosis| is_meant(diagnosis));
    let shown: Vec<ReplicationAnalysis> = meant.map(|diagnosis| shape::entry(diagnosis, api.manager.node())).collect();
    Reply::ok("Analysis", shown)
}

async fn changelog(api: Api, _call: Call) -> Answer {
    let rows = api.ask(|store| store.changelog()).await?;
    let shown: Vec<AnalysisChangelog> = rows
        .chunk_by(|one, next| one.key == next.key)
        .map(|of_instance| AnalysisChangelog {
            analyzed_instance_key: Key::from(&of_instance[0].key),
            changelog: of_instance.iter().map(|change| format!("{};{},", row_time(change.at), change.code)).collect(),
        })
        .collect();
    Reply::list_or_null(&shown)
}

async fn detections(api: Api, call: Call) -> Answer {
    let filter = DetectionFilter {
        id: super::recovery::number(&call, "id")?,
        cluster_alias: Some(call.param("alias")?.to_owned()).filter(|alias| !alias.is_empty()),
        ..DetectionFilter::default()
    };
    let page = call.page()?;
    let rows = api.ask(move |store| store.detections(filter, page)).await?;
    let config = api.config();
    let shown: Vec<TopologyRecovery> = rows.iter().map(|row| recovery::detection(row, &config)).collect();
    Reply::bare(&shown)
}
