//! Clusters and their primaries.

use topology::{Cluster, InstanceKey};
use wire::{ClusterInfo, Instance};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::{Scene, cluster};
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("clusters", clusters),
        read("clusters-info", clusters_info),
        read("cluster/{cluster}", members),
        read("cluster/alias/{alias}", members_by_alias),
        read("cluster/instance/{host}/{port}", members),
        read("cluster-info/{cluster}", info),
        read("cluster-info/alias/{alias}", info_by_alias),
        read("cluster-osc-replicas/{cluster}", control_replicas),
        read("cluster-osc-slaves/{cluster}", control_replicas),
        read("masters", primaries),
        read("master/{cluster}", primary),
    ]
}

async fn clusters(api: Api, _call: Call) -> Answer {
    let view = api.view();
    let names: Vec<&str> = view.graph.clusters().iter().map(|cluster| cluster.name.as_str()).collect();
    Reply::list_or_null(&names)
}

async fn clusters_info(api: Api, _call: Call) -> Answer {
    let view = api.fresh_view();
    let config = api.config();
    let shown: Vec<ClusterInfo> = view.graph.clusters().iter().map(|cluster| cluster::info(cluster, &config)).collect();
    Reply::bare(&shown)
}

async fn members(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let found = lookup::cluster(&api, &view, &call)?;
    Reply::bare(&api.scene(&view).instances(&found.members))
}

async fn members_by_alias(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let alias = call.param("alias")?;
    let found = lookup::named(&view, alias).ok_or_else(|| Error::UnknownAlias(alias.to_owned()))?;
    Reply::bare(&api.scene(&view).instances(&found.members))
}

async fn info(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    Reply::bare(&cluster::info(lookup::cluster(&api, &view, &call)?, &api.config()))
}

async fn info_by_alias(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let alias = call.param("alias")?;
    let found = lookup::named(&view, alias).ok_or_else(|| Error::UnknownAlias(alias.to_owned()))?;
    Reply::bare(&cluster::info(found, &api.config()))
}

/// Shows the replicas that a tool for schema changes should watch: the busiest two of the first tier in each data centre, two
/// replicas of each of those, and two of the third tier in each data centre.
async fn control_replicas(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let cluster = lookup::cluster(&api, &view, &call)?;
    let config = api.config();
    let mut members = api.scene(&view).instances(&cluster.members);
    members.retain(|member| {
        member.is_last_check_valid && !config.problems.schema_change_ignore.matches(&member.key.host, member.key.port)
    });
    members.sort_by_cached_key(|member| (std::cmp::Reverse(member.replicas.len()), member.key.clone()));
    let of_tier = |depth| {
        let tier: Vec<&Instance> = members.iter().filter(|member| member.replication_depth == depth).collect();
        at_most_two_by(tier, |member| member.data_center.clone())
    };
    let first = of_tier(1);
    let below = members.iter().filter(|member| first.iter().any(|source| source.key == member.master_key)).collect();
    let below = at_most_two_by(below, |member| member.master_key.clone());
    let mut shown: Vec<&Instance> = Vec::new();
    for member in first.into_iter().chain(below).chain(of_tier(3)) {
        if !shown.iter().any(|other| other.key == member.key) {
            shown.push(member);
        }
    }
    Reply::bare(&shown)
}

/// Returns the first two of each kind, in their order.
fn at_most_two_by<K: Ord>(members: Vec<&Instance>, kind: impl Fn(&Instance) -> K) -> Vec<&Instance> {
    let mut taken = std::collections::BTreeMap::new();
    let is_taken = |member: &&Instance| {
        let count: &mut u32 = taken.entry(kind(member)).or_default();
        *count += 1;
        *count <= 2
    };
    members.into_iter().filter(is_taken).collect()
}

/// Shows the writable primary of every cluster that has one.
async fn primaries(api: Api, _call: Call) -> Answer {
    let view = api.fresh_view();
    let scene = api.scene(&view);
    let shown: Vec<Instance> =
        view.graph.clusters().iter().filter_map(|cluster| writable_primary(&scene, cluster)).collect();
    Reply::list_or_null(&shown)
}

/// Shows the primary of a cluster, the writable one if there are several.
async fn primary(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let scene = api.scene(&view);
    let cluster = lookup::cluster(&api, &view, &call)?;
    let shown = writable_primary(&scene, cluster).or_else(|| scene.instance(&cluster.head)).ok_or(Error::NoPrimary)?;
    Reply::bare(&shown)
}

fn writable_primary(scene: &Scene<'_>, cluster: &Cluster) -> Option<Instance> {
    let others = cluster.members.iter().filter(|key| scene.graph.is_co_primary(key));
    let is_writable =
        |key: &&InstanceKey| scene.snapshot.instance(key).is_some_and(|instance| instance.writes.is_writable());
    std::iter::once(&cluster.head).chain(others).find(is_writable).and_then(|key| scene.instance(key))
}
