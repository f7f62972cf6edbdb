//! Looks all the time whether two servers are open to writes at one time.

use std::sync::Arc;
use std::time::Duration;

use mysql::{Access, Session};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use topology::InstanceKey;

use crate::dialect;
use crate::fleet::Fleet;
use crate::product::Accounts;
use crate::server::access;
use crate::spans::{Answer, Overlap, Span, SpanLog, overlaps};

/// How often each server is asked.
const PERIOD: Duration = Duration::from_millis(20);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_millis(500);

/// A time in which a server was surely open to writes.
pub type OpenSpan = Span<InstanceKey>;

/// A time in which two servers were surely open to writes.
pub type TwoWritable = Overlap<InstanceKey>;

/// Asks every server every 20 ms, as an application would: over the network, so that a server that is cut off or frozen
/// is not open to anybody.
#[derive(Debug)]
pub struct Watcher {
    seen: Arc<SpanLog<InstanceKey>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Watcher {
    /// Starts to watch all servers of a fleet.
    pub fn start(fleet: &Fleet) -> Self {
        let (seen, stop, mut tasks) = (Arc::default(), CancellationToken::new(), JoinSet::new());
        for server in fleet.servers() {
            let query = dialect::closed_query(server.product());
            let (key, seen, stop) = (server.key().clone(), Arc::clone(&seen), stop.clone());
            tasks.spawn(async move { stop.run_until_cancelled(watch(key, query, &seen)).await.unwrap_or(()) });
        }
        Self { seen, stop, tasks }
    }

    /// Returns the times in which servers were open to writes, until now.
    pub fn writable(&self) -> Vec<OpenSpan> {
        self.seen.all()
    }

    /// Returns the times in which two servers were open to writes, until now.
    pub fn two_writable(&self) -> Vec<TwoWritable> {
        overlaps(&self.writable())
    }

    /// Ends watching and returns the times in which two servers were open to writes.
    pub async fn stop(mut self) -> Vec<TwoWritable> {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.two_writable()
    }
}

async fn watch(key: InstanceKey, query: &'static str, seen: &SpanLog<InstanceKey>) {
    let access = access(Accounts::APPLICATION, LIMIT);
    let (mut session, mut open) = (None, None);
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answer = Answer::of(is_open(&mut session, &key, &access, query)).await;
        seen.keep(&key, &mut open, &answer);
    }
}

async fn is_open(session: &mut Option<Session>, key: &InstanceKey, access: &Access, query: &str) -> bool {
    if session.as_ref().is_none_or(Session::is_broken) {
        *session = Session::connect(key, access).await.ok();
    }
    let Some(session) = session else { return false };
    let rows = session.rows(query).await.unwrap_or_default();
    rows.first().and_then(|row| row.get(0)).is_some_and(|closed| closed == "0")
}
