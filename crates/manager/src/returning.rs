//! What becomes of a replaced primary that came back, beside being closed to writes.

use std::sync::Arc;
use std::time::Duration;

use analysis::{Code, Diagnosis, Facts, Policy};
use planner::{Action, Beyond, Hold, Kind, Plan, Reception, Returning, Stay};
use store::{Applied, Command, NewRecovery, Page, RecoveryFilter};
use topology::{Demoted, InstanceKey, Timestamp};

use crate::claim::Claim;
use crate::hub::{Hub, View, lock};
use crate::mandate::Mandate;
use crate::recovery::{self, Recovered};
use crate::{Error, audit, divergence, executor, fencing, hands, narrator, watcher};

/// What stands in the place of a diagnosis in the row of its recovery.
const CODE: &str = "ReturnedMaster";

/// How often one that stays as it is is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// How long one is left alone whose plan failed: each attempt is a recovery in the journal.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Whether a returned primary is being attended to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attended {
    Now,
    /// Not again before this moment, unless a person asks.
    Until(Timestamp),
}

/// Attention to one returned primary: nobody else attends to it until this is dropped.
pub(crate) struct Attention {
    hub: Arc<Hub>,
    key: InstanceKey,
    /// How long it is left alone afterwards.
    pause: Duration,
}

impl Attention {
    /// Attends to `key` if nobody does.
    pub(crate) fn urgent(hub: &Arc<Hub>, key: &InstanceKey) -> Option<Self> {
        let mut returning = lock(&hub.returning);
        if matches!(returning.get(key), Some(Attended::Now)) {
            return None;
        }
        returning.insert(key.clone(), Attended::Now);
        Some(Self { hub: Arc::clone(hub), key: key.clone(), pause: Duration::ZERO })
    }

    /// Likewise, unless somebody did a moment ago.
    fn regular(hub: &Arc<Hub>, key: &InstanceKey) -> Option<Self> {
        let attended = lock(&hub.returning).get(key).copied();
        match attended {
            Some(Attended::Until(next)) if hub.now() < next => None,
            _ => Self::urgent(hub, key).map(|mut attention| {
                attention.pause = EVERY;
                attention
            }),
        }
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        let next = self.hub.now().plus(self.pause);
        lock(&self.hub.returning).insert(self.key.clone(), Attended::Until(next));
    }
}

/// What a person asks about a returned primary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    asked: bool,
    rebuild: bool,
}

/// One replaced primary, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Returned {
    /// Its address.
    pub key: InstanceKey,
    /// That it was replaced.
    pub demoted: Demoted,
    /// What becomes of it, as things are now.
    pub reception: Reception,
}

/// Sees to what becomes of `key`, which was just read and is closed, unless that was done a moment ago.
pub(crate) fn attend(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey) {
    let Some(attention) = Attention::regular(hub, key) else { return };
    let (hub_of_task, mandate, key) = (Arc::clone(hub), mandate.clone(), key.clone());
    hub.spawn(async move {
        let (hub, under, of_key) = (Arc::clone(&hub_of_task), mandate.clone(), key.clone());
        let attending = async move { consider(&hub, &under, &of_key, Wish::default(), attention).await };
        match hub_of_task.recover(&mandate, attending).await {
            Ok(_) | Err(Error::Consensus(consensus::Error::NotLeader { .. })) => {}
            Err(error) if recovery::is_news(&hub_of_task, &key, &error.to_string()) => {
                tracing::warn!(instance = %key, reason = %error, "a replaced primary came back and stays as it is");
                audit::record(&hub_of_task, "returned-master", Some(&key), "", &error.to_string()).await;
            }
            Err(_) => {}
        }
    });
}

/// Attaches `key` again, or rebuilds it, as a person asks for it.
pub(crate) async fn rejoin(hub: &Arc<Hub>, key: &InstanceKey, rebuild: bool) -> Result<Option<Recovered>, Error> {
    const PATIENCE: Duration = Duration::from_secs(10);
    const LOOK: Duration = Duration::from_millis(20);
    let mandate = hub.office.mandate()?;
    if hub.observatory.get(key).is_none() {
        return Err(Error::Unknown(key.clone()));
    }
    let until = tokio::time::Instant::now() + PATIENCE;
    let attention = loop {
        if let Some(attention) = Attention::urgent(hub, key) {
            break attention;
        }
        if tokio::time::Instant::now() > until {
            let uid = lock(&hub.recovering).get(&key.to_string()).cloned().unwrap_or_default();
            return Err(Error::Held(Hold::Running { uid }));
        }
        tokio::time::sleep(LOOK).await;
    };
    let wish = Wish { asked: true, rebuild };
    let (hub_of_task, under, of_key) = (Arc::clone(hub), mandate.clone(), key.clone());
    hub.recover(&mandate, async move { consider(&hub_of_task, &under, &of_key, wish, attention).await }).await
}

