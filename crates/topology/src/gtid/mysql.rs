//! GTID sets of MySQL, with the tags that 8.3 brought.
//!
//! ```text
//! 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:8:backup:1-3:7,4350f323-7565-4e59-8763-4b1b83a0ce0e:1-12
//! └─────────────── UUID ─────────────┘ └─┬─┘ └─┬──┘ └─┬─┘ └───────────── next UUID … ─────────────┘
//!                         untagged numbers    tag    its numbers
//! ```
//!
//! UUID and tag together are an [`Origin`]: each counts its transactions from 1, on its own. A number that follows a tag
//! belongs to that tag, up to the next tag or UUID.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::interval::{Interval, Intervals};
use super::scan::Scanner;
use super::{After, GtidError};

/// Highest number that a server gives or accepts: one below the largest signed 64-bit integer.
pub const MAX_NUMBER: u64 = i64::MAX as u64 - 1;

/// Longest tag, in characters.
const TAG_MAX_CHARS: usize = 32;

/// A server's UUID. Orders and prints as its text in lower case does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// Reads 8-4-4-4-12 hexadecimal digits in either case: as servers print it, or in braces, or without dashes.
    fn read(text: &str) -> Option<Self> {
        let is_dash = |index: usize| matches!(index, 8 | 13 | 18 | 23);
        let fits = |(at, byte): (usize, u8)| if is_dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
        let well_formed = match text.len() {
            32 => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            36 => text.bytes().enumerate().all(fits),
            38 => return Self::read(text.strip_prefix('{')?.strip_suffix('}').filter(|bare| bare.len() == 36)?),
            _ => false,
        };
        well_formed.then(|| text.chars().filter_map(|digit| digit.to_digit(16)).fold(0, push_digit)).map(Self)
    }
}

/// Returns `bits` with one hexadecimal digit more at its end.
fn push_digit(bits: u128, digit: u32) -> u128 {
    (bits << 4) | u128::from(digit)
}

impl FromStr for Uuid {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        Self::read(text).ok_or_else(|| Scanner::new(text).error("a UUID"))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        let (low, version, variant) = ((bits >> 96) as u32, (bits >> 64) as u16, (bits >> 48) as u16);
        let (mid, node) = ((bits >> 80) as u16, bits & 0xffff_ffff_ffff);
        write!(out, "{low:08x}-{mid:04x}-{version:04x}-{variant:04x}-{node:012x}")
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// A tag: up to 32 of `a`–`z`, `0`–`9` and `_`, the first no digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// Reads a tag; upper case becomes lower case, as on the server. Returns nothing when it breaks the rule.
    pub fn new(text: &str) -> Option<Self> {
        let first_fits = text.bytes().next().is_some_and(starts_tag);
        let fits = first_fits && text.len() <= TAG_MAX_CHARS && text.bytes().all(continues_tag);
        fits.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns the tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn in_uuid(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'{' | b'}')
}

fn starts_tag(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn continues_tag(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Who counts the transactions: a server, or one tag of a server. The untagged one orders before the tagged ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The server that committed first.
    pub uuid: Uuid,
    /// The tag; none for plain transactions.
    pub tag: Option<Tag>,
}

impl fmt::Display for Origin {
    /// Prints `uuid` or `uuid:tag`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(out, "{}:{}", self.uuid, tag.as_str()),
            None => write!(out, "{}", self.uuid),
        }
    }
}

/// A set of MySQL transactions. Equal sets are `==`, whatever text they were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Set {
    /// No value is empty.
    origins: BTreeMap<Origin, Intervals>,
}

impl Set {
    /// Reads what the server prints, and what it accepts: white space between the parts, upper case, intervals in any
    /// order, repeated UUIDs, superfluous commas, a UUID without numbers (nothing), an interval that ends before it
    /// begins (nothing).
    ///
    /// # Errors
    /// Names the first place that the server (9.7) would not accept either. Numbers are decimal: older servers also
    /// let hexadecimal ones pass and took a leading 0 for octal, but none of them prints such a number.
    pub fn parse(text: &str) -> Result<Self, GtidError> {
        let mut scanner = Scanner::new(text);
        let mut found: BTreeMap<Origin, Vec<Interval>> = BTreeMap::new();
        scanner.skip_space();
        loop {
            while scanner.eat(b',') {}
            if scanner.is_at_end() {
                break;
            }
            read_server(&mut scanner, &mut found)?;
            if !scanner.is_at_end() {
                scanner.expect(b',', "`:` or `,`")?;
            }
        }
        Ok(found.into_iter().map(|(origin, intervals)| (origin, Intervals::normalised(intervals))).collect())
    }

