//! What ages out, and what does not.

use std::time::Duration;

use topology::PromotionRule;

use super::*;
use crate::{DetectionFilter, Expired, MaintenanceRef, NodeReport, Page, RecoveryFilter, Retention};

const DAY: i64 = 24 * 3600;

fn expire(store: &Store, now: Timestamp) -> Expired {
    match apply(store, Command::Expire { now, retention: Retention::default() }) {
        Applied::Expired(expired) => expired,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_declared_ends_when_its_time_comes() {
    let store = memory();
    apply(&store, Command::BeginDowntime { key: db(1), downtime: downtime(at(0), at(600)) });
    apply(&store, Command::RegisterCandidate { key: db(1), rule: PromotionRule::Prefer, at: at(0) });
    apply(&store, Command::Forget { keys: vec![db(7)], at: at(0), until: at(600) });
    let (owner, reason) = ("ann".to_owned(), "upgrade".to_owned());
    apply(&store, Command::BeginMaintenance { key: db(1), owner, reason, begins: at(0), ends: at(600) });
    assert_eq!(expire(&store, at(600)), Expired::default(), "not before its end");

    let expired = expire(&store, at(601));
    assert_eq!((expired.downtimes, expired.maintenance, expired.candidates, expired.deleted), (1, 1, 0, 1));
    let declared = store.declared();
    assert!(declared.downtimes.is_empty() && declared.maintenance.is_empty() && declared.forgotten.is_empty());
    assert_eq!(expire(&store, at(3601)).candidates, 1);
    assert!(store.declared().promotion_rules.is_empty());
    assert_eq!(expire(&store, at(8 * DAY)).deleted, 1, "the ended maintenance");
    assert_eq!(apply(&store, Command::EndMaintenance { which: MaintenanceRef::Id(1), at: at(0) }), Applied::Rows(0));
}

#[test]
fn periods_end_after_an_hour_and_history_after_a_week() {
    let store = memory();
    apply(&store, Command::RegisterDetection(detection(db(1), "DeadMaster", at(0))));
    for uid in ["ended", "running"] {
        apply(&store, Command::BeginRecovery(recovery(uid, uid, 0, at(0))));
        apply(&store, Command::StepStarted { uid: uid.to_owned(), epoch: 0, number: 1, at: at(0) });
        apply(&store, Command::Note { uid: uid.to_owned(), message: "hm".to_owned(), at: at(0) });
    }
    apply(&store, Command::EndRecovery(ending("ended", 0, at(1))));
    let audit = |message: &str, when| Command::Audit {
        kind: "test".to_owned(),
        key: None,
        cluster: String::new(),
        message: message.to_owned(),
        at: when,
    };
    apply(&store, audit("old", at(0)));
    apply(&store, audit("new", at(DAY)));

    assert_eq!(expire(&store, at(3600)), Expired::default());
    assert_eq!(expire(&store, at(3601)).periods, 3);
    assert!(!store.detections(DetectionFilter::default(), Page::all()).unwrap()[0].is_active);
    assert!(!store.recoveries(RecoveryFilter::default(), Page::all()).unwrap()[0].is_active);

    expire(&store, at(7 * DAY + 1));
    assert!(store.detections(DetectionFilter::default(), Page::all()).unwrap().is_empty());
    let left = store.recoveries(RecoveryFilter::default(), Page::all()).unwrap();
    assert_eq!(left.iter().map(|row| row.uid.as_str()).collect::<Vec<_>>(), ["running"], "a running one is kept");
    assert_eq!(store.plan("ended").unwrap(), None);
    let rows = dump(&store);
    assert!(!rows.contains("recovery_plan_step: ended"), "its steps went with it");
    assert!(rows.contains("recovery_plan_step: running"));
    assert_eq!(store.plan("running").unwrap().unwrap().steps.len(), 1);
    assert!(store.recovery_steps("ended").unwrap().is_empty());
    assert_eq!(store.recovery_steps("running").unwrap().len(), 1);
    assert_eq!(store.audit(None, Page::all()).unwrap().len(), 1);
}

#[test]
fn what_nobody_renews_goes() {
    let store = memory();
    let report = NodeReport { node: node(1), started: at(0), at: at(0), ..Default::default() };
    apply(&store, Command::RegisterNode(report));
    let (cluster, code) = ("c".to_owned(), "DeadMaster".to_owned());
    apply(&store, Command::BlockRecovery { key: db(1), cluster, code, blocking_recovery_id: 1, at: at(0) });
    apply(&store, Command::PutClusterDomain { cluster: "c".into(), domain: "d".into(), at: at(0) });
    apply(&store, Command::PutHostnameResolve { from: "a".into(), to: "b".into(), at: at(0) });
    apply(&store, Command::PutClusterAlias { cluster: "c".into(), alias: "x".into(), at: at(0) });
    for (now, left) in [(2, 5), (3, 4), (5, 4), (6, 3), (3601, 2), (7201, 1), (10 * DAY, 1), (10 * DAY + 1, 0)] {
        expire(&store, at(now));
        let found = store.nodes().unwrap().len()
            + store.blocked(None).unwrap().len()
            + store.cluster_domains().unwrap().len()
            + store.hostname_resolves().unwrap().len()
            + store.cluster_aliases().unwrap().len();
        assert_eq!(found, left, "after {now} s");
    }
}

#[test]
fn absurd_retention_keeps_everything_or_nothing_and_does_not_panic() {
    let store = memory();
    apply(&store, Command::PutHostnameResolve { from: "a".into(), to: "b".into(), at: at(0) });
    let retention = Retention { resolves: Duration::MAX, audit: Duration::MAX, ..Retention::default() };
    apply(&store, Command::Expire { now: at(0), retention });
    assert_eq!(store.hostname_resolves().unwrap().len(), 1);
    let retention = Retention { resolves: Duration::ZERO, ..Retention::default() };
    apply(&store, Command::Expire { now: Timestamp(i64::MAX), retention });
    assert!(store.hostname_resolves().unwrap().is_empty());
}
