//! The same commands give the same rows, however they come.

use proptest::prelude::*;
use topology::{Declared, PromotionRule};

use super::*;
use crate::{AckScope, MaintenanceRef, NodeReport, Retention, StepOutcome};

#[test]
fn every_command_survives_the_log() {
    let store = memory();
    for command in one_of_each() {
        let json = serde_json::to_string(&command).unwrap();
        let read: Command = serde_json::from_str(&json).unwrap();
        assert_eq!(read, command, "{json}");
        apply(&store, read);
    }
    assert!(serde_json::from_str::<Command>(r#"{"MakeCoffee":{}}"#).is_err(), "what is unknown must not be skipped");
}

fn key() -> impl Strategy<Value = InstanceKey> {
    (1u16..4).prop_map(db)
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("db1:3306".to_owned()),
        Just("db2:3306".to_owned()),
        Just("O'x%\n€".to_owned())
    ]
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (0i64..10_000_000_000).prop_map(|micros| Timestamp(at(0).0 + micros))
}

fn declaring() -> impl Strategy<Value = Command> {
    prop_oneof![
        (key(), moment(), moment())
            .prop_map(|(key, begins, ends)| Command::BeginDowntime { key, downtime: downtime(begins, ends) }),
        key().prop_map(|key| Command::EndDowntime { key }),
        (key(), word(), moment(), moment()).prop_map(|(key, owner, begins, ends)| Command::BeginMaintenance {
            key,
            reason: owner.clone(),
            owner,
            begins,
            ends
        }),
        (1i64..5, moment()).prop_map(|(id, at)| Command::EndMaintenance { which: MaintenanceRef::Id(id), at }),
        (key(), moment()).prop_map(|(key, at)| Command::EndMaintenance { which: MaintenanceRef::Key(key), at }),
        (key(), moment()).prop_map(|(key, at)| Command::RegisterCandidate { key, rule: PromotionRule::Prefer, at }),
        (key(), moment()).prop_map(|(key, at)| Command::Watch { keys: vec![key], at }),
        (key(), moment(), moment()).prop_map(|(key, at, until)| Command::Forget { keys: vec![key], at, until }),
        (key(), word(), word(), moment()).prop_map(|(key, name, value, at)| Command::PutTag { key, name, value, at }),
        (key(), word()).prop_map(|(key, name)| Command::DeleteTag { key, name }),
        (word(), word()).prop_map(|(cluster, alias)| Command::SetClusterAlias { cluster, alias }),
        (word(), moment()).prop_map(|(by, at)| Command::DisableRecoveries { by, at }),
        Just(Command::EnableRecoveries),
    ]
}

fn recording() -> impl Strategy<Value = Command> {
    prop_oneof![
        (word(), word(), moment()).prop_map(|(cluster, alias, at)| Command::PutClusterAlias { cluster, alias, at }),
        (word(), word(), moment()).prop_map(|(cluster, domain, at)| Command::PutClusterDomain { cluster, domain, at }),
        (word(), word(), moment()).prop_map(|(from, to, at)| Command::RenameCluster { from, to, at }),
        (key(), key(), moment()).prop_map(|(key, successor, at)| Command::Demote(topology::Demoted {
            key,
            uuid: None,
            server_id: None,
            successor,
            recovery_uid: String::new(),
            at
        })),
        (word(), word(), moment()).prop_map(|(key, value, at)| Command::PutKeyValue { key, value, at }),
        (word(), proptest::option::of(key()), moment()).prop_map(|(kind, key, at)| Command::Audit {
            message: kind.clone(),
            kind,
            key,
            cluster: String::new(),
            at
        }),
        (1u16..3, any::<bool>(), moment()).prop_map(|(number, active, at)| Command::RegisterNode(NodeReport {
            node: node(number),
            active,
            at,
            ..NodeReport::default()
        })),
        moment().prop_map(|now| Command::Expire { now, retention: Retention::default() }),
    ]
}

fn recovering() -> impl Strategy<Value = Command> {
    let uid = || (1u8..4).prop_map(|number| format!("r{number}"));
    let step = || (uid(), 0u64..3, 1u32..4, moment());
    let scope = prop_oneof![
        Just(AckScope::All),
        (1i64..5).prop_map(AckScope::Id),
        uid().prop_map(AckScope::Uid),
        key().prop_map(AckScope::Instance),
        (word(), word()).prop_map(|(name, alias)| AckScope::Cluster { name, alias }),
    ];
    let outcome = prop_oneof![Just(StepOutcome::Done), Just(StepOutcome::Skipped), Just(StepOutcome::Failed)];
    prop_oneof![
        (key(), word(), moment()).prop_map(|(key, code, at)| Command::RegisterDetection(detection(key, &code, at))),
        word().prop_map(|cluster| Command::RaiseEpoch { cluster }),
        (uid(), word(), 0u64..3, moment())
            .prop_map(|(uid, cluster, epoch, at)| Command::BeginRecovery(recovery(&uid, &cluster, epoch, at))),
        step().prop_map(|(uid, epoch, number, at)| Command::StepStarted { uid, epoch, number, at }),
        (step(), outcome).prop_map(|((uid, epoch, number, at), outcome)| Command::StepFinished {
            message: uid.clone(),
            uid,
            epoch,
            number,
            outcome,
            at
        }),
        step().prop_map(|(uid, epoch, _, at)| Command::ResumeRecovery { uid, epoch, node: node(2), at }),
        step().prop_map(|(uid, epoch, _, at)| Command::EndRecovery(ending(&uid, epoch, at))),
        (scope, word(), moment()).prop_map(|(scope, owner, at)| Command::AcknowledgeRecoveries {
            scope,
            comment: owner.clone(),
            owner,
            at
        }),
        (key(), word(), moment()).prop_map(|(key, cluster, at)| Command::BlockRecovery {
            key,
            code: cluster.clone(),
            cluster,
            blocking_recovery_id: 1,
            at
        }),
    ]
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(prop_oneof![declaring(), recording(), recovering()], 1..60)
}

/// Reads the declared state from the tables, past what the store keeps in memory.
fn declared_on_disk(store: &Store) -> Declared {
    store
        .on_writer("reading", |db| {
            let mut fresh = Declared::default();
            for section in crate::declared::EVERYTHING {
                crate::declared::refresh(db, &mut fresh, *section)?;
            }
            Ok(fresh)
        })
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One store gets the commands one by one, the other all at once, so that many share a transaction.
    #[test]
    fn same_commands_same_rows(commands in commands()) {
        let (single, batched) = (memory(), memory());
        let release = hold_writer(&batched);
        let waiting: Vec<_> = commands.iter().map(|command| batched.apply_async(command.clone())).collect();
        release();

        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
        for (command, answer) in commands.into_iter().zip(waiting) {
            let alone = single.apply(command.clone());
            let together = runtime.block_on(answer);
            match (alone, together) {
                (Ok(one), Ok(two)) => prop_assert_eq!(one, two),
                (Err(one), Err(two)) => {
                    prop_assert!(one.is_deterministic(), "{:?}: {}", command, one);
                    prop_assert_eq!(one.refusal(), two.refusal());
                }
                (one, two) => prop_assert!(false, "{:?}: {:?} but {:?}", command, one, two),
            }
        }
        prop_assert_eq!(dump(&single), dump(&batched));
        prop_assert_eq!(&single.declared(), &batched.declared());
        prop_assert_eq!(&declared_on_disk(&single), &*single.declared(), "memory shows what the tables hold");

        let (snapshot, _) = single.dump().expect("a dump only reads");
        let copy = memory();
        runtime.block_on(copy.work(move |database| database.restore(&snapshot, &[], None))).expect("a snapshot of our own");
        prop_assert_eq!(&single.declared(), &copy.declared(), "a snapshot carries all that was declared");
    }

    #[test]
    fn a_refused_command_leaves_no_trace(before in commands(), command in recovering()) {
        let store = memory();
        for command in before {
            drop(store.apply(command));
        }
        let rows = dump(&store);
        if store.apply(command).is_err() {
            prop_assert_eq!(dump(&store), rows);
        }
    }
}