    /// True when there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Returns how many transactions there are, or `u64::MAX` if there are more.
    pub fn count(&self) -> u64 {
        self.origins.values().fold(0, |sum: u64, intervals| sum.saturating_add(intervals.count()))
    }

    /// Returns UUID, tag and numbers of each origin: by UUID, then the untagged before the tagged ones, these by name.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, Option<&Tag>, &Intervals)> {
        self.origins.iter().map(|(origin, intervals)| (origin.uuid, origin.tag.as_ref(), intervals))
    }

    /// Returns what is in this or in `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut origins = self.origins.clone();
        for (origin, theirs) in &other.origins {
            let mine = origins.entry(origin.clone()).or_default();
            *mine = mine.union(theirs);
        }
        Self { origins }
    }

    /// Returns what is in both this and `other`.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let common =
            |(origin, mine): (&Origin, &Intervals)| Some((origin.clone(), mine.intersect(other.origins.get(origin)?)));
        self.origins.iter().filter_map(common).collect()
    }

    /// Returns what is in this and not in `other`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let rest = |(origin, mine): (&Origin, &Intervals)| {
            let rest = other.origins.get(origin).map_or_else(|| mine.clone(), |theirs| mine.subtract(theirs));
            (origin.clone(), rest)
        };
        self.origins.iter().map(rest).collect()
    }

    /// True when every transaction of `other` is in this.
    pub fn contains(&self, other: &Self) -> bool {
        other.origins.iter().all(|(origin, theirs)| self.origins.get(origin).is_some_and(|mine| mine.contains(theirs)))
    }

    /// Returns the transactions of one server, with and without tags. Nothing when `uuid` is no UUID.
    #[must_use]
    pub fn of_uuid(&self, uuid: &str) -> Self {
        let wanted = Uuid::read(uuid);
        self.filtered(|origin| Some(origin.uuid) == wanted)
    }

    /// Returns the transactions of all servers but one. All of them when `uuid` is no UUID.
    #[must_use]
    pub fn without_uuid(&self, uuid: &str) -> Self {
        let unwanted = Uuid::read(uuid);
        self.filtered(|origin| Some(origin.uuid) != unwanted)
    }

    /// Returns the highest number of an untagged transaction of this server.
    pub fn last(&self, uuid: &str) -> Option<u64> {
        self.origins.get(&Origin { uuid: Uuid::read(uuid)?, tag: None })?.last()
    }

    /// Returns the highest number of a transaction of this server with this tag. Tags count on their own, so it says
    /// nothing about [`Self::last`].
    pub fn last_tagged(&self, uuid: &str, tag: &str) -> Option<u64> {
        self.origins.get(&Origin { uuid: Uuid::read(uuid)?, tag: Some(Tag::new(tag)?) })?.last()
    }

    /// Returns, for each origin, the open range behind its highest number.
    pub fn after(&self) -> Vec<After> {
        let behind = |(origin, intervals): (&Origin, &Intervals)| {
            Some(After { origin: origin.to_string(), seq: intervals.last()? })
        };
        self.origins.iter().filter_map(behind).collect()
    }

    /// Returns the transactions below the highest number of each origin that are *not* in this: what a parallel applier
    /// has skipped so far, or what was filtered out.
    #[must_use]
    pub fn holes(&self) -> Self {
        self.origins.iter().map(|(origin, intervals)| (origin.clone(), intervals.holes())).collect()
    }

    fn filtered(&self, keep: impl Fn(&Origin) -> bool) -> Self {
        let kept = self.origins.iter().filter(|(origin, _)| keep(origin));
        kept.map(|(origin, intervals)| (origin.clone(), intervals.clone())).collect()
    }
}

/// Reads one UUID and all tags and intervals up to a comma or the end.
fn read_server(scanner: &mut Scanner<'_>, found: &mut BTreeMap<Origin, Vec<Interval>>) -> Result<(), GtidError> {
    let start = scanner.at();
    let uuid = Uuid::read(scanner.take_while(in_uuid)).ok_or_else(|| scanner.error_at(start, "a UUID"))?;
    scanner.skip_space();
    let mut origin = Origin { uuid, tag: None };
    let mut intervals = Vec::new();
    while scanner.eat(b':') {
        let Some(tag) = read_tag(scanner)? else {
            intervals.extend(read_interval(scanner)?);
            continue;
        };
        let next = Origin { uuid, tag: Some(tag) };
        found.entry(std::mem::replace(&mut origin, next)).or_default().append(&mut intervals);
    }
    found.entry(origin).or_default().append(&mut intervals);
    Ok(())
}

