//! Farms in files: what both programs answer about them. No service, no database, no server.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const FARMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/farms");

fn run(line: &str, farm: &str) -> Output {
    let program = match line.split(' ').next() {
        Some("client") => env!("CARGO_BIN_EXE_orchestrator-client"),
        _ => env!("CARGO_BIN_EXE_orchestrator"),
    };
    let mut words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
    if words.iter().any(|word| word == "+filters") {
        words.retain(|word| word != "+filters");
        words.extend(["--config".to_owned(), format!("{FARMS}/filters.json")]);
    }
    words.extend(["--snapshot".to_owned(), format!("{FARMS}/{farm}.json")]);
    // Nothing of the machine may matter: neither a home with a database, nor a service that happens to run.
    let quiet = Command::new(program)
        .args(words)
        .env_clear()
        .env("ORCHESTRATOR_API", "http://127.0.0.1:1")
        .current_dir(std::env::temp_dir())
        .output();
    quiet.unwrap()
}

/// Returns what each line prints about a farm: stdout, then stderr, then the exit code if it is not 0.
fn transcript(farm: &str, calls: &str) -> String {
    let mut transcript = String::new();
    for line in calls.lines() {
        let output = run(line, farm);
        transcript.push_str(&format!("> {line}\n{}", String::from_utf8_lossy(&output.stdout)));
        for said in String::from_utf8_lossy(&output.stderr).lines() {
            // The client tells its number.
            let said = said
                .split_once("]: ")
                .filter(|_| said.starts_with("orchestrator-client["))
                .map_or(said, |(_, rest)| rest);
            transcript.push_str(&format!("! {}\n", said.replace(FARMS, "farms")));
        }
        if let Some(code) = output.status.code().filter(|code| *code != 0) {
            transcript.push_str(&format!("exit {code}\n"));
        }
    }
    transcript
}

#[test]
fn a_tree() {
    let calls = "\
orchestrator -c clusters
orchestrator -c clusters-alias
client -c clusters-alias
orchestrator -c all-clusters-masters
orchestrator -c topology
orchestrator -c topology-tabulated -alias shop
client -c topology-tags -a shop
orchestrator -c which-cluster -i db5
orchestrator -c which-cluster-alias -i db5
orchestrator -c which-cluster-master -alias shop
orchestrator -c which-cluster-instances
orchestrator -c which-cluster-osc-replicas
orchestrator -c which-cluster-osc-running-replicas
orchestrator -c get-cluster-heuristic-lag
orchestrator -c which-instance -i db2
orchestrator -c which-master -i db4.example.com:3306
orchestrator -c which-master -i db1
orchestrator -c which-replicas -i db2
orchestrator -c which-slaves -i db2,db1
orchestrator -c which-broken-replicas -i db1
orchestrator -c is-replicating -i db2
orchestrator -c is-replicating -i db1
orchestrator -c is-replication-stopped -i db2
orchestrator -c instance-status -i db4.example.com
orchestrator -c which-gtid-errant -i db2
orchestrator -c all-instances
orchestrator -c bulk-instances
orchestrator -c bulk-promotion-rules
orchestrator -c search -pattern db3
client -c search -i shop
orchestrator -c find -pattern db[45]
orchestrator -c tags -i db2
orchestrator -c tag-value -i db2 -tag role
orchestrator -c tag-value -i db2 -tag nosuch
client -c tag-value -i db2 -t nosuch
orchestrator -c tagged -tag role
orchestrator -c tagged -tag role=standby,nightly
orchestrator -c tagged -tag ~role
orchestrator -c downtimed
orchestrator -c which-lost-in-recovery
orchestrator -c in-maintenance -i db2
client -c dominant-dc
orchestrator -c cluster-pool-instances
orchestrator -c which-heuristic-cluster-pool-instances
client -c which-heuristic-cluster-pool-instances -a shop -l reports
orchestrator -c can-replicate-from -i db3 -d db2
orchestrator -c can-replicate-from -i db2 -d db4
client -c can-replicate-from -i db2 -d db4
client -c can-replicate-from-gtid -i db3 -d db2
orchestrator -c can-replicate-from -i db2 -d nosuch
orchestrator -c replication-analysis
orchestrator -c check-global-recoveries
orchestrator -c explain -alias shop +filters
client -c explain -a shop
client -c api -P maintenance
orchestrator -c topology -alias nosuch
orchestrator -c stop-replica -i db2
client -c begin-downtime -i db2 -r x
client -c api -P stop-replica/db2.example.com/3306
orchestrator -c resolve -i db2
orchestrator -c nosuchcommand
client -c which-api";
    insta::assert_snapshot!(transcript("tree", calls));
}

