//! Who did what.

use wire::Audit;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::cluster;
use crate::lookup;
use crate::route::{Route, read};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("audit", everything),
        read("audit/{page}", everything),
        read("audit/instance/{host}/{port}", of_instance),
        read("audit/instance/{host}/{port}/{page}", of_instance),
    ]
}

async fn everything(api: Api, call: Call) -> Answer {
    rows(&api, &call, None).await
}

async fn of_instance(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_show(&api, &api.view(), call.key()?);
    rows(&api, &call, Some(key)).await
}

async fn rows(api: &Api, call: &Call, key: Option<topology::InstanceKey>) -> Answer {
    let page = call.page()?;
    let rows = api.ask(move |store| store.audit(key.as_ref(), page)).await?;
    let shown: Vec<Audit> = rows.iter().map(cluster::audit).collect();
    Reply::bare(&shown)
}
