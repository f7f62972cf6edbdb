//! The only place that changes servers, and only under a mandate: it is checked before every statement.

mod returning;
mod takeover;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mysql::{Fenced, SourceChange, Waited};
use planner::{Action, Outcome, Threads};
use store::Command;
use topology::{Demoted, Downtime, GtidSet, Instance, InstanceKey, ServerUuid};

use crate::executor::Run;
use crate::hub::{Hub, lock};
use crate::mandate::{Mandate, Office};
use crate::reach::Verbs;
use crate::{Error, audit, mending, narrator, reopening, watcher};

pub(crate) use returning::{close_at_once, reinstate, welcome, who};
pub(crate) use takeover::{
    close_candidate, detach_primary, follow_again, forget_sources, move_back, release_brake, release_brake_of,
    restore_acks, thaw, thaw_now,
};

/// Who owns what recoveries declare, and why (Orchestrator's words, which scripts look for).
const OWNER: &str = "orchestrator";
pub(crate) const LOST_IN_RECOVERY: &str = "lost-in-recovery";

/// How long the fence may keep a promotion waiting. A server that answers later is fenced later, on the line that is
/// held to it, or when it is met again.
const FENCE_WAITS: Duration = Duration::from_millis(300);

/// How long a candidate may take to fetch from a sibling what it lacks.
const CATCH_UP_WAITS: Duration = Duration::from_secs(60);

/// A server that may be changed under a mandate, and the channel that decides its place in the tree.
pub(crate) struct Grip<'a> {
    pub(crate) server: Guarded<'a>,
    pub(crate) channel: String,
}

/// The one way to a server's verbs: the mandate is checked each time, right before the statement.
pub(crate) struct Guarded<'a> {
    /// Taken out only when this is dropped.
    server: Option<Box<dyn Verbs>>,
    office: &'a Office,
    mandate: &'a Mandate,
    /// Where it is kept afterwards, with its session.
    lines: Option<&'a Lines>,
}

/// Servers that a run speaks to again and again: to open a session takes time that writes may be waiting for.
pub(crate) type Lines = Mutex<BTreeMap<InstanceKey, Vec<Box<dyn Verbs>>>>;

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        if let (Some(server), Some(lines)) = (self.server.take(), self.lines) {
            lock(lines).entry(server.key().clone()).or_default().push(server);
        }
    }
}

impl Guarded<'_> {
    /// Returns the server, if this node may change it at this moment.
    pub(crate) fn checked(&mut self) -> Result<&mut dyn Verbs, Error> {
        self.office.check(self.mandate)?;
        Ok(self.server.as_mut().expect("it is there until the drop").as_mut())
    }
}

pub(crate) fn grip<'a>(hub: &'a Hub, mandate: &'a Mandate, key: &InstanceKey) -> Result<Grip<'a>, Error> {
    let watched = hub.observatory.get(key).ok_or_else(|| Error::Unknown(key.clone()))?;
    let Some(instance) = &watched.instance else {
        return Err(Error::Unreadable { key: key.clone(), why: "it never answered".to_owned(), remedy: None });
    };
    let channel = instance.channel().map(|channel| channel.name.clone()).unwrap_or_default();
    let server = hub.reach.server(key.clone(), hub.settings().acting.clone(), &instance.version);
    Ok(Grip { server: Guarded { server: Some(server), office: &hub.office, mandate, lines: None }, channel })
}

/// As [`grip`], on a session that an earlier step of the run opened, if there is one.
fn grip_again<'a>(hub: &'a Hub, run: &'a Run, key: &InstanceKey) -> Result<Grip<'a>, Error> {
    let mut gripped = grip(hub, &run.mandate, key)?;
    if let Some(server) = lock(&run.lines).get_mut(key).and_then(Vec::pop) {
        gripped.server.server = Some(server);
    }
    gripped.server.lines = Some(&run.lines);
    Ok(gripped)
}

pub(crate) async fn start_replication(hub: &Hub, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    let Grip { mut server, channel } = grip(hub, mandate, key)?;
    Ok(server.checked()?.start_replication(&channel).await?)
}

