//! The steps of a takeover, and the way back from it.

use std::time::Duration;

use mysql::{Account, AckPolicy, SourceChange};
use planner::Acks;
use tokio::time::Instant;
use topology::{ServerUuid, ThreadState, TlsProfile};

use super::*;

/// A candidate that has what the primary has after so long follows closely. If it never does, a little more will do.
const CLOSELY: Duration = Duration::from_millis(100);

/// How long a receiver may take to connect, and a candidate to apply what a replica has that is moved below it.
const MOVE_WAITS: Duration = Duration::from_secs(10);

/// How often something is looked at that should be so in a moment.
const LOOK: Duration = Duration::from_millis(5);

impl Run {
    /// Returns until when something may take, `at_most`, that keeps writes waiting if the primary is frozen.
    fn until(&self, at_most: Duration) -> Instant {
        let ends = Instant::now() + at_most;
        self.block_ends.map_or(ends, |block| block.min(ends))
    }
}

/// How long the candidate may take to get what the primary has, before the primary's commits are slowed down a little more.
const LAGS: Duration = Duration::from_millis(500);

/// How commits of a primary are slowed down whose candidate does not come closer, in milliseconds: as little as will do.
const BRAKES_MS: [u64; 6] = [2, 5, 10, 25, 50, 100];

pub(super) async fn approach(
    hub: &Arc<Hub>,
    run: &Run,
    candidate: &InstanceKey,
    primary: &InstanceKey,
    within: Duration,
) -> Performed {
    let mut source = grip_again(hub, run, primary)?.server;
    let mut replica = grip_again(hub, run, candidate)?.server;
    let begun = Instant::now();
    let mut braked: usize = 0;
    loop {
        let goal = source.checked()?.executed().await?;
        let asked = Instant::now();
        let waited = replica.checked()?.wait_applied(&goal, LAGS).await?;
        let behind = asked.elapsed();
        match waited {
            Waited::Applied if behind < CLOSELY => {
                let brake = braked.checked_sub(1).and_then(|last| BRAKES_MS.get(last));
                let slowed = brake.map_or(String::new(), |ms| format!(", commits slowed down by {ms} ms"));
                warm_up(hub, run, &[candidate, primary]).await?;
                return done(format!("{} ms behind{slowed}", behind.as_millis()));
            }
            Waited::Applied | Waited::TimedOut => {}
            stopped @ Waited::ApplierStopped { .. } => applied(Ok(stopped))?,
        }
        if begun.elapsed() > within {
            return refuse(format!("it does not keep up: it is {} ms behind or more", behind.as_millis()));
        }
        if let Some(ms) = BRAKES_MS.get(braked)
            && source.checked()?.brake(Some(Duration::from_millis(*ms))).await?
        {
            braked += 1;
        }
    }
}

/// Opens a second session to each of these, beside the one in use: after the freeze every moment counts.
async fn warm_up(hub: &Arc<Hub>, run: &Run, keys: &[&InstanceKey]) -> Result<(), Sentence> {
    for key in keys {
        grip_again(hub, run, key)?.server.checked()?.write_policy().await?;
    }
    Ok(())
}

/// Ends what slows down the commits of the primary.
pub(crate) async fn release_brake(hub: &Arc<Hub>, run: &Run, primary: &InstanceKey) -> Result<(), Error> {
    grip_again(hub, run, primary)?.server.checked()?.brake(None).await.map_err(Error::from).map(drop)
}

/// Likewise, of a primary whose takeover is over.
pub(crate) async fn release_brake_of(hub: &Hub, mandate: &Mandate, primary: &InstanceKey) -> Result<(), Error> {
    grip(hub, mandate, primary)?.server.checked()?.brake(None).await.map_err(Error::from).map(drop)
}

pub(super) async fn relocate(
    hub: &Arc<Hub>,
    run: &Run,
    replica: &InstanceKey,
    to: &InstanceKey,
    start: Threads,
) -> Performed {
    let Grip { mut server, channel } = grip_again(hub, run, replica)?;
    server.checked()?.stop_replication(&channel).await?;
    // What it received and did not apply is thrown away, and may have been acknowledged on its word alone. And one that has
    // more than its source is refused by MariaDB.
    let held = held(&mut server, &channel).await?;
    let mut source = grip_again(hub, run, to)?.server;
    gets(run, &mut source, &held).await.map_err(|Sentence(why)| Sentence(format!("{to} lacks what it has: {why}")))?;
    point(&mut server, &channel, to, start).await?;
    if start.receiver {
        connects(&mut server, &channel, run.until(MOVE_WAITS)).await?;
        see_whether_it_replicates(hub, run, replica.clone());
    }
    if run.block_ends.is_none() {
        read(hub, replica).await?;
    }
    done("")
}

/// Waits until the candidate has applied `set`. Its applier may be stopped by another step as soon as it has all.
async fn gets(run: &Run, server: &mut Guarded<'_>, set: &GtidSet) -> Result<(), Sentence> {
    let left = run.until(MOVE_WAITS).saturating_duration_since(Instant::now());
    let Err(Sentence(why)) = applied(server.checked()?.wait_applied(set, left).await) else { return Ok(()) };
    let missing = set.subtract(&server.checked()?.executed().await?);
    if missing.is_empty() { Ok(()) } else { refuse(format!("it did not apply {missing}: {why}")) }
}

