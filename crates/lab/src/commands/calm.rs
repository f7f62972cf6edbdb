//! `lab campaign no-failover`: what looks like a failure and is none.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::{Fleet, Plot, Product, Server, Stage, TwoWritable, manager_binary_of};

use super::campaign::verdict;

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the primary hesitates: less than it takes to call it dead, more than a probe of a busy server takes.
const HESITATES: Duration = Duration::from_millis(800);
/// The grace of the round with restarts, in seconds.
const GRACE_SECS: u64 = 15;

/// How long states are kept.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Each state without a failover.
    pub hold: Duration,
    /// The manager's stop.
    pub stopped: Duration,
}

/// Runs the campaign.
pub async fn run(rounds: u32, flavor: Product, manager: Option<&str>, times: Times) -> Result<()> {
    let plot = || -> Result<Plot> {
        let fleet = Fleet::builder().product(flavor).primary_with_replicas(3);
        Ok(Plot::new(fleet, manager_binary_of(manager)?))
    };
    let mut broken = Vec::new();
    let calm = Calm { stage: Stage::set(plot()?).await?, times, opened: Mutex::default() };
    for round in 1..=rounds {
        calm.case(round, "an operator stops replication on all replicas", calm.stops_replication(), &mut broken).await;
        calm.case(round, "an operator stops the receivers on all replicas", calm.stops_receivers(), &mut broken).await;
        calm.case(round, "appliers fail while receivers run", calm.appliers_fail(), &mut broken).await;
        calm.case(round, "the primary hesitates for 0.8 s, five times", calm.hesitates(), &mut broken).await;
        calm.case(round, "the manager is stopped and resumed", calm.manager_stops(), &mut broken).await;
    }
    broken.extend(calm.two_writable());
    drop(calm);
    // A stage of its own: a grace would make the other cases easier.
    let graceful = plot()?.setting("PrimaryRestartGraceSeconds", GRACE_SECS);
    let calm = Calm { stage: Stage::set(graceful).await?, times, opened: Mutex::default() };
    for round in 1..=rounds {
        calm.case(round, "the primary restarts in order within the grace", calm.restarts(), &mut broken).await;
        calm.case(round, "the primary is killed and back within the grace", calm.comes_back(), &mut broken).await;
    }
    broken.extend(calm.two_writable());
    verdict(&broken)
}

struct Calm {
    stage: Stage,
    times: Times,
    /// When the lab itself opened replicas for a moment, to break their tables.
    opened: Mutex<Vec<Range<Instant>>>,
}

impl Calm {
    /// Plays one case, and sees that nobody was promoted and writes go on.
    async fn case(&self, round: u32, name: &str, play: impl Future<Output = Result<()>>, broken: &mut Vec<String>) {
        let begun = Instant::now();
        let outcome = match play.await {
            Ok(()) => self.unchanged().await,
            Err(error) => Err(error),
        };
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("{round:>3}  held   {name} ({seconds:.0} s)"),
            Err(error) => {
                println!("{round:>3}  BROKEN {name}: {error:#}");
                broken.push(format!("round {round}, {name}: {error:#}"));
            }
        }
    }

    fn primary(&self) -> &Server {
        self.stage.fleet().server(0)
    }

    fn replicas(&self) -> impl Iterator<Item = &Server> {
        self.stage.fleet().servers()[1..].iter().map(AsRef::as_ref)
    }

    /// Nobody was promoted, and the first primary takes writes.
    async fn unchanged(&self) -> Result<()> {
        let recoveries = self.stage.journal()?.recoveries()?;
        if let Some(recovery) = recoveries.first() {
            let tale: Vec<String> =
                self.stage.journal()?.sentences(&recovery.uid)?.into_iter().map(|sentence| sentence.message).collect();
            bail!("{} of {} was recovered:\n  {}", recovery.code, recovery.key, tale.join("\n  "));
        }
        let commit = self.stage.writer.commits_again(Instant::now(), PATIENCE).await?;
        if self.stage.fleet().server(commit.server).key() != self.primary().key() {
            bail!("writes go on elsewhere");
        }
        self.stage.settled(self.primary()).await
    }

    fn two_writable(&self) -> Vec<String> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let two = self.stage.watcher.two_writable();
        let meant = |two: &&TwoWritable| opened.iter().any(|range| range.contains(&two.from));
        two.iter()
            .filter(|two| !meant(two))
            .map(|two| format!("{} and {} were both writable", two.first, two.second))
            .collect()
    }

    /// Writes must go on all the time.
    async fn hold(&self) -> Result<()> {
        let until = Instant::now() + self.times.hold;
        while Instant::now() < until {
            self.stage.writer.commits_again(Instant::now(), Duration::from_secs(5)).await.context("writes stopped")?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn stops_replication(&self) -> Result<()> {
        for replica in self.replicas() {
            replica.stop_replication().await?;
        }
        self.hold().await?;
        for replica in self.replicas() {
            replica.start_replication().await?;
        }
        Ok(())
    }

    async fn stops_receivers(&self) -> Result<()> {
        for replica in self.replicas() {
            replica.stop_receiver().await?;
        }
        self.hold().await?;
        for replica in self.replicas() {
            replica.start_replication().await?;
        }
        Ok(())
    }

    async fn appliers_fail(&self) -> Result<()> {
        let begun = Instant::now();
        for replica in self.replicas() {
            replica.break_applier().await?;
        }
        self.lab_opened(begun);
        self.hold().await?;
        let begun = Instant::now();
        for replica in self.replicas() {
            replica.mend_applier().await?;
        }
        self.lab_opened(begun);
        Ok(())
    }

    fn lab_opened(&self, since: Instant) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(since..Instant::now());
    }

    async fn hesitates(&self) -> Result<()> {
        for _ in 0..5 {
            self.primary().freeze()?;
            tokio::time::sleep(HESITATES).await;
            self.primary().thaw()?;
            self.stage.writer.commits_again(Instant::now(), Duration::from_secs(5)).await.context("writes stopped")?;
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        Ok(())
    }

    async fn manager_stops(&self) -> Result<()> {
        self.stage.manager().freeze()?;
        tokio::time::sleep(self.times.stopped).await;
        self.stage.manager().thaw()?;
        self.hold().await
    }

    async fn restarts(&self) -> Result<()> {
        self.primary().shutdown().await?;
        self.back().await
    }

    async fn comes_back(&self) -> Result<()> {
        self.primary().kill9()?;
        self.back().await
    }

    /// Starts the primary again after a moment in which a failover without a grace would be over.
    async fn back(&self) -> Result<()> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.primary().start().await?;
        self.primary().set_writable(true).await?;
        self.hold().await?;
        self.stage.all_follow(self.primary().key(), PATIENCE).await.map(drop)
    }
}
