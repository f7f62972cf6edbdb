//! Three nodes that decide together, each with its API, asked as people and load balancers do.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use cli::{Credentials, Http, Options, Program, Transport as _};
use config::{Config, NoSurroundings, SourceFile};
use consensus::{Card, Consensus, Dialer, Port, Security, Settings, Timing};
use manager::{Manager, Mode};
use serde_json::Value;
use store::Store;
use tokio::net::TcpListener;

/// How long anything may take that takes a moment on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    host: String,
    raft: String,
    api: Http,
    consensus: Consensus,
}

impl Node {
    /// Returns the status and the JSON of the answer to a path below `/api`.
    async fn ask(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.api.get(path).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        self.ask(path).await.1
    }

    /// Runs a command of the client.
    async fn command(&self, command: &str, node: &str) -> String {
        let options = Options { hostname: node.to_owned(), ..Options::default() };
        cli::run(Program::Client, command, &options, &self.api).await.unwrap().stdout
    }
}

fn config() -> Config {
    let text = r#"{"RaftEnabled": true, "RaftDataDir": "/nowhere", "DefaultRaftPort": 10008}"#.to_owned();
    config::parse(&[SourceFile { name: "test.json".to_owned(), text }], &NoSurroundings).unwrap().config
}

/// Starts three nodes that know each other's addresses.
async fn three_nodes() -> Vec<Node> {
    let mut bound = Vec::new();
    for _ in 0..3 {
        let port = Port::bind("127.0.0.1:0", &Security::Plain).await.unwrap();
        bound.push((port, TcpListener::bind("127.0.0.1:0").await.unwrap()));
    }
    let addresses: Vec<String> = bound.iter().map(|(port, _)| port.address().to_string()).collect();
    let mut nodes = Vec::new();
    for (number, (port, listener)) in bound.into_iter().enumerate() {
        let http = format!("http://{}", listener.local_addr().unwrap());
        let host = format!("orch{}.example.com", number + 1);
        let settings = Settings {
            bind: addresses[number].clone(),
            advertise: addresses[number].clone(),
            nodes: addresses.clone(),
            card: Card { hostname: host.clone(), http: http.clone(), version: "0.1.0".to_owned() },
            timing: Timing::default(),
            seed: None,
        };
        let store = Store::open(":memory:", store::Mode::Own).unwrap();
        let dialer = Dialer::new(&Security::Plain).unwrap();
        let consensus = Consensus::join(settings, store, port, dialer).await.unwrap();
        let same: Arc<manager::Reload> = Arc::new(|config, _| Ok((config.clone(), Vec::new())));
        let manager = Manager::start(config(), consensus.clone(), Mode::OneCommand, same).await.unwrap();
        let router = api::router(manager, api::Metrics::install());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let api = Http::new(&http, Credentials::default()).unwrap();
        nodes.push(Node { host, raft: addresses[number].clone(), api, consensus });
    }
    nodes
}

/// Looks until there is something to see, and returns it.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    const BRIEFLY: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(BRIEFLY).await;
    }
}

/// Waits until all nodes name one leader that acts and whose API they know. Returns its number.
async fn leader_of(nodes: &[Node]) -> usize {
    eventually("one leader that all nodes name", async || {
        let mut named = Vec::new();
        for node in nodes {
            let status = node.json("raft-status").await;
            named.push((status["Leader"].clone(), status["LeaderURI"].clone()));
        }
        let leader = nodes.iter().position(|node| node.raft == named[0].0)?;
        let agree = named.iter().all(|other| *other == named[0] && other.1 != "");
        (agree && nodes[leader].ask("leader-check").await.0 == 200).then_some(leader)
    })
    .await
}

