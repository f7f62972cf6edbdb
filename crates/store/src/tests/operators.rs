//! What operators declare, and what they see of it.

use std::collections::BTreeMap;

use topology::{Demoted, PromotionRule, ServerUuid};

use super::*;
use crate::{MaintenanceRef, NodeReport, Page, Refusal};

#[test]
fn a_downtime_replaces_the_one_before_and_ends_on_request() {
    let store = memory();
    apply(&store, Command::BeginDowntime { key: db(1), downtime: downtime(at(0), at(600)) });
    let longer = downtime(at(10), topology::Timestamp(at(900).0 + 123_456));
    apply(&store, Command::BeginDowntime { key: db(1), downtime: longer.clone() });
    assert_eq!(store.declared().downtimes, BTreeMap::from([(db(1), longer)]), "with its microseconds");
    assert_eq!(apply(&store, Command::EndDowntime { key: db(1) }), Applied::Rows(1));
    assert_eq!(apply(&store, Command::EndDowntime { key: db(1) }), Applied::Rows(0));
    assert!(store.declared().downtimes.is_empty());
}

#[test]
fn people_read_the_rows_and_their_edits_count() {
    let store = memory();
    apply(&store, Command::BeginDowntime { key: db(1), downtime: downtime(at(0), at(600)) });
    let text = store
        .on_writer("looking", |db| {
            let sql = "SELECT end_timestamp FROM database_instance_downtime";
            let text = crate::sql::one::<String>(db, sql, [])?;
            db.execute("UPDATE database_instance_downtime SET end_timestamp = '2030-01-01 00:00:00'", [])?;
            Ok(text)
        })
        .unwrap();
    assert_eq!(text.as_deref(), Some("2026-11-22 12:10:00"));
    apply(&store, Command::BeginDowntime { key: db(2), downtime: downtime(at(0), at(600)) });
    assert_eq!(store.declared().downtimes[&db(1)].ends, topology::Timestamp::from_secs(1_893_456_000));
}

#[test]
fn a_second_lock_is_refused_until_the_first_is_over() {
    let store = memory();
    let lock = |owner: &str, begins, ends| Command::BeginMaintenance {
        key: db(1),
        owner: owner.to_owned(),
        reason: "upgrade".to_owned(),
        begins,
        ends,
    };
    assert_eq!(apply(&store, lock("ann", at(0), at(600))), Applied::Maintenance { id: 1 });
    let refused = store.apply(lock("bob", at(10), at(700))).unwrap_err();
    assert!(refused.is_deterministic());
    let owner = Refusal::AlreadyInMaintenance {
        key: db(1),
        owner: "ann".to_owned(),
        reason: "upgrade".to_owned(),
        ends: at(600),
    };
    assert_eq!(refused.refusal(), Some(&owner));
    assert_eq!(store.maintenance().unwrap().len(), 1);

    // Past its end the first lock is out of the way, though nobody ended it.
    assert_eq!(apply(&store, lock("bob", at(601), at(700))), Applied::Maintenance { id: 2 });
    assert_eq!(store.declared().maintenance[&db(1)].owner, "bob");
    let end = |which| Command::EndMaintenance { which, at: at(650) };
    assert_eq!(apply(&store, end(MaintenanceRef::Id(1))), Applied::Rows(0), "it is over");
    assert_eq!(apply(&store, end(MaintenanceRef::Id(2))), Applied::Rows(1));
    assert_eq!(apply(&store, end(MaintenanceRef::Key(db(1)))), Applied::Rows(0));
    assert!(store.maintenance().unwrap().is_empty());
}

#[test]
fn rules_tags_and_the_switch_show_at_once() {
    let store = memory();
    let rule = |rule, when| Command::RegisterCandidate { key: db(2), rule, at: when };
    apply(&store, rule(PromotionRule::Prefer, at(0)));
    apply(&store, rule(PromotionRule::MustNot, at(1)));
    for (name, value) in [("role", "backup"), ("empty", ""), ("role", "reports")] {
        let (name, value) = (name.to_owned(), value.to_owned());
        apply(&store, Command::PutTag { key: db(2), name, value, at: at(0) });
    }
    apply(&store, Command::DisableRecoveries { by: "ops".to_owned(), at: at(0) });
    let declared = store.declared();
    assert_eq!(declared.promotion_rules[&db(2)].rule, PromotionRule::MustNot);
    assert_eq!(declared.tags[&db(2)]["role"], "reports");
    assert_eq!(declared.tags[&db(2)]["empty"], "");
    assert!(declared.recoveries_disabled);

    let again = Command::DisableRecoveries { by: "other".to_owned(), at: at(1) };
    assert_eq!(apply(&store, again), Applied::Rows(0));
    assert_eq!(apply(&store, Command::EnableRecoveries), Applied::Rows(1));
    assert_eq!(apply(&store, Command::EnableRecoveries), Applied::Rows(0));
    assert_eq!(apply(&store, Command::DeleteTag { key: db(2), name: "role".to_owned() }), Applied::Rows(1));
    assert_eq!(apply(&store, Command::DeleteTag { key: db(2), name: "role".to_owned() }), Applied::Rows(0));
    assert!(!store.declared().recoveries_disabled);
    assert!(declared.recoveries_disabled, "a view that was handed out does not change");
}

