//! Every command over recorded answers: what it asks for, and what it prints.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use cli::{Failure, Options, Program, Transport, TransportError, run};

/// Answers what was recorded, and remembers what it was asked.
struct Recorded {
    answers: Vec<(&'static str, &'static str)>,
    asked: Mutex<Vec<String>>,
}

impl Recorded {
    fn new(answers: &[(&'static str, &'static str)]) -> Self {
        Self { answers: answers.to_vec(), asked: Mutex::default() }
    }
}

impl Transport for Recorded {
    async fn get(&self, path_and_query: &str) -> Result<(u16, Vec<u8>), TransportError> {
        self.asked.lock().expect("no panic").push(path_and_query.to_owned());
        let Some((_, file)) = self.answers.iter().find(|(path, _)| *path == path_and_query) else {
            return Ok((404, b"404 page not found\n".to_vec()));
        };
        let body =
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../api/tests/golden/{file}.json")))
                .expect(file);
        let failed = String::from_utf8_lossy(&body).contains(r#""Code": "ERROR""#);
        Ok((if failed { 500 } else { 200 }, body))
    }
}

const ANSWERS: &[(&str, &str)] = &[
    ("clusters-info", "clusters-info"),
    ("clusters", "clusters"),
    ("masters", "masters"),
    ("master/alpha", "master"),
    ("cluster/alpha", "cluster-by-name"),
    ("cluster-info/alpha", "cluster-info-by-name"),
    ("cluster-info/127.0.1.3:21103", "cluster-info-by-name"),
    ("topology/alpha", "topology-hint"),
    ("topology/127.0.1.2:21102", "topology-hint"),
    ("topology-tabulated/alpha", "topology-tabulated"),
    ("all-instances", "all-instances"),
    ("search?s=127.0.2", "search-query"),
    ("instance/127.0.1.1/21101", "instance-primary"),
    ("instance/127.0.1.2/21102", "instance-replica"),
    ("instance/127.0.1.4/21104", "instance-errant"),
    ("instance/127.0.9.9/3306", "instance-unknown"),
    ("instance-replicas/127.0.1.1/21101", "instance-replicas"),
    ("discover/127.0.1.2/21102", "discover-ok"),
    ("async-discover/127.0.1.2/21102", "async-discover"),
    ("forget/127.0.2.4/21204", "forget"),
    ("resolve/127.0.1.1/21101", "resolve"),
    ("stop-replica/127.0.1.4/21104", "stop-replica"),
    ("start-replica/127.0.1.4/21104", "start-replica"),
    ("restart-replica/127.0.1.4/21104", "restart-replica"),
    ("set-read-only/127.0.1.2/21102", "set-read-only"),
    ("set-writeable/127.0.1.2/21102", "set-writeable-replica"),
    ("begin-downtime/127.0.1.2/21102/gopher/golden%20test/10m", "begin-downtime"),
    ("end-downtime/127.0.1.2/21102", "end-downtime"),
    ("downtimed", "downtimed"),
    ("downtimed/beta", "downtimed-empty"),
    ("begin-maintenance/127.0.1.2/21102/gopher/golden%20test", "begin-maintenance"),
    ("end-maintenance/127.0.1.2/21102", "end-maintenance"),
    ("in-maintenance/127.0.1.2/21102", "in-maintenance-yes"),
    ("in-maintenance/127.0.1.1/21101", "in-maintenance-no"),
    ("register-candidate/127.0.1.3/21103/prefer", "register-candidate"),
    ("replication-analysis", "replication-analysis-dead-master"),
    ("recover/127.0.1.1/21101", "recover"),
    ("recover-lite/127.0.1.1/21101/127.0.1.3/21103", "recover"),
    ("recover/127.0.2.1/21201", "recover-nothing-wrong"),
    ("force-master-failover/nosuchcluster", "force-master-failover-unknown"),
    ("force-master-takeover/alpha/127.0.1.2/21102", "force-master-takeover"),
    ("graceful-master-takeover/alpha", "graceful-master-takeover-several-replicas"),
    ("graceful-master-takeover-auto/alpha/127.0.1.1/21101", "graceful-master-takeover-auto"),
    ("ack-all-recoveries?comment=all%20of%20them", "ack-all-recoveries"),
    ("ack-recovery/cluster/alpha?comment=fixed", "ack-recovery-cluster"),
    ("ack-recovery/instance/127.0.2.2/21202?comment=fixed", "ack-recovery-instance"),
    ("audit-recovery/0?unacknowledged=true", "audit-recovery"),
    ("disable-global-recoveries", "disable-global-recoveries"),
    ("enable-global-recoveries", "enable-global-recoveries"),
    ("check-global-recoveries", "check-global-recoveries"),
    ("reload-configuration", "reload-configuration"),
    ("raft-status", "raft-status-follower"),
    ("raft-health", "raft-health"),
    ("raft-peers", "raft-peers"),
    ("raft-snapshot", "raft-snapshot"),
];

/// What a manager that stands alone answers.
const SINGLE: &[(&str, &str)] = &[
    ("raft-status", "single-raft-status"),
    ("raft-health", "single-raft-health"),
    ("raft-peers", "single-raft-peers"),
    ("raft-snapshot", "single-raft-snapshot"),
    ("raft-yield-hint/x", "single-raft-yield"),
];

/// Every command with the options it is tried with: instance, destination, alias, and the rest by name.
const CALLS: &str = "\
clusters
clusters-alias
all-clusters-masters
topology a=alpha
topology i=127.0.1.2:21102
topology-tabulated a=alpha
which-cluster i=127.0.1.3:21103
which-cluster-alias a=alpha
which-cluster-domain a=alpha
which-cluster-master a=alpha
which-cluster-instances a=alpha
dominant-dc
discover i=127.0.1.2:21102
async-discover i=127.0.1.2:21102
forget i=127.0.2.4:21204
resolve i=127.0.1.1:21101
all-instances
search i=127.0.2 p=127.0.2
find p=2110[34]$
instance i=127.0.1.2:21102
which-instance i=127.0.9.9
which-master i=127.0.1.2:21102
which-master i=127.0.1.1:21101
which-slaves i=127.0.1.1:21101
which-broken-replicas i=127.0.1.1:21101
which-gtid-errant i=127.0.1.4:21104
is-replicating i=127.0.1.2:21102
is-replicating i=127.0.1.1:21101
is-replication-stopped i=127.0.1.2:21102
instance-status i=127.0.1.2:21102
start-slave i=127.0.1.4:21104
stop-replica i=127.0.1.4:21104
restart-replica i=127.0.1.4:21104
set-read-only i=127.0.1.2:21102
set-writeable i=127.0.1.2:21102
begin-downtime i=127.0.1.2:21102 r=golden_test
begin-downtime i=127.0.1.2:21102
end-downtime i=127.0.1.2:21102
downtimed
downtimed a=beta
which-lost-in-recovery
begin-maintenance i=127.0.1.2:21102 r=golden_test
end-maintenance i=127.0.1.2:21102
in-maintenance i=127.0.1.2:21102
in-maintenance i=127.0.1.1:21101
register-candidate i=127.0.1.3:21103 rule=prefer
replication-analysis
recover i=127.0.1.1:21101
recover i=127.0.2.1:21201
recover-lite i=127.0.1.1:21101 d=127.0.1.3:21103
force-master-failover a=nosuchcluster
force-master-takeover a=alpha d=127.0.1.2:21102
force-master-takeover a=alpha
graceful-master-takeover a=alpha
graceful-master-takeover-auto a=alpha d=127.0.1.1:21101
ack-all-recoveries r=all_of_them
ack-cluster-recoveries a=alpha r=fixed
ack-cluster-recoveries a=alpha
ack-instance-recoveries i=127.0.2.2:21202 r=fixed
disable-global-recoveries
enable-global-recoveries
check-global-recoveries
reload-configuration
raft-leader
raft-health
raft-status
raft-peers
raft-snapshot
raft-elect-leader
raft-elect-leader h=orch2.example.com
raft-add-peer h=127.0.0.14:10108
raft-remove-peer h=[::1]:10108
api path=clusters
api path=/api/nosuch
topology i=[::1
nosuchcommand
";

fn options(words: &[&str]) -> Options {
    let get = |name: &str| {
        let prefix = format!("{name}=");
        words.iter().find_map(|word| word.strip_prefix(&prefix)).unwrap_or_default().replace('_', " ")
    };
    Options {
        instance: get("i"),
        destination: get("d"),
        alias: get("a"),
        owner: "gopher".to_owned(),
        reason: get("r"),
        duration: String::new(),
        pattern: get("p"),
        promotion_rule: get("rule"),
        default_port: 3306,
        hostname: get("h"),
        path: get("path"),
        pool: String::new(),
        tag: get("t"),
        faults: get("kill").split_whitespace().map(|key| ("kill", key.to_owned())).collect(),
        json: false,
    }
}

async fn transcript(program: Program) -> String {
    let mut transcript = String::new();
    for line in CALLS.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let transport = Recorded::new(ANSWERS);
        let result = run(program, words[0], &options(&words), &transport).await;
        writeln!(transcript, "> {line}").expect("a string");
        for path in transport.asked.into_inner().expect("no panic") {
            writeln!(transcript, "? {path}").expect("a string");
        }
        match result {
            Ok(outcome) => transcript += &outcome.stdout,
            Err(Failure::Refused { message, details }) => {
                writeln!(transcript, "! {message} {details}").expect("a string")
            }
            Err(failure) => writeln!(transcript, "! {failure}").expect("a string"),
        }
    }
    transcript
}

#[tokio::test]
async fn what_the_client_prints() {
    insta::assert_snapshot!(transcript(Program::Client).await);
}

#[tokio::test]
async fn what_the_binary_prints() {
    insta::assert_snapshot!(transcript(Program::Orchestrator).await);
}

#[tokio::test]
async fn analysis_of_structure_only_shows_all_codes_in_the_binary() {
    for (program, file) in [(Program::Client, "client"), (Program::Orchestrator, "binary")] {
        let transport = Recorded::new(&[("replication-analysis", "replication-analysis-with-problems")]);
        let outcome = run(program, "replication-analysis", &Options::default(), &transport).await.expect(file);
        assert_eq!(outcome.stdout, "127.0.1.1:21101 (cluster 127.0.1.1:21101): ErrantGTIDStructureWarning\n", "{file}");
    }
}

#[tokio::test]
async fn the_client_needs_an_instance() {
    let transport = Recorded::new(ANSWERS);
    let refused = run(Program::Client, "which-instance", &options(&[]), &transport).await;
    assert_eq!(refused, Err(Failure::Missing("instance")));
}

#[tokio::test]
async fn the_binary_runs_once_for_each_instance() {
    let transport = Recorded::new(ANSWERS);
    let several = Options { instance: "127.0.1.2:21102, 127.0.1.4:21104".to_owned(), ..options(&[]) };
    let outcome = run(Program::Orchestrator, "which-instance", &several, &transport).await.expect("two answers");
    assert_eq!(outcome.stdout, "127.0.1.2:21102\n127.0.1.4:21104\n");
}

#[tokio::test]
async fn a_manager_that_stands_alone_says_so_as_recorded() {
    let said = [
        ("raft-leader", "raft-state: not running with raft setup"),
        ("raft-health", "raft-state: not running with raft setup"),
        ("raft-status", "raft-state: not running with raft setup"),
        ("raft-peers", "raft-nodes: not running with raft setup"),
        ("raft-elect-leader", "raft-yield: not running with raft setup"),
    ];
    for (command, message) in said {
        let refused = run(Program::Client, command, &options(&["h=x"]), &Recorded::new(SINGLE)).await;
        assert_eq!(refused.expect_err(command).to_string(), message, "{command}");
    }
}

/// Answers one thing.
struct Says(&'static str);

impl Transport for Says {
    async fn get(&self, _path: &str) -> Result<(u16, Vec<u8>), TransportError> {
        Ok((200, self.0.as_bytes().to_vec()))
    }
}

#[tokio::test]
async fn the_leader_is_named_by_its_host_or_missed() {
    for (answer, shown) in [
        (r#"{"raft": true, "leader": {"hostname": "orch1"}}"#, "orch1"),
        (r#"{"raft": true, "leader": null}"#, "no leader is known"),
        (r#"{"raft": false, "leader": null}"#, "raft-state: not running with raft setup"),
    ] {
        let outcome = run(Program::Client, "raft-leader-hostname", &options(&[]), &Says(answer)).await;
        let text = outcome.map_or_else(|failure| failure.to_string(), |outcome| outcome.stdout);
        assert!(text.starts_with(shown), "{text}");
    }
    let unknown = run(Program::Client, "raft-leader", &options(&[]), &Says(r#"{"Leader": ""}"#)).await;
    assert!(unknown.expect_err("nobody leads").to_string().starts_with("no leader is known"));
}

#[test]
fn help_of_both_programs() {
    insta::assert_snapshot!("listing", cli::listing());
    insta::assert_snapshot!("usage", cli::usage());
    insta::assert_snapshot!("topic", cli::topic("register-candidate") + &cli::topic("nosuch"));
}

/// Has recoveries to acknowledge until somebody does.
struct Acknowledging(Mutex<bool>);

impl Transport for Acknowledging {
    async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), TransportError> {
        let mut done = self.0.lock().expect("no panic");
        let answer = match path {
            "audit-recovery/0?unacknowledged=true" if *done => "[{}]".to_owned(),
            "audit-recovery/0?unacknowledged=true" => format!("[{}]", vec!["{}"; 20].join(",")),
            "audit-recovery/1?unacknowledged=true" => "[{},{}]".to_owned(),
            _ => {
                *done = true;
                r#"{"Code":"OK","Message":"","Details":"127.0.1.1:21101"}"#.to_owned()
            }
        };
        Ok((200, answer.into_bytes()))
    }
}

#[tokio::test]
async fn the_binary_counts_what_it_acknowledged() {
    let transport = Acknowledging(Mutex::new(false));
    let told = Options { alias: "alpha".to_owned(), reason: "fixed".to_owned(), ..options(&[]) };
    let outcome = run(Program::Orchestrator, "ack-cluster-recoveries", &told, &transport).await.expect("an answer");
    assert_eq!(outcome.stdout, "21 recoveries acknowledged\n");
}

/// Fails a few times before it answers, as a service that restarts.
struct Restarting(Mutex<Vec<Answered>>);

type Answered = Result<(u16, Vec<u8>), TransportError>;

impl Transport for Restarting {
    async fn get(&self, _path: &str) -> Result<(u16, Vec<u8>), TransportError> {
        self.0.lock().expect("no panic").pop().expect("an answer")
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarting_service_is_waited_for_and_a_wrong_path_is_not() {
    let refused = || Err(TransportError::Unreachable { url: "http://a/api".to_owned(), why: "refused".to_owned() });
    let starting = || Ok((502, b"Bad Gateway".to_vec()));
    let enabled = Ok((200, br#"{"Code":"OK","Message":"","Details":"enabled"}"#.to_vec()));
    let transport = Restarting(Mutex::new(vec![enabled, starting(), refused(), refused()]));
    let outcome = run(Program::Client, "check-global-recoveries", &Options::default(), &transport).await;
    assert_eq!(outcome.expect("an answer").stdout, "enabled\n");

    let transport = Restarting(Mutex::new(vec![Ok((404, b"404 page not found".to_vec()))]));
    assert!(run(Program::Client, "clusters", &Options::default(), &transport).await.is_err());

    let transport = Restarting(Mutex::new((0..9).map(|_| refused()).collect()));
    let began = tokio::time::Instant::now();
    assert!(run(Program::Client, "clusters", &Options::default(), &transport).await.is_err());
    assert_eq!(began.elapsed().as_millis(), 11_300);
}
