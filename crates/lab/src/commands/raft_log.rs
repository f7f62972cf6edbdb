//! `lab bench raft-log`: how many commands a second, and what they leave on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::future::try_join_all;
use lab::report;
use lab::{Fleet, ManagerNode, Plot, Stage, manager_binary_of};

use super::campaign::verdict;
use super::{append, unless_interrupted};

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many times sizes are looked at.
const SAMPLES: u64 = 20;
/// How much a store may grow after it has taken a fifth of all commands: no command of this benchmark adds a row.
const GROWTH: u64 = 64 << 20;

/// Declare a great many small facts through three managers, and measure rate, sizes and how a follower catches up
///
/// Each command is one request to the leader's API on connections that last (a downtime begun or ended), acknowledged when a
/// majority has it on disk. One follower is killed when half of them are through, and started at the end. Exits with an
/// error when a request fails, when files grow without bound, or when the follower does not catch up.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many commands
    #[arg(long, default_value_t = 20_000)]
    commands: u64,
    /// How many requests are under way at one time
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// The fewest acknowledged commands a second that will do
    #[arg(long, default_value_t = 1_000)]
    least: u64,
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

/// What the managers have on disk at one moment.
struct Sample {
    commands: u64,
    at: Duration,
    /// One per manager: all that it keeps, in bytes.
    bytes: Vec<u64>,
}

async fn measure(arguments: &Arguments) -> Result<()> {
    let fleet = Fleet::builder().primary_with_replicas(0);
    let plot = Plot::new(fleet, manager_binary_of(arguments.manager.as_deref())?).managers(3);
    let stage = Stage::set(plot).await?;
    let leader = stage.managers().wait_for_leader(PATIENCE).await?;
    let follower = stage.managers().others(leader.index()).next().context("three managers")?.clone();
    let load = Load { count: arguments.commands, done: AtomicU64::new(0), begun: AtomicU64::new(0) };
    let (host, begun) = (stage.fleet().server(0).key().host.clone(), Instant::now());
    let clients = (0..arguments.connections).map(|number| load.run(&leader, format!("{host}/{}", 20_000 + number)));
    let watched = async {
        let samples = watch(&stage, &load, begun, &follower).await?;
        Ok::<_, anyhow::Error>(samples)
    };
    let (outcome, samples) = tokio::join!(try_join_all(clients), watched);
    outcome.with_context(|| format!("a request failed\n{}", stage.managers().log_tails(25)))?;
    let (took, samples) = (begun.elapsed(), samples?);
    let (bytes, caught_up) = catch_up(&stage, &leader, &follower).await?;
    let rate = rate(arguments.commands, took);
    let text = markdown(arguments, rate, &samples, bytes, caught_up);
    println!("\n{text}");
    if let Some(file) = &arguments.markdown {
        append(file, &text)?;
    }
    let mut broken = unbounded(&samples);
    if rate < arguments.least {
        broken.push(format!("{rate} commands a second are fewer than {}", arguments.least));
    }
    verdict(&broken)
}

/// What all clients together have done.
struct Load {
    count: u64,
    begun: AtomicU64,
    done: AtomicU64,
}

