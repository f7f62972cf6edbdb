//! What was diagnosed, when it changed.

use super::*;
use crate::Diagnosed;

fn diagnosed(number: u16, code: &str, at: Timestamp) -> Diagnosed {
    Diagnosed { key: db(number), code: code.to_owned(), at }
}

#[test]
fn only_changes_are_kept_and_the_first_diagnosis_is_none() {
    let store = memory();
    store.note_diagnoses(vec![diagnosed(1, "NoProblem", at(0)), diagnosed(2, "DeadMaster", at(0))]).unwrap();
    assert_eq!(store.changelog().unwrap(), []);
    store.note_diagnoses(vec![diagnosed(1, "UnreachableMaster", at(1))]).unwrap();
    store.note_diagnoses(vec![diagnosed(1, "DeadMaster", at(1)), diagnosed(2, "DeadMaster", at(1))]).unwrap();
    store.note_diagnoses(vec![diagnosed(2, "NoProblem", at(2))]).unwrap();
    let kept = store.changelog().unwrap();
    let codes: Vec<(u16, &str)> = kept.iter().map(|change| (change.key.port, change.code.as_str())).collect();
    assert_eq!(codes, [(3306, "UnreachableMaster"), (3306, "DeadMaster"), (3306, "NoProblem")]);
    assert_eq!(kept[2], diagnosed(2, "NoProblem", at(2)));
    let last = store.last_diagnoses().unwrap();
    assert_eq!((last[&db(1)].as_str(), last[&db(2)].as_str()), ("DeadMaster", "NoProblem"));
}

#[test]
fn old_changes_go_and_what_was_last_stays() {
    let store = memory();
    store.note_diagnoses(vec![diagnosed(1, "NoProblem", at(0))]).unwrap();
    store.note_diagnoses(vec![diagnosed(1, "DeadMaster", at(1))]).unwrap();
    store.note_diagnoses(vec![diagnosed(1, "NoProblem", at(9))]).unwrap();
    store.age_changelog(at(5)).unwrap();
    assert_eq!(store.changelog().unwrap(), [diagnosed(1, "NoProblem", at(9))]);
    store.age_changelog(at(100)).unwrap();
    assert_eq!(store.last_diagnoses().unwrap().len(), 1);
}
