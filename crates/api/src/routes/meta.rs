//! What a request looked like, configuration, metrics, and explanations.

use std::collections::BTreeMap;
use std::path::Path;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use planner::Explanation;
use serde::Serialize;
use serde_json::json;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::route::{Access, Place, Route, RouteInfo, read, write};
use crate::routes::returning;
use crate::{lookup, words};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("headers", headers),
        write("reload-configuration", reload).here(),
        read("v2/explain/{cluster}", explain),
        Route {
            info: RouteInfo { path: "/metrics".to_owned(), access: Access::Read, place: Place::Here },
            handler: get(|State(api): State<Api>| async move {
                let healthy = api.manager.health().trouble.is_none();
                let text = api.metrics.render(&api.view(), healthy, &api.outlook.status(), api.outlook.lease());
                let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                ([(header::CONTENT_TYPE, plain)], text).into_response()
            }),
        },
    ]
}

/// Shows a request as it arrives here, behind proxies. Credentials stay where they are.
async fn headers(_api: Api, call: Call) -> Answer {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &call.headers {
        let is_secret = matches!(*name, header::AUTHORIZATION | header::PROXY_AUTHORIZATION | header::COOKIE);
        let text = if is_secret { "***".to_owned() } else { String::from_utf8_lossy(value.as_bytes()).into_owned() };
        shown.entry(canonical(name.as_str())).or_default().push(text);
    }
    Reply::bare(&shown)
}

/// Returns a header's name with capitals: `user-agent` is `User-Agent`.
fn canonical(name: &str) -> String {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split('-').map(capitalised).collect::<Vec<_>>().join("-")
}

async fn reload(api: Api, call: Call) -> Answer {
    let extra = call.query("config");
    let extra = (!extra.is_empty()).then(|| Path::new(extra));
    for finding in api.manager.reload(extra).await? {
        tracing::warn!(key = ?finding.key, "{}", finding.message);
    }
    Reply::ok("Config reloaded", call.query("config"))
}

/// An explanation, and the same in words.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    text: String,
}

/// Tells what would happen to a cluster now, and why.
async fn explain(api: Api, call: Call) -> Answer {
    let view = api.view();
    let hint = call.param("cluster")?;
    let cluster = lookup::cluster_of_hint(&api, &view, hint).ok();
    match cluster.and_then(|cluster| api.manager.explain(&cluster.name)) {
        Some(explanation) => {
            let text = words::of(&explanation) + &returning::told(&api, &view, &explanation.cluster)?;
            Reply::bare(&Explained { text, explanation: &explanation })
        }
        None => Reply::with_status(
            StatusCode::NOT_FOUND,
            &json!({
                "code": "unknown_cluster",
                "message": format!("there is no cluster {hint:?}"),
                "hint": "GET /api/clusters lists the names; an alias or any member as host:port does too",
            }),
        ),
    }
}
