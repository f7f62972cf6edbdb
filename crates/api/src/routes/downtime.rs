//! Downtime.

use std::time::Duration;

use store::Command;
use topology::Downtime;
use wire::{Instance, Key};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::route::{Route, read, write};
use crate::{lookup, simple_time};

/// How long a downtime lasts that is begun without a duration, or with none to speak of.
const DEFAULT_SPAN: Duration = Duration::from_secs(600);

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("downtimed", downtimed),
        read("downtimed/{cluster}", downtimed),
        write("begin-downtime/{host}/{port}/{owner}/{reason}", begin),
        write("begin-downtime/{host}/{port}/{owner}/{reason}/{duration}", begin),
        write("end-downtime/{host}/{port}", end),
    ]
}

async fn downtimed(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let scene = api.scene(&view);
    let cluster = match call.param("cluster")? {
        "" => None,
        hint => Some(lookup::cluster_of_hint(&api, &view, hint)?.name.clone()),
    };
    let is_meant = |instance: &Instance| cluster.as_ref().is_none_or(|name| instance.cluster_name == *name);
    let found: Vec<Instance> = scene
        .instances(view.snapshot.declared.downtimes.keys())
        .into_iter()
        .filter(|instance| instance.is_downtimed && is_meant(instance))
        .collect();
    Reply::bare(&found)
}

async fn begin(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let span = match call.param("duration")? {
        "" => DEFAULT_SPAN,
        text => Some(simple_time::parse(text)?).filter(|span| !span.is_zero()).unwrap_or(DEFAULT_SPAN),
    };
    let begins = api.manager.now();
    let downtime = Downtime {
        owner: call.param("owner")?.to_owned(),
        reason: call.param("reason")?.to_owned(),
        begins,
        ends: begins.plus(span),
    };
    api.manager.declare(Command::BeginDowntime { key: key.clone(), downtime }).await?;
    Reply::ok(format!("Downtime begun: {key}"), Key::from(&key))
}

async fn end(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    api.manager.declare(Command::EndDowntime { key: key.clone() }).await?;
    Reply::ok(format!("Downtime ended: {key}"), Key::from(&key))
}
