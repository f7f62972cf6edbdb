//! What is done to a replaced primary that came back.

use std::sync::Arc;
use std::time::Duration;

use mysql::{Closing, Copied, ErrorKind, Identity, SourceChange};
use planner::{Action, Beyond, Homecoming, Outcome};
use store::Command;
use tokio::time::Instant;
use topology::{Channel, Demoted, Instance, InstanceKey, ServerUuid, WritePolicy};

use super::{Grip, LOST_IN_RECOVERY, OWNER, Performed, Sentence, done, grip, read, refuse};
use crate::executor::Run;
use crate::hub::Hub;
use crate::mandate::Mandate;
use crate::{Error, divergence, watcher};

/// How long an attached server may take until it replicates.
const CONNECTS: Duration = Duration::from_secs(15);

/// How long a rebuilt server may take until it answers with its new data.
const RESTARTS: Duration = Duration::from_secs(120);

/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// Closes a server that must not be writable, whoever writes on it, if it is `who`.
pub(crate) async fn close_at_once(
    hub: &Hub,
    mandate: &Mandate,
    key: &InstanceKey,
    who: &Identity,
) -> Result<Closing, Error> {
    let Grip { mut server, .. } = grip(hub, mandate, key)?;
    match server.checked()?.close_at_once(who).await {
        Err(error) if matches!(error.kind, ErrorKind::Unsupported(_)) => {
            // A simulated server.
            server.checked()?.set_read_only(true).await?;
            Ok(Closing::Closed { ended: 0, took: Duration::ZERO })
        }
        outcome => Ok(outcome?),
    }
}

/// Takes back that the server at `key` is demoted, or was left closed, also where it was under another address. That another
/// server was, which had this address, stays on record.
pub(crate) async fn reinstate(hub: &Hub, key: &InstanceKey) -> Result<(), Error> {
    // It may have been replaced more than once.
    for _ in 0..hub.store.declared().demoted.len() {
        let Some(key) = hub.snapshot().demotion_at(key).map(|demoted| demoted.key.clone()) else { break };
        hub.declare(Command::Reinstate { key }).await?;
    }
    let declared = hub.store.declared();
    let known = hub.observatory.get(key).and_then(|watched| watched.instance.clone());
    let is_it = |record: &&Demoted| known.as_ref().is_none_or(|server| record.may_be(server));
    if declared.left_closed.get(key).filter(is_it).is_some() {
        hub.declare(Command::Reinstate { key: key.clone() }).await?;
    }
    Ok(())
}

/// Takes back that the server at `key` is demoted, and the downtime that its failover gave it, under the address that it had then.
pub(crate) async fn welcome(hub: &Hub, key: &InstanceKey) -> Result<(), Error> {
    let is_ours = |downtime: &&topology::Downtime| downtime.owner == OWNER && downtime.reason == LOST_IN_RECOVERY;
    let then = hub.snapshot().demotion_at(key).map(|demoted| demoted.key.clone());
    // First: once its record is gone, nobody comes back to it.
    for key in then.into_iter().filter(|then| then != key).chain([key.clone()]) {
        if hub.store.declared().downtimes.get(&key).filter(is_ours).is_some() {
            hub.declare(Command::EndDowntime { key }).await?;
        }
    }
    reinstate(hub, key).await
}

pub(super) async fn perform(hub: &Arc<Hub>, run: &Run, homecoming: &Homecoming) -> Performed {
    match homecoming {
        Homecoming::Check { server, uuid, primary, recorded } => {
            check(hub, run, (server, uuid.as_ref()), primary, *recorded).await
        }
        Homecoming::Rebuild { server, donor, primary } => rebuild(hub, run, server, donor, primary).await,
        Homecoming::Attach { server, source, account_of, semi_sync } => {
            attach(hub, run, server, source, (account_of.as_ref(), *semi_sync)).await
        }
        Homecoming::Reinstate { server } => {
            if read(hub, server).await?.writes.is_writable() {
                return refuse("it is writable: without its record nobody would close it");
            }
            welcome(hub, server).await?;
            done("")
        }
    }
}

/// Returns both as they are now: the returned server first, so that what the primary writes meanwhile makes no difference.
async fn read_both(
    hub: &Arc<Hub>,
    server: &InstanceKey,
    primary: &InstanceKey,
) -> Result<(Arc<Instance>, Arc<Instance>), Sentence> {
    let old = read(hub, server).await?;
    let new = read(hub, primary).await?;
    if new.is_replica() || !new.writes.is_writable() {
        return refuse(format!("{primary} is not the primary any more"));
    }
    Ok((old, new))
}

/// Returns who has to be met: the server of this identity or, where it has none, of this `server_id`; or the one that was
/// read.
pub(crate) fn who(uuid: Option<&ServerUuid>, server_id: Option<u32>, read: &Instance) -> Identity {
    let server_id = if uuid.is_none() { server_id.unwrap_or(read.server_id) } else { 0 };
    Identity { uuid: uuid.cloned(), server_id }
}

fn identity(uuid: Option<&ServerUuid>, read: &Instance) -> Identity {
    who(uuid, None, read)
}

/// Returns what the plan says to check of the returned primary: its identity, and whether what it has beyond is on record.
fn planned_check(run: &Run) -> Result<(Option<&ServerUuid>, bool), Sentence> {
    let check = run.plan.steps.iter().find_map(|step| match &step.action {
        Action::Return(Homecoming::Check { uuid, recorded, .. }) => Some((uuid.as_ref(), *recorded)),
        _ => None,
    });
    check.ok_or_else(|| Sentence("its plan does not say who it is".to_owned()))
}

