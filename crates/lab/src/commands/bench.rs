//! `lab bench`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use lab::report::{self, Series};
use lab::{Failing, Failover, Fault, Fleet, Plot, Product, Stage, TwoWritable, WriterOptions, manager_binary_of};

use super::campaign::verdict;
use super::{append, raft_leader, raft_log, unless_interrupted};

/// Measure the manager on real servers
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Failover(FailoverArguments),
    RaftLeader(raft_leader::Arguments),
    RaftLog(raft_log::Arguments),
}

/// Let the primary fail again and again, and measure how writes go on
///
/// Exits with an error when a hard rule is broken: two writable servers at one time, a lost row in spite of semi-sync, a
/// lost row that the certificate does not name, a replica that does not follow, a recovery that failed.
#[derive(Debug, Args)]
pub(super) struct FailoverArguments {
    /// mysql-9.7, mariadb-10.11 or mariadb-11.8
    #[arg(long, default_value = "mysql-9.7")]
    pub(super) flavor: Product,
    /// How many times the primary fails
    #[arg(long, default_value_t = 50)]
    pub(super) kills: u32,
    /// Commits wait for so many replicas (lossless semi-sync), and four clients write at full speed around the fault
    #[arg(long, value_name = "N")]
    pub(super) semi_sync: Option<u16>,
    /// kill, freeze (SIGSTOP) or cut (network; needs root)
    #[arg(long, default_value = "kill")]
    pub(super) fault: Fault,
    /// How many replicas the primary has
    #[arg(long, default_value_t = 3)]
    pub(super) replicas: usize,
    /// How many managers decide together
    #[arg(long, default_value_t = 1)]
    pub(super) managers: usize,
    /// Which build of the manager: debug or release; the one beside this program without this
    #[arg(long)]
    pub(super) manager: Option<String>,
    /// Append the result as a section in Markdown to this file
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.what {
        What::Failover(arguments) => {
            unless_interrupted(failovers(&arguments)).await?.context("interrupted before the end")
        }
        What::RaftLeader(arguments) => raft_leader::run(&arguments).await,
        What::RaftLog(arguments) => raft_log::run(&arguments).await,
    }
}

/// All that was measured.
struct Measured {
    failovers: Vec<Failover>,
    /// Rows that were acknowledged.
    acknowledged: usize,
    two_writable: Vec<TwoWritable>,
    /// Acknowledged rows that are gone, for each failover.
    lost: Vec<usize>,
}

/// Measures failovers, tells the result, and fails when a rule was broken.
pub(super) async fn failovers(arguments: &FailoverArguments) -> Result<()> {
    let program = manager_binary_of(arguments.manager.as_deref())?;
    let mut fleet = Fleet::builder().product(arguments.flavor).primary_with_replicas(arguments.replicas);
    if let Some(count) = arguments.semi_sync {
        fleet = fleet.semi_sync(count);
    }
    if arguments.fault == Fault::Cut {
        fleet = fleet.in_namespaces();
    }
    let plot = Plot::new(fleet, program).managers(arguments.managers);
    let (stage, Played { failovers, error }) = play(arguments, plot).await?;
    let measured = conclude(stage, failovers).await?;
    let text = markdown(arguments, &measured);
    println!("\n{text}");
    if let Some(file) = &arguments.markdown {
        append(file, &text)?;
    }
    let mut broken = broken_rules(arguments, &measured);
    broken.extend(error);
    verdict(&broken)
}

/// The failovers until the last, or until one went wrong.
struct Played {
    failovers: Vec<Failover>,
    error: Option<String>,
}

async fn play(arguments: &FailoverArguments, plot: Plot) -> Result<(Stage, Played)> {
    let stage = Stage::set(plot).await?;
    let mut played = Played { failovers: Vec::new(), error: None };
    let mut primary = stage.fleet().server(0).clone();
    let failing = Failing {
        fault: arguments.fault,
        limit: Duration::from_secs(if arguments.fault == Fault::Kill { 20 } else { 40 }),
        burst: arguments.semi_sync.map(|_| WriterOptions {
            connections: 4,
            pause: Duration::ZERO,
            ..WriterOptions::default()
        }),
    };
    for round in 1..=arguments.kills {
        // The manager's polls and the faults must not keep step.
        tokio::time::sleep(Duration::from_millis(u64::from(round * 377 % 1000))).await;
        match Failover::run(&stage, &primary, &failing).await {
            Ok(failover) => {
                println!("{round:>3}  {}", failover.line());
                primary = stage.fleet().find(&failover.new).context("a server of the fleet")?.clone();
                played.failovers.push(failover);
            }
            Err(error) => {
                println!("{round:>3}  {} FAILED: {error:#}", primary.key());
                played.error = Some(format!("failover {round} of {}: {error:#}", primary.key()));
                break;
            }
        }
    }
    Ok((stage, played))
}

