//! Looks all the time which managers say that they lead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::{ManagerCluster, ManagerNode};
use crate::http::Connection;
use crate::spans::{Answer, Overlap, Span, SpanLog, overlaps};

/// How often each manager is asked.
const PERIOD: Duration = Duration::from_millis(10);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_millis(500);

/// A time in which two managers, by their numbers, both said that they lead.
pub type TwoLeaders = Overlap<usize>;

/// Asks every manager every 10 ms whether it leads, as a load balancer does (`/api/leader-check`), from the vantage point
/// that no cut concerns: what a manager that is cut off believes counts too.
#[derive(Debug)]
pub struct Leadership {
    seen: Arc<SpanLog<usize>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Leadership {
    /// Starts to watch all managers, also those that do not run yet.
    pub fn start(cluster: &ManagerCluster) -> Self {
        let (seen, stop, mut tasks) = (Arc::default(), CancellationToken::new(), JoinSet::new());
        for node in cluster.nodes() {
            let (node, seen, stop) = (Arc::clone(node), Arc::clone(&seen), stop.clone());
            tasks.spawn(async move { stop.run_until_cancelled(watch(&node, &seen)).await.unwrap_or(()) });
        }
        Self { seen, stop, tasks }
    }

    /// Returns the times in which managers led, until now.
    pub fn spans(&self) -> Vec<Span<usize>> {
        self.seen.all()
    }

    /// Returns the times in which two managers led, until now.
    pub fn two_leaders(&self) -> Vec<TwoLeaders> {
        overlaps(&self.spans())
    }

    /// Returns who was first seen to lead after `since`, of those that `is_meant` says, and when.
    pub fn first_since(&self, since: Instant, is_meant: impl Fn(usize) -> bool) -> Option<(usize, Instant)> {
        let spans = self.spans().into_iter().filter(|span| is_meant(span.who) && span.until >= since);
        spans.map(|span| (span.who, span.from.max(since))).min_by_key(|(_, from)| *from)
    }

    /// Returns the managers that were seen to lead at any time since `since`, in the order of their numbers.
    pub fn leaders_since(&self, since: Instant) -> Vec<usize> {
        let mut leaders: Vec<usize> =
            self.spans().iter().filter(|span| span.until >= since).map(|span| span.who).collect();
        leaders.sort_unstable();
        leaders.dedup();
        leaders
    }

    /// Ends watching and returns the times in which two managers led.
    pub async fn stop(mut self) -> Vec<TwoLeaders> {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.two_leaders()
    }
}

async fn watch(node: &ManagerNode, seen: &SpanLog<usize>) {
    let (mut connection, mut open) = (None, None);
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answer = Answer::of(says_so(&mut connection, node)).await;
        seen.keep(&node.index(), &mut open, &answer);
    }
}

async fn says_so(connection: &mut Option<Connection>, node: &ManagerNode) -> bool {
    // Taken out while it is asked: a connection whose answer did not come is of no further use.
    let asked = async {
        let mut asked = match connection.take() {
            Some(open) => open,
            None => node.connect().await.ok()?,
        };
        let (status, _) = asked.get("/api/leader-check").await.ok()?;
        *connection = Some(asked);
        Some(status == 200)
    };
    tokio::time::timeout(LIMIT, asked).await.ok().flatten().unwrap_or(false)
}
