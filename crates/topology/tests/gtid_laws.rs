//! Laws that sets of GTIDs obey, whatever is in them; checked against plain sets of numbers.

use std::collections::BTreeSet;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use topology::GtidSet;
use topology::gtid::{GtidError, Intervals, mariadb, mysql};

const UUIDS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000001",
    "3e11fa47-71ca-11e1-9e33-c80aa9429562",
    "FFFFFFFF-71CA-11E1-9E33-C80AA9429562",
];
const TAGS: [&str; 4] = ["", ":a", ":Backup_2", ":_"];

/// One interval of one origin: indices into the tables above, first and last number.
type Item = (usize, usize, u64, u64);

/// Every single transaction of a small set: the slow and obvious model.
type Model = BTreeSet<(usize, u64)>;

fn parse(text: &str) -> GtidSet {
    GtidSet::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn text_of(items: &[Item]) -> String {
    let print = |&(uuid, tag, first, last): &Item| format!("{}{}:{first}-{last}", UUIDS[uuid], TAGS[tag]);
    items.iter().map(print).collect::<Vec<_>>().join(", ")
}

fn model_of(items: &[Item]) -> Model {
    let origin = |uuid: usize, tag: usize| uuid * TAGS.len() + tag;
    items.iter().flat_map(|&(uuid, tag, first, last)| (first..=last).map(move |at| (origin(uuid, tag), at))).collect()
}

fn items_of(model: &Model) -> Vec<Item> {
    model.iter().map(|&(origin, at)| (origin / TAGS.len(), origin % TAGS.len(), at, at)).collect()
}

/// Small sets with many overlaps, so that each transaction can be listed.
fn small() -> impl Strategy<Value = Vec<Item>> + Clone {
    let item = (0..UUIDS.len(), 0..TAGS.len(), 1..30_u64, 0..7_u64);
    vec(item.prop_map(|(uuid, tag, first, more)| (uuid, tag, first, first + more)), 0..14)
}

fn small_set() -> impl Strategy<Value = GtidSet> + Clone {
    small().prop_map(|items| parse(&text_of(&items)))
}

/// Sets whose intervals may hold nearly 2^63 transactions.
fn wide_set() -> impl Strategy<Value = GtidSet> {
    let item = (0..UUIDS.len(), 0..TAGS.len(), 1..=mysql::MAX_NUMBER, 1..=mysql::MAX_NUMBER);
    vec(item, 0..12).prop_map(|items| parse(&text_of(&items)))
}

fn gtids() -> impl Strategy<Value = Vec<mariadb::Gtid>> {
    let gtid = (0..3_u32, 1..4_u32, 0..12_u64).prop_map(|(domain, server, seq)| mariadb::Gtid { domain, server, seq });
    vec(gtid, 0..6)
}

fn position() -> impl Strategy<Value = mariadb::Position> {
    gtids().prop_map(|gtids| gtids.into_iter().collect())
}

/// Positions and ranges of MariaDB.
fn mariadb_set() -> impl Strategy<Value = GtidSet> {
    let difference = (position(), position()).prop_map(|(left, right)| left.subtract(&right).into());
    let ranges = vec((0..3_u32, 1..14_u64, 0..5_u64), 0..6).prop_map(|items| {
        let print = |(domain, first, more): &(u32, u64, u64)| format!("{domain}:{first}-{}", first + more);
        parse(&items.iter().map(print).collect::<Vec<_>>().join(","))
    });
    prop_oneof![position().prop_map(GtidSet::from), difference, ranges]
}

/// Three sets of one flavour.
fn three() -> impl Strategy<Value = [GtidSet; 3]> {
    prop_oneof![
        [small_set(), small_set(), small_set()],
        [wide_set(), wide_set(), wide_set()],
        [mariadb_set(), mariadb_set(), mariadb_set()],
    ]
}

/// Sets of any flavour, so that two of them may not fit together.
fn any_set() -> impl Strategy<Value = GtidSet> {
    prop_oneof![Just(GtidSet::Empty), small_set(), wide_set(), mariadb_set()]
}

/// True when both hold the same transactions, in whatever form.
fn same(left: &GtidSet, right: &GtidSet) -> bool {
    left.contains(right) && right.contains(left)
}

/// Prints a set by way of its serialised form.
struct Stored<'a>(&'a GtidSet);

impl fmt::Display for Stored<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(out)
    }
}

fn restored(text: &str) -> Result<GtidSet, serde::de::value::Error> {
    GtidSet::deserialize(text.into_deserializer())
}

