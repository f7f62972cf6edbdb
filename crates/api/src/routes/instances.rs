//! Single instances: found, shown, forgotten.

use topology::InstanceKey;
use wire::{Instance, Key};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::Scene;
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read, write};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("instance/{host}/{port}", instance),
        read("instance-replicas/{host}/{port}", replicas),
        read("all-instances", all),
        read("bulk-instances", keys),
        read("search", search),
        read("search/{text}", search),
        read("problems", problems),
        read("problems/{cluster}", problems),
        read("resolve/{host}/{port}", resolve),
        write("discover/{host}/{port}", discover),
        write("async-discover/{host}/{port}", async_discover),
        write("refresh/{host}/{port}", refresh),
        write("forget/{host}/{port}", forget),
    ]
}

async fn instance(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let key = lookup::instance_to_show(&api, &view, call.key()?);
    let shown = api.scene(&view).instance(&key).ok_or(Error::UnknownInstance(key))?;
    Reply::bare(&shown)
}

async fn replicas(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let key = lookup::instance_to_show(&api, &view, call.key()?);
    Reply::bare(&api.scene(&view).instances(view.graph.replicas(&key)))
}

async fn all(api: Api, _call: Call) -> Answer {
    let view = api.fresh_view();
    Reply::bare(&found(&api.scene(&view), ""))
}

async fn keys(api: Api, _call: Call) -> Answer {
    let view = api.fresh_view();
    let shown: Vec<Key> = api.scene(&view).keys().into_iter().map(Key::from).collect();
    Reply::list_or_null(&shown)
}

async fn search(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let text = Some(call.param("text")?).filter(|text| !text.is_empty()).unwrap_or_else(|| call.query("s"));
    Reply::bare(&found(&api.scene(&view), text))
}

/// Returns what has `text` in its address, version, or cluster, or is numbered so; heads first, then who has more
/// replicas.
fn found(scene: &Scene<'_>, text: &str) -> Vec<Instance> {
    let mut found: Vec<Instance> =
        scene.instances(scene.keys()).into_iter().filter(|instance| matches(instance, text)).collect();
    found.sort_by_cached_key(|instance| {
        let replicas = std::cmp::Reverse(instance.replicas.len());
        (instance.replication_depth, replicas, instance.cluster_name.clone(), instance.key.clone())
    });
    found
}

fn matches(instance: &Instance, text: &str) -> bool {
    let address = InstanceKey::new(instance.key.host.clone(), instance.key.port).to_string();
    let texts = [
        &address,
        &instance.cluster_name,
        &instance.suggested_cluster_alias,
        &instance.version,
        &instance.version_comment,
    ];
    texts.iter().any(|field| field.contains(text))
        || text.parse().is_ok_and(|number: u64| number == instance.server_id || number == u64::from(instance.key.port))
}

async fn problems(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let scene = api.scene(&view);
    let cluster = call.param("cluster")?;
    let config = api.config();
    let is_shown = |instance: &Instance| {
        !instance.problems.is_empty()
            && !instance.is_downtimed
            && !config.problems.ignore.matches(&instance.key.host, instance.key.port)
            && (cluster.is_empty() || instance.cluster_name == cluster || instance.suggested_cluster_alias == cluster)
    };
    let found: Vec<Instance> = scene.instances(scene.keys()).into_iter().filter(is_shown).collect();
    Reply::list_or_null(&found)
}

async fn resolve(api: Api, call: Call) -> Answer {
    if api.manager.only_answers() {
        return Err(Error::OnlyAnswers);
    }
    let view = api.view();
    let key = lookup::instance_to_show(&api, &view, call.key()?);
    let resolved = api.manager.resolve(&key).await?;
    Reply::ok("Instance resolved", Key::from(&resolved))
}

async fn discover(api: Api, call: Call) -> Answer {
    let given = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let key = api.manager.discover(&given).await?;
    let view = api.fresh_view();
    let shown = api.scene(&view).instance(&key).ok_or_else(|| Error::UnknownInstance(key.clone()))?;
    Reply::ok(format!("Instance discovered: {key}"), shown)
}

async fn async_discover(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    api.manager.discover_later(key.clone());
    Reply::ok(format!("Asynchronous discovery initiated for Instance: {key}"), ())
}

async fn refresh(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    api.manager.refresh(&key).await?;
    Reply::ok(format!("Instance refreshed: {key}"), Key::from(&key))
}

async fn forget(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    match api.manager.forget(vec![key.clone()]).await {
        Err(manager::Error::Unknown(_)) => {
            Err(Error::BadParameter(format!("ForgetInstance(): instance {key} not found")))
        }
        Err(error) => Err(error.into()),
        Ok(()) => Reply::ok(format!("Instance forgotten: {key}"), Key::from(&key)),
    }
}
