//! `lab campaign`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use lab::{Fault, Product};

use super::raft_cuts::Scenario;
use super::{bench, calm, crash, raft_crash, raft_cuts, raft_disk, returns, switchover, unless_interrupted};

/// So many rounds as a recovery has steps.
const ALL_STEPS: u32 = u32::MAX;

/// Repeat what must hold, for as long as you like, on real servers
///
/// Each round prints a line; the command fails when a rule was broken. `--list` tells what each campaign does.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which campaign
    #[arg(required_unless_present = "list")]
    name: Option<Name>,
    /// Tell what each campaign does
    #[arg(long)]
    list: bool,
    /// How many rounds; each campaign has a number of its own
    #[arg(long)]
    rounds: Option<u32>,
    /// mysql-9.7, mariadb-10.11 or mariadb-11.8
    #[arg(long, default_value = "mysql-9.7")]
    flavor: Product,
    /// Which build of the manager: debug or release; the one beside this program without this
    #[arg(long)]
    manager: Option<String>,
    /// Seconds that a state without a failover is kept and looked at (no-failover)
    #[arg(long, default_value_t = 12)]
    hold: u64,
    /// Seconds that the manager is stopped (no-failover)
    #[arg(long, default_value_t = 30)]
    stopped: u64,
    /// Who is cut off from whom (raft-cuts)
    #[arg(long, value_enum, default_value_t = Scenario::All)]
    scenario: Scenario,
    /// Seconds that each state is kept and looked at (raft-cuts)
    #[arg(long, default_value_t = 5)]
    calm: u64,
    /// How many replicas the primary has: a number, or A..B for each of these (switchover)
    #[arg(long, value_parser = switchover::range, default_value = "2..6")]
    replicas: std::ops::RangeInclusive<usize>,
    /// Commits wait for so many semi-sync replicas; 0 without semi-sync (switchover)
    #[arg(long, default_value_t = 1)]
    wait_count: u16,
    /// Append the result as a section in Markdown to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<std::path::PathBuf>,
}

/// The campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    NoFailover,
    Freeze,
    Cut,
    Crash,
    RaftCuts,
    RaftCrash,
    RaftDisk,
    Return,
    Switchover,
}

