//! What a MariaDB server's binary log holds, told by who wrote it.
//!
//! A position says how far a domain has come, whoever wrote it: a transaction that a replaced primary committed alone hides
//! behind the ones that its successor wrote since. `@@gtid_binlog_state` names the last transaction of *each server* in
//! each domain, and there it shows.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::GtidError;
use super::mariadb::{Gtid, Position, read_gtid, read_list};
use super::scan::Scanner;

/// `@@gtid_binlog_state`: the last transaction of each server in each domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinlogState(BTreeMap<(u32, u32), u64>);

/// Transactions of one server in one domain that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The domain.
    pub domain: u32,
    /// The server that committed them first.
    pub server: u32,
    /// The first number that there may be; servers skip numbers.
    pub first: u64,
    /// The last number, which there is.
    pub last: u64,
}

impl BinlogState {
    /// Reads `0-2-7,0-1-5`.
    ///
    /// # Errors
    /// Names the first place that is no GTID list.
    pub fn parse(text: &str) -> Result<Self, GtidError> {
        let mut scanner = Scanner::new(text);
        let mut last = BTreeMap::new();
        read_list(&mut scanner, |scanner| {
            let Gtid { domain, seq, server } = read_gtid(scanner)?;
            let known = last.entry((domain, server)).or_insert(seq);
            *known = seq.max(*known);
            Ok(())
        })?;
        last.retain(|_, seq| *seq > 0);
        Ok(Self(last))
    }

    /// True when the log holds nothing, or there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what this log holds and a server lacks that logged `other` and, before its log began, replicated up to
    /// `replicated`.
    pub fn beyond(&self, other: &Self, replicated: &Position) -> Vec<Written> {
        let before_its_log = |domain| replicated.tip(domain).map_or(0, |tip| tip.seq);
        let gap = |(&(domain, server), &last): (&(u32, u32), &u64)| {
            let known = other.0.get(&(domain, server)).copied().unwrap_or_else(|| before_its_log(domain));
            (last > known).then(|| Written { domain, server, first: known.saturating_add(1), last })
        };
        self.0.iter().filter_map(gap).collect()
    }
}

impl Written {
    /// True when this is one of them.
    pub fn holds(&self, gtid: &Gtid) -> bool {
        (gtid.domain, gtid.server) == (self.domain, self.server) && (self.first..=self.last).contains(&gtid.seq)
    }
}

impl fmt::Display for Written {
    /// Prints `0-1-5` for one, and `0-1-5..9` for several.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, server, first, last } = self;
        write!(out, "{domain}-{server}-{first}")?;
        if last > first { write!(out, "..{last}") } else { Ok(()) }
    }
}

impl fmt::Display for BinlogState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ((domain, server), seq)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(out, "{separator}{domain}-{server}-{seq}")?;
        }
        Ok(())
    }
}

impl Serialize for BinlogState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BinlogState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beyond(mine: &str, theirs: &str, replicated: &str) -> String {
        let read = |text| BinlogState::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let replicated = Position::parse(replicated).unwrap_or_else(|error| panic!("{replicated}: {error}"));
        let beyond: Vec<String> =
            read(mine).beyond(&read(theirs), &replicated).iter().map(Written::to_string).collect();
        beyond.join(",")
    }

    #[test]
    fn what_a_replaced_primary_wrote_alone_shows_behind_its_successors_writes() {
        // The successor went on at 0-2-101 and stands further than the old primary.
        assert_eq!(beyond("0-1-105", "0-1-100,0-2-180", "0-1-100"), "0-1-101..105");
        assert_eq!(beyond("0-1-101", "0-1-100,0-2-180", "0-1-100"), "0-1-101");
        assert_eq!(beyond("0-1-100", "0-1-100,0-2-180", "0-1-100"), "");
        assert_eq!(beyond("0-1-100,1-1-3", "0-1-100,0-2-180", ""), "1-1-1..3");
    }

    #[test]
    fn a_log_that_began_later_does_not_make_old_transactions_strange() {
        // Restored from a backup: what came before its log it knows by its position alone.
        assert_eq!(beyond("0-1-90,0-3-100", "0-2-180", "0-3-100"), "");
        assert_eq!(beyond("0-1-90,0-3-103", "0-2-180", "0-3-100"), "0-3-101..103");
    }

    #[test]
    fn it_is_read_and_printed() {
        let state = BinlogState::parse("0-2-7,0-1-5,0-3-0").unwrap();
        assert_eq!(state.to_string(), "0-1-5,0-2-7");
        assert!(BinlogState::parse("").unwrap().is_empty());
        assert!(BinlogState::parse("0-2").is_err());
    }
}
