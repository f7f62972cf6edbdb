//! Recoveries: asked for, shown, acknowledged, held back.

use std::time::Duration;

use planner::{Hold, Request};
use serde::Serialize;
use serde_json::json;
use store::{AckScope, Command, RecoveryFilter};
use topology::InstanceKey;
use wire::{BlockedRecovery, Key, RecoveryStep, TopologyRecovery};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::{cluster, recovery as shape};
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read, write};

/// A recovery that ended within this time is recently active.
const RECENT: Duration = Duration::from_secs(300);

pub(super) fn routes() -> Vec<Route> {
    vec![
        write("recover/{host}/{port}", recover),
        write("recover/{host}/{port}/{candidate_host}/{candidate_port}", recover),
        write("recover-lite/{host}/{port}", recover_lite),
        write("recover-lite/{host}/{port}/{candidate_host}/{candidate_port}", recover_lite),
        read("automated-recovery-filters", filters),
        read("audit-recovery", listing),
        read("audit-recovery/{page}", listing),
        read("audit-recovery/id/{id}", listing),
        read("audit-recovery/uid/{uid}", listing),
        read("audit-recovery/cluster/{cluster}", listing),
        read("audit-recovery/cluster/{cluster}/{page}", listing),
        read("audit-recovery/alias/{alias}", listing),
        read("audit-recovery/alias/{alias}/{page}", listing),
        read("audit-recovery-steps/{uid}", steps),
        read("active-cluster-recovery/{cluster}", active),
        read("recently-active-cluster-recovery/{cluster}", recently_active),
        read("recently-active-instance-recovery/{host}/{port}", recently_active_instance),
        write("ack-recovery/cluster/{cluster}", acknowledge_cluster),
        write("ack-recovery/cluster/alias/{alias}", acknowledge_alias),
        write("ack-recovery/instance/{host}/{port}", acknowledge_instance),
        write("ack-recovery/{id}", acknowledge_id),
        write("ack-recovery/uid/{uid}", acknowledge_uid),
        write("ack-all-recoveries", acknowledge_all),
        read("blocked-recoveries", blocked),
        read("blocked-recoveries/cluster/{cluster}", blocked),
        write("disable-global-recoveries", disable),
        write("enable-global-recoveries", enable),
        read("check-global-recoveries", check),
    ]
}

async fn recover(api: Api, call: Call) -> Answer {
    let skip_hooks = call.query("skipProcesses") == "true";
    recovered(&api, &call, skip_hooks).await
}

async fn recover_lite(api: Api, call: Call) -> Answer {
    recovered(&api, &call, true).await
}

async fn recovered(api: &Api, call: &Call, skip_hooks: bool) -> Answer {
    let view = api.view();
    let key = lookup::instance_to_change(api, &view, call.key()?);
    let candidate = match call.param("candidate_host")? {
        "" => None,
        host => Some(lookup::instance_to_change(api, &view, lookup::key(host, call.param("candidate_port")?)?)),
    };
    let request = Request { candidate, skip_hooks, forced: true, command: String::new() };
    let not_done = |message: String| Error::NotDone { message, details: json!(Key::from(&key)) };
    match api.manager.recover(&key, request).await {
        Ok(recovered) => match recovered.successor {
            Some(successor) => Reply::ok(format!("Recovery executed on {key}"), Key::from(&successor)),
            None => {
                let why = recovered.errors.join("; ");
                Err(not_done(format!("Recovery executed on {key}, and nobody was promoted: {why}")))
            }
        },
        Err(manager::Error::Held(Hold::NothingToRecover)) => Err(not_done("Recovery not attempted".to_owned())),
        Err(manager::Error::Held(hold)) => Err(not_done(format!("Recovery not attempted: {hold}"))),
        Err(error) => Err(error.into()),
    }
}

async fn filters(api: Api, _call: Call) -> Answer {
    Reply::ok("Automated recovery configuration details", cluster::filters(&api.config()))
}

async fn listing(api: Api, call: Call) -> Answer {
    let text = |name| call.param(name).map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
    let filter = RecoveryFilter {
        id: number(&call, "id")?,
        uid: text("uid")?,
        cluster_name: text("cluster")?,
        cluster_alias: text("alias")?,
        unacknowledged: call.query("unacknowledged") == "true",
        ..RecoveryFilter::default()
    };
    recoveries(&api, filter, call.page()?).await
}

async fn active(api: Api, call: Call) -> Answer {
    let cluster_name = Some(call.param("cluster")?.to_owned());
    recoveries(&api, RecoveryFilter { cluster_name, running: true, ..RecoveryFilter::default() }, store::Page::all())
        .await
}

async fn recently_active(api: Api, call: Call) -> Answer {
    let cluster_name = Some(call.param("cluster")?.to_owned());
    let ended_since = Some(api.manager.now().minus(RECENT));
    recoveries(&api, RecoveryFilter { cluster_name, ended_since, ..RecoveryFilter::default() }, store::Page::all())
        .await
}

