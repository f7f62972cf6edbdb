//! What was: recoveries, detections, and who did what; and the word of somebody who took note.

use serde::Deserialize;
use serde_json::Value;
use store::{
    AckScope, AuditRow, Command, Detection, DetectionFilter, Page, PlanState, Recovery, RecoveryFilter, Store,
};
use topology::InstanceKey;
use wire::{Acknowledged, AuditEntry, DetectionRow, Key, Listing, RecoveryRow, exact_time};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::Route;
use crate::v2::verb::{asked, done, get, put};

/// Rows of a page.
const ROWS: u32 = 25;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("v2/recoveries", recoveries),
        put("v2/recoveries/{uid}/acknowledgement", acknowledge),
        get("v2/detections", detections),
        get("v2/audit", audit),
    ]
}

/// Which part of a list is asked for.
struct Asked {
    page: u32,
    id: Option<i64>,
    cluster: Option<String>,
    alias: Option<String>,
    instance: Option<InstanceKey>,
}

impl Asked {
    fn of(call: &Call) -> Result<Self, Error> {
        let text = |name| Some(call.query(name).to_owned()).filter(|text| !text.is_empty());
        let number = |name: &str| match call.query(name) {
            "" => Ok(None),
            text => text.parse::<i64>().map(Some).map_err(|_| Error::BadParameter(format!("{name} is no number"))),
        };
        let instance = match call.query("instance") {
            "" => None,
            text => Some(InstanceKey::parse(text, 3306).map_err(|error| Error::BadParameter(error.to_string()))?),
        };
        let page = number("page")?.map_or(Ok(0), u32::try_from);
        Ok(Self {
            page: page.map_err(|_| Error::BadParameter("there is no such page".to_owned()))?,
            id: number("id")?,
            cluster: text("cluster"),
            alias: text("alias"),
            instance,
        })
    }
}

/// Returns a page of what `rows` gives, and whether there is another one.
fn listing<R, T>(
    number: u32,
    rows: impl Fn(Page) -> Result<Vec<R>, store::Error>,
    shown: impl Fn(&R) -> Result<T, store::Error>,
) -> Result<Listing<T>, store::Error> {
    let found = rows(Page { number, size: ROWS })?;
    let is_full = found.len() == ROWS as usize;
    let more = is_full && !rows(Page { number: number.saturating_add(1).saturating_mul(ROWS), size: 1 })?.is_empty();
    Ok(Listing { rows: found.iter().map(shown).collect::<Result<_, _>>()?, page: number, more })
}

async fn recoveries(api: Api, call: Call) -> Answer {
    let asked = Asked::of(&call)?;
    let filter = RecoveryFilter {
        id: asked.id,
        cluster_name: asked.cluster,
        cluster_alias: asked.alias,
        key: asked.instance,
        unacknowledged: call.query("unacknowledged") == "true",
        running: call.query("running") == "true",
        ..RecoveryFilter::default()
    };
    let rows = move |store: &Store| {
        listing(asked.page, |page| store.recoveries(filter.clone(), page), |row| recovery(store, row))
    };
    Reply::bare(&api.ask(rows).await?)
}

/// Returns a recovery as a list shows it; with its steps counted while it runs.
pub(super) fn recovery(store: &Store, row: &Recovery) -> Result<RecoveryRow, store::Error> {
    let journal = if row.ended.is_none() { store.plan(&row.uid)? } else { None };
    let steps = journal.iter().filter(|plan| plan.state == PlanState::Running).flat_map(|plan| &plan.steps);
    let (begun, ended) =
        steps.fold((0, 0), |(begun, ended), step| (begun + 1, ended + usize::from(step.outcome.is_some())));
    Ok(RecoveryRow {
        id: row.id,
        uid: row.uid.clone(),
        code: row.code.clone(),
        kind: row.kind.clone(),
        cluster: row.cluster_name.clone(),
        cluster_alias: row.cluster_alias.clone(),
        failed: Key::from(&row.key),
        successor: row.successor.as_ref().map(Key::from),
        started: exact_time(row.started),
        ended: row.ended.map(exact_time),
        successful: row.is_successful,
        certificate: row.certificate.as_deref().and_then(verdict),
        lost: row.lost.iter().map(Key::from).collect(),
        errors: row.errors.clone(),
        acknowledged: row.acknowledged.as_ref().map(|word| Acknowledged {
            by: word.by.clone(),
            at: exact_time(word.at),
            comment: word.comment.clone(),
        }),
        detection: row.detection_id,
        steps_begun: begun,
        steps_ended: ended,
    })
}

fn verdict(certificate: &str) -> Option<String> {
    let certificate: Value = serde_json::from_str(certificate).ok()?;
    let is_proof = certificate.get("verdict")? == "NothingLost";
    Some(if is_proof { "nothing_lost" } else { "may_lose" }.to_owned())
}

/// What somebody says who took note.
#[derive(Deserialize)]
struct Note {
    comment: String,
}

async fn acknowledge(api: Api, call: Call, body: Value) -> Answer {
    let note: Note = asked(body)?;
    let comment = note.comment.trim().to_owned();
    if comment.is_empty() {
        return Err(Error::BadParameter("say in the comment what you found or did".to_owned()));
    }
    let scope = AckScope::Uid(call.param("uid")?.to_owned());
    let owner = call.user(&api);
    api.manager.declare(Command::AcknowledgeRecoveries { scope, owner, comment, at: api.manager.now() }).await?;
    done("acknowledged")
}

async fn detections(api: Api, call: Call) -> Answer {
    let asked = Asked::of(&call)?;
    let filter = DetectionFilter {
        id: asked.id,
        cluster_name: asked.cluster,
        cluster_alias: asked.alias,
        key: asked.instance,
        ..DetectionFilter::default()
    };
    let rows = move |store: &Store| {
        listing(asked.page, |page| store.detections(filter.clone(), page), |row| Ok(detection(row)))
    };
    Reply::bare(&api.ask(rows).await?)
}

fn detection(row: &Detection) -> DetectionRow {
    DetectionRow {
        id: row.id,
        code: row.code.clone(),
        title: analysis::Code::from_compat(&row.code).map(|code| code.description().to_owned()).unwrap_or_default(),
        instance: Key::from(&row.key),
        cluster: row.cluster_name.clone(),
        cluster_alias: row.cluster_alias.clone(),
        at: exact_time(row.at),
        replicas: row.replicas.iter().map(Key::from).collect(),
        actionable: row.actionable,
        recovery: row.recovery_id,
        node: row.node.hostname.clone(),
    }
}

async fn audit(api: Api, call: Call) -> Answer {
    let asked = Asked::of(&call)?;
    let instance = asked.instance.map(|key| lookup::instance_to_show(&api, &api.view(), key));
    let rows =
        move |store: &Store| listing(asked.page, |page| store.audit(instance.as_ref(), page), |row| Ok(entry(row)));
    Reply::bare(&api.ask(rows).await?)
}

fn entry(row: &AuditRow) -> AuditEntry {
    AuditEntry {
        id: row.id,
        at: exact_time(row.at),
        kind: row.kind.clone(),
        instance: row.key.as_ref().map(Key::from),
        cluster: row.cluster_name.clone(),
        message: row.message.clone(),
    }
}
