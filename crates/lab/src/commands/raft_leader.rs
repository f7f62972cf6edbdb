//! `lab bench raft-leader`: how long nobody leads.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use lab::report::{self, Series};
use lab::{Fleet, Leadership, ManagerCluster, Plot, Stage, manager_binary_of};

use super::campaign::verdict;
use super::{append, unless_interrupted};

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Let the leading manager die again and again, and measure until another one leads and serves a write
///
/// Exits with an error when two managers lead at one time, when a command that was acknowledged is unknown to a manager in
/// the end, or when the 99th percentile is above --p99-ms.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many times
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    /// Move leadership (raft-elect-leader) instead of killing the leader
    #[arg(long)]
    transfer: bool,
    /// How many managers there are
    #[arg(long, default_value_t = 3)]
    managers: usize,
    /// The most that the 99th percentile may be; 2000 for a kill and 1000 for a transfer without this
    #[arg(long)]
    p99_ms: Option<u64>,
    /// Which build of the manager: debug or release; the one beside this program without this
    #[arg(long)]
    manager: Option<String>,
    /// Append the result as a section in Markdown to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<()> {
    unless_interrupted(measure(arguments)).await?.context("interrupted before the end")
}

/// What one change of leaders took, from the moment before it was caused.
struct Change {
    /// Another one says that it leads.
    leads: Duration,
    /// A write was acknowledged.
    serves: Duration,
}

async fn measure(arguments: &Arguments) -> Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(0);
    let plot = Plot::new(fleet, manager_binary_of(arguments.manager.as_deref())?).managers(arguments.managers);
    let stage = Stage::set(plot).await?;
    let leadership = Leadership::start(stage.managers());
    let bench = Bench { stage, leadership };
    let (mut leads, mut serves) = (Series::new("another one leads"), Series::new("a write is served"));
    for round in 1..=arguments.rounds {
        // Heartbeats and faults must not keep step.
        tokio::time::sleep(Duration::from_millis(u64::from(round * 377 % 1000))).await;
        let change = if arguments.transfer { bench.transfer(round).await } else { bench.kill(round).await };
        let change = change.with_context(|| format!("round {round}"))?;
        println!("{round:>3}  leads {:>5} ms  serves {:>5} ms", change.leads.as_millis(), change.serves.as_millis());
        leads.push(change.leads);
        serves.push(change.serves);
    }
    let mut broken = bench.nothing_is_forgotten(arguments.rounds).await;
    let two = bench.leadership.stop().await;
    broken.extend(two.iter().map(|two| {
        format!("managers {} and {} both led for {} ms", two.first + 1, two.second + 1, two.lasted.as_millis())
    }));
    let limit = Duration::from_millis(arguments.p99_ms.unwrap_or(if arguments.transfer { 1000 } else { 2000 }));
    broken.extend(serves.percentile(99).filter(|p99| *p99 > limit).map(|p99| format!("p99 is {} ms", p99.as_millis())));
    let text = markdown(arguments, &[leads, serves], two.len());
    println!("\n{text}");
    if let Some(file) = &arguments.markdown {
        append(file, &text)?;
    }
    verdict(&broken)
}

struct Bench {
    stage: Stage,
    leadership: Leadership,
}

impl Bench {
    fn managers(&self) -> &ManagerCluster {
        self.stage.managers()
    }

    /// A write that is about an instance of its own in each round, so that none hides another.
    fn write(&self, round: u32) -> String {
        format!(
            "/api/begin-downtime/{}/{}/lab/{}/12h",
            self.stage.fleet().server(0).key().host,
            20_000 + round,
            reason(round)
        )
    }

    async fn kill(&self, round: u32) -> Result<Change> {
        let leader = self.managers().wait_for_leader(PATIENCE).await?;
        let begun = Instant::now();
        leader.kill9()?;
        let change = self.change(begun, leader.index(), round).await?;
        leader.start().await?;
        self.managers().healthy(PATIENCE).await?;
        Ok(change)
    }

    async fn transfer(&self, round: u32) -> Result<Change> {
        let leader = self.managers().wait_for_leader(PATIENCE).await?;
        let count = self.managers().nodes().len();
        let target = self.managers().node((leader.index() + 1 + round as usize % (count - 1)) % count);
        let (host, _) = target.raft_address().split_once(':').context("an address with a port")?;
        let begun = Instant::now();
        leader.command(&format!("/api/raft-yield-hint/{host}"), PATIENCE).await?;
        let change = self.change(begun, leader.index(), round).await?;
        let now = self.managers().wait_for_leader(PATIENCE).await?;
        if now.index() != target.index() {
            bail!("manager {} leads, and {} was asked for", now.index() + 1, target.index() + 1);
        }
        Ok(change)
    }

    async fn change(&self, begun: Instant, old: usize, round: u32) -> Result<Change> {
        let (_, served) = loop {
            let served = self.managers().served(&self.write(round), PATIENCE).await?;
            // A transfer takes a moment, in which the old leader still serves.
            if self.leadership.first_since(begun, |who| who != old).is_some() {
                break served;
            }
            if begun.elapsed() > PATIENCE {
                bail!("no other manager leads within {PATIENCE:?}\n{}", self.managers().log_tails(25));
            }
        };
        let (_, led) = self.leadership.first_since(begun, |who| who != old).context("it was seen")?;
        Ok(Change { leads: led.duration_since(begun), serves: served.duration_since(begun) })
    }

    /// Every manager knows every command in the end.
    async fn nothing_is_forgotten(&self, rounds: u32) -> Vec<String> {
        let mut broken = Vec::new();
        for node in self.managers().nodes() {
            let until = Instant::now() + PATIENCE;
            loop {
                let known = node.journal().map(|journal| journal.downtime_reasons()).unwrap_or_default();
                let missing = (1..=rounds).filter(|round| !known.contains(&reason(*round))).count();
                if missing == 0 {
                    break;
                }
                if Instant::now() > until {
                    broken.push(format!("manager {} does not know {missing} acknowledged commands", node.index() + 1));
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        broken
    }
}

fn reason(round: u32) -> String {
    format!("round-{round}")
}

fn markdown(arguments: &Arguments, series: &[Series], two: usize) -> String {
    let what = if arguments.transfer { "raft-elect-leader" } else { "leader killed" };
    let build = arguments.manager.as_deref().unwrap_or("same as the lab's");
    let (count, managers) = (arguments.rounds, arguments.managers);
    let (today, machine, table) = (report::today(), report::machine(), report::table(series));
    format!(
        "### raft: {count} x {what}, {managers} managers\n\n{today}; {machine}; manager build: {build}.\n\n{table}\n\
         - two leaders at one time: {two} times\n"
    )
}