pub(crate) async fn stop_replication(hub: &Hub, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    let Grip { mut server, channel } = grip(hub, mandate, key)?;
    Ok(server.checked()?.stop_replication(&channel).await?)
}

pub(crate) async fn start_receiver(hub: &Hub, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    let Grip { mut server, channel } = grip(hub, mandate, key)?;
    Ok(server.checked()?.start_receiver(&channel).await?)
}

/// Restarts a receiver; what goes wrong is logged, since the next round will show what it did.
pub(crate) async fn restart_receiver(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey) {
    let restarted = async {
        let Grip { mut server, channel } = grip(hub, mandate, key)?;
        Ok::<_, Error>(server.checked()?.restart_receiver(&channel).await?)
    }
    .await;
    let message = match &restarted {
        Ok(()) => "to see whether it can connect to its source".to_owned(),
        Err(error) => error.to_string(),
    };
    audit::record(hub, "emergently-restart-receiver", Some(key), "", &message).await;
}

pub(crate) async fn set_read_only(hub: &Hub, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    let with_super = hub.config().candidates.use_super_read_only;
    Ok(grip(hub, mandate, key)?.server.checked()?.set_read_only(with_super).await?)
}

pub(crate) async fn set_writable(hub: &Hub, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    Ok(grip(hub, mandate, key)?.server.checked()?.set_writable().await?)
}

/// Performs a step. Says what came of it, for people; an error is a sentence.
pub(crate) async fn perform(hub: &Arc<Hub>, run: &Run, action: &Action) -> Result<(Outcome, String), String> {
    let performed = match action {
        Action::StopReceiver { replica, held } => stop_receiver(hub, run, replica, held).await,
        Action::CatchUp { candidate, donor, until } => catch_up(hub, run, candidate, donor, until).await,
        Action::Drain { candidate, until, within } => drain(hub, run, candidate, until, *within).await,
        Action::Fence { server, uuid, was_writable } => fence(hub, run, server, uuid.as_ref(), *was_writable).await,
        Action::Settle { replica, at, within } => mending::settle(hub, run, replica, at, *within).await,
        Action::Align { replica, source, at, start } => mending::align(hub, run, replica, source, at, *start).await,
        Action::SetSemiSync { replica, on } => mending::set_semi_sync(hub, run, replica, *on).await,
        Action::Open { server } => mending::open(hub, run, server).await,
        Action::Promote { server, writable, semi_sync, .. } => {
            lock(&hub.undecided).remove(&run.uid);
            if run.plan.forgets_later() {
                takeover::open(hub, run, server, *semi_sync).await
            } else {
                promote(hub, run, server, *writable, *semi_sync).await
            }
        }
        Action::Approach { candidate, primary, within } => {
            takeover::approach(hub, run, candidate, primary, *within).await
        }
        Action::Relocate { replica, to, start, .. } => takeover::relocate(hub, run, replica, to, *start).await,
        Action::Freeze { server, uuid, budget, .. } => takeover::freeze(hub, run, server, uuid.as_ref(), *budget).await,
        Action::FollowToEnd { candidate, primary } => takeover::follow_to_end(hub, run, candidate, primary).await,
        Action::Attach { server, source, tls, acked, acks } => {
            takeover::attach(hub, run, server, source, tls.as_deref(), *acked, *acks).await
        }
        Action::Forget { server } => takeover::forget(hub, run, server).await,
        Action::Acknowledge { replica } => takeover::acknowledge(hub, run, replica).await,
        Action::Subordinate { replica, waited, start } => takeover::settle(hub, run, replica, *waited, *start).await,
        Action::Ready { candidate, primary, acks, .. } => takeover::ready(hub, run, candidate, primary, *acks).await,
        Action::Repoint { replica, source, start } => repoint(hub, run, replica, source, *start).await,
        Action::Detach { replica } => detach(hub, run, replica).await,
        Action::Publish { primary } => publish(hub, run, primary).await,
        Action::Return(homecoming) => returning::perform(hub, run, homecoming).await,
        Action::Downtime { server, lasts } => downtime(hub, server, *lasts).await,
        Action::RunHooks(_) => refuse("hooks are run by the executor"),
    };
    performed.map_err(|Sentence(why)| why)
}

