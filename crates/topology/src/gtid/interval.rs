//! Runs of transaction numbers.
//!
//! Everything here costs a walk over the intervals, never over the numbers in them: a set of one interval with 2^60
//! transactions is as cheap as one with two.

use std::fmt;

/// The numbers from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// Lowest number.
    pub first: u64,
    /// Highest number, not below `first`.
    pub last: u64,
}

impl Interval {
    /// True when `later`, which does not begin before this, overlaps this or begins right behind it.
    fn reaches(self, later: Self) -> bool {
        later.first <= self.last.saturating_add(1)
    }

    /// Returns how many numbers there are, or `u64::MAX` if there are more.
    fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl fmt::Display for Interval {
    /// Prints `7`, or `3-7`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(out, "{}", self.first)
        } else {
            write!(out, "{}-{}", self.first, self.last)
        }
    }
}

/// A set of numbers as intervals: in ascending order, with at least one number missing between any two of them. So two
/// sets of the same numbers are always equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// Returns the numbers from `first` to `last`, both included; none when `last` is below `first`.
    #[must_use]
    pub fn span(first: u64, last: u64) -> Self {
        Self(if first <= last { vec![Interval { first, last }] } else { Vec::new() })
    }

    /// Returns the numbers that are in any of `intervals`, which may come in any order and overlap.
    pub(super) fn normalised(mut intervals: Vec<Interval>) -> Self {
        intervals.sort_unstable();
        intervals.into_iter().collect()
    }

    /// True when there is no number.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many numbers there are, or `u64::MAX` if there are more.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, interval| sum.saturating_add(interval.count()))
    }

    /// Returns the highest number.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|interval| interval.last)
    }

    /// Returns the intervals, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Interval> + '_ {
        self.0.iter().copied()
    }

    /// Returns the numbers that are in this or in `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        std::iter::from_fn(|| match (left.peek(), right.peek()) {
            (Some(mine), Some(theirs)) if mine > theirs => right.next(),
            (None, _) => right.next(),
            _ => left.next(),
        })
        .collect()
    }

    /// Returns the numbers that are in both this and `other`.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut common = Vec::new();
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(mine), Some(theirs)) = (left.peek(), right.peek()) {
            let (first, last) = (mine.first.max(theirs.first), mine.last.min(theirs.last));
            if first <= last {
                common.push(Interval { first, last });
            }
            // Whichever ends first cannot meet anything further on the other side.
            let _spent = if mine.last <= theirs.last { left.next() } else { right.next() };
        }
        Self(common)
    }

    /// Returns the numbers that are in this and not in `other`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let mut remaining = Vec::new();
        let mut cuts = other.iter().peekable();
        for interval in self.iter() {
            while cuts.next_if(|cut| cut.last < interval.first).is_some() {}
            let mut first = Some(interval.first);
            while let (Some(from), Some(cut)) = (first, cuts.peek().copied().filter(|cut| cut.first <= interval.last)) {
                if from < cut.first {
                    remaining.push(Interval { first: from, last: cut.first - 1 });
                }
                if cut.last >= interval.last {
                    // The cut stays: it may reach into the next interval.
                    first = None;
                } else {
                    first = Some(cut.last + 1);
                    cuts.next();
                }
            }
            remaining.extend(first.map(|first| Interval { first, last: interval.last }));
        }
        Self(remaining)
    }

    /// True when every number of `other` is in this.
    pub fn contains(&self, other: &Self) -> bool {
        let mut mine = self.iter().peekable();
        other.iter().all(|theirs| {
            while mine.next_if(|interval| interval.last < theirs.first).is_some() {}
            mine.peek().is_some_and(|interval| interval.first <= theirs.first && theirs.last <= interval.last)
        })
    }

    /// Returns the numbers from 1 up to the highest that are *not* in this.
    #[must_use]
    pub fn holes(&self) -> Self {
        Self::span(1, self.last().unwrap_or(0)).subtract(self)
    }
}

/// Collects intervals that come in ascending order of their first number, joining those that touch.
impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let mut joined: Vec<Interval> = Vec::new();
        for interval in intervals {
            match joined.last_mut() {
                Some(previous) if previous.reaches(interval) => previous.last = previous.last.max(interval.last),
                _ => joined.push(interval),
            }
        }
        Self(joined)
    }
}

impl fmt::Display for Intervals {
    /// Prints `1-3:5:8-9`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, interval) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(out, "{separator}{interval}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(intervals: &[(u64, u64)]) -> Intervals {
        Intervals::normalised(intervals.iter().map(|&(first, last)| Interval { first, last }).collect())
    }

    #[test]
    fn touching_and_overlapping_intervals_become_one() {
        assert_eq!(numbers(&[(8, 9), (1, 3), (4, 5), (2, 2)]).to_string(), "1-5:8-9");
        assert_eq!(numbers(&[(1, 9), (2, 3)]).to_string(), "1-9");
    }

    #[test]
    fn one_cut_may_reach_over_several_intervals() {
        assert_eq!(numbers(&[(1, 4), (6, 8), (10, 12)]).subtract(&numbers(&[(3, 11)])).to_string(), "1-2:12");
        assert_eq!(numbers(&[(1, 10)]).subtract(&numbers(&[(1, 1), (4, 5), (10, 20)])).to_string(), "2-3:6-9");
    }

    #[test]
    fn the_highest_number_does_not_overflow() {
        let all = Intervals::span(0, u64::MAX);
        assert_eq!(all.count(), u64::MAX);
        assert_eq!(all.union(&Intervals::span(u64::MAX, u64::MAX)), all);
        assert_eq!(all.subtract(&Intervals::span(7, u64::MAX)).to_string(), "0-6");
        assert!(all.subtract(&all).is_empty());
    }

    #[test]
    fn an_interval_that_spans_a_hole_is_not_contained() {
        let holed = numbers(&[(1, 4), (6, 9)]);
        assert!(holed.contains(&numbers(&[(2, 3), (6, 6), (9, 9)])));
        assert!(!holed.contains(&numbers(&[(4, 6)])));
        assert_eq!(holed.holes().to_string(), "5");
        assert!(Intervals::default().holes().is_empty());
    }
}