async fn held(server: &mut Guarded<'_>, channel: &str) -> Result<GtidSet, Sentence> {
    let received = server.checked()?.channel(channel).await?.map(|channel| channel.retrieved).unwrap_or_default();
    Ok(received.union(&server.checked()?.executed().await?))
}

/// Points a channel to another source that has all it has, and starts what is to be started.
async fn point(server: &mut Guarded<'_>, channel: &str, to: &InstanceKey, start: Threads) -> Result<(), Sentence> {
    let change = SourceChange { channel: channel.to_owned(), discard_unapplied: true, ..SourceChange::to(to.clone()) };
    server.checked()?.change_source(&change).await?;
    Ok(server.checked()?.start_anew(channel, start.receiver, start.applier).await?)
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
    hub.declare(Command::Demote(demoted(hub, run, key, uuid, &run.plan.successor))).await?;
    let mut server = grip_again(hub, run, key)?.server;
    let frozen = server.checked()?.freeze(budget * 3 / 5).await?;
    server.checked()?.brake(None).await?;
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
    let mut source = grip_again(hub, run, primary)?.server;
    let end = source.checked()?.stands_still(None).await?;
    let Grip { server: mut replica, channel } = grip_again(hub, run, candidate)?;
    gets(run, &mut replica, &end).await?;
    replica.checked()?.stop_replication(&channel).await?;
    done(format!("executed {end}"))
}

pub(super) async fn attach(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    source: &InstanceKey,
    tls: Option<&TlsProfile>,
    acked: bool,
    acks: bool,
) -> Performed {
    let Grip { mut server, channel } = grip_again(hub, run, key)?;
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
    if acks != acked {
        server.checked()?.set_semi_sync_replica(acks).await?;
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
    let Grip { mut server, channel } = grip_again(hub, run, of)?;
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

pub(super) async fn forget(hub: &Arc<Hub>, run: &Run, key: &InstanceKey) -> Performed {
    let mut server = grip_again(hub, run, key)?.server;
    for channel in server.checked()?.channels().await? {
        server.checked()?.reset_replication(&channel.name).await?;
    }
    read(hub, key).await?;
    done("")
}

pub(super) async fn acknowledge(hub: &Arc<Hub>, run: &Run, key: &InstanceKey) -> Performed {
    let (mut server, channel) = attached(hub, run, key).await?;
    server.checked()?.start_anew(&channel, true, false).await?;
    connects(&mut server, &channel, run.until(MOVE_WAITS)).await?;
    done("")
}

pub(super) async fn settle(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, waited: bool, start: bool) -> Performed {
    let (mut server, channel) = attached(hub, run, key).await?;
    if waited {
        // Before its applier starts, whose commits would wait too. MySQL takes a second for it.
        server.checked()?.set_semi_sync_source(false).await?;
    }
    if start {
        server.checked()?.start_anew(&channel, true, true).await?;
        connects(&mut server, &channel, run.until(MOVE_WAITS)).await?;
        see_whether_it_replicates(hub, run, key.clone());
    }
    read(hub, key).await?;
    done("")
}

/// Returns the attached old primary with its channel: it may not have been read since it has one.
async fn attached<'a>(hub: &'a Hub, run: &'a Run, key: &InstanceKey) -> Result<(Guarded<'a>, String), Sentence> {
    let mut server = grip_again(hub, run, key)?.server;
    let channels = server.checked()?.channels().await?;
    let channel = channels.first().map(|channel| channel.name.clone());
    Ok((server, channel.ok_or_else(|| Sentence("it is no replica any more".to_owned()))?))
}

pub(super) async fn ready(
    hub: &Arc<Hub>,
    run: &Run,
    candidate: &InstanceKey,
    primary: &InstanceKey,
    acks: Option<Acks>,
) -> Performed {
    let mut replica = grip_again(hub, run, candidate)?.server;
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
    let mut source = grip_again(hub, run, primary)?.server;
    let end = source.checked()?.stands_still(None).await?;
    gets(run, &mut replica, &end).await?;
    done("")
}

fn ack_policy(acks: Acks) -> AckPolicy {
    let Acks { enabled, wait_count, timeout_ms, lossless } = acks;
    AckPolicy { enabled, wait_count, timeout_ms, lossless }
}

/// Opens the candidate for writes. Nobody takes any until then, so it is tried more than once.
pub(super) async fn open(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, semi_sync: bool) -> Performed {
    const TRIES: u32 = 3;
    let mut tries = 1;
    loop {
        let Err(Sentence(why)) = try_to_open(hub, run, key, semi_sync).await else { return done("accepts writes") };
        if tries == TRIES {
            return refuse(why);
        }
        narrator::tell(hub, &run.uid, format!("{key} could not be opened, and is tried again: {why}"));
        tokio::time::sleep(FENCE_WAITS * tries).await;
        tries += 1;
    }
}

async fn try_to_open(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, semi_sync: bool) -> Result<(), Sentence> {
    let mut server = grip_again(hub, run, key)?.server;
    // A server that was demoted once and is promoted again is the primary now, under whatever address it was demoted.
    super::reinstate(hub, key).await?;
    if semi_sync {
        // Before the first write, or that write would be acknowledged without a replica.
        server.checked()?.set_semi_sync_source(true).await?;
    }
    // A session that died is noticed here, while it is certain that nothing was opened.
    server.checked()?.write_policy().await?;
    let opening = server.checked()?;
    run.may_be_open.store(true, Ordering::Relaxed);
    opening.set_writable().await?;
    let now = read(hub, key).await?;
    if now.writes.is_writable() { Ok(()) } else { refuse("it is still read-only") }
}

/// Starts threads of a replica that was not moved yet. What it received it may be the only one to have acknowledged: unlike
/// after a move, nothing of that may be thrown away.
async fn start_where_it_is(server: &mut Guarded<'_>, channel: &str, start: Threads) -> Result<(), Sentence> {
    match (start.receiver, start.applier) {
        (true, true) => server.checked()?.start_replication(channel).await?,
        (true, false) => server.checked()?.start_receiver(channel).await?,
        (false, true) => server.checked()?.start_applier(channel).await?,
        (false, false) => {}
    }
    Ok(())
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
        let Grip { mut server, channel } = grip_again(hub, run, replica)?;
        let state = server.checked()?.channel(&channel).await?;
        if state.is_some_and(|state| state.source == *to) {
            return start_where_it_is(&mut server, &channel, start).await;
        }
        server.checked()?.stop_replication(&channel).await?;
        point(&mut server, &channel, to, start).await
    };
    moving.await.map_err(|Sentence(why)| why)?;
    see_whether_it_replicates(hub, run, replica.clone());
    Ok(())
}