async fn recently_active_instance(api: Api, call: Call) -> Answer {
    let successor = Some(lookup::instance_to_show(&api, &api.view(), call.key()?));
    let ended_since = Some(api.manager.now().minus(RECENT));
    recoveries(&api, RecoveryFilter { successor, ended_since, ..RecoveryFilter::default() }, store::Page::all()).await
}

async fn recoveries(api: &Api, filter: RecoveryFilter, page: store::Page) -> Answer {
    let rows = api.ask(move |store| store.recoveries(filter, page)).await?;
    let config = api.config();
    let shown: Vec<TopologyRecovery> = rows.iter().map(|row| shape::recovery(row, &config)).collect();
    Reply::bare(&shown)
}

async fn steps(api: Api, call: Call) -> Answer {
    let uid = call.param("uid")?.to_owned();
    let rows = api.ask(move |store| store.recovery_steps(&uid)).await?;
    let shown: Vec<RecoveryStep> = rows.iter().map(shape::step).collect();
    Reply::bare(&shown)
}

async fn acknowledge_cluster(api: Api, call: Call) -> Answer {
    let view = api.view();
    let cluster = lookup::cluster(&api, &view, &call)?;
    acknowledge_members(&api, &call, &cluster.name, &cluster.alias).await
}

async fn acknowledge_alias(api: Api, call: Call) -> Answer {
    let view = api.view();
    let alias = call.param("alias")?;
    let cluster = lookup::named(&view, alias).ok_or_else(|| Error::UnknownAlias(alias.to_owned()))?;
    acknowledge_members(&api, &call, &cluster.name, &cluster.alias).await
}

/// A recovery gave the cluster a new name; its alias stayed.
async fn acknowledge_members(api: &Api, call: &Call, name: &str, alias: &str) -> Answer {
    let alias = if alias == name { String::new() } else { alias.to_owned() };
    let scope = AckScope::Cluster { name: name.to_owned(), alias };
    acknowledge(api, call, scope, "Acknowledged cluster recoveries", name.to_owned()).await
}

async fn acknowledge_instance(api: Api, call: Call) -> Answer {
    let key: InstanceKey = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let shown = Key::from(&key);
    acknowledge(&api, &call, AckScope::Instance(key), "Acknowledged instance recoveries", shown).await
}

async fn acknowledge_id(api: Api, call: Call) -> Answer {
    let id = number(&call, "id")?.unwrap_or_default();
    acknowledge(&api, &call, AckScope::Id(id), "Acknowledged recovery", id.to_string()).await
}

async fn acknowledge_uid(api: Api, call: Call) -> Answer {
    let uid = call.param("uid")?.to_owned();
    acknowledge(&api, &call, AckScope::Uid(uid.clone()), "Acknowledged recovery", uid).await
}

async fn acknowledge_all(api: Api, call: Call) -> Answer {
    let comment = call.query("comment").trim().to_owned();
    acknowledge(&api, &call, AckScope::All, "Acknowledged all recoveries", comment).await
}

async fn acknowledge(api: &Api, call: &Call, scope: AckScope, message: &str, details: impl Serialize) -> Answer {
    let comment = call.query("comment").trim().to_owned();
    if comment.is_empty() {
        return Err(Error::BadParameter("No acknowledge comment given".to_owned()));
    }
    let owner = call.user(api);
    api.manager.declare(Command::AcknowledgeRecoveries { scope, owner, comment, at: api.manager.now() }).await?;
    Reply::ok(message, details)
}

async fn blocked(api: Api, call: Call) -> Answer {
    let cluster = Some(call.param("cluster")?.to_owned()).filter(|name| !name.is_empty());
    let rows = api.ask(move |store| store.blocked(cluster.as_deref())).await?;
    let shown: Vec<BlockedRecovery> = rows.iter().map(shape::blocked).collect();
    Reply::bare(&shown)
}

async fn disable(api: Api, call: Call) -> Answer {
    let by = call.user(&api);
    api.manager.declare(Command::DisableRecoveries { by, at: api.manager.now() }).await?;
    Reply::ok("Globally disabled recoveries", "disabled")
}

async fn enable(api: Api, _call: Call) -> Answer {
    api.manager.declare(Command::EnableRecoveries).await?;
    Reply::ok("Globally enabled recoveries", "enabled")
}

async fn check(api: Api, _call: Call) -> Answer {
    let word = if api.manager.declared().recoveries_disabled { "disabled" } else { "enabled" };
    Reply::ok(format!("Global recoveries {word}"), word)
}

/// Returns the number in a parameter of the path, if the path has that one.
pub(super) fn number(call: &Call, name: &str) -> Result<Option<i64>, Error> {
    match call.param(name)? {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Error::BadParameter(format!("{text:?} is no number"))),
    }
}