#[test]
fn what_if() {
    let calls = "\
orchestrator -c simulate -kill db1 +filters
client -c simulate --kill db2 --config=/dev/null/nothing
client -c simulate --kill db2
orchestrator -c simulate -kill db1 -kill db2 +filters
orchestrator -c simulate -cut east +filters
orchestrator -c simulate -cut west
orchestrator -c simulate -stop-replication db2 -stop-replication db3 -stop-replication db4
orchestrator -c simulate -stop-replication db1
orchestrator -c simulate -kill nosuch
orchestrator -c simulate -cut nowhere
orchestrator -c simulate";
    insta::assert_snapshot!(transcript("tree", calls));
}

#[test]
fn co_primaries() {
    let calls = "\
orchestrator -c clusters
orchestrator -c topology
orchestrator -c which-cluster-master
orchestrator -c all-clusters-masters
orchestrator -c replication-analysis
orchestrator -c simulate -kill db1 +filters";
    insta::assert_snapshot!(transcript("co_primaries", calls));
}

#[test]
fn a_group() {
    let calls = "\
orchestrator -c clusters
orchestrator -c topology
orchestrator -c replication-analysis
orchestrator -c simulate -kill db1 +filters
orchestrator -c simulate -kill db3 +filters";
    insta::assert_snapshot!(transcript("group", calls));
}

#[test]
fn trouble() {
    let calls = "\
orchestrator -c clusters-alias
orchestrator -c topology -alias orders
orchestrator -c topology -i db4
orchestrator -c replication-analysis
client -c replication-analysis
orchestrator -c which-broken-replicas -i db4
orchestrator -c which-gtid-errant -i db5
orchestrator -c in-maintenance -i db6
orchestrator -c topology
orchestrator -c explain -alias orders +filters";
    insta::assert_snapshot!(transcript("trouble", calls));
}

#[test]
fn replicas_in_downtime() {
    let calls = "\
orchestrator -c replication-analysis
client -c replication-analysis";
    insta::assert_snapshot!(transcript("downtime", calls));
}

#[test]
fn nobody() {
    let calls = "\
orchestrator -c clusters
orchestrator -c clusters-alias
orchestrator -c all-instances
orchestrator -c replication-analysis
orchestrator -c bulk-instances
client -c downtimed
orchestrator -c topology";
    insta::assert_snapshot!(transcript("empty", calls));
}

#[test]
fn files_that_are_none() {
    insta::assert_snapshot!(transcript("nosuch", "orchestrator -c clusters\nclient -c clusters"));
    assert!(String::from_utf8_lossy(&run("orchestrator -c clusters", "filters").stderr).contains("this is an object"));
}

#[test]
fn a_farm_may_come_from_stdin() {
    for name in ["-", "/dev/stdin"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_orchestrator"))
            .args(["-c", "clusters", "-snapshot", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&std::fs::read(format!("{FARMS}/tree.json")).unwrap()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "db1.example.com:3306\n", "{name}");
    }
}

#[test]
fn answers_for_programs_are_json() {
    let output = run("orchestrator -c simulate -kill db1 -json +filters", "tree");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["faults"][0]["Kill"]["host"], "db1.example.com");
    assert_eq!(told["found"][0]["diagnosis"]["code"], "DeadPrimary");
    assert_eq!(told["found"][0]["decision"]["Act"]["successor"]["host"], "db2.example.com");
}
