//! `lab campaign raft-disk`: a manager's disk is full, or its file is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::{Fleet, ManagerCluster, ManagerNode, Plot, Product, SmallDisk, Stage, manager_binary_of};

use super::campaign::verdict;

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The small disk: room for a store and its log.
const DISK_MEGABYTES: u32 = 12;
/// Facts that are declared while a manager has trouble.
const FACTS: u32 = 100;
/// How long managers without a majority are watched.
const NOBODY_LEADS: Duration = Duration::from_secs(6);

/// Runs the campaign.
pub async fn run(rounds: u32, flavor: Product, manager: Option<&str>) -> Result<()> {
    let fleet = Fleet::builder().product(flavor).primary_with_replicas(0);
    let stage = Stage::set(Plot::new(fleet, manager_binary_of(manager)?).managers(3)).await?;
    let mut theatre = Theatre { stage, facts: 0 };
    let mut broken = Vec::new();
    for round in 1..=rounds {
        for case in [Case::FollowerFull, Case::LeaderFull, Case::FileLost] {
            let begun = Instant::now();
            let outcome = theatre.play(case).await;
            let seconds = begun.elapsed().as_secs_f64();
            match outcome {
                Ok(remark) => println!("{round:>3}  held   {} ({seconds:.0} s): {remark}", case.name()),
                Err(error) => {
                    println!("{round:>3}  BROKEN {}: {error:#}", case.name());
                    broken.push(format!("round {round}, {}: {error:#}", case.name()));
                }
            }
        }
    }
    verdict(&broken)
}

#[derive(Clone, Copy)]
enum Case {
    FollowerFull,
    LeaderFull,
    FileLost,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::FollowerFull => "the disk of a follower is full",
            Self::LeaderFull => "the disk of the leader is full",
            Self::FileLost => "the file of a follower is lost",
        }
    }
}

struct Theatre {
    stage: Stage,
    /// How many facts were declared.
    facts: u32,
}

impl Theatre {
    fn managers(&self) -> &ManagerCluster {
        self.stage.managers()
    }

    async fn play(&mut self, case: Case) -> Result<String> {
        self.managers().start(PATIENCE).await?;
        self.managers().healthy(PATIENCE).await?;
        let leader = self.managers().wait_for_leader(PATIENCE).await?;
        let follower = self.managers().others(leader.index()).next().context("three managers")?.clone();
        match case {
            Case::FollowerFull => self.full(&follower, false).await,
            Case::LeaderFull => self.full(&leader, true).await,
            Case::FileLost => self.lost(&leader, &follower).await,
        }
    }

