//! However the lab ends, no server outlives it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::{Fleet, Product, servers};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

/// A `lab fleet` that has said that it is ready.
struct Running {
    lab: Child,
    pids: Vec<u32>,
    dir: PathBuf,
}

fn run_lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(arguments);
    command
}

fn start(arguments: &[&str]) -> Result<Running> {
    let mut lab = run_lab(arguments).stdout(Stdio::piped()).spawn()?;
    let (mut pids, mut dir) = (Vec::new(), PathBuf::new());
    for line in BufReader::new(lab.stdout.take().context("a pipe")?).lines() {
        let line = line?;
        if let Some((_, rest)) = line.split_once("pid ") {
            let (pid, socket) = rest.split_once("  root: ").context("pid and socket")?;
            pids.push(pid.parse()?);
            dir = Path::new(socket).ancestors().nth(2).context("the fleet's folder")?.to_owned();
        }
        if line.starts_with("Ctrl-C") {
            return Ok(Running { lab, pids, dir });
        }
    }
    bail!("the lab ended: {:?}", lab.wait()?)
}

/// True while the process exists and is not only waiting to be buried.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn all_gone(pids: &[u32]) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while pids.iter().any(|pid| lives(*pid)) {
        if Instant::now() > until {
            bail!("servers outlived the lab: {pids:?}");
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn signal(lab: &Child, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(i32::try_from(lab.id())?).context("a pid")?, signal)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_and_terminate_remove_everything() -> Result<()> {
    servers::ensure(Product::MariaDb1011).await?;
    for end in [Signal::INT, Signal::TERM] {
        let mut running = start(&["fleet", "--flavor", "mariadb-10.11", "--replicas", "1"])?;
        assert!(running.pids.len() == 2 && running.pids.iter().all(|pid| lives(*pid)));
        signal(&running.lab, end)?;
        assert!(running.lab.wait()?.success());
        all_gone(&running.pids)?;
        assert!(!running.dir.exists());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_leaves_no_server_and_clean_removes_the_rest() -> Result<()> {
    servers::ensure(Product::MariaDb1011).await?;
    let mut running = start(&["fleet", "--flavor", "mariadb-10.11", "--replicas", "1", "--namespaces"])?;
    signal(&running.lab, Signal::KILL)?;
    running.lab.wait()?;
    all_gone(&running.pids)?;
    assert!(run_lab(&["clean"]).stdout(Stdio::null()).status()?.success());
    // Another test's fleet may have the same place by now: its servers are others.
    let leftover = |pid: &u32| {
        std::fs::read_to_string(running.dir.join("s1/pid")).is_ok_and(|text| text.trim() == pid.to_string())
    };
    assert!(!running.pids.iter().any(leftover));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_leaves_running_fleets_alone() -> Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(0).build().await?;
    assert!(run_lab(&["clean"]).stdout(Stdio::null()).status()?.success());
    assert_eq!(fleet.server(0).value("SELECT 1").await?, "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_removes_everything() -> Result<()> {
    let (tell, told) = std::sync::mpsc::channel();
    let task = tokio::spawn(async move {
        let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(0).build().await.unwrap();
        tell.send((fleet.server(0).pid().unwrap(), fleet.dir().to_owned())).unwrap();
        panic!("as a failed test does");
    });
    assert!(task.await.unwrap_err().is_panic());
    let (pid, _) = told.recv()?;
    all_gone(&[pid])
}

#[test]
fn a_program_that_is_none_is_named() -> Result<()> {
    let output = run_lab(&["fetch", "mysql-9.7"]).env("ORCHESTRATOR_LAB_MYSQLD", "/nowhere/mysqld").output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("ORCHESTRATOR_LAB_MYSQLD=/nowhere/mysqld is not a server program"), "{text}");
    Ok(())
}
