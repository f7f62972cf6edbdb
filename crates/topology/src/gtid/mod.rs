//! Sets of global transaction identifiers, and what can be computed with them.
//!
//! A [`GtidSet`] is a value: read from a server's text, combined, compared, printed. MySQL's sets ([`mysql::Set`]) name
//! every transaction; MariaDB's positions ([`mariadb::Position`]) name the furthest one of each domain and mean all
//! before it. Both obey the same laws here, and all operations cost a walk over intervals, not over transactions.
//!
//! **Flavours do not mix.** A MySQL and a MariaDB set have nothing in common, and no operation fails on such a pair:
//! neither contains the other, their intersection is empty, a difference is the whole left side, and a union, which
//! cannot be written down, keeps the left side: it never claims a transaction that nobody has seen on that side.

mod interval;
pub mod mariadb;
pub mod mysql;
mod scan;
mod state;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use interval::{Interval, Intervals};
pub use state::{BinlogState, Written};

/// A text is not a set of GTIDs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GTID set: expected {expected} at byte {at}, found {found:?}")]
pub struct GtidError {
    /// Where, in bytes from the start of the text.
    pub at: usize,
    /// What could have stood there.
    pub expected: &'static str,
    /// What stands there, shortened; empty at the end of the text.
    pub found: String,
}

/// A set of transactions, of either flavour. Its text says which one it is, so that it is stored and sent as that text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum GtidSet {
    /// No transaction. Every operation here returns this rather than an empty set of a flavour.
    #[default]
    Empty,
    /// Of MySQL: `uuid:1-5:8:tag:1-3`.
    MySql(mysql::Set),
    /// Of MariaDB, all up to a position: `0-1-5,1-2-7`.
    MariaDb(mariadb::Position),
    /// Of MariaDB, between positions: `0:6-9`. Sets that contain each other may still differ in being this or a
    /// position; ask [`GtidSet::contains`] both ways.
    MariaDbRange(mariadb::Ranges),
}

impl GtidSet {
    /// Reads a set of either flavour, or what this type prints. Empty text, white space or commas are the empty set.
    ///
    /// # Errors
    /// Names the first place that does not fit the flavour that the text begins with.
    pub fn parse(text: &str) -> Result<Self, GtidError> {
        match Notation::of(text) {
            Notation::Uuids => Self::parse_mysql(text),
            Notation::Positions => Self::parse_mariadb(text),
            Notation::Ranges => mariadb::Ranges::parse(text).map(Self::from),
        }
    }

    /// Reads a MySQL set, such as `@@gtid_executed`.
    ///
    /// # Errors
    /// See [`mysql::Set::parse`].
    pub fn parse_mysql(text: &str) -> Result<Self, GtidError> {
        mysql::Set::parse(text).map(Self::from)
    }

    /// Reads a MariaDB list, such as `@@gtid_binlog_pos` or `@@gtid_binlog_state`.
    ///
    /// # Errors
    /// See [`mariadb::Position::parse`].
    pub fn parse_mariadb(text: &str) -> Result<Self, GtidError> {
        mariadb::Position::parse(text).map(Self::from)
    }

    /// Returns the position that a MariaDB set is; none of any other.
    pub fn position(&self) -> Option<&mariadb::Position> {
        match self {
            Self::MariaDb(position) => Some(position),
            _ => None,
        }
    }

