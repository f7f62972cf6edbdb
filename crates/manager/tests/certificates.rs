//! Stories on real servers about what a failover may lose: the proof, the policy, and what people are shown.

mod stage;

use std::time::{Duration, Instant};

use lab::{Fleet, FleetBuilder, Writer, WriterOptions};
use manager::{Held, Manager};
use planner::{Certificate, Request};
use store::{AckScope, Command, Page, Recovery, RecoveryFilter};
use topology::InstanceKey;

use crate::stage::{eventually, nothing_would_be_lost};

/// A manager of a fleet that is written to.
struct Stage {
    fleet: Fleet,
    manager: Manager,
    writer: Writer,
}

impl Stage {
    async fn set(fleet: FleetBuilder, extra: &str) -> anyhow::Result<Self> {
        let (fleet, manager) = stage::set(fleet, extra).await?;
        let writer = Writer::start(&fleet, WriterOptions::default());
        writer.commits_again(Instant::now(), Duration::from_secs(10)).await?;
        Ok(Self { fleet, manager, writer })
    }

    /// Kills a server, and returns who takes writes afterwards, with the recovery that brought it about.
    async fn kill(&self, primary: &InstanceKey) -> anyhow::Result<(InstanceKey, Recovery)> {
        let killed = Instant::now();
        self.fleet.find(primary).expect("it is in the fleet").kill9()?;
        let commit = self.writer.commits_again(killed, Duration::from_secs(20)).await?;
        let new = self.fleet.server(commit.server).key().clone();
        Ok((new, self.recovery_of(primary).await))
    }

    /// Returns the newest recovery from the failure of `failed`, once it has ended.
    async fn recovery_of(&self, failed: &InstanceKey) -> Recovery {
        eventually("the end of the recovery", Duration::from_secs(30), || {
            let filter = RecoveryFilter { key: Some(failed.clone()), ..RecoveryFilter::default() };
            let newest = self.manager.store().recoveries(filter, Page::nth(0)).ok()?.into_iter().next()?;
            newest.ended.is_some().then_some(newest)
        })
        .await
    }

    async fn acknowledge(&self) -> anyhow::Result<()> {
        let (owner, comment, at) = ("ann".to_owned(), "looked at".to_owned(), self.manager.now());
        let command = Command::AcknowledgeRecoveries { scope: AckScope::All, owner, comment, at };
        self.manager.declare(command).await?;
        Ok(())
    }

    async fn held(&self, kind: &str) -> Held {
        eventually(&format!("a hold: {kind}"), Duration::from_secs(20), || {
            self.manager.holds().into_iter().find(|held| held.reason.code() == kind)
        })
        .await
    }

    /// Ends it, and checks that every acknowledged row is on `primary`.
    async fn end(self, primary: &InstanceKey) -> anyhow::Result<()> {
        let record = self.writer.stop().await;
        let missing = record.verify(self.fleet.find(primary).expect("it is in the fleet")).await?.missing;
        assert!(missing.is_empty(), "lost: {missing:?}");
        self.manager.stop(Duration::from_secs(5)).await;
        Ok(())
    }
}

fn certificate(recovery: &Recovery) -> Certificate {
    serde_json::from_str(recovery.certificate.as_deref().unwrap_or_default()).expect("a certificate")
}

/// The new primary dies too, as soon as it takes writes: what is known of it is as old as its promotion. Each time it is
/// proved that nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_primary_dies_as_soon_as_it_takes_writes() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(5).semi_sync(1), "").await?;
    let mut primary = stage.fleet.server(0).key().clone();
    nothing_would_be_lost(&stage.manager, &primary).await?;
    for _ in 0..4 {
        let (new, recovery) = stage.kill(&primary).await?;
        let certificate = certificate(&recovery);
        assert!(certificate.proves_nothing_lost(), "{primary}: {certificate}");
        stage.acknowledge().await?;
        primary = new;
    }
    stage.end(&primary).await
}

