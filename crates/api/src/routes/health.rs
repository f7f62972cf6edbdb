//! Whether this node works, and whether it is the one that acts.

use serde_json::json;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::health;
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
        read("routed-leader-check", leads),
        read("routed-leader-check/{status}", leads),
    ]
}

async fn status(api: Api, _call: Call) -> Answer {
    status_of(&api).await
}

/// Returns the health of this node; an error when something is wrong.
pub(crate) async fn status_of(api: &Api) -> Answer {
    let own = api.manager.health();
    let rows = api.ask(|store| Ok((store.nodes()?, store.active_node()?))).await;
    let recording = own.trouble.map(|why| format!("nothing can be put on record, and no recovery begins: {why}"));
    let failure = rows.as_ref().err().map(ToString::to_string).or(recording);
    let (nodes, active) = rows.unwrap_or_default();
    let status = health::status(&own.node, &nodes, active.as_ref(), failure.is_some(), api.manager.now());
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

/// A single node always leads; the status for those that do not is never needed.
async fn leads(_api: Api, _call: Call) -> Answer {
    Reply::bare("OK")
}
