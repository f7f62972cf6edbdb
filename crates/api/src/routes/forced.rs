//! A primary is replaced because a person says so.

use planner::Request;
use serde_json::Value;
use store::{Page, RecoveryFilter};
use topology::InstanceKey;
use wire::TopologyRecovery;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::{analysis, recovery as shape};
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, write};

pub(super) fn routes() -> Vec<Route> {
    vec![
        write("force-master-failover/{cluster}", failover),
        write("force-master-failover/{host}/{port}", failover),
        write("force-master-takeover/{cluster}/{designated_host}/{designated_port}", takeover),
        write("force-master-takeover/{host}/{port}/{designated_host}/{designated_port}", takeover),
    ]
}

async fn failover(api: Api, call: Call) -> Answer {
    replace(&api, &call, "force-master-failover", None).await
}

async fn takeover(api: Api, call: Call) -> Answer {
    let designated = lookup::key(call.param("designated_host")?, call.param("designated_port")?)?;
    let designated = lookup::instance_to_change(&api, &api.view(), designated);
    replace(&api, &call, "force-master-takeover", Some(designated)).await
}

async fn replace(api: &Api, call: &Call, command: &str, candidate: Option<InstanceKey>) -> Answer {
    let cluster = lookup::cluster(api, &api.view(), call)?.name.clone();
    let skip_hooks = call.query("skipProcesses") == "true";
    let request = Request { candidate, skip_hooks, forced: true, command: command.to_owned() };
    let not_done = |message: String| Error::NotDone { message, details: Value::Null };
    match api.manager.replace_primary(&cluster, request).await {
        Ok(forced) if forced.recovered.successor.is_none() => {
            let why = forced.recovered.errors.join("; ");
            Err(not_done(format!("Master not failed over: nobody was promoted: {why}")))
        }
        Ok(forced) => Reply::ok("Master failed over", shown(api, &forced, command).await?),
        Err(manager::Error::Held(hold)) => Err(not_done(format!("Recovery not attempted: {hold}"))),
        Err(manager::Error::Ambiguous(why)) => Err(not_done(why)),
        Err(error) => Err(error.into()),
    }
}

/// Returns the recovery as it is shown to who asked for it, with the diagnosis as it stood.
async fn shown(api: &Api, forced: &manager::Forced, command: &str) -> Result<TopologyRecovery, Error> {
    let filter = RecoveryFilter { uid: Some(forced.recovered.uid.clone()), ..RecoveryFilter::default() };
    let rows = api.ask(move |store| store.recoveries(filter, Page::nth(0))).await?;
    let config = api.config();
    let mut shown = rows.first().map(|row| shape::recovery(row, &config)).unwrap_or_default();
    shown.analysis_entry = analysis::entry(&forced.diagnosis, api.manager.node());
    command.clone_into(&mut shown.analysis_entry.command_hint);
    shown.analysis_entry.is_actionable_recovery = true;
    let view = api.manager.view();
    let successor = forced.recovered.successor.as_ref().and_then(|key| view.snapshot.instance(key));
    shown.successor_binlog_coordinates = successor.map(|server| wire::Coordinates::binlog(&server.binlog.coordinates));
    shown.all_errors = Some(forced.recovered.errors.clone());
    "MasterRecovery".clone_into(&mut shown.r#type);
    "MasterRecoveryGTID".clone_into(&mut shown.recovery_type);
    Ok(shown)
}