proptest! {
    #[test]
    fn mysql_sets_agree_with_sets_of_numbers(left in small(), right in small()) {
        let (mine, theirs) = (parse(&text_of(&left)), parse(&text_of(&right)));
        let (my_model, their_model) = (model_of(&left), model_of(&right));
        for (set, model) in [
            (mine.union(&theirs), &my_model | &their_model),
            (mine.intersect(&theirs), &my_model & &their_model),
            (mine.subtract(&theirs), &my_model - &their_model),
        ] {
            prop_assert_eq!(&set, &parse(&text_of(&items_of(&model))));
            prop_assert_eq!(set.count(), model.len() as u64);
        }
        prop_assert_eq!(mine.contains(&theirs), my_model.is_superset(&their_model));
        prop_assert_eq!(mine.is_empty(), my_model.is_empty());
    }

    #[test]
    fn mariadb_positions_agree_with_sets_of_numbers(left in position(), right in position()) {
        let model = |ranges: &mariadb::Ranges| -> BTreeSet<(u32, u64)> {
            let numbers_of = |(domain, numbers): (u32, &Intervals)| {
                let runs = numbers.iter().flat_map(move |run| (run.first..=run.last).map(move |seq| (domain, seq)));
                runs.collect::<Vec<_>>()
            };
            ranges.iter().flat_map(numbers_of).collect()
        };
        let (mine, theirs) = (model(&left.ranges()), model(&right.ranges()));
        prop_assert_eq!(model(&left.union(&right).ranges()), &mine | &theirs);
        prop_assert_eq!(model(&left.intersect(&right).ranges()), &mine & &theirs);
        prop_assert_eq!(model(&left.subtract(&right)), &mine - &theirs);
        prop_assert_eq!(left.subtract(&right).count(), (&mine - &theirs).len() as u64);
        prop_assert_eq!(left.contains(&right), mine.is_superset(&theirs));
        prop_assert_eq!(left.count(), mine.len() as u64);
    }

    #[test]
    fn mariadb_positions_form_a_lattice_down_to_the_server_id([one, two, three] in [position(), position(), position()]) {
        prop_assert_eq!(one.union(&two), two.union(&one));
        prop_assert_eq!(one.union(&two).union(&three), one.union(&two.union(&three)));
        prop_assert_eq!(one.intersect(&two), two.intersect(&one));
        prop_assert_eq!(one.intersect(&two).intersect(&three), one.intersect(&two.intersect(&three)));
        prop_assert_eq!(&one.union(&one.intersect(&two)), &one);
        prop_assert_eq!(&one.intersect(&one.union(&two)), &one);
    }

    #[test]
    fn union_and_intersection_do_not_mind_the_order([one, two, three] in three()) {
        prop_assert!(same(&one.union(&two), &two.union(&one)));
        prop_assert!(same(&one.union(&two).union(&three), &one.union(&two.union(&three))));
        prop_assert!(same(&one.intersect(&two), &two.intersect(&one)));
        prop_assert!(same(&one.intersect(&two).intersect(&three), &one.intersect(&two.intersect(&three))));
        prop_assert!(same(&one.intersect(&two.union(&three)), &one.intersect(&two).union(&one.intersect(&three))));
    }

    #[test]
    fn containment_is_an_order([one, two, three] in three()) {
        prop_assert!(one.union(&two).contains(&one) && one.contains(&one.intersect(&two)));
        prop_assert!(one.union(&three).contains(&one.intersect(&two)), "transitive through {}", one);
        prop_assert_eq!(one.contains(&two), same(&one.union(&two), &one));
        prop_assert_eq!(one.contains(&two), same(&one.intersect(&two), &two));
    }

    #[test]
    fn a_difference_and_an_intersection_make_up_the_whole([whole, cut, _] in three()) {
        let (rest, common) = (whole.subtract(&cut), whole.intersect(&cut));
        prop_assert!(same(&rest.union(&common), &whole));
        prop_assert!(rest.intersect(&cut).is_empty());
        // Both counts stop at the same ceiling.
        prop_assert_eq!(rest.count().saturating_add(common.count()), whole.count());
    }

    #[test]
    fn any_two_sets_have_a_safe_answer(one in any_set(), two in any_set()) {
        prop_assert!(one.contains(&one) && one.contains(&GtidSet::Empty));
        prop_assert_eq!(&one.union(&one), &one);
        prop_assert_eq!(&one.intersect(&one), &one);
        prop_assert!(one.union(&two).contains(&one));
        prop_assert_eq!(one.subtract(&two).is_empty(), two.contains(&one));
        prop_assert!(one.contains(&one.subtract(&two)) && one.contains(&one.intersect(&two)));
        for empty in [one.subtract(&one), one.intersect(&GtidSet::Empty), GtidSet::Empty.subtract(&two)] {
            prop_assert_eq!(empty, GtidSet::Empty);
        }
    }

    #[test]
    fn errant_transactions_are_the_replicas_own(replica in small_set(), source in small_set()) {
        let errant = GtidSet::errant(&replica, &source, Some(UUIDS[1]));
        prop_assert!(replica.contains(&errant) && errant.intersect(&source).is_empty());
        prop_assert_eq!(&errant.without_uuid(UUIDS[1]), &errant);
        prop_assert!(GtidSet::errant(&replica, &source, UUIDS).is_empty());
    }

    #[test]
    fn what_lies_behind_a_set_or_in_its_holes_is_not_in_it(set in any_set()) {
        prop_assert!(set.intersect(&set.holes()).is_empty());
        let filled = set.union(&set.holes());
        prop_assert!(filled.holes().is_empty());
        prop_assert_eq!(filled.after(), set.after());
        for open in set.after() {
            let number = |seq: u64| GtidSet::parse(&format!("{}:{seq}", open.origin));
            prop_assert!(set.contains(&number(open.seq).expect("the last number was read before")));
            // Behind the highest number of all there is none.
            prop_assert!(number(open.seq + 1).is_ok_and(|next| !set.contains(&next)) || open.seq == mysql::MAX_NUMBER);
        }
    }

    #[test]
    fn a_set_survives_print_and_store(set in any_set()) {
        let text = set.to_string();
        prop_assert_eq!(GtidSet::parse(&text), Ok(set.clone()));
        prop_assert_eq!(&Stored(&set).to_string(), &text);
        prop_assert_eq!(restored(&text), Ok(set));
    }

    #[test]
    fn the_order_of_the_parts_does_not_matter(items in small()) {
        let sorted: BTreeSet<Item> = items.iter().copied().collect();
        prop_assert_eq!(parse(&text_of(&items)), parse(&text_of(&sorted.into_iter().collect::<Vec<_>>())));
    }

    #[test]
    fn a_binlog_state_stands_where_its_furthest_gtids_stand(gtids in gtids()) {
        let texts: Vec<String> = gtids.iter().map(ToString::to_string).collect();
        prop_assert_eq!(mariadb::Position::parse(&texts.join(" ,\n")), Ok(gtids.into_iter().collect()));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,60}|[0-9a-fA-F:, \n_-]{0,90}|([0-9]{1,3}[-:,é ]{0,2}){0,12}") {
        assert_reads_or_refuses(&text);
    }

    #[test]
    fn no_damage_makes_a_parser_panic(set in any_set(), at in any::<prop::sample::Index>(), patch in "\\PC{0,2}") {
        let mut text: Vec<char> = set.to_string().chars().collect();
        if !text.is_empty() {
            let at = at.index(text.len());
            text.splice(at..=at, patch.chars());
        }
        assert_reads_or_refuses(&text.into_iter().collect::<String>());
    }
}

