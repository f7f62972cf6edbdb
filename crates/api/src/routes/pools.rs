//! Pools of instances.

use std::collections::BTreeMap;

use topology::{Cluster, InstanceKey};
use wire::{Instance, Key, PoolEntry};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("cluster-pool-instances/{cluster}", of_cluster),
        read("cluster-pool-instances/{cluster}/{pool}", of_cluster),
        read("heuristic-cluster-pool-instances/{cluster}", instances),
        read("heuristic-cluster-pool-instances/{cluster}/{pool}", instances),
        read("heuristic-cluster-pool-lag/{cluster}", lag),
        read("heuristic-cluster-pool-lag/{cluster}/{pool}", lag),
        read("v2/pools", all),
    ]
}

/// Returns the pooled members of `cluster`, by pool; of one pool only where one is named.
fn pooled(api: &Api, cluster: &Cluster, pool: &str) -> BTreeMap<String, Vec<InstanceKey>> {
    let declared = api.manager.declared();
    let meant = declared.pools.iter().filter(|(name, _)| pool.is_empty() || *name == pool);
    let members = meant.map(|(name, keys)| {
        (name.clone(), keys.iter().filter(|key| cluster.members.contains(key)).cloned().collect::<Vec<_>>())
    });
    members.filter(|(_, keys)| !keys.is_empty()).collect()
}

async fn of_cluster(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let name = call.param("cluster")?;
    let pools = view.graph.cluster(name).map(|cluster| pooled(&api, cluster, call.param("pool").unwrap_or_default()));
    let shown: BTreeMap<String, Vec<Key>> =
        pools.into_iter().flatten().map(|(pool, keys)| (pool, keys.iter().map(Key::from).collect())).collect();
    Reply::ok(format!("Read pool instances for cluster {name}"), shown)
}

async fn instances(api: Api, call: Call) -> Answer {
    let (cluster, shown) = usable(&api, &call)?;
    Reply::ok(format!("Heuristic pool instances for cluster {cluster}"), shown)
}

async fn lag(api: Api, call: Call) -> Answer {
    let (cluster, shown) = usable(&api, &call)?;
    let lags = shown.iter().filter(|instance| instance.slave_lag_seconds.valid);
    let greatest = lags.map(|instance| instance.slave_lag_seconds.value).max().unwrap_or(0);
    if shown.is_empty() {
        return Err(Error::BadParameter(format!("no instance of {cluster} is in such a pool and answers")));
    }
    Reply::ok(format!("Heuristic pool lag for cluster {cluster}"), greatest)
}

/// Returns the name of the cluster, and its pooled members that answer, each once.
fn usable(api: &Api, call: &Call) -> Result<(String, Vec<Instance>), Error> {
    let view = api.fresh_view();
    let cluster = lookup::cluster(api, &view, call)?;
    let mut keys: Vec<InstanceKey> = pooled(api, cluster, call.param("pool")?).into_values().flatten().collect();
    keys.sort();
    keys.dedup();
    let mut shown = api.scene(&view).instances(&keys);
    shown.retain(|instance| instance.is_last_check_valid);
    Ok((cluster.name.clone(), shown))
}

/// Shows every pool of every cluster.
async fn all(api: Api, _call: Call) -> Answer {
    let view = api.fresh_view();
    let mut shown = Vec::new();
    for cluster in view.graph.clusters() {
        for (pool, keys) in pooled(&api, cluster, "") {
            let entry = |key: &InstanceKey| PoolEntry {
                cluster: cluster.name.clone(),
                alias: cluster.alias.clone(),
                pool: pool.clone(),
                instance: Key::from(key),
            };
            shown.extend(keys.iter().map(entry));
        }
    }
    Reply::bare(&shown)
}
