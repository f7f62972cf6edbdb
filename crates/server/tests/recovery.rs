//! Recoveries as an operator lives through them: by hand and by itself, refused, held, told to scripts.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;

use common::{PATIENCE, Service, configured};
use lab::{Fleet, Product, Server, Tree};
use serde_json::{Value, json};

async fn watched(fleet: &Fleet, directory: &Path, settings: &Value) -> Service {
    let mut all = json!({"InstancePollSeconds": 1, "RecoverMasterClusterFilters": ["*"]});
    for (key, value) in settings.as_object().unwrap() {
        all[key] = value.clone();
    }
    let service = Service::start(&configured(directory, &all)).await;
    service.discover(fleet.server(0).key()).await;
    sees(&service, fleet.server(0), fleet.servers().len()).await;
    service
}

/// Waits until the cluster of `head` has so many members, all of them read.
async fn sees(service: &Service, head: &Server, count: usize) {
    let path = format!("/api/cluster/{}", head.key());
    let whole = async |service: &Service| {
        let members = service.ask(&path).await;
        let read = members.as_array()?.iter().filter(|member| member["IsUpToDate"] == true).count();
        (read == count).then_some(())
    };
    service.until("all members", whole).await;
}

/// Waits until a recovery has ended and returns it.
async fn recovered(service: &Service, count: usize) -> Value {
    let ended = async |service: &Service| {
        let recoveries = service.ask("/api/audit-recovery").await;
        let ended = recoveries.as_array()?.iter().filter(|one| one["RecoveryEndTimestamp"] != "").count();
        (ended == count).then(|| recoveries[0].clone())
    };
    service.until("the end of a recovery", ended).await
}

async fn diagnosed(service: &Service, code: &str) {
    let seen = async |service: &Service| {
        let analysis = service.ask("/api/replication-analysis").await;
        analysis["Details"].as_array()?.iter().any(|entry| entry["Analysis"] == code).then_some(())
    };
    service.until(code, seen).await;
}

fn path(verb: &str, server: &Server) -> String {
    format!("/api/{verb}/{}/{}", server.key().host, server.key().port)
}

