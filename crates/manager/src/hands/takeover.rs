//! The steps of a takeover, and the way back from it.

use std::time::Duration;

use mysql::{Account, AckPolicy, SourceChange};
use planner::{Acks, Sides};
use tokio::time::Instant;
use topology::{ServerUuid, ThreadState, TlsProfile};

use super::*;

/// A candidate that has what the primary has after so long follows closely. It is asked for more patience the longer it takes.
const CLOSELY: Duration = Duration::from_millis(100);

/// How long a receiver may take to connect, and a candidate to apply what a replica has that is moved below it.
const MOVE_WAITS: Duration = Duration::from_secs(10);

/// How often something is looked at that should be so in a moment.
const LOOK: Duration = Duration::from_millis(5);

/// How often, and for how long in all, a server that must be opened again is tried.
const AGAIN: Duration = Duration::from_secs(1);
const FOR_LONG: Duration = Duration::from_secs(3600);

impl Run {
    /// Returns until when something may take, `at_most`, that keeps writes waiting if the primary is frozen.
    fn until(&self, at_most: Duration) -> Instant {
        let ends = Instant::now() + at_most;
        self.block_ends.map_or(ends, |block| block.min(ends))
    }
}

pub(super) async fn approach(
    hub: &Arc<Hub>,
    run: &Run,
    candidate: &InstanceKey,
    primary: &InstanceKey,
    within: Duration,
) -> Performed {
    let mut source = grip(hub, &run.mandate, primary)?.server;
    let mut replica = grip(hub, &run.mandate, candidate)?.server;
    let begun = Instant::now();
    loop {
        let goal = source.checked()?.executed().await?;
        let asked = Instant::now();
        let waited = replica.checked()?.wait_applied(&goal, within.saturating_sub(begun.elapsed())).await;
        applied(waited)?;
        let behind = asked.elapsed();
        if behind < CLOSELY + begun.elapsed() / 10 {
            return done(format!("{} ms behind", behind.as_millis()));
        }
        if begun.elapsed() > within {
            return refuse(format!("it is {} ms behind, and does not come closer", behind.as_millis()));
        }
    }
}

pub(super) async fn relocate(
    hub: &Arc<Hub>,
    run: &Run,
    replica: &InstanceKey,
    to: &InstanceKey,
    start: Threads,
) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
    server.checked()?.stop_replication(&channel).await?;
    // One that has more than its source is refused by MariaDB.
    let executed = server.checked()?.executed().await?;
    let mut source = grip(hub, &run.mandate, to)?.server;
    let left = run.until(MOVE_WAITS).saturating_duration_since(Instant::now());
    if let Err(Sentence(why)) = applied(source.checked()?.wait_applied(&executed, left).await) {
        return refuse(format!("{to} did not apply what it has: {why}"));
    }
    point(&mut server, &channel, to, start).await?;
    if start.receiver {
        connects(&mut server, &channel, run.until(MOVE_WAITS)).await?;
        see_whether_it_replicates(hub, run, replica.clone());
    }
    done("")
}

/// Points a channel to another source that has all it has, and starts what is to be started.
async fn point(server: &mut Guarded<'_>, channel: &str, to: &InstanceKey, start: Threads) -> Result<(), Sentence> {
    let change = SourceChange { channel: channel.to_owned(), discard_unapplied: true, ..SourceChange::to(to.clone()) };
    server.checked()?.change_source(&change).await?;
    if start.receiver {
        server.checked()?.start_receiver(channel).await?;
    }
    if start.applier {
        server.checked()?.start_applier(channel).await?;
    }
    Ok(())
}

