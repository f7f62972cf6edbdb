//! Files that cannot be used, and what people are told.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::*;
use crate::{Error, Page, move_aside};

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orchestrator.sqlite3");
    (directory, path)
}

fn audit(message: String) -> Command {
    Command::Audit { kind: "test".to_owned(), key: None, cluster: String::new(), message, at: at(0) }
}

fn limit_pages(store: &Store, more: i64) {
    store
        .on_writer("limiting", move |db| {
            let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            db.query_row(&format!("PRAGMA max_page_count = {}", pages + more), [], |_| Ok(()))
        })
        .unwrap();
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_nothing_else() {
    let (_directory, path) = place();
    let store = Store::open(&path, Mode::Own).unwrap();
    apply(&store, audit("small".to_owned()));
    limit_pages(&store, 2);
    let before = dump(&store);
    let error = store.apply(audit("x".repeat(1_000_000))).unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }) && error.is_transient() && !error.is_deterministic(), "{error}");
    assert!(error.to_string().contains("free some disk space"));
    assert_eq!(dump(&store), before, "nothing half-applied");

    // In one transaction with others, only the large one fails.
    let release = hold_writer(&store);
    let waiting = ["first".to_owned(), "x".repeat(1_000_000), "last".to_owned()];
    let waiting = waiting.map(|message| store.apply_async(audit(message)));
    release();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fine: Vec<bool> = waiting.into_iter().map(|answer| runtime.block_on(answer).is_ok()).collect();
    assert_eq!(fine, [true, false, true]);

    limit_pages(&store, 10_000);
    apply(&store, audit("x".repeat(1_000_000)));
    assert_eq!(store.audit(None, Page::all()).unwrap().len(), 4);
}

/// Who copies the file of a stopped manager must get all of it: nothing stays in the write-ahead log beside it.
#[test]
fn a_closed_store_is_one_file() {
    let (_directory, path) = place();
    let store = Store::open(&path, Mode::Own).unwrap();
    apply(&store, audit("kept".to_owned()));
    assert_eq!(store.audit(None, Page::all()).unwrap().len(), 1);
    drop(store);
    assert!(!path.with_extension("sqlite3-wal").exists());
    let copy = path.with_file_name("copy.sqlite3");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(Store::open(&copy, Mode::Own).unwrap().audit(None, Page::all()).unwrap().len(), 1);
}

#[test]
fn a_second_manager_is_told_who_has_the_file() {
    let (_directory, path) = place();
    let store = Store::open(&path, Mode::Own).unwrap();
    let error = Store::open(&path, Mode::Own).unwrap_err();
    let expected = format!(
        "another orchestrator (pid {}) uses {}; stop it or set SQLite3DataFile to another path",
        std::process::id(),
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let second_handle = store.clone();
    drop(store);
    assert!(Store::open(&path, Mode::Own).is_err(), "a handle is still there");
    drop(second_handle);
    assert!(Store::open(&path, Mode::Own).is_ok());
}

#[test]
fn a_damaged_file_is_named_and_can_be_moved_aside() {
    let (_directory, path) = place();
    let store = Store::open(&path, Mode::Own).unwrap();
    for number in 0..200 {
        apply(&store, audit(format!("{number} {}", "x".repeat(500))));
    }
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0x5a);
    fs::write(&path, &bytes).unwrap();

    let error = Store::open(&path, Mode::Own).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("what is lost is history, not safety"));
    let aside = move_aside(&path, at(0)).unwrap();
    assert_eq!(aside.file_name().unwrap(), "orchestrator.sqlite3.corrupt-2026-11-22-12-00-00");
    assert_eq!(fs::read(aside).unwrap(), bytes);
    assert!(Store::open(&path, Mode::Own).unwrap().audit(None, Page::all()).unwrap().is_empty());
    assert!(move_aside(&path.with_file_name("nothing"), at(0)).is_err());
}

