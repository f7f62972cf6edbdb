//! Candidates stand in one strict order, whatever they look like, and each that is passed over says why.

#![allow(clippy::unwrap_used)]

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use analysis::Policy;
use planner::{Choice, Preference};
use proptest::prelude::*;
use topology::{
    Binlog, BinlogFormat, Channel, Graph, Gtid, GtidSet, Instance, InstanceKey, PromotionRule, RegisteredRule,
    SemiSyncRole, Snapshot, ThreadState, Timestamp, Version, Watched, WritePolicy,
};

fn rule() -> impl Strategy<Value = PromotionRule> {
    let all =
        ["must", "prefer", "neutral", "prefer_not", "must_not"].map(|word| word.parse::<PromotionRule>().unwrap());
    proptest::sample::select(all.to_vec())
}

fn format() -> impl Strategy<Value = BinlogFormat> {
    proptest::sample::select(vec![BinlogFormat::Statement, BinlogFormat::Mixed, BinlogFormat::Row])
}

prop_compose! {
    fn preference()(
        flags in any::<[bool; 6]>(),
        rule in rule(),
        errant: bool,
        format in format(),
        numbers in any::<[u8; 3]>(),
        priority in 0..3_u32,
        host in 1..40_u16,
    ) -> Preference {
        let [not_asked_for, downtimed, slow, elsewhere, cannot_wait, asynchronous] = flags;
        Preference {
            not_asked_for,
            downtimed,
            slow,
            rule,
            elsewhere,
            cannot_wait,
            asynchronous,
            priority: Reverse(priority),
            errant,
            lacks: u64::from(numbers[0] % 3),
            format: Reverse(format),
            line: (9, u16::from(numbers[1] % 3)),
            unapplied: u64::from(numbers[2] % 3),
            key: InstanceKey::new(format!("db{host}"), 3306),
        }
    }
}

/// What a replica may be, as far as the choice looks at it.
#[derive(Clone, Debug)]
struct Traits {
    received: u64,
    applied: u64,
    rule: PromotionRule,
    format: BinlogFormat,
    version: &'static str,
    answers: bool,
    flags: [bool; 5],
}

prop_compose! {
    fn traits()(
        received in 0..20_u64,
        applied in 0..20_u64,
        rule in rule(),
        format in format(),
        version in proptest::sample::select(vec!["8.0.40", "8.4.3", "9.7.4"]),
        answers in proptest::bool::weighted(0.8),
        flags in any::<[bool; 5]>(),
    ) -> Traits {
        Traits { received, applied: applied.min(received), rule, format, version, answers, flags }
    }
}

fn set(last: u64) -> GtidSet {
    let text = if last == 0 { String::new() } else { format!("00000000-0000-0000-0000-000000000001:1-{last}") };
    GtidSet::parse(&text).unwrap()
}

fn key(number: usize) -> InstanceKey {
    InstanceKey::new(format!("db{number}"), 3306)
}

fn replica(number: usize, traits: &Traits) -> Instance {
    let [enabled, logs, filters, semi_sync, source_side] = traits.flags;
    let channel = Channel {
        source: key(1),
        receiver: ThreadState::Running,
        applier: ThreadState::Running,
        auto_position: true,
        retrieved: set(traits.received),
        has_filters: filters,
        ..Channel::default()
    };
    let mut instance = Instance {
        key: key(number),
        version: Version::parse(traits.version, ""),
        binlog: Binlog {
            enabled: enabled || number.is_multiple_of(2),
            logs_replica_updates: logs || number.is_multiple_of(2),
            format: traits.format,
            ..Binlog::default()
        },
        gtid: Gtid { executed: set(traits.applied), ..Gtid::default() },
        writes: WritePolicy::ReadOnly,
        channels: vec![channel],
        ..Instance::default()
    };
    instance.semi_sync.replica = SemiSyncRole { enabled: semi_sync, ..SemiSyncRole::default() };
    instance.semi_sync.source.available = source_side;
    instance
}