/// Makes the old primary replicate from nobody, and acknowledge as before.
pub(crate) async fn detach_primary(
    hub: &Arc<Hub>,
    run: &Run,
    key: &InstanceKey,
    forget_source: bool,
    acked: bool,
) -> Result<(), Error> {
    let Grip { mut server, .. } = grip_again(hub, run, key)?;
    if forget_source {
        for channel in server.checked()?.channels().await? {
            server.checked()?.reset_replication(&channel.name).await?;
        }
    }
    Ok(server.checked()?.set_semi_sync_replica(acked).await?)
}

/// Lets a candidate replicate again.
pub(crate) async fn follow_again(hub: &Arc<Hub>, run: &Run, key: &InstanceKey) -> Result<(), Error> {
    let mut server = grip_again(hub, run, key)?.server;
    for channel in server.checked()?.channels().await? {
        server.checked()?.start_anew(&channel.name, true, true).await?;
    }
    Ok(())
}

/// Lets the commits of a candidate wait as they did.
pub(crate) async fn restore_acks(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, acks: Acks) -> Result<(), Error> {
    Ok(grip_again(hub, run, key)?.server.checked()?.set_acks(ack_policy(acks)).await?)
}

/// Lets a frozen primary take writes again; where it does not answer, it is opened when it does.
pub(crate) async fn thaw(hub: &Arc<Hub>, run: &Run, key: &InstanceKey, uuid: Option<&ServerUuid>) -> Result<(), Error> {
    was_not_replaced(hub, &run.mandate, key).await?;
    open_again(hub, &run.mandate, key, uuid).await
}

/// Lets a primary that an earlier recovery closed take writes again.
pub(crate) async fn thaw_now(hub: &Hub, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    Ok(grip(hub, mandate, key)?.server.checked()?.thaw().await?)
}

/// Makes a server replicate from nobody.
pub(crate) async fn forget_sources(hub: &Hub, mandate: &Mandate, key: &InstanceKey) -> Result<(), Error> {
    let mut server = grip(hub, mandate, key)?.server;
    for channel in server.checked()?.channels().await? {
        server.checked()?.reset_replication(&channel.name).await?;
    }
    Ok(())
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
    waits: bool,
) -> Result<(), String> {
    let closing = async {
        let Grip { mut server, channel } = grip_again(hub, run, key)?;
        if let Err(error) = server.checked()?.set_read_only(true).await {
            // Its process is gone, says its kernel. If nobody told it to take writes, it has written nothing that anybody was
            // promised.
            let never_open =
                !run.may_be_open.load(Ordering::Relaxed) && !run.begun_before.contains(&run.plan.point_of_no_return());
            return if never_open && error.unreachable() == topology::Unreachable::Refused {
                disown(hub, run, key).await;
                Ok(())
            } else {
                refuse(error.to_string())
            };
        }
        let own = server.checked()?.executed().await?;
        let mut old = grip_again(hub, run, primary)?.server;
        let beyond = own.subtract(&old.checked()?.executed().await?);
        if !beyond.is_empty() {
            return refuse(format!("it took writes: {beyond}"));
        }
        if waits {
            // Nobody acknowledges to it: what it applies would wait.
            server.checked()?.set_semi_sync_source(false).await?;
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
