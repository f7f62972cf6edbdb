//! What a person who is on call looks at first: every cluster with what would become of it, and what does not begin.

use axum::http::StatusCode;
use serde_json::json;
use wire::{ClusterOverview, HeldRecovery};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::lookup;
use crate::route::{Route, read};
use crate::v2::overview;

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("v2/clusters", clusters),
        read("v2/clusters/{cluster}", cluster),
        // What is held is in the memory of the node that acts.
        read("v2/holds", holds).at_leader(),
    ]
}

async fn clusters(api: Api, _call: Call) -> Answer {
    Reply::bare(&overviews(&api, |_| true))
}

async fn cluster(api: Api, call: Call) -> Answer {
    let hint = call.param("cluster")?;
    let view = api.view();
    let named = lookup::cluster_of_hint(&api, &view, hint).ok().map(|cluster| cluster.name.clone());
    match overviews(&api, |name| Some(name) == named.as_deref()).pop() {
        Some(found) => Reply::bare(&found),
        None => Reply::with_status(
            StatusCode::NOT_FOUND,
            &json!({
                "code": "unknown_cluster",
                "message": format!("there is no cluster {hint:?}"),
                "hint": "GET /api/v2/clusters lists them; an alias or any member as host:port does too",
            }),
        ),
    }
}

fn overviews(api: &Api, is_meant: impl Fn(&str) -> bool) -> Vec<ClusterOverview> {
    let (view, config) = (api.view(), api.config());
    let limits = api.scene(&view).limits;
    let all = api.manager.readiness();
    let meant = all.iter().filter(|readiness| is_meant(&readiness.cluster.name));
    meant
        .map(|readiness| {
            let cluster = &readiness.cluster;
            let automated = config.recovery.primary_filters.matches(&cluster.name, &cluster.alias);
            overview::cluster(&view, readiness, &limits, automated)
        })
        .collect()
}

async fn holds(api: Api, _call: Call) -> Answer {
    let held: Vec<HeldRecovery> = api.manager.holds().iter().map(overview::held).collect();
    Reply::bare(&held)
}
