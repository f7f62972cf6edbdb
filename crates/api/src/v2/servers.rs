//! Single servers: found, shown, and told what to do.

use serde::Deserialize;
use serde_json::{Value, json};
use store::{Command, MaintenanceRef};
use topology::{Downtime, InstanceKey, PromotionRule};
use wire::{InstanceRow, Key, exact_time};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::route::Route;
use crate::v2::farm;
use crate::v2::verb::{asked, delete, done, get, post, put};
use crate::{lookup, simple_time};

/// As many as a search shows.
const HITS: usize = 40;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("v2/search", search),
        post("v2/instances", discover),
        get("v2/instances/{host}/{port}", show),
        delete("v2/instances/{host}/{port}", forget),
        post("v2/instances/{host}/{port}/refresh", refresh),
        put("v2/instances/{host}/{port}/downtime", begin_downtime),
        delete("v2/instances/{host}/{port}/downtime", end_downtime),
        put("v2/instances/{host}/{port}/maintenance", begin_maintenance),
        delete("v2/instances/{host}/{port}/maintenance", end_maintenance),
        put("v2/instances/{host}/{port}/promotion-rule", promotion_rule),
        put("v2/instances/{host}/{port}/writable", writable),
        put("v2/instances/{host}/{port}/replication", replication),
        post("v2/instances/{host}/{port}/replication/restart", restart_replication),
    ]
}

/// Returns the instance that a request names exactly, or by the only known host that begins so.
pub(crate) fn named(api: &Api, call: &Call) -> Result<InstanceKey, Error> {
    Ok(lookup::instance_to_change(api, &api.view(), call.key()?))
}

async fn search(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let scene = api.scene(&view);
    let text = call.query("q").trim().to_lowercase();
    let fits = |field: &str| field.to_lowercase().contains(&text);
    let mut hits: Vec<InstanceRow> = Vec::new();
    if !text.is_empty() {
        let tagged = |row: &InstanceRow| row.tags.iter().any(|(name, value)| fits(name) || fits(value));
        let number =
            |key: &InstanceKey| view.snapshot.instance(key).is_some_and(|own| own.server_id.to_string() == text);
        let is_hit = |row: &InstanceRow| {
            let key = InstanceKey::new(row.host.clone(), row.port);
            fits(&key.to_string())
                || [&row.alias, &row.cluster, &row.cluster_alias, &row.version, &row.data_center]
                    .iter()
                    .any(|f| fits(f))
                || tagged(row)
                || number(&key)
        };
        hits = scene.keys().into_iter().map(|key| farm::row(&scene, key)).filter(is_hit).collect();
    }
    let total = hits.len();
    hits.sort_by_cached_key(|row| (row.depth, row.cluster_alias.clone(), row.host.clone(), row.port));
    hits.truncate(HITS);
    Reply::bare(&json!({ "instances": hits, "total": total }))
}

/// The address of a server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Returns it as the key of a server.
    ///
    /// # Errors
    /// What cannot be connected to.
    pub(crate) fn key(&self) -> Result<InstanceKey, Error> {
        lookup::key(self.host.trim(), &self.port.to_string())
    }
}

async fn discover(api: Api, _call: Call, body: Value) -> Answer {
    let given = asked::<Address>(body)?.key()?;
    let key = api.manager.discover(&given).await?;
    let view = api.fresh_view();
    Reply::bare(&farm::row(&api.scene(&view), &key))
}

/// Shows all that is known of a server: its row, what it said, and what became of the probes.
async fn show(api: Api, call: Call) -> Answer {
    let view = api.fresh_view();
    let key = lookup::instance_to_show(&api, &view, call.key()?);
    let watched = view.snapshot.get(&key);
    if watched.is_none() && view.graph.cluster_of(&key).is_none() {
        return Err(Error::UnknownInstance(key));
    }
    let demoted = view.snapshot.demotion_at(&key);
    Reply::bare(&json!({
        "row": farm::row(&api.scene(&view), &key),
        "server": watched.and_then(|watched| watched.instance.as_deref()),
        "replicas": view.graph.replicas(&key).iter().map(Key::from).collect::<Vec<_>>(),
        "now": exact_time(view.snapshot.now),
        "seen": watched.and_then(|watched| watched.seen).map(exact_time),
        "checked": watched.and_then(|watched| watched.checked).map(exact_time),
        "first_heard": watched.map(|watched| exact_time(watched.first_heard)),
        "failures": watched.map_or(0, |watched| watched.failures),
        "latency_us": watched.map_or(0, |watched| watched.latency_us),
        "demoted": demoted.map(|demoted| json!({
            "successor": Key::from(&demoted.successor),
            "recovery": demoted.recovery_uid,
            "at": exact_time(demoted.at),
        })),
    }))
}

