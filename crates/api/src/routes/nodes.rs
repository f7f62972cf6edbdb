//! The nodes, and recoveries with their journals, in our own shapes.

use axum::http::StatusCode;
use serde_json::json;
use store::{Page, RecoveryFilter};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::route::{Route, read};
use crate::v2;

pub(super) fn routes() -> Vec<Route> {
    vec![read("v2/nodes", nodes), read("v2/recoveries/{uid}", recovery)]
}

async fn nodes(api: Api, _call: Call) -> Answer {
    Reply::bare(&v2::nodes::nodes(&api.outlook.status(), api.outlook.lease()))
}

/// Shows a recovery with its plan, its certificate, and every step with the moment it began and ended.
async fn recovery(api: Api, call: Call) -> Answer {
    let uid = call.param("uid")?.to_owned();
    let wanted = uid.clone();
    let found = api
        .ask(move |store| {
            let filter = RecoveryFilter { uid: Some(wanted.clone()), ..RecoveryFilter::default() };
            let Some(row) = store.recoveries(filter, Page::all())?.pop() else { return Ok(None) };
            Ok(Some((row, store.plan(&wanted)?, store.recovery_steps(&wanted)?)))
        })
        .await?;
    match found {
        Some((row, journal, story)) => Reply::bare(&v2::recovery::record(&row, journal.as_ref(), &story)),
        None => Reply::with_status(
            StatusCode::NOT_FOUND,
            &json!({
                "code": "unknown_recovery",
                "message": format!("there is no recovery {uid:?}"),
                "hint": "GET /api/audit-recovery lists them with their UID",
            }),
        ),
    }
}
