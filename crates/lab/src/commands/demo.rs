//! `lab demo`.

use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use lab::journal::{Journal, Story};
use lab::tale::{self, Event};
use lab::{
    Accounts, Commit, Fleet, Leadership, ManagerNode, Plot, Product, Record, Server, Stage, demo, manager_binary,
};
use topology::Timestamp;

use super::unless_interrupted;

/// How many managers decide together.
const MANAGERS: usize = 3;
/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the demo looks.
const LOOK: Duration = Duration::from_millis(100);

/// Watch a primary die and writes go on, and the leading manager die and another one lead
///
/// Starts a primary with three replicas, a writer that commits rows through whichever server is writable, and three
/// managers that decide together. Then it is your turn to kill the primary, or the manager that leads. Ctrl-C ends and
/// removes everything.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Kill the leading manager and then the primary by itself, tell what happened, and end
    #[arg(long)]
    once: bool,
    /// mysql-9.7, mariadb-10.11 or mariadb-11.8
    #[arg(long, default_value = "mysql-9.7")]
    flavor: Product,
    /// Commits do not wait for a replica: faster, and the certificate then names what may be lost
    #[arg(long)]
    asynchronous: bool,
}

/// What can be done to a demo that runs.
#[derive(Debug, Subcommand)]
enum Action {
    /// Kill the manager that leads in the demo that runs (kill -9)
    KillLeader,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<()> {
    if let Some(Action::KillLeader) = arguments.action {
        return kill_leader().await;
    }
    if unless_interrupted(play(&arguments)).await?.is_none() {
        println!("\n\nEnded; nothing is left running.");
    }
    Ok(())
}

/// Kills the leader of the demo that runs.
async fn kill_leader() -> Result<()> {
    for manager in demo::managers()? {
        if manager.leads().await {
            manager.kill9()?;
            println!("Killed the manager at {}, process {}, which led. Watch the demo.", manager.url(), manager.pid());
            return Ok(());
        }
    }
    bail!("no demo runs, or none of its managers leads at this moment")
}

async fn play(arguments: &Arguments) -> Result<()> {
    let program = manager_binary()?;
    println!(
        "\nStarting {}: a primary with three replicas, a writer, and three managers, each on a SQLite file of its own.",
        arguments.flavor
    );
    println!("(The first start fetches the server from Debian, 55 MB, into the cache directory.)");
    let begun = Instant::now();
    let mut fleet = Fleet::builder().product(arguments.flavor).primary_with_replicas(3);
    if !arguments.asynchronous {
        fleet = fleet.semi_sync(1);
    }
    let stage = Stage::set(Plot::new(fleet, program).managers(MANAGERS)).await?;
    demo::announce(stage.fleet())?;
    let leadership = Leadership::start(stage.managers());
    let leader = stage.managers().wait_for_leader(PATIENCE).await?;
    let mut demo = Demo { stage, leadership, leader, told: 0 };
    println!("All is up after {}.\n", tale::span(begun.elapsed()));
    let mut primary = demo.stage.fleet().server(0).clone();
    demo.introduce(&primary).await?;
    if arguments.once {
        return demo.once(&primary).await;
    }
    loop {
        demo.invite(&primary)?;
        let story = demo.watch(&primary).await?;
        primary = demo.tell(&primary, &story).await?;
    }
}

struct Demo {
    stage: Stage,
    leadership: Leadership,
    /// Who led when it was looked last.
    leader: Arc<ManagerNode>,
    /// Recoveries that were told.
    told: usize,
}

impl Demo {
    /// The journal of who leads: it has all that was decided.
    fn journal(&self) -> Result<Journal> {
        self.leader.journal()
    }

    /// Kills the leading manager and then the primary.
    async fn once(&mut self, primary: &Arc<Server>) -> Result<()> {
        self.write_for(Duration::from_secs(2)).await?;
        println!("Killing {} (--once): kill -9 {}", called(&self.leader), process(&self.leader)?);
        self.leader.kill9()?;
        self.look_at_the_managers(primary).await?;
        self.write_for(Duration::from_secs(2)).await?;
        println!("Killing the primary {} (--once): kill -9 {}", primary.key(), pid(primary)?);
        primary.kill9()?;
        let story = self.watch(primary).await?;
        self.tell(primary, &story).await.map(drop)
    }