async fn check(
    hub: &Arc<Hub>,
    run: &Run,
    (server, uuid): (&InstanceKey, Option<&ServerUuid>),
    primary: &InstanceKey,
    recorded: bool,
) -> Performed {
    let (old, new) = read_both(hub, server, primary).await?;
    let who = identity(uuid, &old);
    let message = match close_at_once(hub, &run.mandate, server, &who).await? {
        Closing::Stranger => return refuse("another server has its address"),
        Closing::WasClosed => "it was closed",
        Closing::Closed { .. } => return refuse("it was writable, and is closed now: it must be compared anew"),
    };
    match Beyond::of(&old, &new) {
        None => refuse("it cannot be told what it has beyond the primary"),
        Some(beyond) if beyond.is_empty() => done(message),
        Some(beyond) if recorded && divergence::find(hub, &old, &beyond)?.is_some() => {
            done(format!("{message}; on record: {beyond}"))
        }
        Some(beyond) => refuse(format!("it has transactions that {primary} has not: {beyond}")),
    }
}

async fn rebuild(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    donor: &InstanceKey,
    primary: &InstanceKey,
) -> Performed {
    let (uuid, recorded) = planned_check(run)?;
    // An earlier executor may have checked it long ago: who wrote on it since would lose that, and nobody would know.
    check(hub, run, (key, uuid), primary, recorded).await?;
    let (old, new) = read_both(hub, key, primary).await?;
    let is_copy = |old: &Instance| {
        let lacks = new.gtid.purged.subtract(&old.gtid.executed);
        lacks.is_empty() && Beyond::of(old, &new).is_some_and(|beyond| beyond.is_empty())
    };
    if is_copy(&old) {
        return Ok((Outcome::Skipped, "it is a copy already".to_owned()));
    }
    grip(hub, &run.mandate, donor)?.server.checked()?.load_clone_plugin().await?;
    let held = read(hub, donor).await?.gtid.executed.clone();
    let Grip { mut server, .. } = grip(hub, &run.mandate, key)?;
    server.checked()?.load_clone_plugin().await?;
    // The plugin refuses to write under super_read_only; ordinary accounts stay shut out.
    server.checked()?.set_write_policy(WritePolicy::ReadOnly).await?;
    let copied = match server.checked()?.copy_from(donor).await {
        Ok(copied) => copied,
        Err(error) => {
            server.checked()?.set_read_only(true).await?;
            return Err(error.into());
        }
    };
    let (who, until) = (identity(uuid, &old), Instant::now() + RESTARTS);
    loop {
        // It starts as its configuration file says, which is writable more often than not. While it is down, that fails.
        if let Ok(Closing::Stranger) = close_at_once(hub, &run.mandate, key, &who).await {
            return refuse("another server has its address");
        }
        watcher::probe_anew(hub, key).await;
        if let Ok(server) = read(hub, key).await
            && is_copy(&server)
            // One that is about to shut down may answer still, with neither the old data nor the new.
            && server.gtid.executed.contains(&held)
            && !server.writes.is_writable()
        {
            return done(format!("it has the data of {donor}"));
        }
        if Instant::now() > until {
            return refuse(match copied {
                Copied::ShutDown => {
                    format!("it has the data of {donor} and shut down, and nobody supervises it: start it")
                }
                Copied::Restarts => "it does not come back with the new data".to_owned(),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn attach(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    source: &InstanceKey,
    (account_of, semi_sync): (Option<&InstanceKey>, bool),
) -> Performed {
    let (uuid, _) = planned_check(run)?;
    let who = identity(uuid, &*read(hub, key).await?);
    if close_at_once(hub, &run.mandate, key, &who).await? == Closing::Stranger {
        return refuse("another server has its address");
    }
    let (old, new) = read_both(hub, key, source).await?;
    if !Beyond::of(&old, &new).is_some_and(|beyond| beyond.is_empty()) {
        return refuse(format!("it has transactions that {source} has not"));
    }
    let (account, tls) = match account_of {
        None => (None, None),
        Some(sibling) => {
            let connects = hub.observatory.get(sibling).and_then(|watched| watched.instance.clone());
            let tls = connects.and_then(|server| Some(server.channel()?.tls.clone())).unwrap_or_default();
            let Some((account, tls)) = super::takeover::account(hub, run, sibling, &tls).await? else {
                return refuse(format!("{sibling} tells no account to replicate with"));
            };
            (Some(account), Some(tls))
        }
    };
    let Grip { mut server, channel } = grip(hub, &run.mandate, key)?;
    if old.semi_sync.source.enabled {
        // Nobody acknowledges to it any more.
        server.checked()?.set_semi_sync_source(false).await?;
    }
    if semi_sync {
        server.checked()?.set_semi_sync_replica(true).await?;
    }
    server.checked()?.stop_replication(&channel).await?;
    let change = SourceChange {
        channel: channel.clone(),
        to: source.clone(),
        account,
        tls,
        was_primary: true,
        discard_unapplied: true,
    };
    server.checked()?.change_source(&change).await?;
    server.checked()?.start_replication(&channel).await?;
    let until = Instant::now() + CONNECTS;
    loop {
        let now = read(hub, key).await?;
        if now.channel().is_some_and(Channel::is_replicating) {
            watcher::probe_kept(hub, source).await;
            return done("");
        }
        if Instant::now() > until {
            let why = |channel: &Channel| format!("{} {}", channel.receiver_error, channel.applier_error);
            return refuse(format!("it does not replicate: {}", now.channel().map(why).unwrap_or_default().trim()));
        }
        tokio::time::sleep(LOOK).await;
    }
}
