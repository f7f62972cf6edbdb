//! GTID lists of MariaDB.
//!
//! A MariaDB GTID is `domain-server-sequence`. Within a domain, sequence numbers grow from transaction to transaction,
//! whichever server writes (`gtid_strict_mode` enforces it): so one GTID says "everything in this domain up to here", and
//! a [`Position`] of one GTID per domain stands for a whole history. What lies between two positions has no notation on
//! the server; [`Ranges`] prints it as `domain:first-last`, without server, because several servers may have written it.
//!
//! What numbers cannot show: two servers that both wrote number 10 of a domain stand equally far and differ all the
//! same. [`Position::conflicts`] finds that while it is the last number of both, and no longer once one has gone on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::interval::{Interval, Intervals};
use super::scan::Scanner;
use super::{After, GtidError};

/// One transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// Replication domain (`gtid_domain_id`).
    pub domain: u32,
    /// Sequence number in the domain.
    pub seq: u64,
    /// `server_id` of the server that committed it first.
    pub server: u32,
}

impl fmt::Display for Gtid {
    /// Prints `domain-server-sequence`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{}", self.domain, self.server, self.seq)
    }
}

/// How far a server has come: the furthest GTID of each domain, and with it all that lie before it.
///
/// `==` compares the servers too: `0-1-5` and `0-2-5` contain each other and are not equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// By domain. No sequence number is 0.
    tips: BTreeMap<u32, Gtid>,
}

impl Position {
    /// Reads `0-1-5,1-2-7`, with white space between the parts and superfluous commas. When a domain comes more than
    /// once, as in `@@gtid_binlog_state`, its highest sequence number counts. Sequence number 0 means nothing.
    ///
    /// # Errors
    /// Names the first place that is no GTID list.
    pub fn parse(text: &str) -> Result<Self, GtidError> {
        let mut scanner = Scanner::new(text);
        let mut gtids = Vec::new();
        read_list(&mut scanner, |scanner| {
            gtids.push(read_gtid(scanner)?);
            Ok(())
        })?;
        Ok(gtids.into_iter().collect())
    }

    /// True when no domain has a transaction.
    pub fn is_empty(&self) -> bool {
        self.tips.is_empty()
    }

    /// Returns how many sequence numbers lie behind this position, or `u64::MAX` if there are more. Servers may skip
    /// numbers, so it is the most that there can be.
    pub fn count(&self) -> u64 {
        self.iter().fold(0, |sum: u64, tip| sum.saturating_add(tip.seq))
    }

    /// Returns the furthest GTID of each domain, by domain.
    pub fn iter(&self) -> impl Iterator<Item = Gtid> + '_ {
        self.tips.values().copied()
    }

    /// Returns the furthest GTID of a domain.
    pub fn tip(&self, domain: u32) -> Option<Gtid> {
        self.tips.get(&domain).copied()
    }

    fn seq(&self, domain: u32) -> u64 {
        self.tip(domain).map_or(0, |tip| tip.seq)
    }

    /// Returns the further of both in each domain; of equally far ones, that of the higher server id.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// Returns the lesser of both in each domain that both have; of equally far ones, that of the lower server id.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.iter().filter_map(|mine| Some(mine.min(other.tip(mine.domain)?))).collect()
    }

    /// Returns what lies behind `other` and up to this.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Ranges {
        let gap = |mine: Gtid| Some((mine.domain, Intervals::span(other.seq(mine.domain).checked_add(1)?, mine.seq)));
        self.iter().filter_map(gap).collect()
    }

    /// True when this is at least as far as `other` in every domain of `other`.
    pub fn contains(&self, other: &Self) -> bool {
        other.iter().all(|theirs| self.seq(theirs.domain) >= theirs.seq)
    }

    /// Returns this position's GTIDs whose sequence number is also the last one of `other`, written by another server:
    /// the histories have parted.
    pub fn conflicts(&self, other: &Self) -> Vec<Gtid> {
        let parted =
            |mine: &Gtid| other.tip(mine.domain).is_some_and(|it| it.seq == mine.seq && it.server != mine.server);
        self.iter().filter(parted).collect()
    }

    /// Returns, for each domain, the open range behind its furthest GTID.
    pub fn after(&self) -> Vec<After> {
        self.iter().map(|tip| After { origin: tip.domain.to_string(), seq: tip.seq }).collect()
    }

    /// Returns the same transactions, from 1 up, as ranges.
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        self.iter().map(|tip| (tip.domain, Intervals::span(1, tip.seq))).collect()
    }
}

/// Collects GTIDs in any order and keeps the furthest of each domain.
impl FromIterator<Gtid> for Position {
    fn from_iter<I: IntoIterator<Item = Gtid>>(gtids: I) -> Self {
        let mut tips = BTreeMap::new();
        for gtid in gtids.into_iter().filter(|gtid| gtid.seq > 0) {
            let tip = tips.entry(gtid.domain).or_insert(gtid);
            *tip = gtid.max(*tip);
        }
        Self { tips }
    }
}

