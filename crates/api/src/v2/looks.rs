//! One look for all who watch the same.
//!
//! What is told costs a walk over all servers, and questions to the store. Whoever watches first in a quarter of a second
//! does that; the others are given the very same values, and see by their address what did not change.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How often it is looked what changed.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// The things of a topic as JSON, by key.
pub(crate) type Things = BTreeMap<String, Arc<str>>;
/// What is told, by topic.
pub(crate) type Topics = BTreeMap<&'static str, Arc<Things>>;

/// All that is looked at for somebody.
pub(crate) struct Looks {
    started: Instant,
    /// By cluster; the empty name is that of what is told to all.
    scopes: std::sync::Mutex<BTreeMap<String, Weak<Mutex<Look>>>>,
}

/// What is looked at together, as long as somebody watches it.
#[derive(Clone)]
pub(crate) struct Scope {
    cluster: String,
    last: Arc<Mutex<Look>>,
}

#[derive(Default)]
struct Look {
    at: Option<Instant>,
    topics: Arc<Topics>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { started: Instant::now(), scopes: std::sync::Mutex::default() }
    }
}

impl Looks {
    /// Returns what those are told who watch `cluster`.
    pub(crate) fn scope(&self, cluster: &str) -> Scope {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.retain(|_, last| last.strong_count() > 0);
        let last = scopes.get(cluster).and_then(Weak::upgrade).unwrap_or_default();
        scopes.insert(cluster.to_owned(), Arc::downgrade(&last));
        Scope { cluster: cluster.to_owned(), last }
    }

    /// Returns the next of the moments at which all look.
    pub(crate) fn next(&self) -> Instant {
        let since = self.started.elapsed().as_micros() / LOOK.as_micros() + 1;
        self.started + LOOK * u32::try_from(since).unwrap_or(u32::MAX)
    }
}

impl Scope {
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Returns what was seen a moment ago, or has `look` look. What did not change since is the same value, not an equal one.
    ///
    /// # Errors
    /// Those of `look`.
    pub(crate) async fn look<E, F: Future<Output = Result<Topics, E>>>(
        &self,
        look: impl FnOnce() -> F,
    ) -> Result<Arc<Topics>, E> {
        let mut last = self.last.lock().await;
        if last.at.is_none_or(|at| at.elapsed() >= LOOK / 2) {
            let topics = look().await?;
            *last = Look { at: Some(Instant::now()), topics: Arc::new(joined(&last.topics, topics)) };
        }
        Ok(Arc::clone(&last.topics))
    }
}

/// Returns `now`, with the values of `before` where they are equal.
fn joined(before: &Topics, now: Topics) -> Topics {
    let join = |(topic, mut things): (&'static str, Arc<Things>)| {
        let Some(old) = before.get(topic) else { return (topic, things) };
        if *old == things {
            return (topic, Arc::clone(old));
        }
        for (key, value) in Arc::make_mut(&mut things) {
            if let Some(same) = old.get(key).filter(|old| *old == value) {
                *value = Arc::clone(same);
            }
        }
        (topic, things)
    };
    now.into_iter().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(value: &str) -> Topics {
        let things =
            |value: &str| Arc::new(Things::from([("a".to_owned(), Arc::from("1")), ("b".to_owned(), value.into())]));
        Topics::from([("still", things("2")), ("moves", things(value))])
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_watch_the_same_cost_one_look_and_see_what_stayed() {
        let looks = Looks::default();
        let (one, two) = (looks.scope("main"), looks.scope("main"));
        let first = one.look(async || Ok::<_, ()>(topics("2"))).await.expect("seen");
        let shared = two.look(async || Err(())).await.expect("nobody has to look again");
        assert!(Arc::ptr_eq(&first, &shared));
        tokio::time::advance(LOOK).await;
        assert_eq!(two.look(async || Err(())).await, Err(()));
        let later = two.look(async || Ok::<_, ()>(topics("3"))).await.expect("seen");
        assert!(Arc::ptr_eq(&first["still"], &later["still"]));
        assert!(!Arc::ptr_eq(&first["moves"], &later["moves"]));
        assert!(Arc::ptr_eq(&first["moves"]["a"], &later["moves"]["a"]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_watches_is_dropped_and_all_look_at_the_same_moments() {
        let looks = Looks::default();
        drop(looks.scope("gone"));
        let kept = looks.scope("kept");
        assert_eq!(looks.scopes.lock().expect("no panic").keys().collect::<Vec<_>>(), [kept.cluster()]);
        let first = looks.next();
        tokio::time::advance(LOOK / 3).await;
        assert_eq!(looks.next(), first);
        tokio::time::advance(LOOK).await;
        assert_eq!(looks.next(), first + LOOK);
    }
}
