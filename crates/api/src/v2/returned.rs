//! Replaced primaries that came back, and what they have beyond their successors, as lists show them.

use manager::{Returned, View};
use planner::{Reception, Stay};
use serde_json::Value;
use store::Divergence;
use topology::InstanceKey;
use wire::{DivergenceRow, Key, ReturnedRow, exact_time};

use crate::app::Api;
use crate::error::Error;
use crate::v2::farm;

/// Returns every replaced primary that is on record.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn rows(api: &Api, view: &View) -> Result<Vec<(InstanceKey, ReturnedRow)>, Error> {
    let scene = api.scene(view);
    let row = |returned: Returned| {
        let Returned { key, demoted, reception } = returned;
        let seen = farm::row(&scene, &key);
        let cluster = view.graph.cluster_of(&demoted.successor);
        let (state, kind, why) = match &reception {
            Reception::Settled(why) => ("settled", "", why.clone()),
            Reception::Stay(stay) => ("held", stay.code(), stay.to_string()),
            Reception::Act(_) => ("attaching", "", String::new()),
        };
        let record = match &reception {
            Reception::Stay(Stay::Divergent { recorded: true, beyond, .. }) => number(api, &key, beyond)?,
            _ => None,
        };
        let row = ReturnedRow {
            instance: Key::from(&key),
            cluster_alias: cluster.map(|cluster| cluster.alias.clone()).unwrap_or_default(),
            replaced_by: Key::from(&demoted.successor),
            recovery: demoted.recovery_uid,
            since: exact_time(demoted.at),
            answers: seen.state == "ok" || seen.state == "stale",
            writes: seen.writes,
            state: state.to_owned(),
            kind: kind.to_owned(),
            why,
            divergence: record,
        };
        Ok((key, row))
    };
    api.manager.returned()?.into_iter().map(row).collect()
}

/// Returns the number of the record that says `gtids` of `key`.
fn number(api: &Api, key: &InstanceKey, gtids: &str) -> Result<Option<i64>, Error> {
    let records = api.manager.store().divergences(true)?;
    let is_it = |record: &&Divergence| record.found.key == *key && record.found.gtids == gtids;
    Ok(records.iter().find(is_it).map(|record| record.id))
}

/// Returns a record of what a server has beyond its successor, without the rows.
pub(crate) fn divergence(record: &Divergence) -> DivergenceRow {
    let found = &record.found;
    DivergenceRow {
        id: record.id,
        instance: Key::from(&found.key),
        primary: Key::from(&found.primary),
        found: exact_time(found.at),
        gtids: found.gtids.clone(),
        transactions: found.transactions,
        changes: found.changes,
        // Kept as JSON; shown as a text where it is none, so that nothing is hidden.
        tables: serde_json::from_str(&found.tables).unwrap_or_else(|_| Value::String(found.tables.clone())),
        file: found.file.clone(),
        node: found.node.clone(),
        note: found.note.clone(),
    }
}