impl FromStr for Position {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        Self::parse(text)
    }
}

impl fmt::Display for Position {
    /// Prints `0-1-5,1-2-7`, by domain.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, tip) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(out, "{separator}{tip}")?;
        }
        Ok(())
    }
}

/// Sequence numbers per domain: what one position has and another has not. The last one of a domain is no tip: what lies
/// before the first need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ranges {
    /// By domain. No value is empty.
    domains: BTreeMap<u32, Intervals>,
}

impl Ranges {
    /// Reads what [`Ranges`] prints: `0:6-9:12,1:3`.
    ///
    /// # Errors
    /// Names the first place that is none of that.
    pub fn parse(text: &str) -> Result<Self, GtidError> {
        let mut scanner = Scanner::new(text);
        let mut found: BTreeMap<u32, Vec<Interval>> = BTreeMap::new();
        read_list(&mut scanner, |scanner| {
            let domain = read_id(scanner, "a domain id")?;
            scanner.expect(b':', "`:`")?;
            let intervals = found.entry(domain).or_default();
            intervals.extend(read_interval(scanner)?);
            while scanner.eat(b':') {
                intervals.extend(read_interval(scanner)?);
            }
            Ok(())
        })?;
        Ok(found.into_iter().map(|(domain, intervals)| (domain, Intervals::normalised(intervals))).collect())
    }

    /// True when there is no number.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Returns how many sequence numbers there are, or `u64::MAX` if there are more. Servers may skip numbers, so it is
    /// the most transactions that there can be.
    pub fn count(&self) -> u64 {
        self.domains.values().fold(0, |sum: u64, numbers| sum.saturating_add(numbers.count()))
    }

    /// Returns the numbers of each domain, by domain.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Intervals)> {
        self.domains.iter().map(|(domain, numbers)| (*domain, numbers))
    }

    /// Returns what is in this or in `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut domains = self.domains.clone();
        for (domain, theirs) in other.iter() {
            let mine = domains.entry(domain).or_default();
            *mine = mine.union(theirs);
        }
        Self { domains }
    }

    /// Returns what is in both this and `other`.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let common = |(domain, mine): (u32, &Intervals)| Some((domain, mine.intersect(other.domains.get(&domain)?)));
        self.iter().filter_map(common).collect()
    }

    /// Returns what is in this and not in `other`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let none = Intervals::default();
        let rest =
            |(domain, mine): (u32, &Intervals)| (domain, mine.subtract(other.domains.get(&domain).unwrap_or(&none)));
        self.iter().map(rest).collect()
    }

    /// True when every number of `other` is in this.
    pub fn contains(&self, other: &Self) -> bool {
        other.iter().all(|(domain, theirs)| self.domains.get(&domain).is_some_and(|mine| mine.contains(theirs)))
    }

    /// Returns, for each domain, the open range behind its highest number.
    pub fn after(&self) -> Vec<After> {
        let behind =
            |(domain, numbers): (u32, &Intervals)| Some(After { origin: domain.to_string(), seq: numbers.last()? });
        self.iter().filter_map(behind).collect()
    }

    /// Returns the numbers below the highest of each domain that are *not* in this.
    #[must_use]
    pub fn holes(&self) -> Self {
        self.iter().map(|(domain, numbers)| (domain, numbers.holes())).collect()
    }

    /// Returns all but the domains for which `drops` is true.
    #[must_use]
    pub(super) fn without(&self, drops: impl Fn(u32) -> bool) -> Self {
        let kept = self.iter().filter(|(domain, _)| !drops(*domain));
        kept.map(|(domain, numbers)| (domain, numbers.clone())).collect()
    }
}

/// Collects domains, leaving out those without a number. A domain may come once only.
impl FromIterator<(u32, Intervals)> for Ranges {
    fn from_iter<I: IntoIterator<Item = (u32, Intervals)>>(domains: I) -> Self {
        Self { domains: domains.into_iter().filter(|(_, numbers)| !numbers.is_empty()).collect() }
    }
}

impl FromStr for Ranges {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        Self::parse(text)
    }
}

impl fmt::Display for Ranges {
    /// Prints `0:6-9:12,1:3`: domain, then numbers, by domain.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (domain, numbers)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(out, "{separator}{domain}:{numbers}")?;
        }
        Ok(())
    }
}

/// Reads items with commas between them up to the end.
pub(super) fn read_list<'a>(
    scanner: &mut Scanner<'a>,
    mut read_item: impl FnMut(&mut Scanner<'a>) -> Result<(), GtidError>,
) -> Result<(), GtidError> {
    scanner.skip_space();
    loop {
        while scanner.eat(b',') {}
        if scanner.is_at_end() {
            return Ok(());
        }
        read_item(scanner)?;
        if !scanner.is_at_end() && scanner.peek() != Some(b',') {
            return Err(scanner.error("`,` or the end"));
        }
    }
}