    /// True when there is no transaction.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::MySql(set) => set.is_empty(),
            Self::MariaDb(position) => position.is_empty(),
            Self::MariaDbRange(ranges) => ranges.is_empty(),
        }
    }

    /// Returns how many transactions there are, or `u64::MAX` if there are more. On MariaDB it counts sequence numbers,
    /// some of which a server may have skipped; for a difference that is the distance between the positions.
    pub fn count(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::MySql(set) => set.count(),
            Self::MariaDb(position) => position.count(),
            Self::MariaDbRange(ranges) => ranges.count(),
        }
    }

    /// Returns what is in this or in `other`. Of different flavours: this.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match Pair::of(self, other) {
            Pair::MySql(mine, theirs) => mine.union(theirs).into(),
            Pair::MariaDb(mine, theirs) => mine.union(theirs).into(),
            // A position that has it all stays a position, and keeps its server ids.
            Pair::Ranges(..) if matches!(self, Self::MariaDb(_)) && self.contains(other) => self.clone(),
            Pair::Ranges(..) if matches!(other, Self::MariaDb(_)) && other.contains(self) => other.clone(),
            Pair::Ranges(mine, theirs) => mine.union(&theirs).into(),
            Pair::Unrelated if self.is_empty() => other.clone(),
            Pair::Unrelated => self.clone(),
        }
    }

    /// Returns what is in both this and `other`. Of different flavours: nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        match Pair::of(self, other) {
            Pair::MySql(mine, theirs) => mine.intersect(theirs).into(),
            Pair::MariaDb(mine, theirs) => mine.intersect(theirs).into(),
            Pair::Ranges(mine, theirs) => mine.intersect(&theirs).into(),
            Pair::Unrelated => Self::Empty,
        }
    }

    /// Returns what is in this and not in `other`: empty exactly when `other` contains this. Between MariaDB positions
    /// it is a range. Of different flavours: this.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        match Pair::of(self, other) {
            Pair::MySql(mine, theirs) => mine.subtract(theirs).into(),
            Pair::MariaDb(mine, theirs) => mine.subtract(theirs).into(),
            Pair::Ranges(mine, theirs) => mine.subtract(&theirs).into(),
            Pair::Unrelated if self.is_empty() => Self::Empty,
            Pair::Unrelated => self.clone(),
        }
    }

    /// True when every transaction of `other` is in this. Of different flavours: only if `other` is empty.
    pub fn contains(&self, other: &Self) -> bool {
        match Pair::of(self, other) {
            Pair::MySql(mine, theirs) => mine.contains(theirs),
            Pair::MariaDb(mine, theirs) => mine.contains(theirs),
            Pair::Ranges(mine, theirs) => mine.contains(&theirs),
            Pair::Unrelated => other.is_empty(),
        }
    }

    /// Returns all but the transactions of one MySQL server, with and without tags. MariaDB sets stay as they are.
    #[must_use]
    pub fn without_uuid(&self, uuid: &str) -> Self {
        match self {
            Self::MySql(set) => set.without_uuid(uuid).into(),
            other => other.clone(),
        }
    }

    /// Returns what a replica has and its source should have but lacks: written on the replica, or lost by the source.
    ///
    /// Both were read at slightly different moments, and the replica may have been read last. So nothing counts that was
    /// committed first by one of `upstream`: the source, and the servers above it. They are given by UUID; for MariaDB
    /// by `server_id` in decimal, and there a domain is left out if one of them wrote the last that the replica has.
    /// `Some(source)` and `None` do as well as a list.
    ///
    /// On MariaDB, a sequence number that both have last and different servers wrote is errant too.
    #[must_use]
    pub fn errant<'a>(replica: &Self, source: &Self, upstream: impl IntoIterator<Item = &'a str>) -> Self {
        let excess = replica.subtract(source);
        let Self::MariaDb(position) = replica else {
            return upstream.into_iter().fold(excess, |rest, uuid| rest.without_uuid(uuid));
        };
        let servers: Vec<u32> = upstream.into_iter().filter_map(|id| id.trim().parse().ok()).collect();
        let is_upstream = |domain| position.tip(domain).is_some_and(|tip| servers.contains(&tip.server));
        let excess = match excess {
            Self::MariaDbRange(ranges) => Self::from(ranges.without(is_upstream)),
            other => other,
        };
        excess.union(&conflicts(position, source))
    }

    /// Returns, for each UUID (with each tag) or domain, the open range behind the last transaction of this set: if this
    /// is the last that is known of a server, then these are the ranges in which it may have committed more. What is
    /// missing before that is in [`Self::holes`]. An origin of which nothing is known is not listed; for it, the range is
    /// `After { origin, seq: 0 }`.
    pub fn after(&self) -> Vec<After> {
        match self {
            Self::Empty => Vec::new(),
            Self::MySql(set) => set.after(),
            Self::MariaDb(position) => position.after(),
            Self::MariaDbRange(ranges) => ranges.after(),
        }
    }

    /// Returns the transactions before the last one of each UUID (with each tag) or domain that this set lacks. A
    /// parallel applier leaves such holes for a moment, a filtered or injected transaction for ever. A MariaDB position
    /// has none.
    #[must_use]
    pub fn holes(&self) -> Self {
        match self {
            Self::Empty | Self::MariaDb(_) => Self::Empty,
            Self::MySql(set) => set.holes().into(),
            Self::MariaDbRange(ranges) => ranges.holes().into(),
        }
    }
}