/// Waits until `node` answers `path` with these details.
async fn until_details(node: &Node, path: &str, details: &str) {
    eventually(details, async || (node.json(path).await["Details"] == details).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_may_be_asked() {
    let nodes = three_nodes().await;
    let leader = leader_of(&nodes).await;
    let (follower, other) = (&nodes[(leader + 1) % 3], &nodes[(leader + 2) % 3]);

    // One node leads, and every node knows the way to it.
    for node in &nodes {
        let expected = if node.raft == nodes[leader].raft { 200 } else { 503 };
        assert_eq!(node.ask("leader-check/503").await.0, expected, "{}", node.host);
        assert_eq!(node.ask("routed-leader-check").await.0, 200, "{}", node.host);
        assert_eq!(node.command("raft-leader", "").await.trim(), nodes[leader].raft);
        assert_eq!(node.command("raft-leader-hostname", "").await.trim(), nodes[leader].host);
        assert_eq!(node.command("raft-peers", "").await.lines().count(), 3);
        assert_eq!(node.command("raft-health", "").await.trim(), "healthy");
    }
    let urls: Vec<String> = nodes.iter().map(|node| node.api.url().to_owned()).collect();
    assert_eq!(Http::leader_of(&urls, &Credentials::default()).await.unwrap().url(), nodes[leader].api.url());

    // What is changed through a node is seen there at once, and everywhere a moment later.
    for (change, word) in [("disable-global-recoveries", "disabled"), ("enable-global-recoveries", "enabled")] {
        assert_eq!(follower.json(change).await["Details"], word);
        assert_eq!(follower.json("check-global-recoveries").await["Details"], word);
        until_details(other, "check-global-recoveries", word).await;
    }

    let healthy = nodes[leader].json("status").await["Details"]["RaftHealthyMembers"].clone();
    assert_eq!(healthy.as_array().map(Vec::len), Some(3), "{healthy}");
    assert_eq!(follower.json("status").await["Details"]["ActiveNode"]["Hostname"], nodes[leader].raft);
    assert_eq!(follower.json("raft-snapshot").await, "snapshot created");

    // Whoever is asked, leadership goes to the node that is named, and the answer comes when it is there.
    assert_eq!(other.command("raft-elect-leader", &follower.host).await.trim(), follower.host);
    let next = leader_of(&nodes).await;
    assert_eq!(nodes[next].raft, follower.raft);
    let unknown = other.json("raft-yield-hint/nosuchnode").await;
    assert!(unknown["Message"].as_str().unwrap().contains(&other.host), "{unknown}");
    assert_eq!(nodes[leader].json("disable-global-recoveries").await["Details"], "disabled");

    // A member is taken out at run time, and let in again: its log and its vote are as they were.
    assert_eq!(other.command("raft-remove-peer", &other.raft).await.trim(), other.raft);
    let members = follower.json("v2/nodes").await;
    assert_eq!(members["members"].as_array().map(Vec::len), Some(2), "{members}");
    assert_eq!(members["configured_only"], serde_json::json!([other.raft]));
    let (status, added) = nodes[leader].ask(&format!("raft-add-peer/{}", other.raft)).await;
    assert_eq!((status, &added), (200, &serde_json::json!(other.raft)));
    let members = follower.json("v2/nodes").await;
    assert_eq!(members["members"].as_array().map(Vec::len), Some(3), "{members}");
    for node in &nodes {
        node.consensus.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_left_alone_says_that_nobody_leads() {
    let nodes = three_nodes().await;
    let leader = leader_of(&nodes).await;
    let left = &nodes[(leader + 1) % 3];
    for node in nodes.iter().filter(|node| node.raft != left.raft) {
        node.consensus.stop().await;
    }
    let refused = eventually("the answer that nobody leads", async || {
        let (status, answer) = left.ask("disable-global-recoveries").await;
        let says_so = answer["Message"].as_str().is_some_and(|message| message.starts_with("no node leads now"));
        (status == 503 && says_so).then_some(answer)
    })
    .await;
    assert_eq!(refused["Details"], Value::Null);
    assert_eq!(left.ask("leader-check").await.0, 404);
    assert_eq!(left.ask("raft-health").await.0, 500);
    assert_eq!(left.json("check-global-recoveries").await["Details"], "enabled", "reads go on");
    left.consensus.stop().await;
}
