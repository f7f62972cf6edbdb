//! `lab campaign switchover`: planned takeovers under full write load.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::report::{self, Series};
use lab::{Fleet, Plot, Product, Server, Stage, Writer, WriterOptions, manager_binary_of};
use topology::InstanceKey;

use super::append;
use super::campaign::verdict;

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long clients write at full speed before each takeover.
const BURST: Duration = Duration::from_millis(700);
/// How many of them.
const CLIENTS: usize = 4;

/// How the campaign is played.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// How many takeovers for each number of replicas.
    pub(super) rounds: u32,
    /// How many replicas the primary has: each of these numbers.
    pub(super) replicas: RangeInclusive<usize>,
    /// Commits wait for so many replicas; 0 without semi-sync.
    pub(super) wait_count: u16,
    pub(super) flavor: Product,
    pub(super) manager: Option<String>,
    pub(super) markdown: Option<PathBuf>,
}

/// Reads `3` or `2..6`.
pub(super) fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let number = |part: &str| part.trim().parse::<usize>().map_err(|_| format!("{text:?} is no number and no A..B"));
    match text.split_once("..") {
        Some((first, last)) => Ok(number(first)?..=number(last)?),
        None => number(text).map(|count| count..=count),
    }
}

/// Runs the campaign.
pub(super) async fn run(settings: &Settings) -> Result<()> {
    let mut series = Vec::new();
    let mut broken = Vec::new();
    for replicas in settings.replicas.clone() {
        if usize::from(settings.wait_count) > replicas {
            continue;
        }
        let mut blocks = Series::new(format!("{replicas} replicas, wait count {}", settings.wait_count));
        if let Err(error) = play(settings, replicas, &mut blocks, &mut broken).await {
            broken.push(format!("{replicas} replicas, after {} takeovers: {error:#}", blocks.len()));
        }
        series.push(blocks);
    }
    let text = markdown(settings, &series);
    println!("\n{text}");
    if let Some(file) = &settings.markdown {
        append(file, &text)?;
    }
    verdict(&broken)
}

async fn play(settings: &Settings, replicas: usize, blocks: &mut Series, broken: &mut Vec<String>) -> Result<()> {
    let mut fleet = Fleet::builder().product(settings.flavor).primary_with_replicas(replicas);
    if settings.wait_count > 0 {
        fleet = fleet.semi_sync(settings.wait_count);
    }
    let mut plot = Plot::new(fleet, manager_binary_of(settings.manager.as_deref())?);
    if settings.flavor.is_mariadb() {
        let (user, password) = lab::Accounts::REPLICATION;
        plot = plot.setting("ReplicationCredentialsQuery", format!("select '{user}', '{password}'"));
    }
    let stage = Stage::set(plot).await?;
    let mut primary = stage.fleet().server(0).clone();
    for round in 1..=settings.rounds {
        tokio::time::sleep(Duration::from_millis(u64::from(round * 377 % 500))).await;
        let (next, block) = take_over(&stage, &primary, round).await?;
        println!(
            "{replicas} replicas, wait count {}, {round:>3}: {} -> {}  writes blocked {:>4} ms",
            settings.wait_count,
            primary.key().host,
            next.key().host,
            block.as_millis()
        );
        blocks.push(block);
        primary = next;
    }
    let (fleet, record, two) = stage.end().await;
    fleet.in_sync_with(&primary, PATIENCE).await?;
    let missing = record.verify(&primary).await?.missing.len();
    broken.extend((missing > 0).then(|| format!("{replicas} replicas: {missing} acknowledged rows are lost")));
    broken.extend(two.iter().map(|two| format!("{} and {} were both writable", two.first, two.second)));
    Ok(())
}

/// Lets another server take over from `primary` while clients write at full speed. Returns it, and for how long no client's
/// write was acknowledged.
async fn take_over(stage: &Stage, primary: &Arc<Server>, round: u32) -> Result<(Arc<Server>, Duration)> {
    let others: Vec<&Arc<Server>> =
        stage.fleet().servers().iter().filter(|server| server.key() != primary.key()).collect();
    let next = others[round as usize % others.len()];
    let options = WriterOptions { connections: CLIENTS, pause: Duration::ZERO, ..WriterOptions::default() };
    let writer = Writer::start(stage.fleet(), options);
    writer.commits_again(Instant::now(), PATIENCE).await?;
    tokio::time::sleep(BURST).await;
    let (from, to) = (primary.key(), next.key());
    let path = format!("/api/graceful-master-takeover-auto/{}/{}/{}/{}", from.host, from.port, to.host, to.port);
    let answered = stage.manager().command(&path, PATIENCE).await;
    let answer = match answered {
        Ok(answer) => answer,
        Err(error) => bail!("{error:#}\n{}", stage.excuse(from).await),
    };
    let errors = &answer["Details"]["AllErrors"];
    if errors.as_array().is_none_or(|errors| !errors.is_empty()) {
        bail!("something went wrong: {errors}");
    }
    commits_at(&writer, stage, to).await?;
    let record = writer.stop().await;
    let server_of = |commit: &lab::Commit| &record.servers[commit.server];
    let last = record.acknowledged().filter(|commit| server_of(commit) == from).last();
    let first = record.acknowledged().find(|commit| server_of(commit) == to);
    let (last, first) = (last.context("nobody wrote before")?, first.context("nobody wrote afterwards")?);
    if first.done < last.done {
        bail!("{to} acknowledged a row before {from} had ended");
    }
    stage.settled(next).await?;
    stage.fleet().in_sync_with(next, PATIENCE).await?;
    let missing = record.verify(next).await?.missing.len();
    if missing > 0 {
        bail!("{missing} acknowledged rows are lost");
    }
    nobody_has_more(stage, next).await?;
    Ok((next.clone(), first.done - last.done))
}

async fn commits_at(writer: &Writer, stage: &Stage, key: &InstanceKey) -> Result<()> {
    let begun = Instant::now();
    let mut after = begun;
    loop {
        let commit = writer.commits_again(after, PATIENCE).await?;
        if stage.fleet().server(commit.server).key() == key {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("writes do not go on at {key}");
        }
        after = commit.done;
    }
}

/// Fails when a server has a transaction that the primary lacks, and goes on lacking: a replica may apply one that the primary
/// is still waiting to see acknowledged.
async fn nobody_has_more(stage: &Stage, primary: &Server) -> Result<()> {
    for server in stage.fleet().servers().iter().filter(|server| server.key() != primary.key()) {
        let own = server.executed().await?;
        if let Err(error) = primary.has_executed(&own, PATIENCE).await {
            bail!("{} has transactions that the primary lacks: {error:#}", server.key());
        }
    }
    Ok(())
}

fn markdown(settings: &Settings, series: &[Series]) -> String {
    let build = settings.manager.as_deref().unwrap_or("same as the lab's");
    let mut text = format!(
        "### {}: planned takeovers, {CLIENTS} clients at full speed\n\n{}; {}; manager build: {build}. Time without an \
         acknowledged write, as the clients saw it.\n\n",
        settings.flavor,
        report::today(),
        report::machine()
    );
    text.push_str(&report::table(series));
    text
}
