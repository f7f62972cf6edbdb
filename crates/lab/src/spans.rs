//! Times in which something was surely so, as somebody who asks again and again sees them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A time in which something was surely so: from the first answer that said so to the moment before the last question
/// that was answered so. The true time is a little longer, never shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span<K> {
    /// Of whom.
    pub who: K,
    /// When it was first known to be so.
    pub from: Instant,
    /// When it was last known to be so.
    pub until: Instant,
}

/// A time in which the same was surely so of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap<K> {
    /// The one.
    pub first: K,
    /// The other.
    pub second: K,
    /// Since when.
    pub from: Instant,
    /// For how long, at least.
    pub lasted: Duration,
}

/// The times of several, kept by one task for each of them.
#[derive(Debug)]
pub(crate) struct SpanLog<K>(Mutex<Vec<Span<K>>>);

impl<K> Default for SpanLog<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + PartialEq> SpanLog<K> {
    /// Returns all times until now.
    pub(crate) fn all(&self) -> Vec<Span<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps an answer of `who`. `open` is the place of its time that is not over.
    pub(crate) fn keep(&self, who: &K, open: &mut Option<usize>, answer: &Answer) {
        if !answer.yes {
            *open = None;
            return;
        }
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *open {
            Some(index) => spans[index].until = answer.asked,
            None => {
                *open = Some(spans.len());
                spans.push(Span { who: who.clone(), from: answer.answered, until: answer.answered });
            }
        }
    }
}

/// An answer to the question whether it is so.
pub(crate) struct Answer {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    pub(crate) yes: bool,
}

impl Answer {
    /// Asks, and notes when.
    pub(crate) async fn of(question: impl Future<Output = bool>) -> Self {
        let asked = Instant::now();
        let yes = question.await;
        Self { asked, answered: Instant::now(), yes }
    }
}

/// Returns what the times of different ones have in common.
pub fn overlaps<K: Clone + PartialEq>(spans: &[Span<K>]) -> Vec<Overlap<K>> {
    let mut found = Vec::new();
    for (index, first) in spans.iter().enumerate() {
        for second in spans[index + 1..].iter().filter(|second| second.who != first.who) {
            let (from, until) = (first.from.max(second.from), first.until.min(second.until));
            if from < until {
                let (first, second) = (first.who.clone(), second.who.clone());
                found.push(Overlap { first, second, from, lasted: until - from });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(all: &[(&'static str, u64, u64)]) -> Vec<Span<&'static str>> {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        all.iter().map(|(who, from, until)| Span { who: *who, from: at(*from), until: at(*until) }).collect()
    }

    #[test]
    fn one_after_the_other_is_fine() {
        assert!(overlaps(&spans(&[("a", 0, 100), ("b", 100, 200), ("a", 300, 400)])).is_empty());
    }

    #[test]
    fn both_at_one_time_is_found_with_its_length() {
        let found = overlaps(&spans(&[("a", 0, 100), ("b", 80, 200)]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lasted, Duration::from_millis(20));
    }

    #[test]
    fn a_time_ends_with_the_last_question_that_was_answered_so() {
        let (log, mut open, begun) = (SpanLog::default(), None, Instant::now());
        let at = |millis| begun + Duration::from_millis(millis);
        for (asked, answered, yes) in [(0, 5, true), (20, 30, true), (40, 41, false), (60, 65, true)] {
            log.keep(&"a", &mut open, &Answer { asked: at(asked), answered: at(answered), yes });
        }
        let known: Vec<_> = log.all().iter().map(|span| (span.from - begun, span.until - begun)).collect();
        let millis = Duration::from_millis;
        assert_eq!(known, [(millis(5), millis(20)), (millis(65), millis(65))]);
    }
}