/// Ends the writing and reads every row back.
async fn conclude(stage: Stage, failovers: Vec<Failover>) -> Result<Measured> {
    const PATIENCE: Duration = Duration::from_secs(120);
    let (fleet, record, two_writable) = stage.end().await;
    let primary = match failovers.last() {
        Some(last) => fleet.find(&last.new).context("a server of the fleet")?,
        None => fleet.server(0),
    };
    fleet.in_sync_with(primary, PATIENCE).await?;
    let missing = record.verify(primary).await?.missing;
    let lost_in = |index: usize| {
        let (from, until) =
            (index.checked_sub(1).map(|before| failovers[before].at), failovers.get(index).map(|next| next.at));
        let sent = |commit: &&lab::Commit| {
            from.is_none_or(|from| commit.sent >= from) && until.is_none_or(|until| commit.sent < until)
        };
        missing.iter().filter(sent).count()
    };
    let mut lost: Vec<usize> = (0..=failovers.len()).map(lost_in).collect();
    let mut acknowledged = record.acknowledged().count();
    for (index, burst) in
        failovers.iter().enumerate().filter_map(|(index, failover)| Some((index, failover.burst.as_ref()?)))
    {
        lost[index] += burst.verify(primary).await?.missing.len();
        acknowledged += burst.acknowledged().count();
    }
    Ok(Measured { failovers, acknowledged, two_writable, lost })
}

fn broken_rules(arguments: &FailoverArguments, measured: &Measured) -> Vec<String> {
    let mut broken: Vec<String> = Vec::new();
    for (index, failover) in measured.failovers.iter().enumerate() {
        let rules = failover.broken_rules(measured.lost[index], arguments.semi_sync.is_some());
        broken.extend(rules.into_iter().map(|rule| format!("failover {}: {rule}", index + 1)));
        if arguments.fault != Fault::Kill && failover.times.first_write > Duration::from_secs(8) {
            broken.push(format!("failover {}: took longer than 8 s", index + 1));
        }
    }
    if let Some(lost) = measured.lost.last().filter(|lost| **lost > 0) {
        broken.push(format!("{lost} acknowledged rows are lost without a failover"));
    }
    broken.extend(
        unexcused(arguments.fault, measured).into_iter().map(|two| {
            format!("{} and {} were both writable for {} ms", two.first, two.second, two.lasted.as_millis())
        }),
    );
    broken
}

/// Returns the times with two writable servers, without those of a resumed primary until it was fenced: these are counted
/// by what it took from clients.
fn unexcused(fault: Fault, measured: &Measured) -> Vec<&TwoWritable> {
    let resumes = |two: &TwoWritable| {
        fault != Fault::Kill
            && measured.failovers.iter().any(|failover| failover.old == two.first || failover.old == two.second)
    };
    measured.two_writable.iter().filter(|two| !resumes(two)).collect()
}

fn markdown(arguments: &FailoverArguments, measured: &Measured) -> String {
    let kind = match arguments.semi_sync {
        Some(count) => format!(", semi-sync AFTER_SYNC waiting for {count}, four clients at full speed"),
        None => String::new(),
    };
    let managers = if arguments.managers > 1 { format!(", {} managers", arguments.managers) } else { String::new() };
    let build = arguments.manager.as_deref().unwrap_or("same as the lab's");
    let mut text = format!(
        "### {}: {} x {}, {} replicas{kind}{managers}\n\n{}; {}; manager build: {build}.\n\n",
        arguments.flavor,
        measured.failovers.len(),
        arguments.fault.name(),
        arguments.replicas,
        report::today(),
        report::machine()
    );
    text.push_str(&report::table(&series(&measured.failovers)));
    let proved = measured.failovers.iter().filter(|failover| failover.story.certificate.proves_nothing_lost()).count();
    let named = measured.failovers.iter().filter(|failover| failover.is_named()).count();
    let lost: usize = measured.lost.iter().sum();
    let failed = measured.failovers.iter().filter(|failover| !failover.story.recovery.is_successful).count();
    let lines = [
        format!("two writable servers: {} times", unexcused(arguments.fault, measured).len()),
        format!(
            "acknowledged rows: {} written, {lost} lost, in {} failovers",
            measured.acknowledged,
            measured.lost.iter().filter(|lost| **lost > 0).count()
        ),
        format!("certificates: {proved} prove that nothing is lost; {named} name all that the old primary had more"),
        format!("failed recoveries: {failed}"),
    ];
    for line in lines {
        writeln!(text, "\n- {line}").expect("a text takes all that is written to it");
    }
    text.replace("\n\n- ", "\n- ").replacen("\n- two", "\n\n- two", 1)
}

fn series(failovers: &[Failover]) -> Vec<Series> {
    type Pick = fn(&Failover) -> Option<Duration>;
    let rows: [(&str, Pick); 6] = [
        ("detected", |failover| Some(failover.times.detect)),
        ("decided", |failover| Some(failover.times.decide)),
        ("promoted", |failover| Some(failover.times.promote)),
        ("first write", |failover| Some(failover.times.first_write)),
        ("all moved", |failover| Some(failover.times.all_moved)),
        ("old one writable after it resumed", |failover| failover.resumed.map(|resumed| resumed.writable)),
    ];
    let rows = rows.into_iter().map(|(name, pick)| {
        let mut series = Series::new(name);
        series.extend(failovers.iter().filter_map(pick));
        series
    });
    rows.filter(|series| !series.is_empty()).collect()
}