/// Policy leaves a promotion that may lose something to a person: it is shown before, held when it happens, put on record,
/// and done when somebody asks for it. Hooks are told what may be lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_lose_something_waits_for_a_person() -> anyhow::Result<()> {
    let told = std::env::temp_dir().join(format!("orchestrator-certificate-{}", std::process::id()));
    let extra = format!(
        r#", "DataLossPolicy": "refuse", "AuditToBackendDB": true,
           "PostFailoverProcesses": ["printf '%s\n%s\n%s' \"$ORC_CERTIFICATE\" {{lostGtids}} '{{certificate}}' > {}"]"#,
        told.display()
    );
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2), &extra).await?;
    let old = stage.fleet.server(0).key().clone();
    let ready = stage.manager.readiness();
    let rehearsal = ready[0].rehearsal.clone().expect("the primary is known");
    assert_eq!(rehearsal.hold.map(|hold| hold.code()), Some("may_lose"));

    let killed = Instant::now();
    stage.fleet.server(0).kill9()?;
    let held = stage.held("may_lose").await;
    assert_eq!(held.instance, old);
    assert_eq!(held.reason.remedy(&old), Some(format!("orchestrator-client -c recover -i {old}")));
    assert!(held.evidence.iter().any(|sentence| sentence.contains("semi-synchronous replication is off")), "{held:?}");
    eventually("it is on record", Duration::from_secs(20), || {
        let rows = stage.manager.store().audit(None, Page::nth(0)).ok()?;
        rows.into_iter().find(|row| row.kind == "recovery-held" && row.message.contains("may_lose"))
    })
    .await;
    let all = RecoveryFilter::default();
    assert!(stage.manager.store().recoveries(all, Page::nth(0))?.is_empty(), "nobody asked for it");

    let request = Request { forced: true, ..Request::default() };
    let recovered = stage.manager.recover(&old, request).await?;
    let new = recovered.successor.expect("somebody is promoted");
    stage.writer.commits_again(killed, Duration::from_secs(20)).await?;
    let certificate = certificate(&stage.recovery_of(&old).await);
    assert!(!certificate.proves_nothing_lost());
    assert!(stage.manager.holds().is_empty(), "{:?}", stage.manager.holds());
    let text = std::fs::read_to_string(&told)?;
    std::fs::remove_file(&told)?;
    assert_eq!(text, format!("{certificate}\n{}\n{certificate}", certificate.known_lost()));
    stage.manager.stop(Duration::from_secs(5)).await;
    drop(new);
    Ok(())
}

/// `wait:N`: the old primary comes back in time, and nobody is promoted.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_comes_back_while_it_is_waited_for_stays() -> anyhow::Result<()> {
    let stage = Stage::set(Fleet::builder().primary_with_replicas(2), r#", "DataLossPolicy": "wait:60""#).await?;
    let old = stage.fleet.server(0);
    let killed = Instant::now();
    old.kill9()?;
    let held = stage.held("may_lose").await;
    assert!(held.reason.until().is_some());
    old.start().await?;
    old.set_writable(true).await?;
    stage.writer.commits_again(killed, Duration::from_secs(20)).await?;
    eventually("the hold is over", Duration::from_secs(20), || stage.manager.holds().is_empty().then_some(())).await;
    assert!(stage.manager.store().recoveries(RecoveryFilter::default(), Page::nth(0))?.is_empty());
    let primary = old.key().clone();
    stage.end(&primary).await
}

/// A hook that refuses is heard: what it said is shown while it refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_refuses_is_quoted() -> anyhow::Result<()> {
    let extra = r#", "PreFailoverProcesses": ["echo 'not on a Friday'; exit 3"]"#;
    let stage = Stage::set(Fleet::builder().primary_with_replicas(1), extra).await?;
    stage.fleet.server(0).kill9()?;
    let said = |held: &Held| held.reason.sentence().contains("not on a Friday");
    eventually("what the hook said", Duration::from_secs(20), || {
        stage.manager.holds().into_iter().find(said).filter(|held| held.reason.code() == "recovery_failed")
    })
    .await;
    // After several attempts in a row it is left alone for a while, and the reason can still be read.
    let held = stage.held("failed_repeatedly").await;
    assert!(held.evidence.iter().any(|sentence| sentence.contains("not on a Friday")), "{held:?}");
    stage.manager.stop(Duration::from_secs(5)).await;
    Ok(())
}
