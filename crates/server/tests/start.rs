//! What keeps the service from starting, and how it stops: a clear message, exit code 1, nothing lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::Duration;

use common::{Service, configured, ends, refuses};
use serde_json::json;

#[test]
fn a_port_in_use_is_named_and_the_database_stays_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refuses(&configured(directory.path(), &json!({"ListenAddress": address})));
    assert!(said.contains(&address) && said.contains("ListenAddress") && said.contains("another"), "{said}");
    assert!(!directory.path().join("orchestrator.sqlite3").exists());
    let elsewhere = refuses(&configured(directory.path(), &json!({"ListenAddress": "198.51.100.7:3000"})));
    assert!(elsewhere.contains("no such address"), "{elsewhere}");
}

#[tokio::test]
async fn the_second_manager_of_a_file_is_told_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let first = Service::start(&configured(directory.path(), &json!({}))).await;
    let second = refuses(&configured(directory.path(), &json!({})));
    assert!(second.contains("another orchestrator (pid ") && second.contains("SQLite3DataFile"), "{second}");
    assert_eq!(first.get("/api/status").await.unwrap().0, 200);
    assert_eq!(first.stop().0, Some(0));
}

#[tokio::test]
async fn a_damaged_database_is_named_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let config = configured(directory.path(), &json!({}));
    assert_eq!(Service::start(&config).await.stop().0, Some(0));
    let file = directory.path().join("orchestrator.sqlite3");
    let good = fs::read(&file).unwrap();
    let refused = |bytes: &[u8], words: &str| {
        fs::write(&file, bytes).unwrap();
        let said = refuses(&config);
        assert!(said.contains(words) && said.contains("move") && said.contains(file.to_str().unwrap()), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        assert_eq!(fs::read(&file).unwrap(), bytes, "it was changed");
    };
    refused(&good[..good.len() / 2], "not a healthy SQLite database");
    let mut overwritten = good.clone();
    let middle = overwritten.len() / 2;
    overwritten[middle..middle + 20_000].fill(0x5a);
    refused(&overwritten, "not a healthy SQLite database");
    refused(b"This is the log of something else, and no database at all.\n", "is not a SQLite database");
    fs::write(&file, good).unwrap();
    assert_eq!(Service::start(&config).await.stop().0, Some(0));
}

#[test]
fn a_place_that_cannot_hold_the_database_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |file: std::path::PathBuf| refuses(&configured(directory.path(), &json!({"SQLite3DataFile": file})));
    let said = at(directory.path().join("no/such/orchestrator.sqlite3"));
    assert!(said.contains("there is no directory") && said.contains("create it"), "{said}");
    let said = at(directory.path().to_owned());
    assert!(said.contains("cannot write"), "{said}");
    let said = at("/proc/orchestrator.sqlite3".into());
    assert!(said.contains("cannot write") && said.contains("SQLite3DataFile"), "{said}");
}

#[test]
fn every_mistake_of_a_configuration_is_told_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.conf.json");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        refuses(&file)
    };
    let said = check(
        r#"{
  "InstancePollSeconds": "five",
  "RecoverMasterClusterFilters": "*",
  "HTTPAuthUser": 3,
  "FailMasterPromotionIfSQLThreadNotUpToDate": true,
  "DelayMasterPromotionIfSQLThreadNotUpToDate": true,
  "MySQLTopologyCredentialsConfigFile": "/no/such/file.cnf"
}"#,
    );
    for (line, key) in [(2, "InstancePollSeconds"), (3, "RecoverMasterClusterFilters"), (4, "HTTPAuthUser")] {
        assert!(said.contains(&format!("bad.conf.json:{line}: {key}")), "{said}");
    }
    assert!(said.contains("exclude each other") && said.contains("/no/such/file.cnf"), "{said}");
    assert_eq!(said.trim().lines().count(), 5, "{said}");
    assert!(check("{\n \"Debug\": true\n \"ListenAddress\": \":3000\"}").contains("bad.conf.json:3: not valid JSON"));
    assert!(refuses(&directory.path().join("missing.json")).contains("cannot read the configuration file"));
}

