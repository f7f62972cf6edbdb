//! Planned takeovers.

use planner::{Decision, Wish};
use serde_json::{Value, json};
use store::{Page, RecoveryFilter};
use topology::InstanceKey;
use wire::{Coordinates, Key, TopologyRecovery};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::{analysis, recovery};
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read, write};

pub(super) fn routes() -> Vec<Route> {
    vec![
        write("graceful-master-takeover/{cluster}", plain),
        write("graceful-master-takeover/{host}/{port}", plain),
        write("graceful-master-takeover/{cluster}/{designated_host}/{designated_port}", plain),
        write("graceful-master-takeover/{host}/{port}/{designated_host}/{designated_port}", plain),
        write("graceful-master-takeover-auto/{cluster}", auto),
        write("graceful-master-takeover-auto/{host}/{port}", auto),
        write("graceful-master-takeover-auto/{cluster}/{designated_host}/{designated_port}", auto),
        write("graceful-master-takeover-auto/{host}/{port}/{designated_host}/{designated_port}", auto),
        read("v2/takeover-plan/{cluster}", rehearse).at_leader(),
    ]
}

async fn plain(api: Api, call: Call) -> Answer {
    taken_over(&api, &call, false).await
}

async fn auto(api: Api, call: Call) -> Answer {
    taken_over(&api, &call, true).await
}

async fn taken_over(api: &Api, call: &Call, auto: bool) -> Answer {
    let view = api.fresh_view();
    let primary = lookup::cluster(api, &view, call)?.head.clone();
    let designated = match call.param("designated_host")? {
        "" => None,
        host => Some(lookup::instance_to_change(api, &view, lookup::key(host, call.param("designated_port")?)?)),
    };
    let wish = Wish { designated, auto };
    if call.query("dryRun") == "true" {
        let rehearsed = api.manager.rehearse_takeover(&primary, &wish, call.query("skipProcesses") == "true").await?;
        return Reply::bare(&shown(&primary, &rehearsed.decision));
    }
    let skip_hooks = call.query("skipProcesses") == "true";
    let not_done = |message: String| Error::NotDone { message, details: Value::Null };
    let ended = match api.manager.take_over(&primary, wish, skip_hooks).await {
        Err(manager::Error::Held(hold)) => return Err(not_done(recovery::obstacle(&hold))),
        ended => ended?,
    };
    let Some(successor) = &ended.recovered.successor else {
        let why = ended.recovered.errors.join("; ");
        return Err(not_done(format!("graceful-master-takeover: not done, and what was begun is undone: {why}")));
    };
    let mut entry = analysis::entry(&ended.old, api.manager.node());
    entry.command_hint = "graceful-master-takeover".to_owned();
    let uid = ended.recovered.uid.clone();
    let filter = RecoveryFilter { uid: Some(uid), ..RecoveryFilter::default() };
    let row = api.ask(move |store| store.recoveries(filter, Page::nth(0))).await?.into_iter().next();
    let shown = TopologyRecovery {
        id: row.as_ref().map_or(0, |row| row.id),
        uid: ended.recovered.uid.clone(),
        analysis_entry: entry,
        successor_key: Some(Key::from(successor)),
        successor_alias: row.as_ref().map(|row| row.successor_alias.clone()).unwrap_or_default(),
        successor_binlog_coordinates: Some(Coordinates::binlog(&ended.coordinates)),
        is_successful: true,
        lost_replicas: row.iter().flat_map(|row| &row.lost).map(Key::from).collect(),
        all_errors: Some(ended.recovered.errors),
        r#type: "MasterRecovery".to_owned(),
        recovery_type: "MasterRecoveryGTID".to_owned(),
        ..TopologyRecovery::default()
    };
    Reply::ok("graceful-master-takeover: successor promoted", shown)
}

/// Tells what a takeover would do now, or what stands in its way.
async fn rehearse(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let primary = lookup::cluster(&api, &view, &call)?.head.clone();
    let port = api.config().topology_access.default_port;
    let designated = match call.query("designated") {
        "" => None,
        text => {
            let given = InstanceKey::parse(text, port).map_err(|error| Error::BadParameter(error.to_string()))?;
            Some(lookup::instance_to_show(&api, &view, given))
        }
    };
    let auto = call.query("auto") != "false";
    let rehearsed = api.manager.rehearse_takeover(&primary, &Wish { designated, auto }, false).await?;
    Reply::bare(&shown(&primary, &rehearsed.decision))
}

fn shown(primary: &InstanceKey, decision: &Decision) -> Value {
    match decision {
        Decision::Hold(hold) => json!({
            "primary": primary,
            "successor": null,
            "hold": hold,
            "why": hold.to_string(),
            "remedy": hold.remedy(primary),
        }),
        Decision::Act(plan) => json!({
            "primary": primary,
            "successor": plan.successor,
            "steps": plan.steps.iter().map(|step| step.action.to_string()).collect::<Vec<_>>(),
            "plan": plan,
        }),
    }
}
