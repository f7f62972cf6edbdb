//! A replaced primary comes back, on real servers.

mod stage;

use std::time::Duration;

use lab::{Fleet, FleetBuilder, Product, Server};
use manager::{Manager, Mode};
use topology::InstanceKey;

use crate::stage::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// A manager and its fleet.
struct Farm {
    fleet: Fleet,
    manager: Manager,
    divergences: std::path::PathBuf,
}

impl Farm {
    async fn set(fleet: FleetBuilder, policy: &str, extra: &str) -> anyhow::Result<Self> {
        let fleet = stage::raise(fleet).await?;
        let divergences = fleet.dir().join("divergence");
        let extra = format!(
            r#", "ReturnedPrimaryPolicy": "{policy}", "DivergenceDirectory": "{}"{extra}"#,
            divergences.display()
        );
        let manager = stage::manage(&fleet, &extra, Mode::Service, stage::in_memory()?).await?;
        Ok(Self { fleet, manager, divergences })
    }

    /// Kills the primary, with rows that nobody received if it is to diverge, and returns who took over.
    async fn fail_over(&self, diverges: bool) -> anyhow::Result<InstanceKey> {
        let old = self.fleet.server(0);
        let word = if old.product().is_mariadb() { "SLAVE" } else { "REPLICA" };
        let replicas = &self.fleet.servers()[1..];
        if diverges {
            for replica in replicas {
                replica.sql(&format!("STOP {word} IO_THREAD")).await?;
            }
            old.sql("insert into app.writes (run, id, worker) values (1, 1, 7), (1, 2, 7)").await?;
            old.sql("update app.writes set worker = 8 where run = 1 and id = 2").await?;
        }
        old.kill9()?;
        if diverges {
            for replica in replicas {
                replica.sql(&format!("START {word} IO_THREAD")).await?;
            }
        }
        let new = eventually("somebody takes over", PATIENCE, || {
            let view = self.manager.view();
            let open = view.snapshot.instances().find(|(watched, instance)| {
                watched.is_valid() && instance.writes.is_writable() && &instance.key != old.key()
            });
            let running = !self.manager.store().running_recoveries().ok()?.is_empty();
            open.filter(|_| !running).map(|(_, instance)| instance.key.clone())
        })
        .await;
        Ok(new)
    }

    /// Waits until `old` replicates from `new` and is not on record as demoted any more.
    async fn attached(&self, old: &Server, new: &InstanceKey) -> anyhow::Result<()> {
        eventually("it is attached again", PATIENCE, || {
            self.manager.returned().ok()?.iter().all(|returned| &returned.key != old.key()).then_some(())
        })
        .await;
        old.replicating_from(new, PATIENCE).await?;
        let declared = self.manager.store().declared();
        assert!(!declared.downtimes.contains_key(old.key()), "its downtime ends with it");
        Ok(())
    }
}