#[test]
fn a_check_of_the_configuration_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let good = configured(directory.path(), &json!({}));
    let output = ends(&["--config", good.to_str().unwrap(), "config-check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let odd = configured(directory.path(), &json!({"NoSuchKeyAtAll": 1}));
    let output = ends(&["-config", odd.to_str().unwrap(), "config-check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("NoSuchKeyAtAll"));
    assert!(!directory.path().join("orchestrator.sqlite3").exists());
}

#[test]
fn one_of_several_nodes_runs_no_command_of_its_own_unless_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let raft = json!({"RaftEnabled": true, "RaftDataDir": directory.path(), "RaftBind": "127.0.0.1"});
    let config = configured(directory.path(), &raft);
    let refused = ends(&["-config", config.to_str().unwrap(), "-c", "clusters"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(1), [].as_slice()), "{said}");
    assert!(said.contains("orchestrator-client") && said.contains("-ignore-raft-setup"), "{said}");
    assert!(!directory.path().join("orchestrator.sqlite3").exists());
    let told = ends(&["-config", config.to_str().unwrap(), "-ignore-raft-setup", "-c", "clusters"]);
    assert!(String::from_utf8(told.stderr).unwrap().contains("there is no database"), "it makes none");
}

#[tokio::test]
async fn the_database_of_a_node_is_not_used_alone() {
    let directory = tempfile::tempdir().unwrap();
    let listen = common::free_address();
    let raft = json!({
        "ListenAddress": listen, "RaftEnabled": true, "RaftDataDir": directory.path(), "RaftBind": common::free_address(),
    });
    let config = configured(directory.path(), &raft);
    let node = Service::start(&config).await;
    node.until("its leadership", async |node| (node.ask("/api/raft-state").await == "Leader").then_some(())).await;
    assert_eq!(node.get("/api/disable-global-recoveries").await.unwrap().0, 200);
    assert_eq!(node.stop().0, Some(0));
    let asked = ["-config", config.to_str().unwrap(), "-ignore-raft-setup", "-c"];
    let looks = ends(&[asked.as_slice(), &["check-global-recoveries"]].concat());
    assert_eq!(String::from_utf8(looks.stdout).unwrap().trim(), "OK: Global recoveries disabled: true");
    let changes = ends(&[asked.as_slice(), &["enable-global-recoveries"]].concat());
    assert_eq!(changes.status.code(), Some(1), "{changes:?}");
    let alone = configured(directory.path(), &json!({}));
    let said = refuses(&alone);
    assert!(said.contains("is the database of a raft node") && said.contains("RaftEnabled"), "{said}");
}

#[test]
fn without_a_place_for_the_database_it_is_in_the_home_directory() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("orchestrator.conf.json");
    fs::write(&config, json!({"ListenAddress": common::free_address()}).to_string()).unwrap();
    let run = |home: &std::path::Path| {
        let mut command = std::process::Command::new(common::program());
        command.args(["-config", config.to_str().unwrap(), "-c", "clusters"]);
        command.env("HOME", home).env("XDG_DATA_HOME", "").output().unwrap()
    };
    assert_eq!(run(home.path()).status.code(), Some(0));
    assert!(home.path().join(".local/share/orchestrator/orchestrator.sqlite3").exists());
    let nowhere = run("/proc/nowhere".as_ref());
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(nowhere.status.code() == Some(1) && said.contains("/proc/nowhere"), "{said}");
}

#[tokio::test]
async fn a_bad_file_is_not_taken_over_by_a_reload() {
    const FILTERS: &str = "/api/automated-recovery-filters";
    let directory = tempfile::tempdir().unwrap();
    let config = configured(directory.path(), &json!({"RecoverMasterClusterFilters": ["shop"]}));
    let service = Service::start(&config).await;
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[\n    \"shop\"\n  ]", "7")).unwrap();
    service.signal("-HUP");
    service.says("RecoverMasterClusterFilters: expected a list").await;
    let answer = service.ask("/api/reload-configuration").await;
    assert_eq!(answer["Code"], "ERROR");
    assert!(answer["Message"].as_str().unwrap().contains("orchestrator.conf.json:"), "{answer}");
    assert_eq!(service.ask(FILTERS).await["Details"]["RecoverMasterClusterFilters"], json!(["shop"]));

    fs::write(&config, text.replace("\"shop\"", "\"bank\"")).unwrap();
    service.signal("-HUP");
    let bank = json!(["bank"]);
    let reloaded = async |service: &Service| {
        (service.ask(FILTERS).await["Details"]["RecoverMasterClusterFilters"] == bank).then_some(())
    };
    service.until("the new filters", reloaded).await;
}

/// A load balancer keeps connections open, a browser too, and somebody's script may hang in the middle of a request.
#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_it_from_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(&configured(directory.path(), &json!({}))).await;
    let _silent = TcpStream::connect(service.address()).unwrap();
    let mut half = TcpStream::connect(service.address()).unwrap();
    half.write_all(b"GET /api/stat").unwrap();
    let mut kept = TcpStream::connect(service.address()).unwrap();
    kept.write_all(b"GET /api/clusters HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    assert!(kept.read(&mut [0; 64]).unwrap() > 0);
    let (code, took) = service.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(!directory.path().join("orchestrator.sqlite3-wal").exists(), "the database is one file");
}

#[tokio::test]
async fn what_people_declared_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let config = configured(directory.path(), &json!({}));
    let service = Service::start(&config).await;
    assert_eq!(service.ask("/api/disable-global-recoveries").await["Code"], "OK");
    service.kill();
    let service = Service::start(&config).await;
    assert_eq!(service.ask("/api/check-global-recoveries").await["Details"], "disabled");
}

/// Reads of a file that was cut off or overwritten while it is in use fail, and stop nothing.
#[tokio::test]
async fn a_database_that_is_damaged_under_a_running_service_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let config = configured(directory.path(), &json!({}));
    assert_eq!(Service::start(&config).await.stop().0, Some(0));
    let service = Service::start(&config).await;
    let file = directory.path().join("orchestrator.sqlite3");
    let length = fs::metadata(&file).unwrap().len();
    let garbage = vec![0x5a; usize::try_from(length).unwrap() - 4096];
    fs::OpenOptions::new().write(true).open(&file).unwrap().write_all_at(&garbage, 4096).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o111, 0);
    for path in ["/api/status", "/api/audit-recovery", "/api/audit", "/api/maintenance"] {
        let (status, text) = service.get(path).await.unwrap();
        assert!(status == 200 || text.contains("move it away"), "{path}: {status}: {text}");
    }
    assert_eq!(service.get("/api/clusters").await.unwrap(), (200, "null".to_owned()));
    assert!(!service.log().contains("panicked"), "{}", service.log());
}