/// Reads a tag and the space behind it; nothing when no tag begins here.
fn read_tag(scanner: &mut Scanner<'_>) -> Result<Option<Tag>, GtidError> {
    if !scanner.peek().is_some_and(starts_tag) {
        return Ok(None);
    }
    let start = scanner.at();
    let tag = Tag::new(scanner.take_while(continues_tag));
    scanner.skip_space();
    tag.map(Some).ok_or_else(|| scanner.error_at(start, "a tag of at most 32 characters"))
}

/// Reads `n` or `n-m`; nothing when m is below n, which the server takes for an empty interval.
fn read_interval(scanner: &mut Scanner<'_>) -> Result<Option<Interval>, GtidError> {
    const EXPECTED: &str = "a tag, or a number from 1 to 9223372036854775806";
    let start = scanner.at();
    let first = scanner.number(MAX_NUMBER, EXPECTED)?;
    if first == 0 {
        return Err(scanner.error_at(start, EXPECTED));
    }
    let last = if scanner.eat(b'-') { scanner.number(MAX_NUMBER, "the end of the interval")? } else { first };
    Ok((first <= last).then_some(Interval { first, last }))
}

/// Collects origins, leaving out those without a transaction. An origin may come once only.
impl FromIterator<(Origin, Intervals)> for Set {
    fn from_iter<I: IntoIterator<Item = (Origin, Intervals)>>(origins: I) -> Self {
        Self { origins: origins.into_iter().filter(|(_, intervals)| !intervals.is_empty()).collect() }
    }
}

impl FromStr for Set {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        Self::parse(text)
    }
}