#[test]
fn forgetting_keeps_discovery_away_until_somebody_asks_again() {
    let store = memory();
    apply(&store, Command::Forget { keys: vec![db(1), db(2)], at: at(0), until: at(600) });
    assert_eq!(store.declared().forgotten, BTreeMap::from([(db(1), at(600)), (db(2), at(600))]));
    assert_eq!(apply(&store, Command::Remember { keys: vec![db(1), db(9)] }), Applied::Rows(1));
    assert_eq!(store.declared().forgotten.keys().collect::<Vec<_>>(), [&db(2)]);
}

#[test]
fn what_is_watched_is_so_until_it_is_forgotten() {
    let store = memory();
    assert_eq!(apply(&store, Command::Watch { keys: vec![db(1), db(2)], at: at(0) }), Applied::Rows(2));
    assert_eq!(apply(&store, Command::Watch { keys: vec![db(2), db(3)], at: at(1) }), Applied::Rows(1));
    apply(&store, Command::Forget { keys: vec![db(1), db(9)], at: at(2), until: at(600) });
    assert_eq!(store.declared().watched.iter().collect::<Vec<_>>(), [&db(2), &db(3)]);
    apply(&store, Command::Remember { keys: vec![db(1)] });
    assert!(!store.declared().watched.contains(&db(1)), "whoever remembers it will have it watched");
}

#[test]
fn an_alias_belongs_to_one_cluster_and_moves_with_a_rename() {
    let store = memory();
    let put = |cluster: &str, when| Command::PutClusterAlias {
        cluster: cluster.to_owned(),
        alias: "shop".to_owned(),
        at: when,
    };
    apply(&store, put("old:3306", at(0)));
    apply(&store, put("db1:3306", at(1)));
    assert_eq!(store.cluster_aliases().unwrap(), BTreeMap::from([("db1:3306".to_owned(), "shop".to_owned())]));
    let (cluster, alias) = ("db1:3306".to_owned(), "Shop".to_owned());
    apply(&store, Command::SetClusterAlias { cluster: cluster.clone(), alias });
    apply(&store, Command::PutClusterDomain { cluster: cluster.clone(), domain: "shop.example".to_owned(), at: at(1) });
    apply(&store, Command::RaiseEpoch { cluster: cluster.clone() });
    apply(&store, Command::RaiseEpoch { cluster: cluster.clone() });

    apply(&store, Command::RenameCluster { from: cluster.clone(), to: "db2:3306".to_owned(), at: at(2) });
    apply(&store, Command::RenameCluster { from: "x:1".to_owned(), to: "y:1".to_owned(), at: at(2) });
    apply(&store, Command::RenameCluster { from: "db2:3306".to_owned(), to: "db2:3306".to_owned(), at: at(2) });
    assert_eq!(store.declared().alias_overrides, BTreeMap::from([("db2:3306".to_owned(), "Shop".to_owned())]));
    assert_eq!(store.cluster_aliases().unwrap().keys().collect::<Vec<_>>(), ["db2:3306"]);
    assert_eq!(store.cluster_domains().unwrap()["db2:3306"], "shop.example");
    assert_eq!(store.epoch("db2:3306").unwrap(), 2, "an epoch never falls");
    assert_eq!(store.epoch("db1:3306").unwrap(), 2);
    assert_eq!(store.epoch("y:1").unwrap(), 0);

    apply(&store, Command::SetClusterAlias { cluster: "db2:3306".to_owned(), alias: String::new() });
    assert!(store.declared().alias_overrides.is_empty());
}

