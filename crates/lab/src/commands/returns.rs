//! `lab campaign return`: an old primary comes back, half of the times with transactions that its successor has not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lab::{Accounts, Fleet, Plot, Product, Server, Stage, Writer, WriterOptions, manager_binary_of};
use mysql::Session;
use serde_json::Value;
use topology::{BinlogState, GtidSet, InstanceKey};

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one with new data may take to replay all that was ever written.
const CATCHES_UP: Duration = Duration::from_secs(300);

/// One probe of a replaced primary, and what a busy machine adds: no longer may it be writable beside its successor.
const ONE_PROBE: Duration = Duration::from_secs(1);

/// What is to be repeated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often.
    pub rounds: u32,
    /// On which servers.
    pub flavor: Product,
    /// Which build of the manager.
    pub manager: Option<String>,
    /// Where to append the result.
    pub markdown: Option<PathBuf>,
}

/// How an old primary comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// As it died.
    Plain,
    /// With rows that it took before it died and that no replica received.
    Unreplicated,
    /// With clients that wait for it and write as fast as they can.
    Awaited,
}

impl Manner {
    /// Half of the rounds are to be divergent.
    fn of(round: u32) -> Self {
        match round % 4 {
            1 | 3 => Self::Plain,
            2 => Self::Unreplicated,
            _ => Self::Awaited,
        }
    }
}

/// What one return came to.
#[derive(Clone, Debug)]
struct Round {
    manner: Manner,
    /// How long `root` saw it open to writes, from its first answer.
    writable: Duration,
    /// Rows that it acknowledged after it came back.
    late: usize,
    /// What it had beyond its successor.
    beyond: String,
    /// From its first answer until it replicated, or until its divergence was on record.
    settled: Duration,
}

/// Runs the campaign.
pub async fn run(settings: &Settings) -> Result<()> {
    let fleet = Fleet::builder().product(settings.flavor).primary_with_replicas(2);
    let plot = Plot::new(fleet, manager_binary_of(settings.manager.as_deref())?);
    let (user, password) = Accounts::REPLICATION;
    // On MariaDB no server tells the account of its replicas.
    let query = format!("select '{user}', '{password}'");
    let plot = plot.setting("ReturnedPrimaryPolicy", "subset").setting("ReplicationCredentialsQuery", query);
    let stage = Stage::set(plot).await?;
    let mut primary = stage.fleet().server(0).clone();
    let mut rounds = Vec::new();
    for number in 1..=settings.rounds {
        let manner = Manner::of(number);
        let outcome = come_back(&stage, &primary, manner).await;
        let (round, new) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                bail!("round {number} ({manner:?}): {error:#}\n{}", stage.excuse(primary.key()).await)
            }
        };
        println!("{number:>3}  {}", line(&round));
        rounds.push(round);
        primary = new;
    }
    let summary = summary(&rounds);
    println!("{summary}");
    if let Some(path) = &settings.markdown {
        append(path, &summary)?;
    }
    let slow = rounds.iter().filter(|round| round.writable > ONE_PROBE).count();
    ensure!(slow == 0, "a replaced primary was writable for longer than one probe in {slow} rounds");
    let (_, record, _) = stage.end().await;
    ensure!(record.acknowledged().count() > 0, "nobody wrote");
    Ok(())
}

