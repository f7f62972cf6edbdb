//! A manager that is killed in the middle of its work.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};

use super::*;
use crate::Page;

/// Tells a copy of this program that it is the one to be killed, and which file to use.
const VICTIM: &str = "STORE_TEST_VICTIM_PATH";
const THIS: &str = "tests::crash::what_was_answered_survives_a_kill";

fn audit(number: i64) -> Command {
    Command::Audit {
        kind: "test".to_owned(),
        key: None,
        cluster: String::new(),
        message: number.to_string(),
        at: at(number),
    }
}

/// Applies for ever: pairs of marks that belong together, and audit rows whose number it tells after the answer.
fn be_the_victim(path: &Path) {
    let store = Store::open(path, Mode::Own).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = store.audit(None, Page::nth(0)).unwrap().first().map_or(1, |row| row.id + 1);
    for number in (first..).step_by(4) {
        let marks = vec![db(number as u16), db((number as u16).wrapping_add(20_000))];
        let mut waiting = vec![store.apply_async(Command::Forget { keys: marks, at: at(0), until: at(1) })];
        waiting.extend((number..number + 4).map(|number| store.apply_async(audit(number))));
        for answer in waiting {
            runtime.block_on(answer).unwrap();
        }
        println!("answered {}", number + 3);
    }
}

#[test]
fn what_was_answered_survives_a_kill() {
    if let Some(path) = std::env::var_os(VICTIM) {
        return be_the_victim(Path::new(&path));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orchestrator.sqlite3");
    for round in 1..=5 {
        let mut victim = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", THIS, "--nocapture", "--test-threads=1"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        let answers = answers.filter_map(|line| line.rsplit_once("answered ")?.1.parse::<i64>().ok());
        let mut answers = answers.skip(7 * round);
        let mut last = answers.next().expect("it answers until it is killed");
        victim.kill().unwrap();
        victim.wait().unwrap();
        last = answers.last().unwrap_or(last);

        let store = Store::open(&path, Mode::Own).expect("the lock went with the process, and the file is healthy");
        let rows = store.audit(None, Page::all()).unwrap();
        assert!(rows[0].id >= last, "answered up to {last}, found up to {}", rows[0].id);
        assert!(rows.iter().all(|row| row.message == row.id.to_string()));
        assert_eq!(rows.len() as i64, rows[0].id, "none in between is missing");
        assert_eq!(store.declared().forgotten.len() % 2, 0, "both marks of a command, or none");
    }
}