pub(crate) type Performed = Result<(Outcome, String), Sentence>;

/// Why a step failed, for people.
pub(crate) struct Sentence(pub(crate) String);

impl<E: std::error::Error> From<E> for Sentence {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T, Sentence> {
    Err(Sentence(why.into()))
}

pub(crate) fn done(message: impl Into<String>) -> Performed {
    Ok((Outcome::Done, message.into()))
}

pub(crate) fn applied(waited: Result<Waited, mysql::Error>) -> Result<(), Sentence> {
    match waited? {
        Waited::Applied => Ok(()),
        Waited::TimedOut => refuse("the time was up"),
        Waited::ApplierStopped { errno: 0, .. } => refuse("its applier is stopped"),
        Waited::ApplierStopped { errno, error } => refuse(format!("its applier stopped with error {errno}: {error}")),
    }
}

pub(crate) async fn read(hub: &Arc<Hub>, key: &InstanceKey) -> Result<Arc<Instance>, Sentence> {
    watcher::probe_kept(hub, key).await;
    let watched = hub.observatory.get(key).ok_or_else(|| Sentence(format!("{key} is not known")))?;
    match (&watched.failure, &watched.instance) {
        (Some(failure), _) => refuse(failure.message.clone()),
        (None, Some(instance)) => Ok(Arc::clone(instance)),
        (None, None) => refuse(format!("{key} never answered")),
    }
}

async fn stop_receiver(hub: &Arc<Hub>, run: &Run, replica: &InstanceKey, planned: &GtidSet) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
    server.checked()?.stop_receiver(&channel).await?;
    let held = read(hub, replica).await?.held();
    if !planned.contains(&held) {
        return refuse(format!("it received more since the plan was made: {}", held.subtract(planned)));
    }
    if !held.contains(planned) {
        return refuse(format!("it lost received transactions: {}", planned.subtract(&held)));
    }
    done("")
}

async fn catch_up(
    hub: &Arc<Hub>,
    run: &Run,
    candidate: &InstanceKey,
    donor: &InstanceKey,
    until: &GtidSet,
) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, candidate)?;
    let own = read(hub, candidate).await?;
    // Moving drops the relay log; MariaDB would lose what it received and did not apply, MySQL fetches it again.
    // Its applier may be stopped, as a person left it.
    applied(server.checked()?.apply_received(&channel, CATCH_UP_WAITS).await)?;
    applied(server.checked()?.wait_applied(&own.held(), CATCH_UP_WAITS).await)?;
    server.checked()?.stop_replication(&channel).await?;
    let change = SourceChange { channel: channel.clone(), ..SourceChange::to(donor.clone()) };
    server.checked()?.change_source(&change).await?;
    server.checked()?.start_replication(&channel).await?;
    let caught_up = applied(server.checked()?.wait_applied(until, CATCH_UP_WAITS).await);
    server.checked()?.stop_receiver(&channel).await?;
    caught_up.map_err(|Sentence(why)| Sentence(format!("it did not get {until} from {donor}: {why}")))?;
    done("")
}

async fn drain(hub: &Arc<Hub>, run: &Run, candidate: &InstanceKey, until: &GtidSet, within: Duration) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, candidate)?;
    // Whatever state its threads are in, and without losing a relay log.
    applied(server.checked()?.apply_received(&channel, within).await)?;
    let Err(Sentence(why)) = applied(server.checked()?.wait_applied(until, within).await) else { return done("") };
    let missing = until.subtract(&read(hub, candidate).await?.gtid.executed);
    refuse(format!("it did not apply {missing}: {why}"))
}

