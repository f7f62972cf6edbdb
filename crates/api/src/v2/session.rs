//! Who asks, what the service is set to, and who leads.

use std::time::Duration;

use axum::http::StatusCode;
use manager::{Latency, Stretch, Workload};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Command;
use wire::{Probing, ProbingStretch, Session, exact_time};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::auth;
use crate::call::Call;
use crate::error::Error;
use crate::members::{self, Target};
use crate::route::Route;
use crate::v2::verb::{asked, done, get, plain_problem, post, put};

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("v2/session", session),
        get("v2/configuration", configuration),
        get("v2/probing", probing),
        put("v2/automatic-recovery", automatic_recovery),
        post("v2/leadership", lead),
    ]
}

async fn session(api: Api, call: Call) -> Answer {
    let config = api.config();
    Reply::bare(&Session {
        user: call.named_user().unwrap_or_default().to_owned(),
        may_change: auth::may_change(&config.auth, call.named_user()).await,
        node: api.manager.node().hostname.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        raft: config.raft.enabled,
        recoveries_enabled: !api.manager.store().declared().recoveries_disabled,
        trouble: api.manager.health().trouble,
    })
}

/// Shows what is in effect; secrets as `***`.
async fn configuration(api: Api, _call: Call) -> Answer {
    let shown: Value = serde_json::from_str(&api.config().dump_json())?;
    Reply::bare(&shown)
}

/// Shows what probing cost on the node that is asked, lately.
async fn probing(api: Api, _call: Call) -> Answer {
    let Workload { stretch, past, queue, waits } = api.manager.workload();
    Reply::bare(&Probing {
        node: api.manager.node().hostname.clone(),
        now: exact_time(api.manager.now()),
        stretch_secs: stretch.as_secs(),
        at_one_time: api.config().discovery.max_concurrency.max(1),
        queue,
        waits_ms: whole_millis(waits),
        past: past.iter().map(stretch_of).collect(),
    })
}

fn stretch_of(past: &Stretch) -> ProbingStretch {
    let millis =
        |of: fn(&Latency) -> Duration| past.latency.as_ref().map(|latency| of(latency).as_micros() as f64 / 1e3);
    ProbingStretch {
        begins: exact_time(past.begins),
        probes: past.probes,
        failures: past.failures,
        median_ms: millis(|latency| latency.median),
        p95_ms: millis(|latency| latency.p95),
        max_ms: millis(|latency| latency.max),
        queue: past.queue,
        waited_ms: whole_millis(past.waited),
    }
}

fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Something that is on or off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
}

async fn automatic_recovery(api: Api, call: Call, body: Value) -> Answer {
    let Switch { on } = asked(body)?;
    if on {
        api.manager.declare(Command::EnableRecoveries).await?;
        return done("recoveries are automatic");
    }
    let by = call.user(&api);
    api.manager.declare(Command::DisableRecoveries { by, at: api.manager.now() }).await?;
    done("nothing is recovered without being asked for")
}

/// Who shall lead.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Successor {
    node: String,
}

async fn lead(api: Api, _call: Call, body: Value) -> Answer {
    let Successor { node } = asked(body)?;
    let status = api.outlook.status();
    if status.standing == consensus::Standing::Alone {
        return Err(Error::BadParameter("this manager stands alone, and leads".to_owned()));
    }
    let peer = match members::named(&status, &node)? {
        Target::Leader(peer) => return done(format!("{} leads already", peer.address)),
        Target::Other(peer) => peer,
    };
    let leader = api.manager.consensus().transfer(Some(&peer)).await?;
    if leader.id != peer.id {
        let why = format!("leadership went to {}, not to {}", leader.address, peer.address);
        return Ok(plain_problem(StatusCode::CONFLICT, "not_done", &why));
    }
    Reply::bare(&json!({ "message": format!("{} leads", leader.address) }))
}
