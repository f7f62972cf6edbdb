//! Topologies as text.

use topology::InstanceKey;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::ascii::{Style, draw, draw_with};
use crate::lookup;
use crate::route::{Route, read};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("topology/{cluster}", bracketed),
        read("topology/{host}/{port}", bracketed),
        read("topology-tabulated/{cluster}", tabulated),
        read("topology-tabulated/{host}/{port}", tabulated),
        read("topology-tags/{cluster}", tagged),
        read("topology-tags/{host}/{port}", tagged),
    ]
}

async fn bracketed(api: Api, call: Call) -> Answer {
    drawn(&api, &call, Style::Bracketed)
}

async fn tabulated(api: Api, call: Call) -> Answer {
    drawn(&api, &call, Style::Tabulated)
}

async fn tagged(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let cluster = lookup::cluster(&api, &view, &call)?;
    let scene = api.scene(&view);
    let tags = |key: &InstanceKey| super::tags::beside(&view.snapshot.declared, key);
    let text = draw_with(&scene.instances(&cluster.members), scene.limits.maintenance_lag, tags);
    Reply::ok(format!("Topology for cluster {}", cluster.name), text)
}

fn drawn(api: &Api, call: &Call, style: Style) -> Answer {
    let view = api.fresh_view();
    let cluster = lookup::cluster(api, &view, call)?;
    let scene = api.scene(&view);
    let text = draw(&scene.instances(&cluster.members), style, scene.limits.maintenance_lag);
    Reply::ok(format!("Topology for cluster {}", cluster.name), text)
}