/// Fences the old primary as far as it can be reached. From here on it is on record as demoted: when it is met again and
/// is writable, it is made read-only.
async fn fence(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    uuid: Option<&ServerUuid>,
    was_writable: bool,
) -> Performed {
    hub.declare(Command::Demote(demoted(hub, run, key, uuid, &run.plan.successor))).await?;
    // Its next poll was settled when nobody knew that it would be waited for.
    watcher::poke(hub, key);
    let line = lock(&hub.pulses).get(key).and_then(|pulse| pulse.line.take());
    let access = hub.settings().probing.clone();
    hub.office.check(&run.mandate)?;
    match tokio::time::timeout(FENCE_WAITS, hub.reach.fence(line, key.clone(), access)).await {
        Ok(Fenced::Fenced) => done("read-only"),
        Ok(Fenced::Pending(pending)) => {
            let (hub_of_task, key) = (Arc::clone(hub), key.clone());
            hub.spawn(async move {
                match pending.finished().await {
                    Ok(()) if was_writable => resumed(&hub_of_task, &key).await,
                    Ok(()) => tracing::info!(instance = %key, "resumed and is read-only, as it was"),
                    Err(error) => tracing::info!(instance = %key, %error, "the replaced primary went away unfenced"),
                }
            });
            // Who retreats must take it back: it will be carried out.
            done("it hangs: the order lies in its connection for when it resumes")
        }
        Ok(Fenced::Unreachable(how, _)) => Ok((Outcome::Skipped, format!("cannot be reached: {how}"))),
        Err(_) => done("no answer: the order may have reached it"),
    }
}

/// Returns the record that `key` is replaced by `successor`, with all that is known of who it is.
fn demoted(hub: &Hub, run: &Run, key: &InstanceKey, uuid: Option<&ServerUuid>, successor: &InstanceKey) -> Demoted {
    let known = hub.observatory.get(key).and_then(|watched| watched.instance.clone());
    let demoted = Demoted {
        key: key.clone(),
        uuid: uuid.cloned(),
        server_id: None,
        successor: successor.clone(),
        recovery_uid: run.uid.clone(),
        at: hub.now(),
    };
    demoted.known_as(known.as_deref())
}

/// A primary that hung has carried out the order to refuse writes. If nobody was promoted in the meantime, it is the primary
/// still, and there would be none that takes writes.
pub(crate) async fn resumed(hub: &Arc<Hub>, key: &InstanceKey) {
    if hub.snapshot().demotion_at(key).is_some() {
        tracing::warn!(instance = %key, "the replaced primary resumed and is read-only");
        return;
    }
    let declared = hub.store.declared();
    if declared.left_closed.contains_key(key) || !declared.recovering.is_empty() {
        tracing::warn!(instance = %key, "resumed after the recovery had been given up: it is opened when nothing speaks against it");
        return;
    }
    if let Some(other) = other_open_head(hub, key) {
        tracing::warn!(instance = %key, %other, "resumed after the recovery had been given up: stays read-only, another takes writes");
        return;
    }
    let Ok(mandate) = hub.office.mandate() else { return };
    match set_writable(hub, &mandate, key).await {
        Ok(()) => tracing::warn!(instance = %key, "resumed after the recovery had been given up: takes writes again"),
        Err(error) => {
            tracing::error!(instance = %key, %error, "THE PRIMARY IS READ-ONLY after a recovery that was given up")
        }
    }
}

/// Returns a server of the same cluster that is seen to take writes and is no mere replica: one that replicates from nobody, or
/// a co-primary.
fn other_open_head(hub: &Hub, key: &InstanceKey) -> Option<InstanceKey> {
    let view = hub.view();
    let ring = view.graph.ring(key);
    let members = &view.graph.cluster_of(key)?.members;
    let is_open_head = |other: &&InstanceKey| {
        let watched = hub.observatory.get(other).filter(|watched| watched.is_valid());
        let instance = watched.and_then(|watched| watched.instance.clone());
        instance.is_some_and(|other| other.writes.is_writable() && (!other.is_replica() || ring.contains(&other.key)))
    };
    members.iter().filter(|other| *other != key).find(is_open_head).cloned()
}

