//! Detections, recoveries and their journals.

use super::*;
use crate::{AckScope, DetectionFilter, Page, PlanState, RecoveryFilter, Refusal, StepOutcome};

const SHOP: &str = "db1:3306";

fn begin(store: &Store, uid: &str) -> u64 {
    let Applied::Epoch(epoch) = apply(store, Command::RaiseEpoch { cluster: SHOP.to_owned() }) else {
        panic!("raising an epoch answers with it")
    };
    apply(store, Command::BeginRecovery(recovery(uid, SHOP, epoch, at(1))));
    epoch
}

fn started(uid: &str, epoch: u64, number: u32) -> Command {
    Command::StepStarted { uid: uid.to_owned(), epoch, number, at: at(2) }
}

fn finished(uid: &str, epoch: u64, number: u32, outcome: StepOutcome) -> Command {
    Command::StepFinished { uid: uid.to_owned(), epoch, number, outcome, message: "ok".to_owned(), at: at(3) }
}

fn refusal(store: &Store, command: Command) -> Refusal {
    store.apply(command).unwrap_err().refusal().expect("it is refused by a rule").clone()
}

#[test]
fn a_diagnosis_is_detected_once_and_another_one_anew() {
    let store = memory();
    let register = |code: &str, when| Command::RegisterDetection(detection(db(1), code, when));
    let answer = |id, fresh| Applied::Detection { id, fresh };
    assert_eq!(apply(&store, register("UnreachableMaster", at(0))), answer(1, true));
    assert_eq!(apply(&store, register("DeadMaster", at(1))), answer(2, true), "worse, so news");
    assert_eq!(apply(&store, register("DeadMaster", at(2))), answer(2, false));
    assert_eq!(apply(&store, register("DeadMaster", at(3601))), answer(3, true), "its hour is over");
    let all = store.detections(DetectionFilter::default(), Page::default()).unwrap();
    assert_eq!(all.iter().map(|row| (row.id, row.is_active)).collect::<Vec<_>>(), [(3, true), (2, false), (1, true)]);
    assert_eq!(all[0].replicas, [db(2), db(3)]);
    let filter = DetectionFilter { id: Some(2), cluster_alias: Some("shop".to_owned()), ..Default::default() };
    assert_eq!(store.detections(filter, Page::default()).unwrap().len(), 1);
    let filter = DetectionFilter { key: Some(db(1)), active: true, ..Default::default() };
    assert_eq!(store.detections(filter, Page::default()).unwrap().len(), 2);
}

