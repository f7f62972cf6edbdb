//! Threads of replication, and read-only.

use planner::{ReplicationRules, can_follow_by_gtid, can_replicate};
use topology::{Instance, InstanceKey};
use wire::Key;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read, write};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        read("can-replicate-from/{host}/{port}/{other_host}/{other_port}", can_replicate_from),
        read("can-replicate-from-gtid/{host}/{port}/{other_host}/{other_port}", can_replicate_from_gtid),
        write("set-read-only/{host}/{port}", set_read_only),
        write("set-writeable/{host}/{port}", set_writable),
    ];
    for name in ["replica", "slave"] {
        routes.push(write(&format!("start-{name}/{{host}}/{{port}}"), start));
        routes.push(write(&format!("stop-{name}/{{host}}/{{port}}"), stop));
        routes.push(write(&format!("restart-{name}/{{host}}/{{port}}"), restart));
    }
    routes
}

async fn can_replicate_from(api: Api, call: Call) -> Answer {
    checked_pair(&api, &call, |_, _| Ok(()))
}

async fn can_replicate_from_gtid(api: Api, call: Call) -> Answer {
    checked_pair(&api, &call, can_follow_by_gtid)
}

/// Tells whether the first instance can replicate from the other, by the general rules and `also`.
fn checked_pair(
    api: &Api,
    call: &Call,
    also: impl Fn(&Instance, &Instance) -> Result<(), planner::Incompatible>,
) -> Answer {
    let view = api.view();
    let config = api.config();
    let rules = ReplicationRules {
        older_may_follow: config.discovery.lower_replica_version_allowed,
        verify_filters: config.problems.verify_replication_filters,
        short_delay: config.problems.maintenance_lag,
    };
    let other = lookup::key(call.param("other_host")?, call.param("other_port")?)?;
    let [one, other] = [call.key()?, other].map(|given| lookup::instance_to_show(api, &view, given));
    let known = |key: &InstanceKey| view.snapshot.instance(key).ok_or_else(|| Error::UnknownInstance(key.clone()));
    let (replica, source) = (known(&one)?, known(&other)?);
    match can_replicate(replica, source, &rules).and_then(|()| also(replica, source)) {
        Ok(()) => Reply::ok("true", Key::from(&other)),
        Err(why) => Err(Error::BadParameter(why.to_string())),
    }
}

async fn start(api: Api, call: Call) -> Answer {
    let key = replica(&api, &call)?;
    api.manager.start_replication(&key).await?;
    shown(&api, &key, format!("Replica started: {key}"))
}

async fn stop(api: Api, call: Call) -> Answer {
    let key = replica(&api, &call)?;
    api.manager.stop_replication(&key).await?;
    shown(&api, &key, format!("Replica stopped: {key}"))
}

async fn restart(api: Api, call: Call) -> Answer {
    let key = replica(&api, &call)?;
    api.manager.restart_replication(&key).await?;
    shown(&api, &key, format!("Replica restarted: {key}"))
}

async fn set_read_only(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    api.manager.set_read_only(&key).await?;
    shown(&api, &key, "Server set as read-only".to_owned())
}

async fn set_writable(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    api.manager.set_writable(&key).await?;
    shown(&api, &key, "Server set as writeable".to_owned())
}

/// Returns the instance that the path means, if it is a replica as far as anybody knows.
fn replica(api: &Api, call: &Call) -> Result<InstanceKey, Error> {
    let view = api.view();
    let key = lookup::instance_to_change(api, &view, call.key()?);
    match view.snapshot.instance(&key) {
        Some(instance) if !instance.is_replica() => Err(Error::NotAReplica(key)),
        _ => Ok(key),
    }
}

fn shown(api: &Api, key: &InstanceKey, message: String) -> Answer {
    let view = api.fresh_view();
    let instance = api.scene(&view).instance(key).ok_or_else(|| Error::UnknownInstance(key.clone()))?;
    Reply::ok(message, instance)
}