/// Everything that makes a promotion hard at once: a chain, a replica that is behind and preferred, one that must not be
/// promoted, one with transactions of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_topology_with_trouble_keeps_all_that_can_be_kept() -> anyhow::Result<()> {
    let tree = Tree::of(&[None, Some(0), Some(0), Some(0), Some(2)])?;
    let fleet = Fleet::builder().tree(tree).build().await?;
    let [primary, preferred, middle, errant, leaf] = [0, 1, 2, 3, 4].map(|index| fleet.server(index));
    let directory = tempfile::tempdir()?;
    let service = watched(&fleet, directory.path(), &json!({})).await;
    service.ask(&format!("{}/prefer", path("register-candidate", preferred))).await;
    service.ask(&format!("{}/must_not", path("register-candidate", middle))).await;
    let errant_gtid = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1";
    errant.sql("SET GLOBAL super_read_only = 0").await?;
    errant.sql(&format!("SET gtid_next = '{errant_gtid}'; BEGIN; COMMIT; SET gtid_next = automatic")).await?;
    errant.sql("SET GLOBAL super_read_only = 1").await?;
    // What the primary has is known: an errant transaction is one that it lacks.
    primary.sql("INSERT INTO app.writes VALUES (1, 0, 1)").await?;
    service.ask(&path("refresh", primary)).await;
    // It holds one row that it did not apply, and lacks another.
    preferred.stop_applier().await?;
    primary.sql("INSERT INTO app.writes VALUES (1, 1, 1)").await?;
    let received = async |_: &Service| {
        let sql = "SELECT COUNT(*) FROM performance_schema.replication_connection_status
                    WHERE GTID_SUBTRACT(@@global.gtid_executed, received_transaction_set) = ''";
        let gtid = primary.executed().await.ok()?.replace('\n', "");
        let sql = sql.replace("@@global.gtid_executed", &format!("'{gtid}'"));
        (preferred.value(&sql).await.ok()? == "1").then_some(())
    };
    service.until("the row in the relay log", received).await;
    preferred.stop_receiver().await?;
    primary.sql("INSERT INTO app.writes VALUES (1, 2, 1)").await?;
    leaf.has_executed(&primary.executed().await?, PATIENCE).await?;
    assert_eq!(preferred.value("SELECT COUNT(*) FROM app.writes WHERE id > 0").await?, "0");
    service.ask(&path("refresh", preferred)).await;
    service.ask(&path("refresh", errant)).await;

    primary.kill9()?;
    let recovery = recovered(&service, 1).await;
    assert_eq!(recovery["SuccessorKey"]["Hostname"], preferred.key().host, "{recovery}");
    assert_eq!(preferred.value("SELECT COUNT(*) FROM app.writes WHERE id > 0").await?, "2", "it caught up first");
    middle.replicating_from(preferred.key(), PATIENCE).await?;
    leaf.replicating_from(middle.key(), PATIENCE).await?;
    let lost = recovery["LostReplicas"].to_string();
    assert!(lost.contains(&errant.key().host), "{}", service.log());
    let steps = service.ask(&format!("/api/audit-recovery-steps/{}", recovery["UID"].as_str().unwrap())).await;
    assert!(steps.to_string().contains(errant_gtid), "{steps}");
    assert!(!preferred.executed().await?.contains("aaaaaaaa"), "the errant transaction went to the new primary");
    let downtimed = service.ask("/api/downtimed").await.to_string();
    assert!(downtimed.contains(&errant.key().host) && downtimed.contains(&primary.key().host), "{downtimed}");
    sees(&service, preferred, 3).await;

    // The new primary dies too: that is held, and the way out that is named is one.
    preferred.kill9()?;
    service.says("WARN held ").await;
    let blocked = service.ask("/api/blocked-recoveries").await;
    assert_eq!(blocked[0]["FailedInstanceKey"]["Hostname"], preferred.key().host, "{blocked}");
    let lifted = service.ask(&format!("/api/ack-recovery/cluster/{}?comment=seen", preferred.key())).await;
    assert_eq!(lifted["Code"], "OK", "{lifted}");
    // Only `middle` is left, which must not be promoted: that is the next reason, and it is told.
    service.says("promotion rule must_not").await;
    Ok(())
}

