//! Many callers at once.

use super::*;
use crate::Page;

#[test]
fn whoever_has_an_answer_sees_its_effect_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("orchestrator.sqlite3"), Mode::Own).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6u16 {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0..20u16 {
                    let key = InstanceKey::new(format!("db{thread}"), number + 1);
                    apply(&store, Command::BeginDowntime { key: key.clone(), downtime: downtime(at(0), at(9)) });
                    assert!(store.declared().downtimes.contains_key(&key), "in memory");
                    let message = key.to_string();
                    let (kind, cluster) = ("begin-downtime".to_owned(), String::new());
                    apply(&store, Command::Audit { kind, key: Some(key.clone()), cluster, message, at: at(0) });
                    assert_eq!(store.audit(Some(&key), Page::default()).unwrap().len(), 1, "on disk");
                }
            });
        }
    });
    assert_eq!(store.declared().downtimes.len(), 120);
    assert_eq!(store.audit(None, Page::all()).unwrap().len(), 120);
}

#[test]
fn an_answer_that_nobody_waits_for_is_still_carried_out() {
    let store = memory();
    drop(store.apply_async(Command::BeginDowntime { key: db(1), downtime: downtime(at(0), at(9)) }));
    assert_eq!(apply(&store, Command::EndDowntime { key: db(1) }), Applied::Rows(1));
}

#[test]
fn a_queue_without_end_is_refused() {
    let store = memory();
    let release = hold_writer(&store);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut waiting: Vec<_> = (0..5000).map(|_| store.apply_async(Command::EnableRecoveries)).collect();
    let last = runtime.block_on(waiting.pop().unwrap()).unwrap_err();
    assert!(matches!(last, crate::Error::Overloaded { .. }) && last.is_transient());
    release();
    let answered = waiting.into_iter().filter_map(|answer| runtime.block_on(answer).ok()).count();
    assert!(answered >= 4096, "{answered}");
}
