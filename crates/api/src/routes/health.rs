//! Whether this node works, and whether it is the one that acts.

use axum::http::StatusCode;
use consensus::Standing;
use serde_json::json;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::{health, raft};
use crate::error::Error;
use crate::route::{Route, read};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("health", status),
        read("status", status),
        read("lb-check", alive),
        read("_ping", alive),
        read("leader-check", leads),
        read("leader-check/{status}", leads),
        read("routed-leader-check", leads).at_leader(),
        read("routed-leader-check/{status}", leads).at_leader(),
    ]
}

async fn status(api: Api, _call: Call) -> Answer {
    status_of(&api).await
}

/// Returns the health of this node; an error when something is wrong.
pub(crate) async fn status_of(api: &Api) -> Answer {
    let own = api.manager.health();
    let rows = api.ask(|store| Ok((store.nodes()?, store.active_node()?))).await;
    let among_others = api.outlook.status();
    let recording = own.trouble.map(|why| format!("nothing can be put on record, and no recovery begins: {why}"));
    let left_out = match &among_others.standing {
        Standing::Down { why } => Some(format!("it takes no part: {why}")),
        _ => None,
    };
    let failure = rows.as_ref().err().map(ToString::to_string).or(recording).or(left_out);
    let (nodes, active) = rows.unwrap_or_default();
    let mut status = health::status(&own.node, &nodes, active.as_ref(), failure.is_some(), api.manager.now());
    health::add_raft(&mut status, &among_others);
    match failure {
        None => Reply::ok("Application node is healthy", status),
        Some(why) => {
            Err(Error::NotDone { message: format!("Application node is unhealthy: {why}"), details: json!(status) })
        }
    }
}

async fn alive(_api: Api, _call: Call) -> Answer {
    Reply::bare("OK")
}

/// Tells load balancers whether this node acts. The status for one that does not is theirs to choose.
async fn leads(api: Api, call: Call) -> Answer {
    if raft::acts(&api.outlook.status(), api.outlook.lease()) {
        return Reply::bare("OK");
    }
    let chosen = call.param("status")?.parse::<u16>().ok().filter(|status| (200..600).contains(status));
    let status = chosen.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::NOT_FOUND);
    Reply::with_status(status, "Not leader")
}