    async fn introduce(&self, primary: &Server) -> Result<()> {
        let api = self.leader.url("/api");
        println!("{}\n", self.topology(primary).await?);
        println!("Managers");
        for manager in self.stage.managers().nodes() {
            let role = if manager.index() == self.leader.index() { "leads  " } else { "follows" };
            println!(
                "  http://{}  {role}  process {:<8} log: {}",
                manager.address(),
                process(manager)?,
                manager.log_path().display()
            );
        }
        println!("Servers");
        for server in self.stage.fleet().servers() {
            let role = if server.key() == primary.key() { "primary" } else { "replica" };
            println!(
                "  {}  {role}  process {:<8} root: socket {}",
                server.key(),
                pid(server)?,
                server.socket().display()
            );
        }
        let (user, password) = Accounts::APPLICATION;
        println!(
            "  application account: {user} / {password}   manager's account: {} / {}",
            Accounts::MANAGER.0,
            Accounts::MANAGER.1
        );
        println!("\nLook, in a browser");
        println!("  {}", self.leader.url("/web/"));
        println!("\nLook, from another terminal");
        println!("  curl -s {api}/clusters");
        println!("  curl -s {api}/topology/{} | jq -r .Details", primary.key());
        println!("  curl -s {api}/v2/explain/{} | jq    what would happen now, and why", primary.key());
        println!("  curl -s {api}/audit-recovery | jq");
        if let Some(client) = client() {
            let apis: Vec<String> = self.stage.managers().nodes().iter().map(|node| node.url("/api")).collect();
            println!("  export ORCHESTRATOR_API='{}'", apis.join(" "));
            println!("  {client} -c raft-leader");
            println!("  {client} -c topology -i {}", primary.key());
        }
        println!();
        Ok(())
    }

    /// Says how to kill the primary, and the manager that leads.
    fn invite(&self, primary: &Server) -> Result<()> {
        println!("Kill the primary whenever you like, from another terminal:\n");
        println!("    kill -9 {}\n", pid(primary)?);
        println!("or the manager that leads, process {}:\n", process(&self.leader)?);
        println!("    ./demo kill-leader\n");
        println!(
            "(kill -STOP freezes it instead, which takes the manager some seconds to be sure of.) Ctrl-C ends the demo.\n"
        );
        Ok(())
    }

    async fn topology(&self, primary: &Server) -> Result<String> {
        let answer = self.stage.ask(&format!("/api/topology/{}", primary.key())).await?;
        Ok(answer["Details"].as_str().unwrap_or_default().to_owned())
    }

    async fn write_for(&self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.stage.writer.commits_again(Instant::now(), PATIENCE).await?;
        }
        Ok(())
    }

