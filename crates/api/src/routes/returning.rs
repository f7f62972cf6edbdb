//! Replaced primaries that came back: what becomes of them, and what they have beyond their successors.

use axum::extract::State;
use axum::routing::{MethodRouter, post};
use planner::{Hold, Reception};
use serde_json::{Value, json};
use store::{Applied, Command, Divergence};
use wire::{Key, exact_time};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::{Access, Place, Route, RouteInfo, Verb, read, write};
use crate::routes::recovery::number;

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("v2/divergences", divergences),
        by_post("v2/divergences/{id}/acknowledge", post(|State(api): State<Api>, call: Call| acknowledge(api, call))),
        write("ack-divergence/{host}/{port}", acknowledge_all),
        read("v2/returned-primaries", returned),
        write("rejoin/{host}/{port}", rejoin),
        write("rejoin-clone/{host}/{port}", rejoin_clone),
        by_post(
            "v2/instances/{host}/{port}/rejoin",
            post(|State(api): State<Api>, call: Call| rejoin_by_query(api, call)),
        ),
    ]
}

fn by_post(path: &str, handler: MethodRouter<Api>) -> Route {
    let path = format!("/api/{path}");
    Route { handler, info: RouteInfo { path, verb: Verb::Post, access: Access::Write, place: Place::Leader } }
}

async fn rejoin(api: Api, call: Call) -> Answer {
    rejoined(&api, &call, false).await
}

async fn rejoin_clone(api: Api, call: Call) -> Answer {
    rejoined(&api, &call, true).await
}

/// With `?clone=true` it is rebuilt if it does not fit as it is.
async fn rejoin_by_query(api: Api, call: Call) -> Answer {
    let rebuild = call.query("clone") == "true";
    rejoined(&api, &call, rebuild).await
}

async fn rejoined(api: &Api, call: &Call, rebuild: bool) -> Answer {
    let key = lookup::instance_to_change(api, &api.view(), call.key()?);
    let not_done = |message: String| Error::NotDone { message, details: json!(Key::from(&key)) };
    match api.manager.rejoin(&key, rebuild).await {
        Ok(None) => Reply::ok(format!("{key} has found its place already"), Key::from(&key)),
        Ok(Some(done)) if done.errors.is_empty() => Reply::ok(format!("{key} is attached again"), Key::from(&key)),
        Ok(Some(done)) => Err(not_done(format!("{key} is not attached: {}", done.errors.join("; ")))),
        Err(manager::Error::Held(hold)) => {
            let remedy = hold.remedy(&key).map(|remedy| format!(" (to change that: {remedy})")).unwrap_or_default();
            let what = if matches!(hold, Hold::Running { .. }) { "is being attended to" } else { "stays as it is" };
            Err(not_done(format!("{key} {what}: {hold}{remedy}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows every replaced primary that is known, with what becomes of it.
async fn returned(api: Api, _call: Call) -> Answer {
    let shown: Vec<Value> = api.manager.returned()?.iter().map(shown_return).collect();
    Reply::bare(&shown)
}

/// Tells of the replaced primaries of a cluster, as lines of an explanation; nothing when there are none.
pub(super) fn told(api: &Api, view: &manager::View, cluster: &str) -> Result<String, Error> {
    let mut text = String::new();
    for returned in api.manager.returned()? {
        let leads = view.graph.cluster_of(&returned.demoted.successor).is_some_and(|of| of.name == cluster);
        if !leads {
            continue;
        }
        let shown = shown_return(&returned);
        let (state, why) = (shown["state"].as_str().unwrap_or_default(), shown["why"].as_str().unwrap_or_default());
        let (key, successor) = (&returned.key, &returned.demoted.successor);
        text.push_str(&format!("\n{key} was replaced by {successor}: {state}: {why}\n"));
        if let Some(remedy) = shown["remedy"].as_str() {
            text.push_str(&format!("  to change that: {remedy}\n"));
        }
    }
    Ok(text)
}

fn shown_return(returned: &manager::Returned) -> Value {
    let (state, why, steps) = match &returned.reception {
        Reception::Settled(why) => ("settled", why.clone(), Vec::new()),
        Reception::Stay(stay) => ("held", stay.to_string(), Vec::new()),
        Reception::Act(plan) => {
            ("attaching", String::new(), plan.steps.iter().map(|step| step.action.to_string()).collect())
        }
    };
    let remedy = match &returned.reception {
        Reception::Stay(stay) => stay.remedy(&returned.key),
        _ => None,
    };
    json!({
        "key": Key::from(&returned.key),
        "uuid": returned.demoted.uuid.as_ref().map(|uuid| uuid.as_str()),
        "replaced_by": Key::from(&returned.demoted.successor),
        "recovery_uid": returned.demoted.recovery_uid,
        "since": exact_time(returned.demoted.at),
        "state": state,
        "why": why,
        "remedy": remedy,
        "steps": steps,
    })
}

/// Shows what returned primaries have beyond their successors; with `?all=true` also what somebody acknowledged.
async fn divergences(api: Api, call: Call) -> Answer {
    let all = call.query("all") == "true";
    let rows = api.ask(move |store| store.divergences(all)).await?;
    Reply::bare(&rows.iter().map(shown).collect::<Vec<_>>())
}

fn shown(row: &Divergence) -> Value {
    let found = &row.found;
    // Kept as JSON; shown as a text where it is none, so that nothing is hidden.
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let acknowledged = row.acknowledged.as_ref();
    json!({
        "id": row.id,
        "key": Key::from(&found.key),
        "uuid": found.uuid.as_ref().map(|uuid| uuid.as_str()),
        "primary": Key::from(&found.primary),
        "cluster": found.cluster_name,
        "recovery_uid": found.recovery_uid,
        "found": exact_time(found.at),
        "gtids": found.gtids,
        "transactions": found.transactions,
        "changes": found.changes,
        "tables": value(&found.tables),
        "sample": value(&found.sample),
        "file": found.file,
        "node": found.node,
        "note": found.note,
        "acknowledged": acknowledged.map(|note| json!({
            "at": exact_time(note.at), "by": note.by, "comment": note.comment,
        })),
    })
}

async fn acknowledge(api: Api, call: Call) -> Answer {
    let id = number(&call, "id")?.unwrap_or_default();
    acknowledged(&api, &call, &[id]).await
}

/// Acknowledges all that is on record of one server.
async fn acknowledge_all(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let rows = api.ask(|store| store.divergences(false)).await?;
    let ids: Vec<i64> = rows.iter().filter(|row| row.found.key == key).map(|row| row.id).collect();
    acknowledged(&api, &call, &ids).await
}

async fn acknowledged(api: &Api, call: &Call, ids: &[i64]) -> Answer {
    let comment = call.query("comment").trim().to_owned();
    if comment.is_empty() {
        return Err(Error::BadParameter("No acknowledge comment given".to_owned()));
    }
    let mut count = 0;
    for id in ids {
        let (owner, comment, at) = (call.user(api), comment.clone(), api.manager.now());
        let command = Command::AcknowledgeDivergence { id: *id, owner, comment, at };
        if let Applied::Rows(rows) = api.manager.declare(command).await? {
            count += rows;
        }
    }
    if count == 0 {
        let message = "there is no such divergence that nobody acknowledged".to_owned();
        return Err(Error::NotDone { message, details: json!(ids) });
    }
    Reply::ok(format!("Acknowledged {count} divergences"), count.to_string())
}