/// Returns every replaced primary that is known, with what becomes of it as things are now.
pub(crate) fn all(hub: &Hub) -> Result<Vec<Returned>, Error> {
    let (view, policy) = (hub.view(), hub.policy());
    let mut all = Vec::new();
    for (_, instance) in view.snapshot.instances() {
        let Some(demoted) = view.snapshot.demotion(instance) else { continue };
        let reception = receive(hub, &view, &policy, (&instance.key, demoted), Wish::default())?;
        all.push(Returned { key: instance.key.clone(), demoted: demoted.clone(), reception });
    }
    Ok(all)
}

/// Returns what would become of `key` if a person asked now to have it back; with `rebuild`, as another server's copy.
pub(crate) fn if_asked(hub: &Hub, key: &InstanceKey, rebuild: bool) -> Result<Reception, Error> {
    let (view, policy) = (hub.view(), hub.policy());
    match demotion(&view, key) {
        Ok(demoted) => receive(hub, &view, &policy, (key, &demoted), Wish { asked: true, rebuild }),
        Err(Error::Held(Hold::Returned(stay))) => Ok(Reception::Stay(stay)),
        Err(error) => Err(error),
    }
}

/// Decides about `key`, with what is on record of it.
fn receive(
    hub: &Hub,
    view: &View,
    policy: &Policy,
    (key, demoted): (&InstanceKey, &Demoted),
    wish: Wish,
) -> Result<Reception, Error> {
    let (snapshot, graph) = (&view.snapshot, &view.graph);
    let Wish { asked, rebuild } = wish;
    let returning =
        Returning { snapshot, graph, policy, key, demoted, recorded: false, incomplete: None, asked, rebuild };
    let beyond = planner::present_primary(returning).ok().and_then(|primary| {
        let server = snapshot.instance(key)?;
        Some((server, Beyond::of(server, primary)?))
    });
    let record = match &beyond {
        Some((server, beyond)) if !beyond.is_empty() => divergence::find(hub, server, beyond)?,
        _ => None,
    };
    let incomplete = record.as_ref().map(|record| record.found.note.as_str()).filter(|note| !note.is_empty());
    Ok(planner::receive(Returning { recorded: record.is_some(), incomplete, ..returning }))
}

/// Decides on fresh evidence, and does it.
async fn consider(
    hub: &Arc<Hub>,
    mandate: &Mandate,
    key: &InstanceKey,
    wish: Wish,
    mut attention: Attention,
) -> Result<Option<Recovered>, Error> {
    watcher::probe_kept(hub, key).await;
    let policy = hub.policy();
    let view = look_at_both(hub, &policy, key).await?;
    let demoted = demotion(&view, key)?;
    if fencing::is_being_replaced(hub, &demoted) {
        return Err(Error::Held(Hold::Running { uid: demoted.recovery_uid }));
    }
    let mut reception = receive(hub, &view, &policy, (key, &demoted), wish)?;
    if let Reception::Stay(Stay::Divergent { primary, recorded: false, .. }) = &reception {
        divergence::keep(hub, &view, key, &demoted, primary).await?;
        reception = receive(hub, &view, &policy, (key, &demoted), wish)?;
    }
    let done = match reception {
        Reception::Settled(why) => {
            if demoted.key == *key && replaced_in_vain(hub, &demoted)? {
                hands::was_not_replaced(hub, mandate, key).await?;
            } else {
                hands::welcome(hub, key).await?;
            }
            audit::record(hub, "returned-master", Some(key), "", &format!("not demoted any more: {why}")).await;
            Ok(None)
        }
        Reception::Stay(stay) => Err(Error::Held(Hold::Returned(stay))),
        Reception::Act(plan) => {
            attention.pause = AFTER_FAILURE;
            let done = begin(hub, mandate, &view, *plan).await;
            if done.as_ref().is_ok_and(|done| done.errors.is_empty()) {
                attention.pause = Duration::ZERO;
            }
            done.map(Some)
        }
    };
    drop(attention);
    done
}

