//! Looks all the time whether two servers are open to writes at one time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mysql::{Access, Session};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use topology::InstanceKey;

use crate::dialect;
use crate::fleet::Fleet;
use crate::product::Accounts;
use crate::server::access;

/// How often each server is asked.
const PERIOD: Duration = Duration::from_millis(20);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_millis(500);

/// A time in which a server was surely open to writes: from its first answer that said so to the moment before the last
/// question that was answered so. The true time is a little longer, never shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSpan {
    /// Which server.
    pub server: InstanceKey,
    /// When it was first known to be open.
    pub from: Instant,
    /// When it was last known to be open.
    pub until: Instant,
}

/// A time in which two servers were surely open to writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoWritable {
    /// The one.
    pub first: InstanceKey,
    /// The other.
    pub second: InstanceKey,
    /// Since when.
    pub from: Instant,
    /// For how long, at least.
    pub lasted: Duration,
}

/// Asks every server every 20 ms, as an application would: over the network, so that a server that is cut off or frozen
/// is not open to anybody.
#[derive(Debug)]
pub struct Watcher {
    seen: Arc<Mutex<Vec<OpenSpan>>>,
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
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

async fn watch(key: InstanceKey, query: &'static str, seen: &Mutex<Vec<OpenSpan>>) {
    let access = access(Accounts::APPLICATION, LIMIT);
    let mut session = None;
    // The place in `seen` of the time that is not over.
    let mut open: Option<usize> = None;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        if !is_open(&mut session, &key, &access, query).await {
            open = None;
            continue;
        }
        let answered = Instant::now();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match open {
            Some(index) => seen[index].until = asked,
            None => {
                open = Some(seen.len());
                seen.push(OpenSpan { server: key.clone(), from: answered, until: answered });
            }
        }
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

/// Returns what the times of different servers have in common.
fn overlaps(times: &[OpenSpan]) -> Vec<TwoWritable> {
    let mut found = Vec::new();
    for (index, first) in times.iter().enumerate() {
        for second in times[index + 1..].iter().filter(|second| second.server != first.server) {
            let (from, until) = (first.from.max(second.from), first.until.min(second.until));
            if from < until {
                let (first, second) = (first.server.clone(), second.server.clone());
                found.push(TwoWritable { first, second, from, lasted: until - from });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(spans: &[(&str, u64, u64)]) -> Vec<OpenSpan> {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let watched = |(name, from, until): &(&str, u64, u64)| OpenSpan {
            server: InstanceKey::new(*name, 1),
            from: at(*from),
            until: at(*until),
        };
        spans.iter().map(watched).collect()
    }

    #[test]
    fn one_after_the_other_is_fine() {
        assert!(overlaps(&times(&[("a", 0, 100), ("b", 100, 200), ("a", 300, 400)])).is_empty());
    }

    #[test]
    fn both_at_one_time_is_found_with_its_length() {
        let found = overlaps(&times(&[("a", 0, 100), ("b", 80, 200)]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lasted, Duration::from_millis(20));
    }
}
