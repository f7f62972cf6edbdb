//! Servers that cannot be read, each in its own way: who asks gets an answer with a cause and a remedy, soon, and
//! everything else goes on.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use common::{Service, configured};
use lab::{Fleet, Product, Tree};
use serde_json::json;
use topology::InstanceKey;

/// A port where somebody accepts connections and says `greeting`, then is silent.
fn impostor(greeting: &'static [u8]) -> InstanceKey {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            // Who hung up already needs no greeting.
            drop(stream.write_all(greeting));
            kept.push(stream);
        }
    });
    key(address)
}

fn key(address: SocketAddr) -> InstanceKey {
    InstanceKey::new(address.ip().to_string(), address.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_server_is_told_with_its_remedy_and_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(&configured(directory.path(), &json!({"InstancePollSeconds": 1}))).await;
    let nobody = key(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    for (server, words) in [
        (nobody, "does mysqld run there"),
        (impostor(b""), "no answer within"),
        (impostor(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "check the port"),
        (impostor(b"SSH-2.0-OpenSSH_9.2\r\n"), "check the port"),
        (impostor(&[0xff; 4096]), "check the port"),
        (InstanceKey::new("no-such-host.invalid", 3306), "check the name"),
    ] {
        let asked = Instant::now();
        let answer = service.discover(&server).await;
        let message = answer["Message"].as_str().unwrap();
        assert_eq!(answer["Code"], "ERROR", "{answer}");
        assert!(message.contains(words) && message.contains(&server.to_string()), "{server}: {message}");
        assert!(asked.elapsed() < Duration::from_secs(8), "{server}: {:?}", asked.elapsed());
    }
    let forgotten = async |service: &Service| (service.ask("/api/all-instances").await == json!([])).then_some(());
    service.until("what never answered is dropped", forgotten).await;
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

/// One server of a cluster refuses us, another hangs, a third is a replica of nobody: the rest is seen as before.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_server_spoils_nothing_else() -> anyhow::Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(2).build().await?;
    let (primary, good, bad) = (fleet.server(0), fleet.server(1), fleet.server(2));
    bad.sql("SET sql_log_bin = 0; SET PASSWORD FOR 'orchestrator'@'%' = PASSWORD('another')").await?;
    let directory = tempfile::tempdir()?;
    let settings = json!({"InstancePollSeconds": 1, "DiscoveryMaxConcurrency": 4});
    let service = Service::start(&configured(directory.path(), &settings)).await;

    let refused = service.discover(bad.key()).await;
    let message = refused["Message"].as_str().unwrap();
    assert!(message.contains("1045") && message.contains("MySQLTopologyUser"), "{message}");
    assert!(!service.log().contains("orchestrator-lab"), "a password is in the log");
    let silent: Vec<InstanceKey> = (0..6).map(|_| impostor(b"")).collect();
    for server in &silent {
        assert_eq!(service.ask(&format!("/api/async-discover/{}/{}", server.host, server.port)).await["Code"], "OK");
    }
    assert_eq!(service.discover(good.key()).await["Code"], "OK");
    let path = format!("/api/instance/{}/{}", good.key().host, good.key().port);
    let healthy = async |service: &Service| {
        let instance = service.ask(&path).await;
        (instance["IsUpToDate"] == true && instance["MasterKey"]["Hostname"] == primary.key().host).then_some(())
    };
    service.until("the good replica", healthy).await;
    for server in &silent {
        service.says(&format!("probe failed instance={server}")).await;
    }
    // Silent ones time out again and again, more of them than polls may go on at one time; the good ones are read every
    // second all the same.
    let until = Instant::now() + Duration::from_secs(6);
    let good_for_long = async |service: &Service| {
        let instance = service.ask(&path).await;
        let age = instance["SecondsSinceLastSeen"]["Int64"].as_i64().unwrap();
        assert!(age <= 3, "not read for {age} s");
        (Instant::now() > until).then_some(())
    };
    service.until("six seconds", good_for_long).await;

    primary.freeze()?;
    let asked = Instant::now();
    let hung = service.discover(primary.key()).await;
    assert_eq!(hung["Code"], "ERROR", "{hung}");
    assert!(asked.elapsed() < Duration::from_secs(8));
    assert_eq!(service.discover(good.key()).await["Code"], "OK");
    primary.thaw()?;
    Ok(())
}

/// Any one server leads to all others, also the last of a chain.
#[tokio::test(flavor = "multi_thread")]
async fn every_server_of_a_chain_leads_to_the_whole() -> anyhow::Result<()> {
    for (product, first) in [(Product::MySql97, 2), (Product::MariaDb1011, 1)] {
        let fleet = Fleet::builder().product(product).tree(Tree::chain(3)).build().await?;
        let directory = tempfile::tempdir()?;
        let service = Service::start(&configured(directory.path(), &json!({"InstancePollSeconds": 1}))).await;
        let head = fleet.server(0).key().to_string();
        assert_eq!(service.discover(fleet.server(first).key()).await["Code"], "OK");
        let whole = async |service: &Service| {
            let cluster = service.ask(&format!("/api/cluster/{head}")).await;
            (cluster.as_array().is_some_and(|members| members.len() == 3)).then_some(())
        };
        service.until("three members", whole).await;
        assert_eq!(service.ask("/api/clusters").await, json!([head]));

        // A forgotten leaf stays away although its source names it, until somebody asks for it.
        let leaf = fleet.server(2).key();
        let path = format!("/{}/{}", leaf.host, leaf.port);
        assert_eq!(service.ask(&format!("/api/forget{path}")).await["Code"], "OK");
        service.discover(fleet.server(1).key()).await;
        let members = service.ask(&format!("/api/cluster/{head}")).await;
        assert_eq!(members.as_array().map(Vec::len), Some(2), "{members}");
        assert_eq!(service.discover(leaf).await["Code"], "OK");
        service.until("three members again", whole).await;
    }
    Ok(())
}