/// True when the recovery that closed it was given up, as it could not be told whether the one to be promoted was open: by now
/// that follows it again.
fn replaced_in_vain(hub: &Hub, demoted: &Demoted) -> Result<bool, Error> {
    let filter = RecoveryFilter { uid: Some(demoted.recovery_uid.clone()), ..RecoveryFilter::default() };
    let recovery = hub.store.recoveries(filter, Page::nth(0))?.into_iter().next();
    let is_over = |recovery: &store::Recovery| recovery.ended.is_some() && recovery.successor.is_none();
    if !recovery.as_ref().is_some_and(is_over) {
        return Ok(false);
    }
    let record = hub.store.plan(&demoted.recovery_uid)?;
    let plan = record.and_then(|record| serde_json::from_str::<Plan>(&record.plan).ok());
    let closes = |action: &Action| match action {
        Action::Fence { server, was_writable, .. } | Action::Freeze { server, was_writable, .. } => {
            *was_writable && *server == demoted.key
        }
        _ => false,
    };
    Ok(plan.is_some_and(|plan| plan.steps.iter().any(|step| closes(&step.action))))
}

fn demotion(view: &View, key: &InstanceKey) -> Result<Demoted, Error> {
    let instance = view.snapshot.instance(key).ok_or(Error::Held(Hold::Returned(Stay::Unreadable)))?;
    let demoted = view.snapshot.demotion(instance).cloned();
    demoted.ok_or(Error::Held(Hold::Returned(Stay::NotReplaced)))
}

/// Reads the present primary anew: after the returned server, so that what that one has is judged by the newer of both.
async fn look_at_both(hub: &Arc<Hub>, policy: &Policy, key: &InstanceKey) -> Result<View, Error> {
    let view = hub.examine();
    let demoted = demotion(&view, key)?;
    let (snapshot, graph) = (&view.snapshot, &view.graph);
    let returning = Returning {
        snapshot,
        graph,
        policy,
        key,
        demoted: &demoted,
        recorded: false,
        incomplete: None,
        asked: false,
        rebuild: false,
    };
    let primary = planner::present_primary(returning).ok().map(|primary| primary.key.clone());
    watcher::probe_anew(hub, primary.as_ref().unwrap_or(&demoted.successor)).await;
    Ok(hub.examine())
}

async fn begin(hub: &Arc<Hub>, mandate: &Mandate, view: &View, plan: Plan) -> Result<Recovered, Error> {
    let claim = Claim::lay(hub, &plan.cluster, None, &recovery::new_uid(hub))
        .map_err(|uid| Error::Held(Hold::Running { uid }))?;
    lock(&hub.holds).remove(&plan.failed);
    let (uid, cluster) = (claim.uid().to_owned(), plan.cluster.clone());
    let epoch = match hub.declare(Command::RaiseEpoch { cluster: cluster.clone() }).await? {
        Applied::Epoch(epoch) => epoch,
        other => return Err(Error::Unexpected(format!("{other:?}"))),
    };
    let alias = view.graph.cluster_of(&plan.successor).map(|cluster| cluster.alias.clone()).unwrap_or_default();
    hub.declare(Command::BeginRecovery(NewRecovery {
        uid: uid.clone(),
        detection_id: 0,
        key: plan.failed.clone(),
        code: CODE.to_owned(),
        cluster_name: cluster.clone(),
        cluster_alias: alias.clone(),
        replicas: Vec::new(),
        kind: Kind::Return.name(),
        at: hub.now(),
        node: hub.node.clone(),
        epoch,
        plan: serde_json::to_string(&plan).map_err(|error| Error::Unexpected(error.to_string()))?,
        parent: None,
    }))
    .await?;
    tracing::warn!(instance = %plan.failed, primary = %plan.successor, recovery = %uid, epoch, "attaching a replaced primary");
    let facts = Facts { key: plan.failed.clone(), cluster_name: cluster, cluster_alias: alias, ..Facts::default() };
    let diagnosis = Diagnosis { subject: plan.failed.clone(), code: Code::NoProblem, structure: Vec::new(), facts };
    let told = narrator::facts_of_recovery(hub, &diagnosis, &plan, &uid);
    narrator::tell(hub, &uid, format!("{} was replaced as a primary and came back", plan.failed));
    executor::execute(hub, executor::Run::new(mandate, uid, epoch, plan, told)).await
}
