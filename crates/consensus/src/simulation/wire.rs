//! The made-up network.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep, timeout};

use crate::transport::{CallError, Carrier, Handler, Kind};

/// All that lies between the nodes.
pub(super) struct Wire {
    state: Mutex<State>,
    began: Instant,
}

struct State {
    dice: StdRng,
    handlers: BTreeMap<String, Arc<dyn Handler>>,
    /// Directed: from, to.
    cuts: BTreeSet<(String, String)>,
    /// The longest way in one direction, milliseconds.
    slowness: u64,
    /// Of 100 messages so many are lost, and so many come twice.
    lossy: u32,
    doubled: u32,
    trace: DefaultHasher,
    messages: u64,
}

impl Wire {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let state = State {
            dice: StdRng::seed_from_u64(seed ^ 0x5eed),
            handlers: BTreeMap::new(),
            cuts: BTreeSet::new(),
            slowness: 2,
            lossy: 0,
            doubled: 0,
            trace: DefaultHasher::new(),
            messages: 0,
        };
        Arc::new(Self { state: Mutex::new(state), began: Instant::now() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Puts a node at `address`.
    pub(super) fn plug(&self, address: &str, handler: Arc<dyn Handler>) {
        self.state().handlers.insert(address.to_owned(), handler);
    }

    /// Takes it away.
    pub(super) fn unplug(&self, address: &str) {
        self.state().handlers.remove(address);
    }

    /// Nothing gets from `from` to `to` any more.
    pub(super) fn cut(&self, from: &str, to: &str) {
        self.state().cuts.insert((from.to_owned(), to.to_owned()));
    }

    /// Nothing gets in or out between `one` and any of `others`.
    pub(super) fn part(&self, one: &[&str], others: &[&str]) {
        for (one, other) in one.iter().flat_map(|one| others.iter().map(move |other| (one, other))) {
            self.cut(one, other);
            self.cut(other, one);
        }
    }

    /// Everything gets through again.
    pub(super) fn heal(&self) {
        self.state().cuts.clear();
    }

    /// How bad the network is.
    pub(super) fn weather(&self, slowness: u64, lossy: u32, doubled: u32) {
        let mut state = self.state();
        (state.slowness, state.lossy, state.doubled) = (slowness.max(1), lossy, doubled);
    }

    /// Returns a number that tells this history from others, and the number of messages in it.
    pub(super) fn trace(&self) -> (u64, u64) {
        let state = self.state();
        (state.trace.finish(), state.messages)
    }

    fn roll(&self, below: u32) -> u32 {
        self.state().dice.random_range(0..below)
    }

    fn delay(&self) -> Duration {
        let mut state = self.state();
        let most = state.slowness;
        Duration::from_millis(state.dice.random_range(0..=most))
    }

    /// Waits the way from `from` to `to`; false when it does not get there.
    async fn travel(&self, from: &str, to: &str) -> bool {
        sleep(self.delay()).await;
        let is_lost = {
            let lossy = self.state().lossy;
            self.roll(100) < lossy
        };
        !is_lost && !self.state().cuts.contains(&(from.to_owned(), to.to_owned()))
    }

    fn note(&self, what: impl Hash) {
        let now = self.began.elapsed().as_millis();
        let mut state = self.state();
        state.messages += 1;
        (now, what).hash(&mut state.trace);
    }
}

/// The end of the wire at one node.
pub(super) struct End {
    pub(super) wire: Arc<Wire>,
    pub(super) address: String,
}

impl Carrier for End {
    fn call(
        &self,
        address: &str,
        kind: Kind,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let (wire, from, to) = (Arc::clone(&self.wire), self.address.clone(), address.to_owned());
        let exchange = async move {
            if !wire.travel(&from, &to).await {
                return std::future::pending().await;
            }
            let Some(handler) = wire.state().handlers.get(&to).cloned() else {
                return Err(CallError::Unreachable("connection refused".to_owned()));
            };
            wire.note((&from, &to, kind, body.as_ref()));
            let doubled = wire.state().doubled;
            if wire.roll(100) < doubled {
                // A second copy that comes late.
                let (wire, handler, body, to) = (Arc::clone(&wire), Arc::clone(&handler), body.clone(), to.clone());
                tokio::spawn(async move {
                    sleep(wire.delay() * 5).await;
                    if wire.state().handlers.contains_key(&to) {
                        wire.note((&to, kind, "again"));
                        drop(handler.handle(kind, body).await);
                    }
                });
            }
            // The other side goes on when the asker does not wait any more.
            let answer = tokio::spawn(handler.handle(kind, body)).await.unwrap();
            if !wire.travel(&to, &from).await {
                return std::future::pending().await;
            }
            answer.map_err(CallError::Refused)
        };
        async move { timeout(limit, exchange).await.unwrap_or(Err(CallError::TimedOut)) }.boxed()
    }
}