#[test]
fn a_file_that_was_cut_short_is_damaged() {
    let (_directory, path) = place();
    let store = Store::open(&path, Mode::Own).unwrap();
    apply(&store, audit("x".repeat(100_000)));
    drop(store);
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    // Whoever answered last may hold the file for a moment longer.
    let deadline = Instant::now() + Duration::from_secs(10);
    let error = loop {
        match Store::open(&path, Mode::Own).unwrap_err() {
            Error::InUse { .. } if Instant::now() < deadline => std::thread::yield_now(),
            error => break error,
        }
    };
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let (_directory, path) = place();
    fs::write(&path, "these are my notes, ".repeat(1000)).unwrap();
    let error = Store::open(&path, Mode::Own).unwrap_err();
    assert!(matches!(error, Error::NotADatabase { .. }), "{error:?}");

    let other = path.with_file_name("bookmarks.sqlite");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE bookmarks (url text)").unwrap();
    let error = Store::open(&other, Mode::Own).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
    let tables: i64 = Connection::open(&other)
        .unwrap()
        .query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_of_a_newer_version_is_refused_by_both_modes() {
    let (_directory, path) = place();
    drop(Store::open(&path, Mode::Own).unwrap());
    let db = Connection::open(&path).unwrap();
    db.execute("INSERT INTO schema_version (version, description) VALUES (99, 'from the future')", []).unwrap();
    for mode in [Mode::Own, Mode::Read] {
        let error = Store::open(&path, mode).unwrap_err();
        assert!(matches!(error, Error::Newer { found: 99, .. }), "{error:?}");
        assert!(error.to_string().contains("written by a newer version"));
    }
}

#[test]
fn one_missing_directory_is_created_and_a_typing_error_is_not() {
    let (directory, _) = place();
    drop(Store::open(directory.path().join("new/orchestrator.sqlite3"), Mode::Own).unwrap());
    let error = Store::open(directory.path().join("var/lbi/orchestrator.sqlite3"), Mode::Own).unwrap_err();
    assert!(matches!(&error, Error::NoDirectory { .. }), "{error:?}");
    assert!(!directory.path().join("var").exists());

    fs::write(directory.path().join("file"), "").unwrap();
    for path in ["file/orchestrator.sqlite3", "."] {
        let error = Store::open(directory.path().join(path), Mode::Own).unwrap_err();
        assert!(matches!(error, Error::NotWritable { .. }), "{error:?}");
    }
}

#[test]
fn looking_beside_the_owner_changes_nothing() {
    let (_directory, path) = place();
    assert!(matches!(Store::open(&path, Mode::Read).unwrap_err(), Error::Missing { .. }));
    assert!(!path.exists());
    let owner = Store::open(&path, Mode::Own).unwrap();
    apply(&owner, Command::BeginDowntime { key: db(1), downtime: downtime(at(0), at(9)) });
    let reader = Store::open(&path, Mode::Read).unwrap();
    assert_eq!(reader.declared(), owner.declared());
    apply(&owner, audit("after".to_owned()));
    assert_eq!(reader.audit(None, Page::all()).unwrap().len(), 1);
    assert!(matches!(reader.apply(Command::EnableRecoveries).unwrap_err(), Error::ReadOnly { .. }));
    assert!(matches!(reader.forget_instances(vec![]).unwrap_err(), Error::ReadOnly { .. }));

    let old = path.with_file_name("old.sqlite3");
    Connection::open(&old).unwrap().execute_batch("CREATE TABLE database_instance (hostname text)").unwrap();
    assert!(matches!(Store::open(&old, Mode::Read).unwrap_err(), Error::Older { found: 0, .. }));
}

#[test]
fn somebody_with_an_open_transaction_is_named_as_the_reason() {
    let (_directory, path) = place();
    let store = Store::open(&path, Mode::Own).unwrap();
    store.on_writer("hurrying", |db| db.busy_timeout(Duration::ZERO)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.apply(Command::EnableRecoveries).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }) && error.is_transient(), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    apply(&store, Command::EnableRecoveries);
}

#[test]
fn what_is_queued_is_written_before_the_file_is_closed() {
    let (_directory, path) = place();
    let store = Store::open(&path, Mode::Own).unwrap();
    let waiting: Vec<_> = (0..100).map(|number| store.apply_async(audit(number.to_string()))).collect();
    drop(store);
    let store = Store::open(&path, Mode::Own).unwrap();
    assert_eq!(store.audit(None, Page::all()).unwrap().len(), 100);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(waiting.into_iter().all(|answer| runtime.block_on(answer).is_ok()));
}
