//! Steps of recoveries other than that of a dead primary by GTID; with `hands.rs` the only place that changes servers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use planner::{Outcome, Threads};
use topology::{BinlogCoordinates, Channel, Instance, InstanceKey, ThreadState};

use crate::executor::Run;
use crate::hands::{Grip, Performed, Sentence, applied, done, grip, read, refuse, see_whether_it_replicates};
use crate::hub::Hub;
use crate::{hands, narrator};

/// How long a replica may take to apply what it received before its receiver is restarted.
const EMPTYING_TAKES: Duration = Duration::from_secs(10);

/// Between two looks at a replica without GTID, for which no server can wait.
const LOOK: Duration = Duration::from_millis(50);

/// Returns how far a replica without GTID has applied the log of its source, and whether it will go further.
fn place(instance: &Instance) -> Option<(&BinlogCoordinates, bool)> {
    let channel = instance.channel()?;
    Some((&channel.executed, channel.applier == ThreadState::Running))
}

/// Stops the receiver of a replica without GTID and waits until it has come to `at`, and no further.
pub(crate) async fn settle(
    hub: &Arc<Hub>,
    run: &Run,
    replica: &InstanceKey,
    at: &BinlogCoordinates,
    within: Duration,
) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
    server.checked()?.stop_receiver(&channel).await?;
    server.checked()?.start_applier(&channel).await?;
    let deadline = tokio::time::Instant::now() + within;
    loop {
        let now = read(hub, replica).await?;
        let Some((place, applies)) = place(&now) else { return refuse("it is no replica any more") };
        if place == at {
            return done("");
        }
        if place > at {
            return refuse(format!("it applied more since the plan was made: up to {place}"));
        }
        if !applies || tokio::time::Instant::now() > deadline {
            return refuse(format!("it stands at {place}, before {at}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Lets a settled replica go on from the end of the log of `source`, which settled in the same place and is closed.
///
/// Crashes: until the source is opened for writes its end does not move, so this may be done again; a replica that has its new
/// source is left as it is. After that it is refused.
pub(crate) async fn align(
    hub: &Arc<Hub>,
    run: &Run,
    replica: &InstanceKey,
    source: &InstanceKey,
    at: &BinlogCoordinates,
    start: Threads,
) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
    let now = read(hub, replica).await?;
    if now.source() != Some(source) {
        if place(&now).is_none_or(|(place, _)| place != at) {
            return refuse(format!("it did not settle at {at}"));
        }
        let new = read(hub, source).await?;
        let settled = place(&new).is_some_and(|(place, _)| place == at);
        let receives = new.channel().is_none_or(|channel| channel.receiver != ThreadState::Stopped);
        if new.writes.is_writable() || !settled || receives {
            return refuse(format!("the end of the log of {source} is not where {at} is any more"));
        }
        server.checked()?.stop_replication(&channel).await?;
        let end = &new.binlog.coordinates;
        server.checked()?.change_source_at(&channel, source, end).await?;
    }
    if start.receiver {
        server.checked()?.start_receiver(&channel).await?;
    }
    if start.applier {
        server.checked()?.start_applier(&channel).await?;
    }
    if start == Threads::BOTH {
        see_whether_it_replicates(hub, run, replica.clone());
    }
    read(hub, replica).await?;
    done("")
}

/// Lets an aligned replica go on where it had settled in the log of the old primary. What it got from the candidate since is
/// nothing as long as that stayed closed.
pub(crate) async fn realign(
    hub: &Arc<Hub>,
    run: &Run,
    replica: &InstanceKey,
    to: &InstanceKey,
    at: &BinlogCoordinates,
    start: Threads,
) -> Result<(), String> {
    let candidate = &run.plan.successor;
    let moving = async {
        let source = read(hub, replica).await?.source().cloned();
        let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
        if source.as_ref() == Some(to) && start.applier {
            // It was stopped to be aligned, and nobody came to it. What it receives is started as before that.
            server.checked()?.start_applier(&channel).await?;
        }
        if source.as_ref() != Some(candidate) {
            return Ok(());
        }
        if run.may_be_open.load(Ordering::Relaxed) || run.begun_before.contains(&run.plan.point_of_no_return()) {
            return refuse(format!("{candidate} may have taken writes"));
        }
        server.checked()?.change_source_at(&channel, to, at).await?;
        server.checked()?.start_anew(&channel, start.receiver, start.applier).await?;
        read(hub, replica).await.map(drop)
    };
    moving.await.map_err(|Sentence(why)| why)
}

/// How long a replica may take to connect anew as one that acknowledges.
const ACKNOWLEDGING_TAKES: Duration = Duration::from_secs(10);

/// Switches the replica's side of semi-synchronous replication. One that is switched on must be seen to acknowledge: others are
/// switched off after it. A receiver on MariaDB is restarted only when all it received is
/// applied: it would throw the rest away.
pub(crate) async fn set_semi_sync(hub: &Arc<Hub>, run: &Run, replica: &InstanceKey, on: bool) -> Performed {
    let Grip { mut server, channel } = grip(hub, &run.mandate, replica)?;
    let now = read(hub, replica).await?;
    let role = now.semi_sync.replica;
    if role.enabled == on && role.active == on {
        return Ok((Outcome::Skipped, "it is so".to_owned()));
    }
    let receives = now.channel().is_some_and(|channel: &Channel| channel.receiver != ThreadState::Stopped);
    server.checked()?.set_semi_sync_replica(on).await?;
    if receives {
        server.checked()?.stop_receiver(&channel).await?;
        let emptied = match now.version.is_mariadb() {
            true => applied(server.checked()?.apply_received(&channel, EMPTYING_TAKES).await),
            false => Ok(()),
        };
        server.checked()?.start_receiver(&channel).await?;
        emptied?;
    }
    if on {
        acknowledges(hub, replica).await?;
    }
    read(hub, replica).await?;
    read(hub, &run.plan.failed).await?;
    done("")
}

/// Waits until the receiver of `replica` is connected as one that acknowledges.
async fn acknowledges(hub: &Arc<Hub>, replica: &InstanceKey) -> Result<(), Sentence> {
    let deadline = tokio::time::Instant::now() + ACKNOWLEDGING_TAKES;
    while !read(hub, replica).await?.semi_sync.replica.active {
        if tokio::time::Instant::now() > deadline {
            return refuse("it is switched on and does not acknowledge");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Opens a primary for writes that is read-only and should not be. It is looked at once more: what it is on record for may
/// have changed.
pub(crate) async fn open(hub: &Arc<Hub>, run: &Run, key: &InstanceKey) -> Performed {
    let now = read(hub, key).await?;
    if hub.snapshot().demotion(&now).is_some() {
        return refuse("it was replaced by another one");
    }
    if now.source().is_some() {
        return refuse("it replicates from another one by now");
    }
    hands::set_writable(hub, &run.mandate, key).await?;
    if read(hub, key).await?.writes.is_writable() { done("accepts writes") } else { refuse("it is still read-only") }
}

/// Gives up a replica whose move failed: detached as far as it can be reached, where that is configured, and in downtime.
pub(crate) async fn abandon(hub: &Arc<Hub>, run: &Run, replica: &InstanceKey) {
    let policy = hub.policy();
    if policy.detach_lost
        && let Err(Sentence(why)) = hands::detach(hub, run, replica).await
    {
        narrator::tell(hub, &run.uid, format!("{replica}, which is lost, cannot be detached: {why}"));
    }
    if let Err(Sentence(why)) = hands::downtime(hub, replica, policy.lost_downtime).await {
        narrator::tell(hub, &run.uid, format!("{replica}, which is lost, cannot be put into downtime: {why}"));
    }
}