async fn forget(api: Api, call: Call, _body: Value) -> Answer {
    let key = named(&api, &call)?;
    api.manager.forget(vec![key.clone()]).await?;
    done(format!("{key} is forgotten"))
}

async fn refresh(api: Api, call: Call, _body: Value) -> Answer {
    let key = named(&api, &call)?;
    api.manager.refresh(&key).await?;
    done(format!("{key} was read"))
}

/// Why somebody wants something, and for how long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    reason: String,
    duration: String,
}

impl Wish {
    /// Returns reason and span, if both make sense.
    fn checked(self) -> Result<(String, std::time::Duration), Error> {
        let reason = self.reason.trim().to_owned();
        let span = simple_time::parse(self.duration.trim())?;
        if reason.is_empty() || span.is_zero() {
            return Err(Error::BadParameter("a reason and a time are needed".to_owned()));
        }
        Ok((reason, span))
    }
}

async fn begin_downtime(api: Api, call: Call, body: Value) -> Answer {
    let (reason, span) = asked::<Wish>(body)?.checked()?;
    let key = named(&api, &call)?;
    let begins = api.manager.now();
    let downtime = Downtime { owner: call.user(&api), reason, begins, ends: begins.plus(span) };
    api.manager.declare(Command::BeginDowntime { key: key.clone(), downtime }).await?;
    done(format!("{key} is in downtime"))
}

async fn end_downtime(api: Api, call: Call, _body: Value) -> Answer {
    let key = named(&api, &call)?;
    api.manager.declare(Command::EndDowntime { key: key.clone() }).await?;
    done(format!("the downtime of {key} is over"))
}

async fn begin_maintenance(api: Api, call: Call, body: Value) -> Answer {
    let (reason, span) = asked::<Wish>(body)?.checked()?;
    let key = named(&api, &call)?;
    let (owner, begins) = (call.user(&api), api.manager.now());
    let ends = begins.plus(span);
    api.manager.declare(Command::BeginMaintenance { key: key.clone(), owner, reason, begins, ends }).await?;
    done(format!("{key} is in maintenance"))
}

async fn end_maintenance(api: Api, call: Call, _body: Value) -> Answer {
    let key = named(&api, &call)?;
    let command = Command::EndMaintenance { which: MaintenanceRef::Key(key.clone()), at: api.manager.now() };
    api.manager.declare(command).await?;
    done(format!("the maintenance of {key} is over"))
}

/// A promotion rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    rule: String,
}

async fn promotion_rule(api: Api, call: Call, body: Value) -> Answer {
    let rule: PromotionRule = asked::<Rule>(body)?.rule.parse().map_err(Error::BadParameter)?;
    if rule == PromotionRule::Must {
        return Err(Error::BadParameter("must is for DetectPromotionRuleQuery; register prefer".to_owned()));
    }
    let key = named(&api, &call)?;
    api.manager.declare(Command::RegisterCandidate { key: key.clone(), rule, at: api.manager.now() }).await?;
    done(format!("{key} has the rule {rule}"))
}

/// Something that is on or off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
}

async fn writable(api: Api, call: Call, body: Value) -> Answer {
    let Switch { on } = asked(body)?;
    let key = named(&api, &call)?;
    if on {
        api.manager.set_writable(&key).await?;
        return done(format!("{key} accepts writes"));
    }
    api.manager.set_read_only(&key).await?;
    done(format!("{key} is read-only"))
}

async fn replication(api: Api, call: Call, body: Value) -> Answer {
    let Switch { on } = asked(body)?;
    let key = named(&api, &call)?;
    if on {
        api.manager.start_replication(&key).await?;
        return done(format!("{key} replicates"));
    }
    api.manager.stop_replication(&key).await?;
    done(format!("{key} does not replicate"))
}

async fn restart_replication(api: Api, call: Call, _body: Value) -> Answer {
    let key = named(&api, &call)?;
    api.manager.restart_replication(&key).await?;
    done(format!("{key} replicates anew"))
}