/// Hooks see everything by placeholder and variable, and an alias that reads like a program stays a text.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_told_all_and_run_nothing_but_themselves() -> anyhow::Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(2).build().await?;
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let alias = format!("shop; touch {0} $(touch {0}) `touch {0}` \"dq\" 'sq' <b>&", at("pwned").display());
    let placeholders = [
        "failureType",
        "instanceType",
        "isMaster",
        "isCoMaster",
        "failureDescription",
        "command",
        "failedHost",
        "failedPort",
        "failureCluster",
        "failureClusterAlias",
        "failureClusterDomain",
        "countReplicas",
        "countSlaves",
        "isDowntimed",
        "autoMasterRecovery",
        "autoIntermediateMasterRecovery",
        "orchestratorHost",
        "recoveryUID",
        "isSuccessful",
        "lostReplicas",
        "lostSlaves",
        "countLostReplicas",
        "replicaHosts",
        "slaveHosts",
        "successorHost",
        "successorPort",
        "successorAlias",
        "successorBinlogCoordinates",
    ];
    let told: String =
        placeholders.iter().map(|name| format!("echo \"{name}=\"{{{name}}} >> {}; ", at("told").display())).collect();
    let settings = json!({
        "DetectClusterAliasQuery": format!("SELECT '{}'", alias.replace('\'', "''")),
        "OnFailureDetectionProcesses": [format!("echo '{{failureClusterAlias}}' > {}", at("detected").display())],
        "PostMasterFailoverProcesses": [told, format!("env | grep ^ORC_ > {}", at("environment").display())],
        "PostFailoverProcesses": ["exit 7", "sleep 600", format!("touch {}", at("last").display())],
        "HookTimeoutSeconds": 1,
    });
    let service = watched(&fleet, directory.path(), &settings).await;
    let info = service.ask("/api/clusters-info").await;
    assert_eq!(info[0]["ClusterAlias"], alias, "{info}");

    fleet.server(0).kill9()?;
    let recovery = recovered(&service, 1).await;
    let told = fs::read_to_string(at("told"))?;
    assert_eq!(told.lines().count(), placeholders.len(), "{told}");
    assert!(!told.contains('{'), "{told}");
    for line in [
        "failureType=DeadMaster".to_owned(),
        "instanceType=master".to_owned(),
        format!("failedHost={}", fleet.server(0).key().host),
        format!("failureClusterAlias={alias}"),
        format!("recoveryUID={}", recovery["UID"].as_str().unwrap()),
        "isSuccessful=true".to_owned(),
        "countReplicas=2".to_owned(),
        format!("successorHost={}", recovery["SuccessorKey"]["Hostname"].as_str().unwrap()),
    ] {
        assert!(told.lines().any(|known| known == line), "{line} is not in {told}");
    }
    let environment = fs::read_to_string(at("environment"))?;
    assert!(environment.contains(&format!("ORC_FAILURE_CLUSTER_ALIAS={alias}\n")), "{environment}");
    assert!(environment.contains("ORC_IS_SUCCESSFUL=true\n") && environment.contains("ORC_COMMAND=\n"));
    assert_eq!(fs::read_to_string(at("detected"))?.trim_end(), alias);
    assert!(at("last").exists(), "a hook that failed and one that hung stop no others");
    assert!(!at("pwned").exists(), "the alias was run");
    assert_eq!(recovery["IsSuccessful"], true);
    Ok(())
}

/// A refusal changes nothing and holds nothing back; switched off, nothing happens by itself, and a person still can.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_holds_nothing_back_and_a_person_may_act_when_it_is_switched_off() -> anyhow::Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(2).build().await?;
    let directory = tempfile::tempdir()?;
    let gate = directory.path().join("gate");
    let unsuccessful = directory.path().join("unsuccessful");
    let settings = json!({
        "PreFailoverProcesses": [format!("echo asked; test -e {}", gate.display())],
        "PostUnsuccessfulFailoverProcesses": [format!("echo \"<$ORC_SUCCESSOR_HOST>\" > {}", unsuccessful.display())],
    });
    let service = watched(&fleet, directory.path(), &settings).await;
    assert_eq!(service.ask("/api/disable-global-recoveries").await["Code"], "OK");
    let primary = fleet.server(0);
    primary.kill9()?;
    diagnosed(&service, "DeadMaster").await;
    service.says("WARN held ").await;
    assert_eq!(service.ask("/api/audit-recovery").await, json!([]));

    let refused = service.ask(&path("recover", primary)).await;
    assert_eq!(refused["Code"], "ERROR", "{refused}");
    for replica in &fleet.servers()[1..] {
        assert!(!replica.is_writable().await?);
        assert!(replica.replica_state().await?.unwrap().source == *primary.key(), "nothing was changed");
    }
    assert_eq!(fs::read_to_string(&unsuccessful)?.trim(), "<>", "nobody succeeded");

    fs::write(&gate, "")?;
    let wanted = fleet.server(2);
    let chosen = format!("{}/{}/{}", path("recover", primary), wanted.key().host, wanted.key().port);
    let done = service.ask(&chosen).await;
    assert_eq!((&done["Code"], &done["Details"]["Hostname"]), (&json!("OK"), &json!(wanted.key().host)), "{done}");
    assert!(wanted.is_writable().await?);
    fleet.server(1).replicating_from(wanted.key(), PATIENCE).await
}
