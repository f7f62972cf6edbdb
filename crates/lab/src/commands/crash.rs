//! `lab campaign crash`: the manager dies in the middle of a recovery.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::{Fleet, Plot, Product, Server, Stage, manager_binary_of};
use topology::InstanceKey;

use super::campaign::verdict;

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// By when the manager has kept a changed topology, on a busy machine too.
const WRITTEN_DOWN: Duration = Duration::from_secs(1);

/// Runs the campaign.
pub async fn run(rounds: u32, flavor: Product, manager: Option<&str>) -> Result<()> {
    let fleet = Fleet::builder().product(flavor).primary_with_replicas(3);
    let mut stage = Stage::set(Plot::new(fleet, manager_binary_of(manager)?)).await?;
    let mut primary = stage.fleet().server(0).clone();
    let mut in_the_middle = 0;
    for round in 1..=rounds {
        // From before the failure is noticed to after the recovery is over.
        let delay = Duration::from_millis(u64::from(round * 67 % 260));
        let crashed = crash(&mut stage, &primary, delay).await;
        let (next, running) = crashed.with_context(|| format!("round {round}, manager killed after {delay:?}"))?;
        in_the_middle += u32::from(running.is_some());
        primary = next;
        let state = running.unwrap_or_else(|| "no recovery was running".to_owned());
        println!("{round:>3}  held   manager killed {:>3} ms after the primary: {state}", delay.as_millis());
    }
    println!("{in_the_middle} of {rounds} crashes were in the middle of a recovery");
    let two = stage.watcher.two_writable();
    verdict(&two.iter().map(|two| format!("{} and {} were both writable", two.first, two.second)).collect::<Vec<_>>())
}

/// Kills the primary and, after `delay`, the manager; starts that again and sees that all is mended. Returns the new primary
/// and, if a recovery was running, how far it was.
async fn crash(stage: &mut Stage, primary: &Arc<Server>, delay: Duration) -> Result<(Arc<Server>, Option<String>)> {
    // What the manager learnt in the last moments it may forget: a fifth of a second after a change it has written it down.
    tokio::time::sleep(WRITTEN_DOWN).await;
    let before = stage.journal()?.recoveries()?.len();
    let killed = Instant::now();
    primary.kill9()?;
    tokio::time::sleep(delay.saturating_sub(killed.elapsed())).await;
    stage.manager().kill9()?;
    let running = how_far(stage)?;
    stage.restart_manager().await?;
    let new = writes_go_on(stage, primary.key(), killed).await?;
    for server in stage.fleet().servers().iter().filter(|server| server.is_running() && server.key() != new.key()) {
        let follows = server.replicating_from(new.key(), PATIENCE).await;
        if let Err(error) = follows {
            bail!("{error:#}\n{}", story(stage)?);
        }
    }
    nothing_is_left(stage, before).await?;
    stage.fleet().rejoin(primary, new.key()).await?;
    stage.brought_back(primary.key()).await?;
    stage.settled(&new).await?;
    Ok((new, running))
}

/// Returns how many steps the recovery had finished that was running when the manager died.
fn how_far(stage: &Stage) -> Result<Option<String>> {
    let journal = stage.journal()?;
    let Some(recovery) = journal.recoveries()?.into_iter().find(|recovery| recovery.ended.is_none()) else {
        return Ok(None);
    };
    let Some(story) = journal.story(&recovery.uid)? else { return Ok(Some("without a plan".to_owned())) };
    let finished = story.steps.iter().filter(|step| step.finished.is_some()).count();
    let begun = story.steps.len();
    Ok(Some(format!("{finished} of {} steps were finished, {begun} begun", story.plan.steps.len())))
}

async fn writes_go_on(stage: &Stage, old: &InstanceKey, since: Instant) -> Result<Arc<Server>> {
    let mut after = since;
    loop {
        let commit = match stage.writer.commits_again(after, PATIENCE).await {
            Ok(commit) => commit,
            Err(error) => bail!("{error:#}\n{}", story(stage)?),
        };
        let server = stage.fleet().server(commit.server);
        if server.key() != old {
            return Ok(server.clone());
        }
        after = commit.done;
    }
}

/// Waits until every recovery is closed, and acknowledges them.
async fn nothing_is_left(stage: &Stage, before: usize) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let recoveries = stage.journal()?.recoveries()?;
        if recoveries.len() > before && recoveries.iter().all(|recovery| recovery.ended.is_some()) {
            for recovery in &recoveries[..recoveries.len() - before] {
                stage.acknowledge(&recovery.uid).await?;
            }
            return Ok(());
        }
        if Instant::now() > until {
            bail!("a recovery stays open\n{}", story(stage)?);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns what was told about the newest recovery, and the end of the manager's log.
fn story(stage: &Stage) -> Result<String> {
    let journal = stage.journal()?;
    let mut lines = Vec::new();
    if let Some(recovery) = journal.recoveries()?.first() {
        lines.extend(journal.sentences(&recovery.uid)?.into_iter().map(|sentence| sentence.message));
    }
    let log = std::fs::read_to_string(stage.manager().log_path()).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(40).collect();
    lines.extend(tail.into_iter().rev().map(str::to_owned));
    Ok(lines.join("\n"))
}