/// Returns the transactions of `position` that another server than in `source` wrote under the same number.
fn conflicts(position: &mariadb::Position, source: &GtidSet) -> GtidSet {
    let GtidSet::MariaDb(source) = source else { return GtidSet::Empty };
    let parted = position.conflicts(source);
    let ranges = parted.iter().map(|gtid| (gtid.domain, Intervals::span(gtid.seq, gtid.seq)));
    ranges.collect::<mariadb::Ranges>().into()
}

/// Two sets in a form in which they can be compared.
enum Pair<'a> {
    MySql(&'a mysql::Set, &'a mysql::Set),
    MariaDb(&'a mariadb::Position, &'a mariadb::Position),
    /// Both of MariaDB, at least one of them a range.
    Ranges(Cow<'a, mariadb::Ranges>, Cow<'a, mariadb::Ranges>),
    /// One is empty, or they are of different flavours.
    Unrelated,
}

impl<'a> Pair<'a> {
    fn of(left: &'a GtidSet, right: &'a GtidSet) -> Self {
        match (left, right) {
            (GtidSet::MySql(left), GtidSet::MySql(right)) => Self::MySql(left, right),
            (GtidSet::MariaDb(left), GtidSet::MariaDb(right)) => Self::MariaDb(left, right),
            _ => left.ranges().zip(right.ranges()).map_or(Self::Unrelated, |(left, right)| Self::Ranges(left, right)),
        }
    }
}

impl GtidSet {
    /// Returns a MariaDB set as ranges.
    fn ranges(&self) -> Option<Cow<'_, mariadb::Ranges>> {
        match self {
            Self::Empty | Self::MySql(_) => None,
            Self::MariaDb(position) => Some(Cow::Owned(position.ranges())),
            Self::MariaDbRange(ranges) => Some(Cow::Borrowed(ranges)),
        }
    }
}

/// What a text looks like, judged by its first item. A UUID has four dashes, a MariaDB GTID two, a domain none.
enum Notation {
    Uuids,
    Positions,
    Ranges,
}

impl Notation {
    fn of(text: &str) -> Self {
        let begin = text.trim_start_matches(|next: char| next == ',' || next.is_ascii_whitespace());
        let end = begin.find([',', ':']).unwrap_or(begin.len());
        let (item, separator) = begin.split_at(end);
        let is_number = |part: &str| part.trim().bytes().all(|byte| byte.is_ascii_digit());
        match item.split('-').count() {
            1 if is_number(item) && separator.starts_with(':') => Self::Ranges,
            1..=3 if item.split('-').all(is_number) => Self::Positions,
            _ => Self::Uuids,
        }
    }
}

/// Everything that one origin has committed behind a number; without end, because nobody knows how far it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct After {
    /// `uuid` or `uuid:tag`; on MariaDB the domain.
    pub origin: String,
    /// The last number that is *not* in it.
    pub seq: u64,
}

impl fmt::Display for After {
    /// Prints `uuid:8-…` for all behind number 7.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}-…", self.origin, u128::from(self.seq) + 1)
    }
}

impl From<mysql::Set> for GtidSet {
    fn from(set: mysql::Set) -> Self {
        if set.is_empty() { Self::Empty } else { Self::MySql(set) }
    }
}

impl From<mariadb::Position> for GtidSet {
    fn from(position: mariadb::Position) -> Self {
        if position.is_empty() { Self::Empty } else { Self::MariaDb(position) }
    }
}

impl From<mariadb::Ranges> for GtidSet {
    fn from(ranges: mariadb::Ranges) -> Self {
        if ranges.is_empty() { Self::Empty } else { Self::MariaDbRange(ranges) }
    }
}

impl FromStr for GtidSet {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        Self::parse(text)
    }
}

impl fmt::Display for GtidSet {
    /// Prints the text of the flavour; nothing for the empty set.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::MySql(set) => write!(out, "{set}"),
            Self::MariaDb(position) => write!(out, "{position}"),
            Self::MariaDbRange(ranges) => write!(out, "{ranges}"),
        }
    }
}