    /// Shows how the writer does until a recovery beyond those that were told has ended, and returns its story. Tells on
    /// the way when leadership moves.
    async fn watch(&mut self, primary: &Server) -> Result<Story> {
        let (mut line, mut silent) = (Line::default(), false);
        loop {
            let quiet = self.stage.writer.commits_again(Instant::now(), Duration::from_millis(700)).await.is_err();
            if quiet && !silent {
                line.end();
                println!("Writes have stopped: {} takes none.", primary.key());
            }
            silent = quiet;
            if !self.leader.is_running() || !self.leader.leads().await {
                line.end();
                self.look_at_the_managers(primary).await?;
            }
            let recoveries = self.journal()?.recoveries()?;
            if recoveries.len() > self.told
                && let Some(recovery) = recoveries.first().filter(|recovery| recovery.ended.is_some())
            {
                line.end();
                self.told = recoveries.len();
                return self.journal()?.story(&recovery.uid)?.context("a recovery without a journal");
            }
            if !silent {
                line.show(&format!("{:>6} rows committed through {}", self.stage.writer.acknowledged(), primary.key()));
            }
            self.mend_replicas(primary).await?;
            self.mend_followers().await?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells how leadership moved, and starts the manager again that led, if it died.
    async fn look_at_the_managers(&mut self, primary: &Server) -> Result<()> {
        let old = Arc::clone(&self.leader);
        let rows = self.stage.writer.acknowledged();
        let new = self.stage.managers().wait_for_leader(PATIENCE).await?;
        self.leader = Arc::clone(&new);
        if new.index() == old.index() {
            // It was busy for a moment.
            return Ok(());
        }
        let fate = if old.is_running() { "leads no more" } else { "died" };
        println!("\n{} {fate}.\n", capitalised(&called(&old)));
        print!("{}", self.succession(&old, &new).await);
        self.write_for(Duration::from_millis(100)).await?;
        let written = self.stage.writer.acknowledged() - rows;
        println!("\nThe writer did not notice: {written} rows committed through {} meanwhile.", primary.key());
        if !old.is_running() {
            old.start().await?;
            println!("The demo started manager {} again, process {}: it follows.\n", old.index() + 1, process(&old)?);
        }
        Ok(())
    }

    /// Returns when the one was last heard to lead, and when the other first. That one may not have been asked yet.
    async fn succession(&self, old: &ManagerNode, new: &ManagerNode) -> String {
        let deadline = Instant::now() + Duration::from_secs(2);
        let heard = || {
            let spans = self.leadership.spans();
            let last = spans.iter().filter(|span| span.who == old.index()).map(|span| span.until).max();
            let first = last.and_then(|last| self.leadership.first_since(last, |who| who == new.index()));
            (last, first)
        };
        let (mut last, mut first) = heard();
        while first.is_none() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
            (last, first) = heard();
        }
        let pid = new.pid().unwrap_or_default();
        let leads = format!("{} LEADS, process {pid}", capitalised(&called(new)));
        let Some((last, (_, first))) = last.zip(first) else { return format!("{leads}.\n") };
        let gap = first.duration_since(last);
        let after = format!("+{}", gap.as_millis());
        format!(
            "       +0 ms  it says for the last time that it leads\n{after:>9} ms  {leads}\n\nNobody led for {}.\n",
            tale::span(gap)
        )
    }

    /// Starts managers again that somebody killed and that did not lead.
    async fn mend_followers(&self) -> Result<()> {
        for manager in self.stage.managers().others(self.leader.index()) {
            if !manager.is_running() {
                println!("\n{} ended, which did not lead; starting it again.", capitalised(&called(manager)));
                manager.start().await?;
                println!("It runs as process {}.", process(manager)?);
            }
        }
        Ok(())
    }

    /// Starts replicas again that somebody killed.
    async fn mend_replicas(&self, primary: &Server) -> Result<()> {
        for server in self.stage.fleet().servers() {
            if server.key() != primary.key() && !server.is_running() {
                println!("\nThe replica {} ended; starting it again.", server.key());
                server.start().await?;
                println!("{} runs as process {}.", server.key(), pid(server)?);
            }
        }
        Ok(())
    }

    /// Tells a failover, brings the old primary back, and returns the new one.
    async fn tell(&self, old: &Arc<Server>, story: &Story) -> Result<Arc<Server>> {
        let Some(successor) = story.recovery.successor.clone() else {
            bail!("the recovery promoted nobody: {}", story.recovery.errors.join("; "));
        };
        let new = self.stage.fleet().find(&successor).context("the new primary is one of ours")?.clone();
        self.stage.writer.commits_again(Instant::now(), PATIENCE).await?;
        let record = self.stage.writer.record();
        let Some((last, first)) = handover(&record, old, &new) else {
            bail!("no row was written through {}", new.key())
        };
        println!(
            "\n{} died, and {} acted. What happened, in milliseconds after the last row that it acknowledged:\n",
            old.key(),
            called(&self.leader)
        );
        print!("{}", tale::timed(self.happened(story, last, first, old, &new).await?, clock(last)));
        println!("\n{}", tale::certificate(story));
        let pause = first.done.saturating_duration_since(last.done);
        println!("The writer's longest pause: {}.", tale::span(pause));
        let read = record.verify(&new).await?;
        let (lost, written) = (read.missing.len(), read.acknowledged);
        println!("Every row that was acknowledged, read back from {}: {written} written, {lost} lost.\n", new.key());
        self.bring_back(old, &new, story).await?;
        println!("\n{}\n", self.topology(&new).await?);
        Ok(new)
    }

    async fn happened(
        &self,
        story: &Story,
        last: &Commit,
        first: &Commit,
        old: &Server,
        new: &Server,
    ) -> Result<Vec<Event>> {
        let mut events = tale::events(story);
        events.push(Event {
            at: clock(last),
            what: format!("row {} is acknowledged by {}, the last one", last.id, old.key()),
        });
        let what = format!("ROW {} IS ACKNOWLEDGED BY {}: WRITES GO ON", first.id, new.key());
        events.push(Event { at: clock(first), what });
        self.others_follow(old, new).await?;
        Ok(events)
    }

    async fn others_follow(&self, old: &Server, new: &Server) -> Result<()> {
        for server in self.stage.fleet().servers() {
            if server.key() != old.key() && server.key() != new.key() {
                server.replicating_from(new.key(), PATIENCE).await?;
            }
        }
        Ok(())
    }

    /// Acknowledges the recovery, so that the next is not held back, and makes the old primary a replica.
    async fn bring_back(&self, old: &Server, new: &Server, story: &Story) -> Result<()> {
        self.stage.acknowledge(&story.recovery.uid).await?;
        println!(
            "The demo has acknowledged the recovery (api/ack-recovery), or the next one would be held back for an hour."
        );
        if is_frozen(old) {
            println!("{} is frozen. Let it go on with: kill -CONT {}", old.key(), pid(old)?);
            while is_frozen(old) {
                tokio::time::sleep(LOOK).await;
            }
            let resumed = Instant::now();
            while old.is_running() && old.is_writable().await.unwrap_or(false) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            println!("It resumed, and the manager made it read-only after {}.", tale::span(resumed.elapsed()));
        }
        let rebuilt = self.stage.fleet().rejoin(old, new.key()).await?;
        let how = if rebuilt { ", with new data: it had rows that nobody else has" } else { "" };
        self.stage.brought_back(old.key()).await?;
        self.stage.settled(new).await?;
        println!("It started {} again, which is now a replica of {}{how}.", old.key(), new.key());
        Ok(())
    }
}

/// A status line: rewritten in place on a terminal, now and then a new line elsewhere.
#[derive(Default)]
struct Line {
    shown: Option<Instant>,
    open: bool,
}

impl Line {
    fn show(&mut self, text: &str) {
        if stdout().is_terminal() {
            print!("\r{text}   ");
            // A terminal that went away ends the demo by a signal, not here.
            drop(stdout().flush());
            self.open = true;
        } else if self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_secs(10)) {
            println!("{text}");
            self.shown = Some(Instant::now());
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            println!();
        }
    }
}

