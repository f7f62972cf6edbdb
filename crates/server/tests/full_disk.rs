//! No room for the database: servers are watched, nothing is begun that could not be put on record, it is said loudly,
//! and all goes on when there is room again.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Service, configured};
use lab::{Fleet, Product};
use serde_json::json;

/// A file system of its own, of 2 MB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(on: &Path) -> Self {
        fs::create_dir(on).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(on).status().unwrap();
        assert!(mounted.success(), "mounting a small file system needs root");
        Self(on.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        let mut filler = fs::OpenOptions::new().append(true).create(true).open(self.filler()).unwrap();
        while filler.write_all(&[0; 512]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_a_recovery_and_says_so_until_there_is_room() -> anyhow::Result<()> {
    let fleet = Fleet::builder().product(Product::MariaDb1011).primary_with_replicas(2).build().await?;
    let directory = tempfile::tempdir()?;
    let disk = SmallDisk::mount(&directory.path().join("disk"));
    let settings = json!({
        "SQLite3DataFile": disk.0.join("orchestrator.sqlite3"),
        "RecoverMasterClusterFilters": ["*"],
        "InstancePollSeconds": 1,
    });
    let service = Service::start(&configured(directory.path(), &settings)).await;
    let (primary, replica) = (fleet.server(0), fleet.server(1));
    service.discover(primary.key()).await;
    let head = primary.key().to_string();
    let whole = async |service: &Service| {
        let cluster = service.ask(&format!("/api/cluster/{head}")).await;
        (cluster.as_array().is_some_and(|members| members.len() == 3)).then_some(())
    };
    service.until("the whole cluster", whole).await;

    disk.fill();
    service.says("NOTHING CAN BE PUT ON RECORD").await;
    let (status, text) = service.get("/api/status").await?;
    assert!(status == 500 && text.contains("no recovery begins") && text.contains("free some disk space"), "{text}");
    assert_eq!(service.ask("/api/clusters").await, json!([head]), "what is read goes on");
    let refused = service.ask("/api/disable-global-recoveries").await;
    assert!(refused["Message"].as_str().unwrap().contains("no room left"), "{refused}");

    primary.kill9()?;
    service.says("A RECOVERY IS NEEDED AND DOES NOT BEGIN").await;
    let analysis = service.ask("/api/replication-analysis").await;
    assert_eq!(analysis["Details"][0]["Analysis"], "DeadMaster", "it is watched all the same: {analysis}");
    assert!(!fleet.server(1).is_writable().await? && !fleet.server(2).is_writable().await?);
    let complaints = service.log().matches("no room left").count();
    assert!(complaints < 20, "{complaints} complaints fill the disk further:\n{}", service.log());

    fs::remove_file(disk.filler())?;
    service.says("the database takes writes again").await;
    service.says("recovery ended").await;
    let healthy = async |service: &Service| (service.get("/api/status").await.ok()?.0 == 200).then_some(());
    service.until("health", healthy).await;
    let writable = [replica.is_writable().await?, fleet.server(2).is_writable().await?];
    assert_eq!(writable.iter().filter(|open| **open).count(), 1);
    let recoveries = service.ask("/api/audit-recovery").await;
    assert_eq!(recoveries.as_array().map(Vec::len), Some(1), "{recoveries}");
    assert!(!service.log().contains("panicked"));
    assert_eq!(service.stop().0, Some(0));
    Ok(())
}