/// Returns why nobody must be promoted any more: the old primary, which was dead when this was planned, answers again and
/// takes writes. What it acknowledged in the meantime its replicas lack, since their receivers were stopped.
pub(crate) async fn lives_again(hub: &Arc<Hub>, run: &Run) -> Option<String> {
    let failed = &run.plan.failed;
    let takes_writes = || {
        let watched = hub.observatory.get(failed)?;
        let instance = watched.instance.as_ref().filter(|_| watched.is_valid())?;
        instance.writes.is_writable().then_some(())
    };
    if !run.plan.kind.is_about_a_death() || !run.plan.kind.promotes() {
        return None;
    }
    takes_writes()?;
    // It may have been closed since it was seen.
    watcher::probe_kept(hub, failed).await;
    takes_writes().map(|()| format!("{failed} answers again and takes writes: it is left as it is"))
}

async fn promote(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, writable: bool, semi_sync: bool) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, key)?;
    // A server that was demoted once and is promoted again is the primary now, under whatever address it was demoted.
    reinstate(hub, key).await?;
    if !writable {
        return done("left as it is: ApplyMySQLPromotionAfterMasterFailover is false");
    }
    server.checked()?.stop_replication(&channel).await?;
    still_holds_it(run, &mut server, key).await?;
    server.checked()?.reset_replication(&channel).await?;
    if semi_sync {
        // Before the first write, or that write would be acknowledged without a replica.
        server.checked()?.set_semi_sync_source(true).await?;
    }
    let opening = server.checked()?;
    run.may_be_open.store(true, Ordering::Relaxed);
    opening.set_writable().await?;
    let now = read(hub, key).await?;
    if now.writes.is_writable() { done("accepts writes") } else { refuse("it is still read-only") }
}

/// Asserts that a candidate has applied what the plan rests on. It was drained before, perhaps by another executor long ago; its
/// host may have another server by now.
async fn still_holds_it(run: &Run, server: &mut Guarded<'_>, key: &InstanceKey) -> Result<(), Sentence> {
    let drained = run.plan.steps.iter().find_map(|step| match &step.action {
        Action::Drain { candidate, until, .. } if candidate == key => Some(until),
        _ => None,
    });
    let Some(until) = drained else { return Ok(()) };
    let lacks = until.subtract(&server.checked()?.executed().await?);
    if lacks.is_empty() { Ok(()) } else { refuse(format!("it has lost what it had applied: {lacks}")) }
}

async fn repoint(hub: &Arc<Hub>, run: &Run, replica: &InstanceKey, source: &InstanceKey, start: Threads) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
    server.checked()?.stop_replication(&channel).await?;
    // What it received and did not apply, the new source has: the plan saw to that, and it is fetched again from there.
    let change = SourceChange { channel: channel.clone(), discard_unapplied: true, ..SourceChange::to(source.clone()) };
    server.checked()?.change_source(&change).await?;
    if start.receiver {
        server.checked()?.start_receiver(&channel).await?;
    }
    if start.applier {
        server.checked()?.start_applier(&channel).await?;
    }
    read(hub, replica).await?;
    if start.receiver && start.applier {
        see_whether_it_replicates(hub, run, replica.clone());
    }
    done("")
}

/// Looks at a replica that was just moved until it replicates, and tells when it does not: a step that connected nobody
/// would look done.
pub(crate) fn see_whether_it_replicates(hub: &Arc<Hub>, run: &Run, replica: InstanceKey) {
    const LOOKS_MS: [u64; 6] = [50, 100, 300, 1000, 3000, 6000];
    let (hub_of_task, uid, mandate) = (Arc::clone(hub), run.uid.clone(), run.mandate.clone());
    let looking = async move {
        let mut last = String::new();
        for pause in LOOKS_MS {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            match read(&hub_of_task, &replica).await {
                Ok(instance) if instance.channel().is_some_and(topology::Channel::is_replicating) => {
                    // Its source knows it by now: what is known of semi-synchronous replication is up to date at once.
                    if let Some(source) = instance.source() {
                        watcher::probe_kept(&hub_of_task, source).await;
                    }
                    return;
                }
                Ok(instance) => {
                    let why =
                        |channel: &topology::Channel| format!("{} {}", channel.receiver_error, channel.applier_error);
                    last = instance.channel().map(why).unwrap_or_default();
                }
                Err(Sentence(error)) => last = error,
            }
        }
        narrator::tell(&hub_of_task, &uid, format!("{replica} was moved and does not replicate: {}", last.trim()));
    };
    hub.spawn(async move {
        mandate.run(looking).await;
    });
}