/// Returns the last row that the old primary acknowledged, and the first after it that the new one did.
fn handover<'a>(record: &'a Record, old: &Server, new: &Server) -> Option<(&'a Commit, &'a Commit)> {
    let of = |server: &Server| record.servers.iter().position(|key| key == server.key());
    let (old, new) = (of(old)?, of(new)?);
    let last = record.acknowledged().filter(|commit| commit.server == old).last()?;
    let first = record.acknowledged().find(|commit| commit.server == new && commit.done > last.done)?;
    Some((last, first))
}

fn clock(commit: &Commit) -> Timestamp {
    let since_epoch = commit.at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

fn pid(server: &Server) -> Result<u32> {
    server.pid().with_context(|| format!("{} ended unasked; its log ends with:\n{}", server.key(), server.log_tail()))
}

/// True while a signal has stopped the process.
fn is_frozen(server: &Server) -> bool {
    let Some(pid) = server.pid() else { return false };
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which stands in parentheses and may hold anything.
    state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

fn process(manager: &ManagerNode) -> Result<u32> {
    manager.pid().with_context(|| format!("manager {} ended unasked", manager.index() + 1))
}

fn called(manager: &ManagerNode) -> String {
    format!("manager {} (http://{})", manager.index() + 1, manager.address())
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn client() -> Option<String> {
    let own = std::env::current_exe().ok()?;
    let client = own.parent().map(|folder| folder.join("orchestrator-client")).filter(|path| Path::exists(path))?;
    Some(client.display().to_string())
}