    /// The cluster goes on; the manager says what is wrong, and is well again when there is room.
    async fn full(&mut self, victim: &Arc<ManagerNode>, leads: bool) -> Result<String> {
        victim.stop().await?;
        let disk = SmallDisk::under(&victim.data_dir(), DISK_MEGABYTES)?;
        victim.start().await?;
        self.managers().healthy(PATIENCE).await?;
        if leads {
            self.hand_leadership_to(victim).await?;
        }
        let said = victim.log().len();
        disk.fill()?;
        let served = self.declare(FACTS).await?;
        let complaint = complains(victim, said).await?;

        disk.free()?;
        let freed = Instant::now();
        self.managers().healthy(PATIENCE).await.context("after there was room again")?;
        self.knows_all(victim).await?;
        let well = freed.elapsed();
        // Back on the large disk.
        victim.stop().await?;
        let data = victim.data_dir();
        let aside = data.with_extension("kept");
        copy(&data, &aside)?;
        drop(disk);
        std::fs::remove_dir(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        std::fs::rename(&aside, &data).with_context(|| format!("cannot move {}", aside.display()))?;
        victim.start().await?;
        Ok(format!(
            "{FACTS} facts declared meanwhile, the slowest in {} ms; it said {complaint:?}; well {} ms after there was room",
            served.as_millis(),
            well.as_millis()
        ))
    }

    /// A manager that lost its file votes for nobody until one command makes it a member again.
    async fn lost(&mut self, leader: &Arc<ManagerNode>, victim: &Arc<ManagerNode>) -> Result<String> {
        let other = self.managers().others(leader.index()).find(|node| node.index() != victim.index());
        let other = other.context("three managers")?.clone();
        victim.kill9()?;
        victim.lose_store()?;
        victim.start().await?;
        self.declare(1).await?;

        // With its vote two would be a majority.
        other.kill9()?;
        self.nobody_leads().await.context("a manager without its file was counted")?;
        other.start().await?;
        let leader = self.managers().wait_for_leader(PATIENCE).await?;

        let admitted = Instant::now();
        leader.command(&format!("/api/raft-add-peer/{}", victim.raft_address()), PATIENCE).await?;
        self.managers().healthy(PATIENCE).await.context("after raft-add-peer")?;
        self.knows_all(victim).await?;
        let back = admitted.elapsed();

        // Now its vote is needed, and it has one.
        let lame = self.managers().others(leader.index()).find(|node| node.index() != victim.index());
        lame.context("three managers")?.kill9()?;
        self.declare(1).await.context("with the vote of the manager that came back")?;
        Ok(format!("it was a member again {} ms after raft-add-peer", back.as_millis()))
    }

    async fn hand_leadership_to(&self, node: &ManagerNode) -> Result<()> {
        let (host, _) = node.raft_address().split_once(':').context("an address with a port")?;
        let leader = self.managers().wait_for_leader(PATIENCE).await?;
        if leader.index() != node.index() {
            leader.command(&format!("/api/raft-yield-hint/{host}"), PATIENCE).await?;
        }
        self.managers().wait_for_leader_among(PATIENCE, |leader| leader.index() == node.index()).await.map(drop)
    }

    /// Declares facts, one after the other, and returns how long the slowest took.
    async fn declare(&mut self, count: u32) -> Result<Duration> {
        let mut slowest = Duration::ZERO;
        for _ in 0..count {
            self.facts += 1;
            let (begun, host) = (Instant::now(), &self.stage.fleet().server(0).key().host);
            let path = format!("/api/begin-downtime/{host}/{}/lab/fact-{}/12h", 20_000 + self.facts, self.facts);
            let (_, served) = self.managers().served(&path, PATIENCE).await?;
            slowest = slowest.max(served.duration_since(begun));
        }
        Ok(slowest)
    }

    /// Waits until a manager's own file has all facts.
    async fn knows_all(&self, node: &ManagerNode) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let known = node.journal().map(|journal| journal.downtime_reasons()).unwrap_or_default();
            let missing = (1..=self.facts).filter(|fact| !known.contains(&format!("fact-{fact}"))).count();
            if missing == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("manager {} does not know {missing} of {} facts", node.index() + 1, self.facts);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn nobody_leads(&self) -> Result<()> {
        // The one that led has a moment to notice.
        let until = Instant::now() + PATIENCE;
        while self.managers().leader().await.is_some() {
            if Instant::now() > until {
                bail!("somebody leads on\n{}", self.managers().log_tails(25));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let until = Instant::now() + NOBODY_LEADS;
        while Instant::now() < until {
            if let Some(leader) = self.managers().leader().await {
                bail!("manager {} leads\n{}", leader.index() + 1, self.managers().log_tails(25));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// Waits until the manager says in its log and by its API that there is no room, and returns the line of its log.
async fn complains(node: &ManagerNode, said: usize) -> Result<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let log = node.log();
        let line = log[said..].lines().find(|line| line.contains("no room left"));
        let answer = node.get_within("/api/status", Duration::from_secs(2)).await;
        let told = matches!(&answer, Ok((status, body)) if *status != 200 && body.contains("room"));
        if let Some(line) = line.filter(|_| told) {
            return Ok(line.chars().take(160).collect());
        }
        if Instant::now() > until {
            bail!("it does not say what is wrong: log line {line:?}, /api/status {answer:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().context("cannot run cp")?;
    if copied.success() { Ok(()) } else { bail!("cannot copy {}", from.display()) }
}