/// Lets `primary` die, be replaced and come back. Returns what came of it, and the new primary.
async fn come_back(stage: &Stage, primary: &Arc<Server>, manner: Manner) -> Result<(Round, Arc<Server>)> {
    if manner == Manner::Unreplicated {
        write_alone(stage, primary).await?;
    }
    let killed = Instant::now();
    primary.kill9()?;
    if manner == Manner::Unreplicated {
        receivers(stage, primary, "START").await?;
    }
    let new = replaced(stage, primary, killed).await?;
    let clients = (manner == Manner::Awaited).then(|| eager(primary));
    let mut session = None;
    primary.launch_writable()?;
    let (answered, writable) = watch(primary, &mut session).await?;
    let late = match clients {
        Some(clients) => clients.stop().await.acknowledged().count(),
        None => 0,
    };
    // Whoever asks at this moment may be among the clients that are ended.
    let until = Instant::now() + PATIENCE;
    let beyond = loop {
        match beyond(primary, &new).await {
            Ok(beyond) => break beyond,
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    if beyond.is_empty() {
        attached(stage, primary, &new).await?;
    } else {
        on_record(stage, primary, &beyond).await?;
    }
    let settled = answered.elapsed();
    if !beyond.is_empty() {
        ensure!(!primary.is_writable().await?, "{} is open to writes", primary.key());
        stage.fleet().rejoin(primary, new.key()).await?;
        stage.brought_back(primary.key()).await?;
    }
    stage.fleet().in_sync_with(&new, CATCHES_UP).await?;
    stage.settled(&new).await?;
    Ok((Round { manner, writable, late, beyond, settled }, new))
}

/// Commits rows on `primary` that no replica receives.
async fn write_alone(stage: &Stage, primary: &Server) -> Result<()> {
    receivers(stage, primary, "STOP").await?;
    let options = WriterOptions { connections: 2, pause: Duration::from_millis(1), ..WriterOptions::default() };
    let writer = Writer::to(vec![primary.key().clone()], options);
    let until = Instant::now() + PATIENCE;
    while writer.acknowledged() < 5 {
        ensure!(Instant::now() < until, "nobody can write on {}", primary.key());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    writer.stop().await;
    Ok(())
}

async fn receivers(stage: &Stage, primary: &Server, verb: &str) -> Result<()> {
    let word = if primary.product().is_mariadb() { "SLAVE" } else { "REPLICA" };
    for replica in stage.fleet().servers().iter().filter(|server| server.key() != primary.key()) {
        replica.sql(&format!("{verb} {word} IO_THREAD")).await?;
    }
    Ok(())
}

/// Waits until writes go on elsewhere and the recovery has ended.
async fn replaced(stage: &Stage, old: &Server, killed: Instant) -> Result<Arc<Server>> {
    let mut after = killed;
    let new = loop {
        let commit = stage.writer.commits_again(after, PATIENCE).await?;
        let server = stage.fleet().server(commit.server);
        if server.key() != old.key() {
            break server.clone();
        }
        after = commit.done;
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let rows = stage.journal()?.recoveries()?;
        if rows.first().is_some_and(|row| row.ended.is_some() && row.successor.as_ref() == Some(new.key())) {
            for row in rows.iter().filter(|row| row.acknowledged.is_none()) {
                stage.acknowledge(&row.uid).await?;
            }
            return Ok(new);
        }
        ensure!(Instant::now() < until, "the recovery does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Starts clients of `server` alone that write the moment it takes writes.
fn eager(server: &Server) -> Writer {
    let options = WriterOptions { connections: 4, limit: Duration::from_secs(2), pause: Duration::ZERO };
    Writer::to(vec![server.key().clone()], options)
}

/// Looks at a server that starts until it is closed. Returns when it first answered, and how long it was open.
async fn watch(server: &Server, session: &mut Option<lab::AdminSession>) -> Result<(Instant, Duration)> {
    let until = Instant::now() + PATIENCE;
    let mut first = None;
    let mut open_until = None;
    loop {
        ensure!(Instant::now() < until, "{} stays open to writes", server.key());
        ensure!(server.is_running(), "{} ended:\n{}", server.key(), server.log_tail());
        if session.as_deref().is_none_or(Session::is_broken) {
            // Ended with the clients, or not there yet.
            *session = server.admin().await.ok();
        }
        let Some(admin) = session.as_mut() else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let asked = Instant::now();
        let Ok(rows) = admin.rows("SELECT @@GLOBAL.read_only AS closed").await else { continue };
        let begun = *first.get_or_insert(asked);
        if rows.first().and_then(|row| row.get(0)) != Some("0") {
            let open: Instant = open_until.map_or(begun, |_| asked);
            return Ok((begun, open.saturating_duration_since(begun)));
        }
        open_until = Some(Instant::now());
    }
}

/// Returns what `old`, which is closed, has beyond `new`.
async fn beyond(old: &Server, new: &Server) -> Result<String> {
    if !old.product().is_mariadb() {
        let ours = GtidSet::parse_mysql(&old.executed().await?)?;
        return Ok(ours.subtract(&GtidSet::parse_mysql(&new.executed().await?)?).to_string());
    }
    let state = |text: String| BinlogState::parse(&text);
    let ours = state(old.value("SELECT @@GLOBAL.gtid_binlog_state").await?)?;
    let theirs = state(new.value("SELECT @@GLOBAL.gtid_binlog_state").await?)?;
    let replicated = GtidSet::parse_mariadb(&new.value("SELECT @@GLOBAL.gtid_slave_pos").await?)?;
    let nothing = topology::gtid::mariadb::Position::default();
    let written = ours.beyond(&theirs, replicated.position().unwrap_or(&nothing));
    Ok(written.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

/// Waits until the manager has attached `old` below `new`.
async fn attached(stage: &Stage, old: &Server, new: &Server) -> Result<()> {
    old.replicating_from(new.key(), PATIENCE).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        let listed = stage.ask("/api/v2/returned-primaries").await?;
        if find(&listed, old.key()).is_none() {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{} replicates and is still on record as demoted: {listed}", old.key());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the manager has on record what `old` has beyond its successor: exactly that, with the changes.
async fn on_record(stage: &Stage, old: &Server, beyond: &str) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let found = loop {
        let listed = stage.ask("/api/v2/divergences").await?;
        if let Some(found) = find(&listed, old.key()) {
            break found.clone();
        }
        ensure!(Instant::now() < until, "{beyond} of {} is not on record: {listed}", old.key());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    ensure!(found["gtids"] == beyond, "on record is {}, and it has {beyond}", found["gtids"]);
    ensure!(found["note"] == "", "the record is not whole: {}", found["note"]);
    let file = found["file"].as_str().unwrap_or_default();
    let text = std::fs::read_to_string(file).with_context(|| format!("the record names the file {file:?}"))?;
    let changes = found["changes"].as_u64().unwrap_or(0);
    let lines = text.lines().count();
    ensure!(
        changes > 0 && u64::try_from(lines)? == changes + 1,
        "{file} has {lines} lines, and {changes} are on record"
    );
    ensure!(text.contains("app.writes"), "{file} does not say which table was changed");
    let (host, port) = (&old.key().host, old.key().port);
    stage.ask(&format!("/api/ack-divergence/{host}/{port}?comment=lab")).await.map(drop)
}

fn find<'a>(listed: &'a Value, key: &InstanceKey) -> Option<&'a Value> {
    let entries = listed.as_array()?;
    entries.iter().find(|entry| entry["key"]["Hostname"] == key.host.as_str() && entry["key"]["Port"] == key.port)
}

fn line(round: &Round) -> String {
    let Round { manner, writable, late, beyond, settled } = round;
    let manner = match manner {
        Manner::Plain => "as it died",
        Manner::Unreplicated => "with rows of its own",
        Manner::Awaited => "awaited by clients",
    };
    let what = if beyond.is_empty() { "attached".to_owned() } else { format!("on record: {beyond}") };
    let (open, settled) = (writable.as_millis(), settled.as_millis());
    format!("{manner:<20}  writable {open:>3} ms, {late:>3} rows taken; after {settled:>4} ms {what}")
}

fn summary(rounds: &[Round]) -> String {
    let millis = |mut times: Vec<Duration>| {
        times.sort();
        let at = |index: usize| times.get(index).map_or(0, Duration::as_millis);
        format!("{} ms median, {} ms worst", at(times.len() / 2), at(times.len().saturating_sub(1)))
    };
    let some = |is_meant: &dyn Fn(&&Round) -> bool| rounds.iter().filter(is_meant).collect::<Vec<_>>();
    let (subset, divergent) = (some(&|round| round.beyond.is_empty()), some(&|round| !round.beyond.is_empty()));
    let awaited = some(&|round| round.manner == Manner::Awaited);
    let settled = |rounds: &[&Round]| millis(rounds.iter().map(|round| round.settled).collect());
    let open = millis(rounds.iter().map(|round| round.writable).collect());
    let late: usize = awaited.iter().map(|round| round.late).sum();
    [
        "| | |\n|---|---|".to_owned(),
        format!("| {} returns: writable after the first answer | {open} |", rounds.len()),
        format!("| rows taken from 4 clients that waited for it, in {} returns | {late} |", awaited.len()),
        format!("| {} subsets: until attached by the manager | {} |", subset.len(), settled(&subset)),
        format!(
            "| {} divergences: until on record, each with exactly its GTIDs | {} |",
            divergent.len(),
            settled(&divergent)
        ),
    ]
    .join("\n")
}

fn append(path: &std::path::Path, summary: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "\n### Return of the old primary\n\n{summary}")?;
    Ok(())
}