/// Returns the choice among replicas with these traits, below a primary that waits for replicas.
fn choice(fleet: &[Traits]) -> Choice {
    let mut primary =
        Instance { key: key(1), gtid: Gtid { executed: set(10), ..Gtid::default() }, ..Instance::default() };
    primary.semi_sync.source.enabled = true;
    let replicas = fleet.iter().enumerate().map(|(index, traits)| replica(index + 2, traits));
    let mut snapshot = Snapshot { now: Timestamp::from_secs(100), ..Snapshot::default() };
    for instance in std::iter::once(primary).chain(replicas) {
        let (key, seen) = (instance.key.clone(), Some(snapshot.now));
        let watched = Watched { key: key.clone(), instance: Some(Arc::new(instance)), seen, ..Watched::default() };
        snapshot.watched.insert(key, Arc::new(watched));
    }
    let declared = Arc::make_mut(&mut snapshot.declared);
    for (index, traits) in fleet.iter().enumerate() {
        declared.promotion_rules.insert(key(index + 2), RegisteredRule { rule: traits.rule, at: snapshot.now });
    }
    let policy = Policy::default();
    let facts = analysis::diagnose_one(&snapshot, &Graph::of(&snapshot), &policy, &key(1)).unwrap().facts;
    let answers = |asked: &InstanceKey| {
        fleet.iter().enumerate().any(|(index, traits)| key(index + 2) == *asked && traits.answers)
    };
    Choice::among(&snapshot, &policy, &facts, None, &answers)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Antisymmetric and transitive; equal only for the same address. In whatever order they are sorted, the result is the
    /// same.
    #[test]
    fn preferences_are_a_strict_total_order(mut some in proptest::collection::vec(preference(), 3..8), seed: u64) {
        for one in &some {
            for two in &some {
                prop_assert_eq!(one.cmp(two), two.cmp(one).reverse());
                if one.cmp(two) == Ordering::Equal {
                    prop_assert_eq!(&one.key, &two.key);
                }
                for three in &some {
                    if one <= two && two <= three {
                        prop_assert!(one <= three);
                    }
                }
            }
        }
        let mut sorted = some.clone();
        sorted.sort();
        let turn = usize::try_from(seed % some.len() as u64).unwrap();
        some.rotate_left(turn);
        some.reverse();
        some.sort();
        prop_assert_eq!(some, sorted);
    }

    /// The one that is chosen could be; every other one says why it is not; and nobody who could be promoted ranks above it.
    #[test]
    fn each_that_is_passed_over_says_why(fleet in proptest::collection::vec(traits(), 1..7)) {
        let choice = choice(&fleet);
        prop_assert_eq!(choice.candidates.len(), fleet.len());
        for candidate in &choice.candidates {
            let is_chosen = choice.chosen.as_ref() == Some(&candidate.key);
            prop_assert_eq!(candidate.why_not().is_none(), is_chosen, "{:?}", candidate);
            if let (Some(outranked), Some(chosen)) = (&candidate.outranked, &choice.chosen) {
                prop_assert_eq!(&outranked.by, chosen);
                prop_assert!(choice.candidate(chosen).unwrap().preference < candidate.preference);
            }
        }
        // A server that must be promoted is, or nobody.
        let must = |key: &InstanceKey| fleet.iter().enumerate().any(|(index, traits)| {
            self::key(index + 2) == *key && traits.rule == "must".parse().unwrap()
        });
        if fleet.iter().any(|traits| traits.rule == "must".parse().unwrap()) && let Some(chosen) = &choice.chosen {
            prop_assert!(must(chosen));
        }
        // What is chosen holds all that those who answer and hold everything hold, or a donor serves it.
        if let Some(chosen) = choice.chosen.as_ref().and_then(|chosen| choice.candidate(chosen)) {
            prop_assert!(chosen.lacks.is_empty() || choice.donor.is_some());
        }
    }

    /// The same servers under other addresses: the same traits win, unless only the address decides.
    #[test]
    fn the_choice_does_not_depend_on_the_order_of_the_fleet(fleet in proptest::collection::vec(traits(), 2..6)) {
        let straight = choice(&fleet);
        let mut reversed = fleet.clone();
        // Parity is a trait: two turns of two keep it.
        reversed.reverse();
        if fleet.len() % 2 == 0 {
            return Ok(());
        }
        let turned = choice(&reversed);
        let without_address = |choice: &Choice| {
            let chosen = choice.candidate(choice.chosen.as_ref()?)?;
            Some(Preference { key: key(1), ..chosen.preference.clone() })
        };
        prop_assert_eq!(without_address(&straight), without_address(&turned));
    }
}