#[test]
fn a_recovery_from_first_to_last_step() {
    let store = memory();
    apply(&store, Command::RegisterDetection(detection(db(1), "DeadMaster", at(0))));
    let epoch = begin(&store, "r1");
    assert_eq!(store.declared().recovering.iter().collect::<Vec<_>>(), [SHOP]);
    apply(&store, started("r1", epoch, 1));
    apply(&store, finished("r1", epoch, 1, StepOutcome::Done));
    apply(&store, finished("r1", epoch, 2, StepOutcome::Skipped));
    apply(&store, Command::Note { uid: "r1".to_owned(), message: "db2 is ahead".to_owned(), at: at(3) });
    apply(&store, started("r1", epoch, 3));

    let plan = store.plan("r1").unwrap().unwrap();
    assert_eq!((plan.state, plan.epoch, plan.node.clone()), (PlanState::Running, epoch, node(1)));
    let outcomes: Vec<_> = plan.steps.iter().map(|step| (step.number, step.outcome, step.started)).collect();
    assert_eq!(
        outcomes,
        [(1, Some(StepOutcome::Done), Some(at(2))), (2, Some(StepOutcome::Skipped), None), (3, None, Some(at(2))),]
    );
    apply(&store, finished("r1", epoch, 3, StepOutcome::Done));
    apply(&store, Command::EndRecovery(ending("r1", epoch, at(4))));

    assert!(store.declared().recovering.is_empty());
    assert!(store.running_recoveries().unwrap().is_empty());
    let shown = &store.recoveries(RecoveryFilter::default(), Page::default()).unwrap()[0];
    assert_eq!((shown.started, shown.ended, shown.is_active, shown.is_successful), (at(1), Some(at(4)), true, true));
    assert_eq!((shown.successor.clone(), shown.successor_alias.as_str()), (Some(db(2)), "two"));
    assert_eq!((shown.lost.clone(), shown.participating.clone()), (vec![db(3)], vec![db(1), db(2)]));
    assert_eq!((shown.epoch, shown.kind.as_str(), shown.detection_id), (epoch, "failover", 1));
    assert_eq!(shown.certificate.as_deref(), Some(r#"{"lost":""}"#));
    assert_eq!(store.plan("r1").unwrap().unwrap().state, PlanState::Done);
    assert_eq!(store.recovery_steps("r1").unwrap()[0].message, "db2 is ahead");
    assert_eq!(store.detections(DetectionFilter::default(), Page::default()).unwrap()[0].recovery_id, 1);
    assert_eq!(store.plan("r2").unwrap(), None);
}

#[test]
fn one_recovery_per_cluster_also_while_it_gets_a_new_name() {
    let store = memory();
    let epoch = begin(&store, "r1");
    let again = Command::BeginRecovery(recovery("r1", SHOP, epoch, at(1)));
    assert_eq!(apply(&store, again), Applied::Recovery { id: 1, fresh: false }, "the same command once more");
    let busy = |cluster: &str| Refusal::ClusterBusy { cluster: cluster.to_owned(), uid: "r1".to_owned() };
    assert_eq!(refusal(&store, Command::BeginRecovery(recovery("r2", SHOP, epoch, at(2)))), busy(SHOP));
    apply(&store, Command::BeginRecovery(recovery("r3", "other:3306", 0, at(2))));

    apply(&store, Command::RenameCluster { from: SHOP.to_owned(), to: "db2:3306".to_owned(), at: at(2) });
    for name in [SHOP, "db2:3306"] {
        assert!(store.declared().recovering.contains(name), "{name}");
        assert_eq!(refusal(&store, Command::BeginRecovery(recovery("r4", name, 9, at(2)))), busy(name));
    }
    apply(&store, Command::EndRecovery(ending("r1", epoch, at(4))));
    apply(&store, Command::BeginRecovery(recovery("r4", "db2:3306", epoch, at(5))));
}

#[test]
fn an_executor_whose_epoch_is_over_is_refused_everywhere() {
    let store = memory();
    let old = begin(&store, "r1");
    apply(&store, started("r1", old, 1));
    let Applied::Epoch(new) = apply(&store, Command::RaiseEpoch { cluster: SHOP.to_owned() }) else { panic!() };
    let stale = Refusal::StaleEpoch { cluster: SHOP.to_owned(), epoch: old, current: new };
    for command in [
        started("r1", old, 2),
        finished("r1", old, 1, StepOutcome::Done),
        Command::EndRecovery(ending("r1", old, at(4))),
        Command::ReplacePlan { uid: "r1".to_owned(), epoch: old, plan: String::new(), at: at(4) },
        Command::ResumeRecovery { uid: "r1".to_owned(), epoch: old, node: node(1), at: at(4) },
    ] {
        assert_eq!(refusal(&store, command), stale);
    }
    // The next leader goes on under the new epoch, and the old one stays out even after a rename.
    apply(&store, Command::ResumeRecovery { uid: "r1".to_owned(), epoch: new, node: node(2), at: at(5) });
    apply(&store, Command::RenameCluster { from: SHOP.to_owned(), to: "db2:3306".to_owned(), at: at(5) });
    assert!(matches!(refusal(&store, started("r1", old, 2)), Refusal::StaleEpoch { .. }));
    apply(&store, started("r1", new, 1));
    apply(&store, finished("r1", new, 1, StepOutcome::Done));
    apply(&store, Command::EndRecovery(ending("r1", new, at(6))));
    let shown = &store.recoveries(RecoveryFilter::default(), Page::default()).unwrap()[0];
    assert_eq!((shown.node.clone(), shown.epoch), (node(2), old));
    assert_eq!(store.plan("r1").unwrap().unwrap().epoch, new);
}

#[test]
fn a_journal_does_not_contradict_itself() {
    let store = memory();
    let epoch = begin(&store, "r1");
    apply(&store, started("r1", epoch, 1));
    apply(&store, finished("r1", epoch, 1, StepOutcome::Failed));
    apply(&store, started("r1", epoch, 1));
    apply(&store, finished("r1", epoch, 1, StepOutcome::Done));
    apply(&store, finished("r1", epoch, 1, StepOutcome::Done));
    let over = Refusal::StepFinished { uid: "r1".to_owned(), number: 1 };
    assert_eq!(refusal(&store, finished("r1", epoch, 1, StepOutcome::Failed)), over);
    assert_eq!(refusal(&store, started("r1", epoch, 1)), over);
    let unknown = Refusal::UnknownRecovery { uid: "r9".to_owned() };
    assert_eq!(refusal(&store, started("r9", epoch, 1)), unknown);
    assert_eq!(refusal(&store, Command::EndRecovery(ending("r9", epoch, at(4)))), unknown);
    apply(&store, Command::ReplacePlan { uid: "r1".to_owned(), epoch, plan: "{}".to_owned(), at: at(4) });
    assert_eq!(store.plan("r1").unwrap().unwrap().plan, "{}");
    apply(&store, Command::EndRecovery(ending("r1", epoch, at(4))));
    let ended = Refusal::RecoveryEnded { uid: "r1".to_owned() };
    assert_eq!(refusal(&store, Command::EndRecovery(ending("r1", epoch, at(5)))), ended);
    assert_eq!(refusal(&store, started("r1", epoch, 2)), ended);
}

#[test]
fn only_recoveries_that_changed_something_stand_in_the_way() {
    let store = memory();
    let epoch = begin(&store, "r1");
    apply(&store, Command::EndRecovery(crate::Ending { mutated: false, ..ending("r1", epoch, at(2)) }));
    assert!(store.blocking_recoveries(SHOP, &[], at(0)).unwrap().is_empty());

    apply(&store, Command::BeginRecovery(recovery("r2", SHOP, epoch, at(10))));
    apply(&store, Command::EndRecovery(ending("r2", epoch, at(12))));
    let uids = |cluster: &str, members: &[InstanceKey], since| -> Vec<String> {
        let found = store.blocking_recoveries(cluster, members, since).unwrap();
        found.into_iter().map(|recovery| recovery.uid).collect()
    };
    assert_eq!(uids(SHOP, &[], at(0)), ["r2"], "by name");
    assert_eq!(uids("db2:3306", &[db(4), db(2)], at(0)), ["r2"], "by its successor");
    assert_eq!(uids("db2:3306", &[db(1)], at(0)), ["r2"], "by the failed instance");
    assert!(uids("db2:3306", &[db(3)], at(0)).is_empty());
    assert!(uids(SHOP, &[], at(11)).is_empty(), "too long ago");
}

#[test]
fn acknowledging_lifts_what_stands_in_the_way() {
    let acknowledge = |scope| Command::AcknowledgeRecoveries {
        scope,
        owner: "ann".to_owned(),
        comment: "seen".to_owned(),
        at: at(20),
    };
    let shop = |alias: &str| AckScope::Cluster { name: "renamed:3306".to_owned(), alias: alias.to_owned() };
    for (scope, expected, detections) in [
        (AckScope::All, vec![1], 1),
        (AckScope::Id(1), vec![1], 1),
        (AckScope::Id(2), vec![], 0),
        (AckScope::Uid("r1".to_owned()), vec![1], 1),
        (AckScope::Uid("r2".to_owned()), vec![], 0),
        (AckScope::Instance(db(1)), vec![1], 1),
        (AckScope::Instance(db(2)), vec![], 0),
        (shop("shop"), vec![1], 1),
        (shop(""), vec![], 0),
        // The cluster goes by its new head now.
        (AckScope::Cluster { name: db(2).to_string(), alias: String::new() }, vec![1], 0),
        (AckScope::Cluster { name: db(3).to_string(), alias: String::new() }, vec![], 0),
    ] {
        let store = memory();
        apply(&store, Command::RegisterDetection(detection(db(1), "DeadMaster", at(0))));
        let epoch = begin(&store, "r1");
        apply(&store, Command::EndRecovery(ending("r1", epoch, at(4))));
        let (cluster, code) = (SHOP.to_owned(), "DeadMaster".to_owned());
        apply(&store, Command::BlockRecovery { key: db(2), cluster, code, blocking_recovery_id: 1, at: at(5) });
        let answer = apply(&store, acknowledge(scope.clone()));
        assert_eq!(answer, Applied::Acknowledged { recoveries: expected.clone(), detections }, "{scope:?}");
        assert_eq!(store.blocked(None).unwrap().len(), 1 - expected.len(), "{scope:?}");
        let filter = RecoveryFilter { unacknowledged: true, ..Default::default() };
        assert_eq!(store.recoveries(filter, Page::default()).unwrap().len(), 1 - expected.len());
        let shown = store.recoveries(RecoveryFilter::default(), Page::default()).unwrap().remove(0);
        assert_eq!(shown.acknowledged.map(|ack| (ack.by, ack.comment, ack.at)).is_some(), !expected.is_empty());
        let nothing = Applied::Acknowledged { recoveries: vec![], detections: 0 };
        assert_eq!(apply(&store, acknowledge(scope)), nothing, "once is enough");
    }
}

#[test]
fn recoveries_are_found_by_everything_the_api_asks_for() {
    let store = memory();
    for number in 0..25 {
        let (uid, cluster) = (format!("r{number}"), format!("c{}", number % 5));
        apply(&store, Command::BeginRecovery(recovery(&uid, &cluster, 0, at(number))));
        if number < 24 {
            apply(&store, Command::EndRecovery(ending(&uid, 0, at(number))));
        }
    }
    let count = |filter: RecoveryFilter| store.recoveries(filter, Page::all()).unwrap().len();
    let first = store.recoveries(RecoveryFilter::default(), Page::nth(0)).unwrap();
    assert_eq!((first.len(), first[0].uid.as_str()), (20, "r24"));
    assert_eq!(store.recoveries(RecoveryFilter::default(), Page::nth(1)).unwrap().len(), 5);
    assert_eq!(count(RecoveryFilter { cluster_name: Some("c1".into()), ..Default::default() }), 5);
    assert_eq!(count(RecoveryFilter { cluster_alias: Some("shop".into()), ..Default::default() }), 25);
    assert_eq!(count(RecoveryFilter { successor: Some(db(2)), ..Default::default() }), 24);
    assert_eq!(count(RecoveryFilter { ended_since: Some(at(20)), ..Default::default() }), 4);
    assert_eq!(count(RecoveryFilter { uid: Some("r3".into()), id: Some(4), ..Default::default() }), 1);
    assert_eq!(count(RecoveryFilter { running: true, cluster_name: Some("c4".into()), ..Default::default() }), 1);
    assert_eq!(store.running_recoveries().unwrap()[0].uid, "r24");
}

/// A recovery gives its cluster the name of the new primary. People acknowledge by the name that they see.
#[test]
fn a_renamed_cluster_is_acknowledged_by_its_new_name() {
    let store = memory();
    let epoch = begin(&store, "r1");
    apply(&store, Command::RenameCluster { from: SHOP.to_owned(), to: "db2:3306".to_owned(), at: at(2) });
    apply(&store, Command::EndRecovery(ending("r1", epoch, at(4))));
    let scope = AckScope::Cluster { name: "db2:3306".to_owned(), alias: "db2:3306".to_owned() };
    let (owner, comment) = ("ann".to_owned(), "seen".to_owned());
    let answer = apply(&store, Command::AcknowledgeRecoveries { scope, owner, comment, at: at(5) });
    assert!(matches!(answer, Applied::Acknowledged { recoveries, .. } if recoveries == [1]));
}

#[test]
fn what_was_held_back_is_shown_until_it_is_lifted() {
    let store = memory();
    let block = |number, cluster: &str, when| Command::BlockRecovery {
        key: db(number),
        cluster: cluster.to_owned(),
        code: "DeadMaster".to_owned(),
        blocking_recovery_id: 7,
        at: when,
    };
    for (number, cluster, when) in [(1, "a", at(0)), (2, "b", at(1)), (1, "a", at(2))] {
        apply(&store, block(number, cluster, when));
    }
    let shown = store.blocked(None).unwrap();
    assert_eq!(shown.iter().map(|row| (row.key.clone(), row.at)).collect::<Vec<_>>(), [(db(1), at(2)), (db(2), at(1))]);
    assert_eq!(store.blocked(Some("b")).unwrap()[0].recovery_id, 7);
    assert_eq!(apply(&store, Command::UnblockRecovery { key: db(1) }), Applied::Rows(1));
    assert!(store.blocked(Some("a")).unwrap().is_empty());
}