impl Name {
    /// Returns what it does, and how many rounds are usual.
    fn about(self) -> (&'static str, u32) {
        match self {
            Self::NoFailover => (
                "what looks like a failure and is none: an operator stops replication on all replicas; appliers fail \
                 while receivers run; the manager is stopped for 30 s and resumed; the primary freezes for 0.8 s; the \
                 primary restarts within PrimaryRestartGraceSeconds. Nobody may be promoted, writes must go on.",
                3,
            ),
            Self::Freeze => (
                "SIGSTOP of the primary: writes must go on elsewhere within 8 s; when it resumes it is made read-only \
                 within a second; rows that it takes from waiting clients until then are counted (with semi-sync there \
                 may be none).",
                10,
            ),
            Self::Cut => ("as freeze, by a network cut without a reset (network namespaces; needs root).", 10),
            Self::Crash => (
                "the primary is killed, and in the middle of its recovery the manager too; the restarted manager must \
                 go on with the recovery or close it, writes must go on, all replicas must follow.",
                20,
            ),
            Self::RaftCuts => (
                "three or five managers and the servers in network namespaces; the leader, a minority, a follower, one \
                 direction, the leader with the primary, or the leader from the primary is cut off (--scenario). Never \
                 two that lead, never two writable primaries within the reach of the majority's clients, no failover \
                 where a majority sees the primary and one where it does not, and healing never costs the majority its \
                 leader (needs root).",
                10,
            ),
            Self::RaftCrash => (
                "the primary is killed, and the leading of three managers in the middle of its recovery: when each \
                 single step was begun, and when it was finished (fewer --rounds are spread over the steps). The next \
                 leader completes the recovery once, every hook runs under an id that a repeat has too, and no finished \
                 step is done again.",
                ALL_STEPS,
            ),
            Self::RaftDisk => (
                "the disk of a follower, then of the leader, is full: the others go on, it says what is wrong, and is \
                 well once there is room. The file of a follower is lost: it has no vote until raft-add-peer (needs root).",
                2,
            ),
            Self::Return => (
                "the primary is killed, replaced, and started again, open to writes; half of the times it has rows that no \
                 replica received, or clients wait for it that write as fast as they can. It may be writable for no longer \
                 than one probe (a second at most); if it has nothing of its own it is attached by the manager, and if it has, that is \
                 on record with exactly its GTIDs and what they changed.",
                30,
            ),
            Self::Switchover => (
                "planned takeovers while four clients write at full speed, for each number of --replicas and with \
                 --wait-count acknowledgements. The time in which no write is acknowledged is measured; no row may be \
                 lost, no server have a transaction more than the primary, and the old primary ends as a healthy replica.",
                30,
            ),
        }
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<()> {
    let Some(name) = arguments.name.filter(|_| !arguments.list) else {
        list();
        return Ok(());
    };
    let rounds = arguments.rounds.unwrap_or(name.about().1);
    let begun = Instant::now();
    unless_interrupted(play(name, rounds, &arguments)).await?.context("interrupted before the end")?;
    println!("campaign {}: {} held, in {:.0} s", word(name), count(rounds), begun.elapsed().as_secs_f64());
    Ok(())
}

async fn play(name: Name, rounds: u32, arguments: &Arguments) -> Result<()> {
    let (flavor, manager) = (arguments.flavor, arguments.manager.clone());
    let faults = |fault| bench::FailoverArguments {
        flavor,
        kills: rounds,
        semi_sync: None,
        fault,
        replicas: 3,
        managers: 1,
        manager: manager.clone(),
        markdown: arguments.markdown.clone(),
    };
    match name {
        Name::Freeze => bench::failovers(&faults(Fault::Freeze)).await,
        Name::Cut => bench::failovers(&faults(Fault::Cut)).await,
        Name::RaftCuts => {
            let settings = raft_cuts::Settings {
                scenario: arguments.scenario,
                rounds,
                calm: Duration::from_secs(arguments.calm),
                flavor,
                manager,
                markdown: arguments.markdown.clone(),
            };
            raft_cuts::run(&settings).await
        }
        Name::RaftCrash => {
            raft_crash::run(Some(rounds).filter(|rounds| *rounds != ALL_STEPS), flavor, manager.as_deref()).await
        }
        Name::Return => {
            let markdown = arguments.markdown.clone();
            returns::run(&returns::Settings { rounds, flavor, manager, markdown }).await
        }
        Name::RaftDisk => raft_disk::run(rounds, flavor, manager.as_deref()).await,
        Name::Switchover => {
            let settings = switchover::Settings {
                rounds,
                replicas: arguments.replicas.clone(),
                wait_count: arguments.wait_count,
                flavor,
                manager,
                markdown: arguments.markdown.clone(),
            };
            switchover::run(&settings).await
        }
        Name::Crash => crash::run(rounds, flavor, manager.as_deref()).await,
        Name::NoFailover => {
            let times = calm::Times {
                hold: Duration::from_secs(arguments.hold),
                stopped: Duration::from_secs(arguments.stopped),
            };
            calm::run(rounds, flavor, manager.as_deref(), times).await
        }
    }
}

fn list() {
    for name in Name::value_variants() {
        let (about, rounds) = name.about();
        println!("{}  ({})\n    {about}\n", word(*name), count(rounds));
    }
}

fn count(rounds: u32) -> String {
    if rounds == ALL_STEPS { "all steps".to_owned() } else { format!("{rounds} rounds") }
}

fn word(name: Name) -> String {
    name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Fails with all sentences, if there are any.
pub(super) fn verdict(broken: &[String]) -> Result<()> {
    if broken.is_empty() { Ok(()) } else { bail!("{} rules are broken:\n- {}", broken.len(), broken.join("\n- ")) }
}