pub(crate) async fn detach(hub: &Arc<Hub>, run: &Run, replica: &InstanceKey) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
    server.checked()?.detach_source(&channel, true).await?;
    read(hub, replica).await?;
    done("")
}

async fn publish(hub: &Arc<Hub>, run: &Run, primary: &InstanceKey) -> Performed {
    let (from, to, at) = (run.plan.cluster.clone(), primary.to_string(), hub.now());
    let view = hub.view();
    // It may go by its new name already.
    let cluster = view.graph.cluster(&from).or_else(|| view.graph.cluster_of(primary));
    let alias = cluster.map_or(from.clone(), |cluster| cluster.alias.clone());
    // An alias that only the old primary knew must not go with it.
    let wanted = if alias == from { to.clone() } else { alias.clone() };
    let prefix = hub.config().kv.primary_prefix.clone();
    let pairs = [
        (format!("{prefix}{wanted}"), to.clone()),
        (format!("{prefix}{wanted}/hostname"), primary.host.clone()),
        (format!("{prefix}{wanted}/port"), primary.port.to_string()),
    ];
    for (key, value) in pairs {
        hub.declare(Command::PutKeyValue { key, value, at }).await?;
    }
    // The primary is in nobody's downtime: an old one would hold the next recovery back.
    hub.declare(Command::EndDowntime { key: primary.clone() }).await?;
    if from != to {
        hub.declare(Command::RenameCluster { from, to, at }).await?;
    }
    done(format!("{wanted} is {primary}"))
}

pub(crate) async fn downtime(hub: &Arc<Hub>, key: &InstanceKey, lasts: Duration) -> Performed {
    let begins = hub.now();
    let (owner, reason) = (OWNER.to_owned(), LOST_IN_RECOVERY.to_owned());
    let downtime = Downtime { owner, reason, begins, ends: begins.plus(lasts) };
    hub.declare(Command::BeginDowntime { key: key.clone(), downtime }).await?;
    done("")
}

/// Takes the fence of the old primary back, when nobody was promoted in its place.
pub(crate) async fn unfence(
    hub: &Arc<Hub>,
    mandate: &Mandate,
    key: &InstanceKey,
    was_fenced: bool,
) -> Result<(), Error> {
    if !was_fenced {
        hub.declare(Command::Reinstate { key: key.clone() }).await?;
        return Ok(());
    }
    was_not_replaced(hub, mandate, key).await?;
    set_writable(hub, mandate, key).await
}

/// Puts on record that nobody took the place of `key`, which was closed: until it has been open for a while, whoever leads looks
/// after it.
pub(crate) async fn was_not_replaced(hub: &Arc<Hub>, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    // Without a record it was not closed.
    let Some(record) = hub.store.declared().demoted.get(key).cloned() else { return Ok(()) };
    hub.declare(Command::LeaveClosed(record)).await?;
    reopening::open_later(hub, mandate, key);
    Ok(())
}

/// Puts a candidate that may have been opened for writes, and was not confirmed, on record as demoted.
pub(crate) async fn disown(hub: &Arc<Hub>, run: &Run, key: &InstanceKey) {
    let demoted = demoted(hub, run, key, None, &run.plan.failed);
    if let Err(error) = hub.declare(Command::Demote(demoted)).await {
        tracing::error!(instance = %key, %error, "a candidate that may be writable is not on record as demoted");
    }
    watcher::poke(hub, key);
}