impl fmt::Display for Set {
    /// Prints the server's own form: each UUID once, its untagged numbers first. Without its line breaks.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous = None;
        for (uuid, tag, intervals) in self.iter() {
            if previous != Some(uuid) {
                let separator = if previous.is_some() { "," } else { "" };
                write!(out, "{separator}{uuid}")?;
                previous = Some(uuid);
            }
            if let Some(tag) = tag {
                write!(out, ":{}", tag.as_str())?;
            }
            write!(out, ":{intervals}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const TWO: &str = "4350f323-7565-4e59-8763-4b1b83a0ce0e";

    fn set(text: &str) -> Set {
        Set::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn printed(text: &str) -> String {
        set(text).to_string()
    }

    #[test]
    fn the_manuals_examples_print_as_the_server_prints_them() {
        assert_eq!(printed("3E11FA47-71CA-11E1-9E33-C80AA9429562:23"), format!("{ONE}:23"));
        assert_eq!(printed("3E11FA47-71CA-11E1-9E33-C80AA9429562:1-3:11:47-49"), format!("{ONE}:1-3:11:47-49"));
        let two_servers = "2174B383-5441-11E8-B90A-C80AA9429562:1-3, 24DA167-0C0C-11E8-8442-00059A3C7B00:1-19";
        // The manual's second UUID is one digit short: the server refuses it, and so do we.
        assert_eq!(Set::parse(two_servers).map_err(|error| error.at), Err(42));
    }

    #[test]
    fn tags_follow_the_untagged_numbers_of_their_server() {
        let apart = "3E11FA47-71CA-11E1-9E33-C80AA9429562:Domain_1:1-3:15-21, \
                     3E11FA47-71CA-11E1-9E33-C80AA9429562:Domain_2:8-52";
        assert_eq!(printed(apart), format!("{ONE}:domain_1:1-3:15-21:domain_2:8-52"));
        assert_eq!(printed(&format!("{ONE}:b:2:a:1,{ONE}:7")), format!("{ONE}:7:a:1:b:2"));
        assert_eq!(printed(&format!("{ONE}:1:tag:1:tag:2")), format!("{ONE}:1:tag:1-2"));
    }

    #[test]
    fn the_servers_line_breaks_and_idle_punctuation_are_read_over() {
        assert_eq!(
            printed(&format!("\n {ONE}:1-5 : 7,\r\n{TWO} : tag : 1 - 3 \n")),
            format!("{ONE}:1-5:7,{TWO}:tag:1-3")
        );
        assert_eq!(printed(&format!(",,{TWO}:1,,{ONE}:2,")), format!("{ONE}:2,{TWO}:1"));
        assert_eq!(printed(" \n"), "");
        assert_eq!(printed(&format!("{ONE},{TWO}:tag,{ONE}:5-3:9-0")), "");
        assert_eq!(printed(&format!("{ONE}:4:1-2:3:2")), format!("{ONE}:1-4"));
    }

    #[test]
    fn what_the_server_refuses_is_refused_with_its_place() {
        let refused = [
            ("3e11fa47", 0),
            ("3e11fa47-71ca-11e1-9e33-c80aa942956g:1", 0),
            ("3e11fa4771ca-11e1-9e33-c80aa9429562:1", 0),
            ("{3e11fa4771ca11e19e33c80aa9429562}:1", 0),
            (&format!("{ONE}:"), 37),
            (&format!("{ONE}:0"), 37),
            (&format!("{ONE}:-1"), 37),
            (&format!("{ONE}:1-"), 39),
            (&format!("{ONE}:1-2-3"), 40),
            (&format!("{ONE}:9223372036854775807"), 37),
            (&format!("{ONE}:99999999999999999999999"), 37),
            (&format!("{ONE}:1tag:1"), 38),
            (&format!("{ONE}:tag!:1"), 40),
            (&format!("{ONE}:1é"), 38),
            (&format!("{ONE}:1;{TWO}:1"), 38),
            (&format!("{ONE}:a{}:1", "b".repeat(32)), 37),
        ];
        for (text, at) in refused {
            assert_eq!(Set::parse(text).map_err(|error| error.at), Err(at), "{text}");
        }
        assert_eq!(printed(&format!("{ONE}:9223372036854775806")), format!("{ONE}:9223372036854775806"));
        assert_eq!(printed(&format!("{ONE}:_{}:1", "b9".repeat(15))), format!("{ONE}:_{}:1", "b9".repeat(15)));
    }

    #[test]
    fn an_error_says_what_would_be_right() {
        let error = Set::parse(&format!("{ONE}:1-x")).expect_err("x is no number");
        assert_eq!(error.to_string(), r#"GTID set: expected the end of the interval at byte 39, found "x""#);
    }

    #[test]
    fn each_tag_counts_on_its_own() {
        let both = set(&format!("{ONE}:1-5:8:tag:1-3,{TWO}:1-2"));
        assert_eq!((both.last(ONE), both.last_tagged(ONE, "TAG"), both.last(TWO)), (Some(8), Some(3), Some(2)));
        assert_eq!((both.last_tagged(TWO, "tag"), both.last("nonsense")), (None, None));
        assert_eq!(both.count(), 11);
        assert!(!both.contains(&set(&format!("{ONE}:tag:4"))));
        assert_eq!(both.of_uuid(&ONE.to_uppercase()).to_string(), format!("{ONE}:1-5:8:tag:1-3"));
        assert_eq!(both.without_uuid(ONE).to_string(), format!("{TWO}:1-2"));
        assert_eq!((both.of_uuid("nonsense"), both.without_uuid("nonsense")), (Set::default(), both.clone()));
        assert_eq!(both.holes().to_string(), format!("{ONE}:6-7"));
    }

    #[test]
    fn functions_of_the_server_have_their_counterparts() {
        // GTID_SUBSET(a, b) is b.contains(a); GTID_SUBTRACT(a, b) is a.subtract(b).
        let whole = set(&format!("{ONE}:21-57"));
        assert!(whole.contains(&set(&format!("{ONE}:23"))));
        assert!(whole.contains(&set(&format!("{ONE}:23-25"))));
        assert!(!whole.contains(&set(&format!("{ONE}:20-25"))));
        assert_eq!(whole.subtract(&set(&format!("{ONE}:21"))).to_string(), format!("{ONE}:22-57"));
        assert_eq!(whole.subtract(&set(&format!("{ONE}:20-25"))).to_string(), format!("{ONE}:26-57"));
        assert_eq!(whole.subtract(&set(&format!("{ONE}:23-24"))).to_string(), format!("{ONE}:21-22:25-57"));
        assert_eq!(whole.intersect(&set(&format!("{ONE}:50-99,{TWO}:1"))).to_string(), format!("{ONE}:50-57"));
    }
}