/// Reads `text` every way: what is read prints as something that reads the same; what is refused is refused at a place
/// inside the text.
fn assert_reads_or_refuses(text: &str) {
    let check = |read: Result<GtidSet, GtidError>| match read {
        Ok(set) => assert_eq!(GtidSet::parse(&set.to_string()), Ok(set), "{text:?}"),
        Err(error) => assert!(text.is_char_boundary(error.at), "{text:?}: {error}"),
    };
    check(GtidSet::parse(text));
    check(GtidSet::parse_mysql(text));
    check(GtidSet::parse_mariadb(text));
    check(mariadb::Ranges::parse(text).map(GtidSet::from));
}

#[test]
fn a_stored_text_that_is_no_set_is_an_error() {
    let error = restored("0-1-5,garbage").expect_err("garbage is no GTID");
    assert_eq!(error.to_string(), r#"GTID set: expected a domain id at byte 6, found "garbage""#);
}

#[test]
fn a_large_set_costs_its_intervals() {
    let text = |offset: u64| {
        let numbers: Vec<String> = (0..1000).map(|run| (1 + offset + run * 4).to_string()).collect();
        let of_server = |server| format!("{server:08x}-0000-0000-0000-000000000000:{}", numbers.join(":"));
        (0..100).map(of_server).collect::<Vec<_>>().join(",\n")
    };
    let (odd, even) = (parse(&text(0)), parse(&text(2)));
    let both = odd.union(&even);
    assert_eq!(both.count(), 200_000);
    assert_eq!((both.subtract(&odd), both.intersect(&odd)), (even, odd));
    // 1, 3, …, 3999: every even number between them.
    assert_eq!(both.holes().count(), 199_900);
}