/// Waits until the receiver is connected to its source.
async fn connects(server: &mut Guarded<'_>, channel: &str, until: Instant) -> Result<(), Sentence> {
    loop {
        let state = server.checked()?.channel(channel).await?;
        let state = state.ok_or_else(|| Sentence("it has no such channel any more".to_owned()))?;
        if state.receiver == ThreadState::Running {
            return Ok(());
        }
        if state.receiver == ThreadState::Stopped || Instant::now() > until {
            return refuse(format!("it does not connect to {}: {}", state.source, state.receiver_error));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Freezes the primary. From here on it is on record as demoted, and so cannot stay writable beside another one.
pub(super) async fn freeze(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    uuid: Option<&ServerUuid>,
    budget: Duration,
) -> Performed {
    let demoted = Demoted {
        key: key.clone(),
        uuid: uuid.cloned(),
        successor: run.plan.successor.clone(),
        recovery_uid: run.uid.clone(),
        at: hub.now(),
    };
    hub.declare(Command::Demote(demoted)).await?;
    let mut server = grip(hub, &run.mandate, key)?.server;
    let frozen = server.checked()?.freeze(budget * 3 / 5).await?;
    if frozen.killed.is_empty() {
        done("read-only")
    } else {
        done(format!("read-only; killed {}", frozen.killed.join(", ")))
    }
}

pub(super) async fn follow_to_end(
    hub: &Arc<Hub>,
    run: &Run,
    candidate: &InstanceKey,
    primary: &InstanceKey,
) -> Performed {
    let mut source = grip(hub, &run.mandate, primary)?.server;
    let end = source.checked()?.stands_still(None).await?;
    let mut replica = grip(hub, &run.mandate, candidate)?.server;
    let left = run.until(MOVE_WAITS).saturating_duration_since(Instant::now());
    let Err(Sentence(why)) = applied(replica.checked()?.wait_applied(&end, left).await) else {
        return done(format!("executed {end}"));
    };
    let missing = end.subtract(&replica.checked()?.executed().await?);
    refuse(format!("it did not apply {missing}: {why}"))
}

pub(super) async fn attach(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    source: &InstanceKey,
    tls: Option<&TlsProfile>,
    before: Sides,
    after: Sides,
) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, key)?;
    if let Some(tls) = tls {
        let Some((account, tls)) = account(hub, run, source, tls).await? else {
            return refuse(format!("{source} tells no account to replicate with"));
        };
        let change = SourceChange {
            channel: channel.clone(),
            account: Some(account),
            tls: Some(tls),
            was_primary: true,
            ..SourceChange::to(source.clone())
        };
        server.checked()?.change_source(&change).await?;
    }
    // As a replica it must not wait for replicas of its own. No commit waits any more: it is frozen.
    if after.source != before.source {
        server.checked()?.set_semi_sync_source(after.source).await?;
    }
    if after.replica != before.replica {
        server.checked()?.set_semi_sync_replica(after.replica).await?;
    }
    done("")
}

/// Returns the account that `of` replicates with, or that the configured query names there, and how it connects.
pub(super) async fn account(
    hub: &Arc<Hub>,
    run: &Run,
    of: &InstanceKey,
    tls: &TlsProfile,
) -> Result<Option<(Account, TlsProfile)>, Sentence> {
    let Grip { mut server, channel } = grip(hub, &run.mandate, of)?;
    let mut tls = tls.clone();
    if let Some(query) = hub.config().metadata.queries.replication_credentials.clone()
        && let Some((account, [ca, cert, key])) = server.checked()?.queried_account(&query).await?
    {
        if !ca.is_empty() || !cert.is_empty() {
            tls = TlsProfile { enabled: true, ca_file: ca, cert, key, ..tls };
        }
        return Ok(Some((account, tls)));
    }
    Ok(server.checked()?.stored_account(&channel).await?.map(|account| (account, tls)))
}

pub(super) async fn start(hub: &Arc<Hub>, run: &Run, key: &InstanceKey) -> Performed {
    let Grip { mut server, .. } = grip(hub, &run.mandate, key)?;
    // It may have been attached a moment ago, and not read since.
    let channels = server.checked()?.channels().await?;
    let channel = channels.first().map(|channel| channel.name.clone()).unwrap_or_default();
    server.checked()?.start_replication(&channel).await?;
    connects(&mut server, &channel, run.until(MOVE_WAITS)).await?;
    see_whether_it_replicates(hub, run, key.clone());
    done("")
}

pub(super) async fn ready(
    hub: &Arc<Hub>,
    run: &Run,
    candidate: &InstanceKey,
    primary: &InstanceKey,
    acks: Option<Acks>,
) -> Performed {
    let mut replica = grip(hub, &run.mandate, candidate)?.server;
    if let Some(acks) = acks {
        replica.checked()?.set_acks(ack_policy(acks)).await?;
        let until = run.until(MOVE_WAITS);
        loop {
            let connected = replica.checked()?.ack_clients().await?;
            if connected >= acks.wait_count {
                break;
            }
            if Instant::now() > until {
                return refuse(format!("only {connected} semi-synchronous replicas are connected to it"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    let mut source = grip(hub, &run.mandate, primary)?.server;
    let end = source.checked()?.stands_still(None).await?;
    let missing = end.subtract(&replica.checked()?.executed().await?);
    if missing.is_empty() {
        done("")
    } else {
        refuse(format!("{primary} executed more while it was frozen: {missing}"))
    }
}

fn ack_policy(acks: Acks) -> AckPolicy {
    let Acks { enabled, wait_count, timeout_ms, lossless } = acks;
    AckPolicy { enabled, wait_count, timeout_ms, lossless }
}

/// Promotes the candidate of a takeover. The old primary is frozen, and nobody takes writes: it is tried more than once.
pub(super) async fn promote_at_last(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    writable: bool,
    semi_sync: bool,
) -> Performed {
    const TRIES: u32 = 3;
    let mut tries = 1;
    loop {
        let Err(Sentence(why)) = promote(hub, run, key, writable, semi_sync).await else {
            return done("accepts writes");
        };
        if tries == TRIES {
            return refuse(why);
        }
        narrator::tell(hub, &run.uid, format!("{key} could not be opened, and is tried again: {why}"));
        tokio::time::sleep(FENCE_WAITS * tries).await;
        tries += 1;
    }
}

/// Moves a replica back to the primary that it was moved away from.
pub(crate) async fn move_back(
    hub: &Arc<Hub>,
    run: &Run,
    replica: &InstanceKey,
    to: &InstanceKey,
    start: Threads,
) -> Result<(), String> {
    let moving = async {
        let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
        server.checked()?.stop_replication(&channel).await?;
        point(&mut server, &channel, to, start).await
    };
    moving.await.map_err(|Sentence(why)| why)?;
    see_whether_it_replicates(hub, run, replica.clone());
    Ok(())
}

/// Makes the old primary replicate from nobody, and acknowledge and wait as before.
pub(crate) async fn detach_primary(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    forget_source: bool,
    sides: Sides,
) -> Result<(), Error> {
    let Grip { mut server, .. } = grip(hub, &run.mandate, key)?;
    if forget_source {
        for channel in server.checked()?.channels().await? {
            server.checked()?.reset_replication(&channel.name).await?;
        }
    }
    server.checked()?.set_semi_sync_replica(sides.replica).await?;
    Ok(server.checked()?.set_semi_sync_source(sides.source).await?)
}

/// Lets the commits of a candidate wait as they did.
pub(crate) async fn restore_acks(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, acks: Acks) -> Result<(), Error> {
    Ok(grip(hub, &run.mandate, key)?.server.checked()?.set_acks(ack_policy(acks)).await?)
}

/// Lets a frozen primary take writes again; where it does not answer, it is tried until it does or has a successor.
pub(crate) async fn thaw(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, uuid: Option<&ServerUuid>) -> Result<(), Error> {
    hub.declare(Command::Reinstate { key: key.clone() }).await?;
    let Err(error) = open_again(hub, &run.mandate, key, uuid).await else { return Ok(()) };
    let (hub_of_task, mandate, key, uuid) = (Arc::clone(hub), run.mandate.clone(), key.clone(), uuid.cloned());
    hub.spawn(async move {
        let until = Instant::now() + FOR_LONG;
        let trying = async {
            while Instant::now() < until && !hub_of_task.store.declared().demoted.contains_key(&key) {
                tokio::time::sleep(AGAIN).await;
                if open_again(&hub_of_task, &mandate, &key, uuid.as_ref()).await.is_ok() {
                    tracing::warn!(instance = %key, "takes writes again, after a takeover that was given up");
                    return;
                }
            }
        };
        mandate.run(trying).await;
    });
    Err(error)
}

async fn open_again(
    hub: &Arc<Hub>,
    mandate: &Mandate,
    key: &InstanceKey,
    uuid: Option<&ServerUuid>,
) -> Result<(), Error> {
    let known = read(hub, key).await.map_err(|Sentence(why)| Error::Unexpected(why))?.uuid.clone();
    if uuid.is_some() && known.as_ref() != uuid {
        return Err(Error::Unexpected(format!("another server is at {key}")));
    }
    grip(hub, mandate, key)?.server.checked()?.thaw().await?;
    read(hub, key).await.map_err(|Sentence(why)| Error::Unexpected(why))?;
    Ok(())
}

/// Closes a candidate that may have been opened, and attaches it to the old primary again. Only when this is certain, and
/// the candidate has nothing that the old primary lacks, that one may be opened.
///
/// # Errors
/// A sentence that says why it is not certain.
pub(crate) async fn close_candidate(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    primary: &InstanceKey,
    tls: Option<&TlsProfile>,
) -> Result<(), String> {
    let closing = async {
        let Grip { mut server, channel } = grip(hub, &run.mandate, key)?;
        if let Err(error) = server.checked()?.set_read_only(true).await {
            // Its process is gone, says its kernel: it has written nothing that anybody was promised.
            return if error.unreachable() == topology::Unreachable::Refused {
                disown(hub, run, key).await;
                Ok(())
            } else {
                refuse(error.to_string())
            };
        }
        let own = server.checked()?.executed().await?;
        let mut old = grip(hub, &run.mandate, primary)?.server;
        let beyond = own.subtract(&old.checked()?.executed().await?);
        if !beyond.is_empty() {
            return refuse(format!("it took writes: {beyond}"));
        }
        if server.checked()?.channels().await?.is_empty()
            && let Some(tls) = tls
            && let Some((account, tls)) = account(hub, run, primary, tls).await?
        {
            let change = SourceChange {
                channel: channel.clone(),
                account: Some(account),
                tls: Some(tls),
                ..SourceChange::to(primary.clone())
            };
            server.checked()?.change_source(&change).await?;
            server.checked()?.start_replication(&channel).await?;
        }
        Ok(())
    };
    let closed: Result<(), Sentence> = closing.await;
    closed.map_err(|Sentence(why)| why)
}
