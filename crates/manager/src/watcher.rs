//! One task per address, which probes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use topology::{InstanceKey, Unreachable};

use crate::hub::{Hub, lock};
use crate::reach::Probing;
use crate::{discovery, fencing, pulse};

/// The task that watches an address.
pub(crate) struct Watcher {
    orders: mpsc::Sender<oneshot::Sender<()>>,
    ended: CancellationToken,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// How soon a replaced primary that is away is knocked for again.
const AGAIN: Duration = Duration::from_millis(20);

/// Orders that may wait for one watcher; more askers than that wait themselves.
const ORDERS: usize = 8;

/// Begins to watch `key`, unless it is watched already.
pub(crate) fn watch(hub: &Arc<Hub>, key: &InstanceKey) {
    let mut watchers = lock(&hub.watchers);
    if watchers.contains_key(key) {
        return;
    }
    hub.observatory.hear_of(key, hub.now());
    let (orders, inbox) = mpsc::channel(ORDERS);
    let ended = CancellationToken::new();
    watchers.insert(key.clone(), Watcher { orders, ended: ended.clone() });
    drop(watchers);
    let (hub_of_task, key) = (Arc::clone(hub), key.clone());
    hub.spawn(async move {
        tokio::select! {
            biased;
            () = ended.cancelled() => {}
            () = run(hub_of_task, key, inbox) => {}
        }
    });
}

/// Ends the watch of `keys` and forgets what was seen of them.
pub(crate) fn unwatch(hub: &Hub, keys: &[InstanceKey]) {
    let mut watchers = lock(&hub.watchers);
    for key in keys {
        watchers.remove(key);
        pulse::end(hub, key);
    }
    drop(watchers);
    hub.observatory.forget(keys);
}

/// Probes `key` now on the connection that is kept open, and waits until that is recorded. Nothing happens when it is not
/// watched.
pub(crate) async fn probe_kept(hub: &Hub, key: &InstanceKey) {
    let Some(orders) = lock(&hub.watchers).get(key).map(|watcher| watcher.orders.clone()) else { return };
    let (done, finished) = oneshot::channel();
    if orders.send(done).await.is_ok() {
        // An error means that the watch ended: then there is nothing to wait for.
        drop(finished.await);
    }
}

/// Has `key` probed soon, and does not wait for it. Nothing happens when it is not watched, or others wait already.
pub(crate) fn poke(hub: &Hub, key: &InstanceKey) {
    let Some(orders) = lock(&hub.watchers).get(key).map(|watcher| watcher.orders.clone()) else { return };
    let (done, _) = oneshot::channel();
    drop(orders.try_send(done));
}

/// Probes `key` now on a connection of its own, and records what it saw.
pub(crate) async fn probe_anew(hub: &Arc<Hub>, key: &InstanceKey) {
    probe(hub, key, hub.prober(key).as_mut()).await;
}

async fn run(hub: Arc<Hub>, key: InstanceKey, mut orders: mpsc::Receiver<oneshot::Sender<()>>) {
    let mut prober = hub.prober(&key);
    let mut settings = hub.settings();
    let mut next = Instant::now();
    loop {
        let mut asked = tokio::select! {
            biased;
            asked = orders.recv() => match asked {
                Some(asked) => Some(asked),
                None => return,
            },
            () = tokio::time::sleep_until(next) => None,
        };
        if asked.is_none() && is_still_away(&hub, &key).await {
            next = Instant::now() + AGAIN;
            continue;
        }
        let current = hub.settings();
        if !Arc::ptr_eq(&settings, &current) {
            settings = current;
            prober = hub.prober(&key);
        }
        // A poll waits its turn among all polls; who asks does not, also not who asks meanwhile.
        let fails = hub.observatory.get(&key).is_some_and(|watched| watched.failing_since.is_some());
        let turns = if fails { &hub.polling_failing } else { &hub.polling };
        let mut turn = if asked.is_none() { turns.try_acquire().ok() } else { None };
        if asked.is_none() && turn.is_none() {
            let _waits = hub.workload.wait(hub.clock);
            tokio::select! {
                biased;
                permit = turns.acquire() => turn = permit.ok(),
                order = orders.recv() => match order {
                    Some(order) => asked = Some(order),
                    None => return,
                },
            }
        }
        // Who asks while a probe runs is not served by that one: it began before the question, perhaps before the failure.
        let waiting: Vec<_> = asked.into_iter().chain(std::iter::from_fn(|| orders.try_recv().ok())).collect();
        probe(&hub, &key, prober.as_mut()).await;
        drop(turn);
        for done in waiting {
            // Who asked may have gone away since: then nobody is told.
            done.send(()).ok();
        }
        next = Instant::now() + interval(&hub, &key);
    }
}

async fn probe(hub: &Arc<Hub>, key: &InstanceKey, prober: &mut dyn Probing) {
    hub.observatory.attempt(key, hub.now());
    let probe = prober.probe(hub.clock).await;
    hub.workload.probed(&probe.observation);
    discovery::take_in(hub, key, probe).await;
}

/// True when a replaced primary does not even accept a connection, and was probed not long ago. Whoever may fence it must meet
/// it the moment it comes back: an attempt that began while packets were lost may wait for seconds, and short ones do not.
async fn is_still_away(hub: &Arc<Hub>, key: &InstanceKey) -> bool {
    const ATTEMPT: Duration = Duration::from_millis(300);
    const FULL_PROBE_EVERY: Duration = Duration::from_secs(5);
    if hub.office.mandate().is_err() || fencing::awaited(hub, key).is_none() {
        return false;
    }
    let Some(watched) = hub.observatory.get(key) else { return false };
    let is_recent = watched.attempted.is_some_and(|attempted| hub.now().since(attempted) < FULL_PROBE_EVERY);
    if !is_recent || !accepts_nothing(&watched) {
        return false;
    }
    if hub.reach.knock(key.clone(), ATTEMPT).await.is_err() {
        return true;
    }
    fencing::meet(hub, key).await;
    false
}

/// True when no connection to it comes about. One that accepts connections and says nothing is left to probes: each connection
/// that ends before its greeting counts against this host (max_connect_errors).
fn accepts_nothing(watched: &topology::Watched) -> bool {
    let kind = watched.failure.as_ref().map(|failure| failure.kind);
    matches!(kind, Some(Unreachable::NoAnswer | Unreachable::Refused))
}

/// Returns how long to wait until the next poll of `key`.
fn interval(hub: &Hub, key: &InstanceKey) -> Duration {
    let config = hub.config();
    let poll = config.discovery.poll.max(Duration::from_millis(100));
    let Some(watched) = hub.observatory.get(key) else { return poll };
    // A replaced primary must be met the moment it comes back.
    const OF_DEMOTED: Duration = Duration::from_millis(500);
    if fencing::awaited(hub, key).is_some() {
        let knocks = accepts_nothing(&watched) && hub.office.mandate().is_ok();
        return poll.min(if knocks { AGAIN } else { OF_DEMOTED });
    }
    if watched.failing_since.is_none() {
        return poll;
    }
    let exponent = i32::try_from(watched.failures.saturating_sub(1)).unwrap_or(i32::MAX).min(64);
    let longest = config.discovery.unreachable_poll_max.max(poll);
    let stretched = poll.as_secs_f64() * config.discovery.unreachable_backoff.powi(exponent);
    Duration::try_from_secs_f64(stretched).unwrap_or(longest).min(longest)
}