impl Load {
    /// Begins and ends a downtime of `instance` by turns, as long as there are commands left.
    async fn run(&self, leader: &ManagerNode, instance: String) -> Result<()> {
        let paths = [format!("/api/begin-downtime/{instance}/lab/log/12h"), format!("/api/end-downtime/{instance}")];
        let mut connection = leader.connect().await?;
        for path in paths.iter().cycle() {
            if self.begun.fetch_add(1, Ordering::Relaxed) >= self.count {
                return Ok(());
            }
            let (status, body) = tokio::time::timeout(PATIENCE, connection.get(path)).await??;
            if status != 200 {
                bail!("{path} is answered {status}: {body}");
            }
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Looks at the files until all commands are through, and kills the follower on the way.
async fn watch(stage: &Stage, load: &Load, begun: Instant, follower: &ManagerNode) -> Result<Vec<Sample>> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut last = (0, Instant::now());
    loop {
        let commands = load.done.load(Ordering::Relaxed);
        if commands > last.0 {
            last = (commands, Instant::now());
        } else if last.1.elapsed() > PATIENCE {
            bail!("no command was acknowledged for {PATIENCE:?}");
        }
        let due = samples.len() as u64 * load.count / SAMPLES;
        if commands >= due {
            let bytes = stage.managers().nodes().iter().map(|node| bytes_of(node)).collect();
            let sample = Sample { commands, at: begun.elapsed(), bytes };
            println!("{}", line(&sample));
            samples.push(sample);
        }
        if commands >= load.count / 2 && follower.is_running() {
            follower.kill9()?;
            println!("manager {} is killed", follower.index() + 1);
        }
        if commands >= load.count {
            return Ok(samples);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Starts the follower and waits until it knows the newest fact. Returns the size of its files then, and how long it took.
async fn catch_up(stage: &Stage, leader: &ManagerNode, follower: &ManagerNode) -> Result<(u64, Duration)> {
    let host = &stage.fleet().server(0).key().host;
    leader.command(&format!("/api/begin-downtime/{host}/29999/lab/newest/12h"), PATIENCE).await?;
    let begun = Instant::now();
    follower.start().await?;
    // Its own file, not its API: what it says may be what it was told by the leader.
    while !follower.journal().is_ok_and(|journal| journal.downtime_reasons().iter().any(|reason| reason == "newest")) {
        if begun.elapsed() > PATIENCE {
            bail!("the follower does not catch up within {PATIENCE:?}\n{}", stage.managers().log_tails(25));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((bytes_of(follower), begun.elapsed()))
}

/// Returns which managers' files grew without bound, a sentence each. The follower that was down is as small as it was.
fn unbounded(samples: &[Sample]) -> Vec<String> {
    let Some((early, late)) = samples.get(samples.len() / 5).zip(samples.last()) else { return Vec::new() };
    let grown = early.bytes.iter().zip(&late.bytes).enumerate().filter(|(_, (early, late))| **late > **early + GROWTH);
    grown
        .map(|(index, (early, late))| {
            format!("the files of manager {} grew from {} to {} MiB", index + 1, early >> 20, late >> 20)
        })
        .collect()
}

fn bytes_of(node: &ManagerNode) -> u64 {
    size(&node.data_dir())
}

fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path()),
            // A file that has gone since has no size.
            about => about.map_or(0, |about| about.len()),
        })
        .sum()
}

fn rate(commands: u64, took: Duration) -> u64 {
    u64::try_from(u128::from(commands) * 1000 / took.as_millis().max(1)).unwrap_or(u64::MAX)
}

fn line(sample: &Sample) -> String {
    let sizes: Vec<String> = sample.bytes.iter().map(|bytes| format!("{:>6}", bytes >> 10)).collect();
    format!("{:>9} commands  {:>7.1} s  KiB on disk {}", sample.commands, sample.at.as_secs_f64(), sizes.join(" "))
}

fn markdown(arguments: &Arguments, rate: u64, samples: &[Sample], bytes: u64, caught_up: Duration) -> String {
    let build = arguments.manager.as_deref().unwrap_or("same as the lab's");
    let (count, connections) = (arguments.commands, arguments.connections);
    let (today, machine) = (report::today(), report::machine());
    let lines: String = samples.iter().map(|sample| format!("    {}\n", line(sample))).collect();
    format!(
        "### raft: {count} commands through three managers\n\n{today}; {machine}; manager build: {build}.\n\n\
         {rate} acknowledged commands a second, {connections} at one time.\n\n{lines}\n\
         - the follower that was killed when half of them were through caught up within {} ms of its start, and has {} KiB\n",
        caught_up.as_millis(),
        bytes >> 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(bytes: u64) -> Sample {
        Sample { commands: 0, at: Duration::ZERO, bytes: vec![bytes] }
    }

    #[test]
    fn files_that_grow_and_shrink_are_bounded_and_others_are_not() {
        assert!(unbounded(&[sample(0), sample(90 << 20), sample(20 << 20), sample(40 << 20)]).is_empty());
        assert_eq!(unbounded(&[sample(1 << 20), sample(50 << 20), sample(90 << 20)]).len(), 1);
        assert!(unbounded(&[]).is_empty());
    }
}