#[test]
fn a_replaced_primary_is_remembered_until_it_leads_again_or_is_reinstated() {
    let store = memory();
    let demoted = |old, new, when| Demoted {
        key: db(old),
        uuid: ServerUuid::new("3E11FA47-71CA-11E1-9E33-C80AA9429562"),
        server_id: Some(7),
        successor: db(new),
        recovery_uid: "r".to_owned(),
        at: when,
    };
    apply(&store, Command::Demote(demoted(1, 2, at(0))));
    assert_eq!(store.declared().demoted, BTreeMap::from([(db(1), demoted(1, 2, at(0)))]));
    // Back again: the one that was replaced first is the primary now.
    apply(&store, Command::Demote(demoted(2, 1, at(9))));
    assert_eq!(store.declared().demoted, BTreeMap::from([(db(2), demoted(2, 1, at(9)))]));
    // Nobody took its place after all.
    apply(&store, Command::LeaveClosed(demoted(2, 1, at(9))));
    assert!(store.declared().demoted.is_empty());
    assert_eq!(store.declared().left_closed, BTreeMap::from([(db(2), demoted(2, 1, at(9)))]));
    assert_eq!(apply(&store, Command::Reinstate { key: db(2) }), Applied::Rows(1));
    assert!(store.declared().left_closed.is_empty());
    assert_eq!(apply(&store, Command::Reinstate { key: db(2) }), Applied::Rows(0));
}

#[test]
fn audit_comes_newest_first_in_pages() {
    let store = memory();
    for number in 0..45 {
        let key = (number % 2 == 0).then(|| db(1));
        let message = format!("message {number}");
        let kind = "begin-downtime".to_owned();
        let applied = apply(&store, Command::Audit { kind, key, cluster: String::new(), message, at: at(number) });
        assert_eq!(applied, Applied::Audit { id: number + 1 });
    }
    let page = store.audit(None, Page::nth(0)).unwrap();
    assert_eq!((page.len(), page[0].id, page[0].at, page[0].key.clone()), (20, 45, at(44), Some(db(1))));
    assert_eq!((page[1].key.clone(), page[1].message.as_str()), (None, "message 43"));
    assert_eq!(store.audit(None, Page::nth(2)).unwrap().len(), 5);
    assert!(store.audit(None, Page::nth(u32::MAX)).unwrap().is_empty());
    assert_eq!(store.audit(Some(&db(1)), Page::nth(1)).unwrap().len(), 3);
    assert_eq!(store.audit(None, Page::all()).unwrap().len(), 45);
}

#[test]
fn nodes_pairs_and_names_are_found_again() {
    let store = memory();
    let report = |number, active, when| NodeReport {
        node: node(number),
        mode: "HttpMode".to_owned(),
        command: "http".to_owned(),
        version: "0.1.0".to_owned(),
        backend: "orchestrator.sqlite3".to_owned(),
        active,
        started: at(0),
        at: when,
    };
    assert_eq!(store.active_node().unwrap(), None);
    for (number, active, when) in [(1, true, at(1)), (2, false, at(1)), (1, true, at(2))] {
        apply(&store, Command::RegisterNode(report(number, active, when)));
    }
    let nodes = store.nodes().unwrap();
    assert_eq!((nodes.len(), nodes[0].node.clone(), nodes[0].last_seen), (2, node(1), at(2)));
    let active = store.active_node().unwrap().unwrap();
    assert_eq!((active.node, active.first_seen, active.last_seen), (node(1), at(1), at(2)));

    apply(&store, Command::PutKeyValue { key: "mysql/master/shop".into(), value: "db1:3306".into(), at: at(0) });
    assert_eq!(store.kv("mysql/master/shop").unwrap().as_deref(), Some("db1:3306"));
    assert_eq!(store.kv("nothing").unwrap(), None);
    apply(&store, Command::PutHostnameResolve { from: "db1".into(), to: "db1.example".into(), at: at(0) });
    assert_eq!(store.hostname_resolves().unwrap()["db1"], "db1.example");
}

#[test]
fn odd_rows_do_not_hide_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orchestrator.sqlite3");
    let store = Store::open(&path, Mode::Own).unwrap();
    apply(&store, Command::RegisterCandidate { key: db(1), rule: PromotionRule::Prefer, at: at(0) });
    store
        .on_writer("spoiling", |db| {
            db.execute_batch(
                "INSERT INTO candidate_database_instance (hostname, port, promotion_rule, last_suggested)
                   VALUES ('db2', 3306, 'sometimes', '2026-11-22 12:00:00'), ('db3', 99999, 'prefer', 'yesterday');
                 INSERT INTO database_instance_downtime (hostname, port, owner, reason, end_timestamp)
                   VALUES ('db4', -1, '', '', 'never')",
            )
        })
        .unwrap();
    drop(store);
    let declared = Store::open(&path, Mode::Own).unwrap().declared();
    assert_eq!(declared.promotion_rules.keys().collect::<Vec<_>>(), [&db(1)]);
    assert!(declared.downtimes.is_empty());
}
