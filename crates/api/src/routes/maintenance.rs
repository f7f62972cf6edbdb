//! Locks on instances.

use std::time::Duration;

use serde_json::json;
use store::{Command, MaintenanceRef, Refusal};
use wire::{Key, Maintenance};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::compat::cluster;
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read, write};

/// A lock ends by itself after this time.
const SPAN: Duration = Duration::from_secs(600);

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("maintenance", maintenance),
        read("in-maintenance/{host}/{port}", in_maintenance),
        write("begin-maintenance/{host}/{port}/{owner}/{reason}", begin),
        write("end-maintenance/{host}/{port}", end),
        write("end-maintenance/{id}", end_by_id),
    ]
}

async fn maintenance(api: Api, _call: Call) -> Answer {
    let now = api.manager.now();
    let declared = api.manager.declared();
    let mut shown: Vec<Maintenance> =
        declared.maintenance.iter().map(|(key, lock)| cluster::maintenance(key, lock, now)).collect();
    shown.retain(|lock| lock.is_active);
    shown.sort_by_key(|lock| lock.maintenance_id);
    Reply::bare(&shown)
}

async fn in_maintenance(api: Api, call: Call) -> Answer {
    let view = api.view();
    let key = lookup::instance_to_show(&api, &view, call.key()?);
    match api.manager.declared().maintenance(&key, api.manager.now()) {
        Some(_) => Reply::ok("true", key.to_string()),
        None => Reply::ok("false", ""),
    }
}

async fn begin(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let reason = call.param("reason")?.to_owned();
    let begins = api.manager.now();
    let command = Command::BeginMaintenance {
        key: key.clone(),
        owner: call.param("owner")?.to_owned(),
        reason: reason.clone(),
        begins,
        ends: begins.plus(SPAN),
    };
    match api.manager.declare(command).await {
        Err(error) if matches!(error.refusal(), Some(Refusal::AlreadyInMaintenance { .. })) => {
            let message = format!("Cannot begin maintenance for instance: {key}; maintenance reason: {reason}");
            Err(Error::NotDone { message, details: json!(0) })
        }
        Err(error) => Err(error.into()),
        Ok(_) => Reply::ok(format!("Maintenance begun: {key}"), Key::from(&key)),
    }
}

async fn end(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let which = MaintenanceRef::Key(key.clone());
    api.manager.declare(Command::EndMaintenance { which, at: api.manager.now() }).await?;
    Reply::ok(format!("Maintenance ended: {key}"), Key::from(&key))
}

async fn end_by_id(api: Api, call: Call) -> Answer {
    let text = call.param("id")?;
    let id: i64 = text.parse().map_err(|_| Error::BadParameter(format!("{text:?} is no number of a maintenance")))?;
    let which = MaintenanceRef::Id(id);
    api.manager.declare(Command::EndMaintenance { which, at: api.manager.now() }).await?;
    Reply::ok(format!("Maintenance ended: {id}"), id)
}
