//! Transactions, and sets of them.

use std::collections::BTreeMap;
use std::fmt;

/// A transaction, by the server that committed it first and its number. On MariaDB numbers go on from server to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trx {
    pub(crate) origin: u8,
    pub(crate) number: u64,
}

impl fmt::Display for Trx {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "s{}:{}", self.origin, self.number)
    }
}

/// A set of transactions: for each origin spans of numbers, in order, that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrxSet(BTreeMap<u8, Vec<(u64, u64)>>);

impl TrxSet {
    pub(crate) fn contains(&self, trx: Trx) -> bool {
        let within = |&(first, last): &(u64, u64)| (first..=last).contains(&trx.number);
        self.0.get(&trx.origin).is_some_and(|spans| spans.iter().any(within))
    }

    pub(crate) fn insert(&mut self, trx: Trx) {
        if self.contains(trx) {
            return;
        }
        let spans = self.0.entry(trx.origin).or_default();
        let place = spans.partition_point(|&(_, last)| last < trx.number);
        let joins_left = place > 0 && spans[place - 1].1 + 1 == trx.number;
        let joins_right = spans.get(place).is_some_and(|&(first, _)| first == trx.number + 1);
        match (joins_left, joins_right) {
            (true, true) => {
                spans[place - 1].1 = spans[place].1;
                spans.remove(place);
            }
            (true, false) => spans[place - 1].1 = trx.number,
            (false, true) => spans[place].0 = trx.number,
            (false, false) => spans.insert(place, (trx.number, trx.number)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Trx> + '_ {
        let of = |(&origin, spans): (&u8, &Vec<(u64, u64)>)| {
            spans
                .clone()
                .into_iter()
                .flat_map(move |(first, last)| first..=last)
                .map(move |number| Trx { origin, number })
        };
        self.0.iter().flat_map(of)
    }

    pub(crate) fn spans(&self) -> impl Iterator<Item = (u8, &[(u64, u64)])> {
        self.0.iter().map(|(origin, spans)| (*origin, spans.as_slice()))
    }

    /// True when `other` has nothing that this lacks.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let covered = |origin: u8, first: u64, last: u64| {
            self.0.get(&origin).is_some_and(|spans| spans.iter().any(|&(from, to)| from <= first && last <= to))
        };
        other.spans().all(|(origin, spans)| spans.iter().all(|&(first, last)| covered(origin, first, last)))
    }

    /// Returns what this has and `other` lacks.
    pub(crate) fn beyond(&self, other: &Self) -> Vec<Trx> {
        if other.covers(self) { Vec::new() } else { self.iter().filter(|trx| !other.contains(*trx)).collect() }
    }

    /// Returns the last number of an origin.
    pub(crate) fn last_of(&self, origin: u8) -> u64 {
        self.0.get(&origin).and_then(|spans| spans.last()).map_or(0, |&(_, last)| last)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