impl Serialize for GtidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GtidSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const TWO: &str = "00000000-0000-0000-0000-000000000002";

    fn set(text: &str) -> GtidSet {
        GtidSet::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_text_says_which_flavour_it_is() {
        assert!(matches!(set(&format!("{ONE}:1")), GtidSet::MySql(_)));
        assert!(matches!(set(&format!(" ,{TWO} :tag:1")), GtidSet::MySql(_)));
        assert!(matches!(set("0-1-5"), GtidSet::MariaDb(_)));
        assert!(matches!(set("\n0 - 1 - 5, 1-1-1"), GtidSet::MariaDb(_)));
        assert!(matches!(set("0:6-9"), GtidSet::MariaDbRange(_)));
        for empty in ["", " \n", ",", TWO, "0-1-0", "0:2-1"] {
            assert_eq!(set(empty), GtidSet::Empty, "{empty:?}");
        }
    }

    #[test]
    fn a_wrong_text_is_judged_by_how_it_begins() {
        let message = |text: &str| GtidSet::parse(text).expect_err(text).to_string();
        assert_eq!(message("NULL"), r#"GTID set: expected a UUID at byte 0, found "NULL""#);
        assert_eq!(message("0-1"), r#"GTID set: expected `-` and a sequence number at byte 3, found """#);
        assert_eq!(message("0-1-5:7"), r#"GTID set: expected `,` or the end at byte 5, found ":7""#);
        let mixed = message(&format!("0-1-5,{ONE}:1"));
        assert_eq!(mixed, r#"GTID set: expected `-` and a server id at byte 7, found "e11fa47-71ca-11e1-9e33-c""#);
    }

    #[test]
    fn flavours_do_not_mix_and_do_not_fail() {
        let (mysql, mariadb, range) = (set(&format!("{ONE}:1-5")), set("0-1-5"), set("0:2-3"));
        for (left, right) in [(&mysql, &mariadb), (&mariadb, &mysql), (&mysql, &range), (&range, &mysql)] {
            assert!(!left.contains(right));
            assert_eq!(left.intersect(right), GtidSet::Empty);
            assert_eq!((&left.subtract(right), &left.union(right)), (left, left));
        }
        for left in [&mysql, &mariadb, &range] {
            assert!(left.contains(&GtidSet::Empty) && !GtidSet::Empty.contains(left));
            assert_eq!((&left.union(&GtidSet::Empty), &GtidSet::Empty.union(left)), (left, left));
        }
    }

    #[test]
    fn a_position_stays_one_as_long_as_it_can() {
        let position = set("0-1-9,1-1-4");
        assert_eq!(position.union(&set("0:6-9")), position);
        assert_eq!(set("0:6-9").union(&position), position);
        assert_eq!(position.union(&set("0:6-10")).to_string(), "0:1-10,1:1-4");
        assert_eq!(position.subtract(&set("0:3-4")).to_string(), "0:1-2:5-9,1:1-4");
        assert_eq!(position.intersect(&set("0:3-40")).to_string(), "0:3-9");
        assert!(position.contains(&set("0:3-9")) && set("0:1-9,1:1-4").contains(&position));
    }

    #[test]
    fn a_replica_read_after_its_source_is_not_errant() {
        let source = set(&format!("{ONE}:1-100"));
        let replica = set(&format!("{ONE}:1-103,{TWO}:1"));
        assert_eq!(GtidSet::errant(&replica, &source, None).to_string(), format!("{TWO}:1,{ONE}:101-103"));
        assert_eq!(GtidSet::errant(&replica, &source, Some(ONE)).to_string(), format!("{TWO}:1"));
        assert_eq!(GtidSet::errant(&replica, &source, [ONE, TWO]), GtidSet::Empty);
        assert_eq!(GtidSet::errant(&source, &replica, None), GtidSet::Empty);
    }

    #[test]
    fn on_mariadb_the_writer_of_the_last_number_decides() {
        let source = set("0-1-100,1-1-7");
        assert_eq!(GtidSet::errant(&set("0-1-103,1-1-7"), &source, Some("1")), GtidSet::Empty);
        assert_eq!(GtidSet::errant(&set("0-2-103,5-2-1"), &source, Some("1")).to_string(), "0:101-103,5:1");
        assert_eq!(GtidSet::errant(&set("0-2-100,1-1-6"), &source, Some("1")).to_string(), "0:100");
    }

    #[test]
    fn what_a_dead_server_may_have_committed_has_no_end() {
        let open = |text: &str| set(text).after().iter().map(ToString::to_string).collect::<Vec<_>>();
        let known = format!("{ONE}:1-5:8:tag:1-3");
        assert_eq!(open(&known), [format!("{ONE}:9-…"), format!("{ONE}:tag:4-…")]);
        assert_eq!(set(&known).holes().to_string(), format!("{ONE}:6-7"));
        assert_eq!(open("0-1-5,3-1-9"), ["0:6-…", "3:10-…"]);
        assert_eq!(open(""), [""; 0]);
    }
}