/// Its own transactions are kept first, with their rows; then it becomes a copy of a replica, and replicates.
#[tokio::test(flavor = "multi_thread")]
async fn a_divergent_primary_is_rebuilt_after_what_it_had_was_kept() -> anyhow::Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(2).option("--plugin-load-add=mysql_clone.so");
    let farm = Farm::set(fleet, "clone", "").await?;
    let old = farm.fleet.server(0).clone();
    old.sql("grant clone_admin, backup_admin on *.* to 'orchestrator'@'%'").await?;
    farm.fleet.in_sync_with(&old, PATIENCE).await?;
    let new = farm.fail_over(true).await?;
    old.launch_writable()?;
    old.answering(PATIENCE).await?;
    let [kept] = eventually("its transactions are on record", PATIENCE, || {
        farm.manager.store().divergences(false).ok()?.try_into().ok()
    })
    .await;
    assert_eq!((&kept.found.key, &kept.found.primary, kept.found.transactions), (old.key(), &new, 2));
    assert_eq!(kept.found.tables, r#"{"app.writes":{"insert":2,"update":1}}"#);
    let text = std::fs::read_to_string(&kept.found.file)?;
    assert!(kept.found.file.starts_with(farm.divergences.to_string_lossy().as_ref()));
    assert!(text.contains(r#""before":{"@1":1,"@2":2,"@3":7},"after":{"@1":1,"@2":2,"@3":8}"#), "{text}");
    // Nobody supervises it: it shuts down when it has the data, and somebody starts it.
    eventually("it shuts down with the new data", PATIENCE, || (!old.is_running()).then_some(())).await;
    old.launch_writable()?;
    farm.attached(&old, &new).await?;
    assert_eq!(old.value("select @@global.super_read_only").await?, "1", "it started writable, and does not stay so");
    assert_eq!(old.value("select count(*) from app.writes where run = 1").await?, "0");
    assert_eq!(farm.manager.store().divergences(false)?.len(), 1, "it stays on record");
    farm.manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// On MariaDB the account is told by a query; and `off` leaves everything to a person.
#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_a_person_attaches_it_again() -> anyhow::Result<()> {
    let query = r#", "ReplicationCredentialsQuery": "select 'repl', 'repl-lab'""#;
    let fleet = Fleet::builder().product(Product::MariaDb118).primary_with_replicas(2);
    let farm = Farm::set(fleet, "off", query).await?;
    let old = farm.fleet.server(0).clone();
    let new = farm.fail_over(false).await?;
    old.launch_writable()?;
    old.answering(PATIENCE).await?;
    let why = eventually("it is known why it stays", PATIENCE, || {
        let returned = farm.manager.returned().ok()?.into_iter().find(|returned| &returned.key == old.key())?;
        match returned.reception {
            planner::Reception::Stay(stay @ planner::Stay::PolicyOff) => Some(stay),
            _ => None,
        }
    })
    .await;
    assert_eq!(why.remedy(old.key()), Some(format!("orchestrator-client -c rejoin -i {}", old.key())));
    assert!(!old.is_writable().await?);
    assert!(farm.manager.rejoin(&new, false).await.is_err(), "a present primary is no target");
    farm.manager.rejoin(old.key(), false).await?;
    farm.attached(&old, &new).await?;
    farm.manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// What it wrote alone hides behind what its successor wrote since; not even a person attaches it.
#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_what_it_wrote_alone_is_found_and_kept() -> anyhow::Result<()> {
    let query = r#", "ReplicationCredentialsQuery": "select 'repl', 'repl-lab'""#;
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(2);
    let farm = Farm::set(fleet, "subset", query).await?;
    let old = farm.fleet.server(0).clone();
    let new = farm.fail_over(true).await?;
    let successor = farm.fleet.find(&new).expect("it is in the fleet");
    for id in 10..20 {
        successor.sql(&format!("insert into app.writes (run, id, worker) values (2, {id}, 1)")).await?;
    }
    old.launch_writable()?;
    old.answering(PATIENCE).await?;
    let [kept] = eventually("its transactions are on record", PATIENCE, || {
        farm.manager.store().divergences(false).ok()?.try_into().ok()
    })
    .await;
    assert_eq!(kept.found.transactions, 2, "{kept:?}");
    assert!(kept.found.gtids.contains(".."), "{kept:?}");
    assert!(std::fs::read_to_string(&kept.found.file)?.contains("update app.writes set worker = 8"), "the statement");
    let refused = farm.manager.rejoin(old.key(), true).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("clone plugin")), "MariaDB has none");
    assert!(!old.is_writable().await?);
    farm.manager.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// A server without an identity: what has its address may be another one, and is told from it by its `server_id`.
#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_another_server_at_its_address_is_left_alone() -> anyhow::Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb118).primary_with_replicas(2);
    let farm = Farm::set(fleet, "off", r#", "AuditToBackendDB": true"#).await?;
    let old = farm.fleet.server(0).clone();
    old.sql("insert into app.writes (run, id, worker) values (1, 1, 7)").await?;
    farm.fleet.in_sync_with(&old, PATIENCE).await?;
    eventually("what it has is seen", PATIENCE, || {
        let view = farm.manager.view();
        view.snapshot.instance(old.key()).filter(|seen| !seen.gtid.executed.is_empty()).map(drop)
    })
    .await;
    farm.fail_over(false).await?;
    old.launch_writable_with(&["--server-id=99"])?;
    old.answering(PATIENCE).await?;
    let since = farm.manager.now();
    let seen = |key: &InstanceKey, since| {
        let view = farm.manager.view();
        let watched = view.snapshot.get(key).filter(|watched| watched.is_fresh(since))?;
        watched.instance.as_ref().map(|instance| instance.server_id)
    };
    assert_eq!(eventually("the other server is seen", PATIENCE, || seen(old.key(), since)).await, 99);
    let later = farm.manager.now();
    eventually("it is seen once more", PATIENCE, || seen(old.key(), later)).await;
    assert!(old.is_writable().await?, "it is another server, and nobody's affair");
    assert!(farm.manager.returned()?.is_empty());
    old.kill9()?;

    old.launch_writable()?;
    old.answering(PATIENCE).await?;
    let told = eventually("that it was closed is on record", PATIENCE, || {
        let entries = farm.manager.store().audit(Some(old.key()), store::Page::nth(0)).ok()?;
        entries.into_iter().find(|entry| entry.kind == "fence-returned-primary").map(|entry| entry.message)
    })
    .await;
    assert!(told.contains("recognised by its address and server_id"), "{told}");
    assert!(told.contains(&format!("set-writeable -i {}", old.key())), "{told}");
    assert!(!old.is_writable().await?);
    farm.manager.stop(Duration::from_secs(5)).await;
    Ok(())
}