pub(super) fn read_gtid(scanner: &mut Scanner<'_>) -> Result<Gtid, GtidError> {
    let domain = read_id(scanner, "a domain id")?;
    scanner.expect(b'-', "`-` and a server id")?;
    let server = read_id(scanner, "a server id")?;
    scanner.expect(b'-', "`-` and a sequence number")?;
    let seq = scanner.number(u64::MAX, "a sequence number")?;
    Ok(Gtid { domain, seq, server })
}

fn read_id(scanner: &mut Scanner<'_>, expected: &'static str) -> Result<u32, GtidError> {
    let start = scanner.at();
    let number = scanner.number(u64::from(u32::MAX), expected)?;
    u32::try_from(number).map_err(|_| scanner.error_at(start, expected))
}

/// Reads `n` or `n-m`; nothing when m is below n. There is no number 0.
fn read_interval(scanner: &mut Scanner<'_>) -> Result<Option<Interval>, GtidError> {
    let start = scanner.at();
    let first = scanner.number(u64::MAX, "a sequence number")?;
    if first == 0 {
        return Err(scanner.error_at(start, "a sequence number from 1 up"));
    }
    let last = if scanner.eat(b'-') { scanner.number(u64::MAX, "the end of the range")? } else { first };
    Ok((first <= last).then_some(Interval { first, last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Position {
        Position::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_list_prints_by_domain() {
        assert_eq!(at("2-11-205,0-1-100 ,\n1-4294967295-18446744073709551615").to_string(), {
            "0-1-100,1-4294967295-18446744073709551615,2-11-205"
        });
        assert_eq!(at("").to_string(), "");
        assert_eq!(at(" , ").to_string(), "");
        assert!(at("0-1-0").is_empty());
    }

    #[test]
    fn of_a_binlog_state_the_furthest_server_of_each_domain_counts() {
        let state = at("0-1-10,0-3-4,0-2-12,1-1-7");
        assert_eq!(state, at("0-2-12,1-1-7"));
        assert_eq!(state.tip(0), Some(Gtid { domain: 0, server: 2, seq: 12 }));
        assert_eq!(state.tip(9), None);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_place() {
        let refused = [
            ("0", 1),
            ("0-1", 3),
            ("0-1-", 4),
            ("0-1-5-6", 5),
            ("0-1-5 0-2-6", 6),
            ("4294967296-1-5", 0),
            ("0-4294967296-5", 2),
            ("0-1-18446744073709551616", 4),
            ("-1-1-5", 0),
            ("0-1-5,x", 6),
            ("0-1-5,é", 6),
        ];
        for (text, place) in refused {
            assert_eq!(Position::parse(text).map_err(|error| error.at), Err(place), "{text}");
        }
        for (text, place) in [("0", 1), ("0:", 2), ("0:0", 2), ("0:1-", 4), ("0:1:", 4), ("0-1-5", 1), ("0:1 2", 4)] {
            assert_eq!(Ranges::parse(text).map_err(|error| error.at), Err(place), "{text}");
        }
    }

    #[test]
    fn a_difference_is_the_way_between_two_positions() {
        let (ahead, behind) = (at("0-1-9,1-1-4,2-1-3"), at("0-2-5,1-1-4,7-1-1"));
        let missing = ahead.subtract(&behind);
        assert_eq!(missing.to_string(), "0:6-9,2:1-3");
        assert_eq!(missing.count(), 7);
        assert_eq!(Ranges::parse("2:3:1-2, 0:6-9"), Ok(missing));
        assert_eq!(behind.subtract(&ahead).to_string(), "7:1");
        assert_eq!(ahead.union(&behind).to_string(), "0-1-9,1-1-4,2-1-3,7-1-1");
        assert_eq!(ahead.intersect(&behind).to_string(), "0-2-5,1-1-4");
    }

    #[test]
    fn the_last_possible_number_is_no_trap() {
        let end = at("0-1-18446744073709551615");
        assert!(end.subtract(&end).is_empty());
        assert_eq!(end.count(), u64::MAX);
        assert_eq!(end.after().iter().map(ToString::to_string).collect::<Vec<_>>(), ["0:18446744073709551616-…"]);
    }

    #[test]
    fn the_same_number_from_two_servers_is_a_conflict() {
        let (old, new) = (at("0-1-10,1-1-3"), at("0-2-10,1-1-4"));
        assert!(old.contains(&at("0-2-10")) && new.contains(&at("0-1-10")));
        assert_eq!(old.conflicts(&new), [Gtid { domain: 0, server: 1, seq: 10 }]);
        assert_eq!(old.conflicts(&old), []);
    }
}
