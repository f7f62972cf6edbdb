//! `lab campaign raft-crash`: the leading manager dies at each step of a recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::journal::Story;
use lab::{Fleet, ManagerNode, Plot, Product, Server, Stage, manager_binary_of};
use serde_json::json;

use super::campaign::verdict;

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the journal is read until the step is there.
const GLANCE: Duration = Duration::from_micros(300);
/// By when the managers have kept a changed topology, on a busy machine too.
const WRITTEN_DOWN: Duration = Duration::from_secs(1);
/// The lists of hooks, each with one hook that says its name and its id.
const HOOKS: [&str; 4] =
    ["OnFailureDetectionProcesses", "PreFailoverProcesses", "PostMasterFailoverProcesses", "PostFailoverProcesses"];

/// Runs the campaign: `rounds` moments of a recovery, or all of them.
pub async fn run(rounds: Option<u32>, flavor: Product, manager: Option<&str>) -> Result<()> {
    let mut theatre = Theatre::open(flavor, manager).await?;
    let (mut number, mut moment) = (0, Some(Moment { step: 1, finished: false }));
    let (mut hit, mut last_step) = (0, u32::MAX);
    while let Some(now) = moment.filter(|_| rounds.is_none_or(|rounds| number < rounds)) {
        number += 1;
        let round = theatre.round(now).await.with_context(|| format!("round {number}, leader killed when {now}"))?;
        println!("{number:>3}  held   leader killed when {now}: {}", round.remark);
        hit += u32::from(round.hit);
        last_step = round.steps;
        moment = now.next(last_step, rounds.map_or(1, |rounds| stride(rounds, last_step)));
    }
    println!("{hit} of {number} kills met their moment, in recoveries of {last_step} steps");
    let two = theatre.stage.watcher.two_writable();
    let mut broken: Vec<String> =
        two.iter().map(|two| format!("{} and {} were both writable", two.first, two.second)).collect();
    if hit == 0 {
        broken.push("no kill met its moment".to_owned());
    }
    verdict(&broken)
}

/// A few rounds are spread over all moments.
fn stride(rounds: u32, steps: u32) -> u32 {
    (steps * 2 / rounds.max(1)).max(1)
}

/// When the leader dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    step: u32,
    /// The step was finished; begun otherwise.
    finished: bool,
}

impl Moment {
    /// Returns a later moment; nothing after the last one.
    fn next(self, steps: u32, stride: u32) -> Option<Self> {
        let place = (self.step - 1) * 2 + u32::from(self.finished) + stride;
        let next = Self { step: place / 2 + 1, finished: place % 2 == 1 };
        (next.step <= steps).then_some(next)
    }

    fn has_come(self, story: &Story) -> bool {
        let meant = story.steps.iter().find(|step| step.number == self.step);
        meant.is_some_and(|step| !self.finished || step.finished.is_some())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "step {} was {}", self.step, if self.finished { "finished" } else { "begun" })
    }
}

struct Round {
    /// The recovery was running, and the step was the last that was known of.
    hit: bool,
    steps: u32,
    remark: String,
}

struct Theatre {
    stage: Stage,
    primary: Arc<Server>,
    hooks: Hooks,
}

impl Theatre {
    async fn open(flavor: Product, manager: Option<&str>) -> Result<Self> {
        let hooks = Hooks::new()?;
        let fleet = Fleet::builder().product(flavor).primary_with_replicas(2);
        let mut plot = Plot::new(fleet, manager_binary_of(manager)?).managers(3);
        for list in HOOKS {
            plot = plot.setting(list, json!([hooks.command(list)]));
        }
        let stage = Stage::set(plot).await?;
        let primary = stage.fleet().server(0).clone();
        Ok(Self { stage, primary, hooks })
    }

    async fn round(&mut self, moment: Moment) -> Result<Round> {
        tokio::time::sleep(WRITTEN_DOWN).await;
        let managers = self.stage.managers();
        let leader = managers.wait_for_leader(PATIENCE).await?;
        managers.healthy(PATIENCE).await?;
        let before = known(&leader)?;
        self.hooks.forget()?;

        let (old, killed) = (self.primary.clone(), Instant::now());
        old.kill9()?;
        let met = self.wait_for(moment, &leader, &before).await?;
        leader.kill9()?;
        // What it had written down when it died, which is at least what the others know.
        let left = self.newest(&leader, &before)?;
        let next = managers.wait_for_leader_among(PATIENCE, |node| node.index() != leader.index()).await?;
        let new = self.writes_go_on(&old, killed).await?;
        let story = self.completed_once(&next, &before).await?;
        self.all_follow(&old, &new).await?;
        self.nothing_is_done_twice(left.as_ref(), &story)?;
        self.hooks.ran()?;
        leader.start().await?;
        managers.healthy(PATIENCE).await?;
        self.completed_once(&leader, &before).await.context("on the restarted manager")?;

        self.stage.acknowledge(&story.recovery.uid).await?;
        self.stage.fleet().rejoin(&old, new.key()).await?;
        self.stage.brought_back(old.key()).await?;
        self.stage.settled(&new).await?;
        self.primary = new;
        let steps = u32::try_from(story.plan.steps.len())?;
        let remark = format!("{}; manager {} went on", how_far(left.as_ref()), next.index() + 1);
        Ok(Round { hit: met && left.is_some_and(|left| left.recovery.ended.is_none()), steps, remark })
    }

    /// Waits until the leader's journal shows the moment; false when the recovery ended before.
    async fn wait_for(&self, moment: Moment, leader: &ManagerNode, before: &BTreeSet<String>) -> Result<bool> {
        let journal = leader.journal()?;
        let until = Instant::now() + PATIENCE;
        let mut uid = None;
        loop {
            if uid.is_none() {
                uid = journal.recoveries()?.into_iter().map(|recovery| recovery.uid).find(|uid| !before.contains(uid));
            }
            if let Some(uid) = &uid
                && let Some(story) = journal.story(uid)?
            {
                if moment.has_come(&story) {
                    return Ok(true);
                }
                if story.recovery.ended.is_some() {
                    return Ok(false);
                }
            }
            if Instant::now() > until {
                bail!("no recovery within {PATIENCE:?}\n{}", self.stage.managers().log_tails(40));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn newest(&self, node: &ManagerNode, before: &BTreeSet<String>) -> Result<Option<Story>> {
        let journal = node.journal()?;
        let new = journal.recoveries()?.into_iter().find(|recovery| !before.contains(&recovery.uid));
        new.map_or(Ok(None), |recovery| journal.story(&recovery.uid))
    }

    async fn writes_go_on(&self, old: &Server, since: Instant) -> Result<Arc<Server>> {
        let mut after = since;
        loop {
            let commit = self.stage.writer.commits_again(after, PATIENCE).await;
            let commit = commit.with_context(|| self.stage.managers().log_tails(40))?;
            let server = self.stage.fleet().server(commit.server);
            if server.key() != old.key() {
                return Ok(server.clone());
            }
            after = commit.done;
        }
    }

    async fn all_follow(&self, old: &Server, new: &Server) -> Result<()> {
        let others = self.stage.fleet().servers().iter();
        for server in others.filter(|server| server.key() != old.key() && server.key() != new.key()) {
            server.replicating_from(new.key(), PATIENCE).await.with_context(|| self.stage.managers().log_tails(40))?;
        }
        Ok(())
    }

    /// Waits until every new recovery has ended, and returns the one that reached its goal. One that was closed before its
    /// promotion may have gone before it.
    async fn completed_once(&self, node: &ManagerNode, before: &BTreeSet<String>) -> Result<Story> {
        let until = Instant::now() + PATIENCE;
        loop {
            let journal = node.journal()?;
            let all = journal.recoveries()?.into_iter().filter(|recovery| !before.contains(&recovery.uid));
            let new: Vec<_> = all.collect();
            let successful: Vec<_> = new.iter().filter(|recovery| recovery.is_successful).collect();
            if new.iter().all(|recovery| recovery.ended.is_some()) && !successful.is_empty() {
                let [one] = successful[..] else { bail!("{} recoveries were completed", successful.len()) };
                return journal.story(&one.uid)?.context("a recovery without a journal");
            }
            if Instant::now() > until {
                let tails = self.stage.managers().log_tails(40);
                bail!("{} recoveries are known and not completed\n{tails}", new.len());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What was finished when the leader died was not begun again.
    fn nothing_is_done_twice(&self, left: Option<&Story>, story: &Story) -> Result<()> {
        let Some(left) = left.filter(|left| left.recovery.uid == story.recovery.uid) else { return Ok(()) };
        for step in left.steps.iter().filter(|step| step.finished.is_some()) {
            let now = story.steps.iter().find(|known| known.number == step.number);
            if now != Some(step) {
                bail!("step {} was finished when the leader died, and was done again: {now:?}", step.number);
            }
        }
        Ok(())
    }
}

fn known(node: &ManagerNode) -> Result<BTreeSet<String>> {
    Ok(node.journal()?.recoveries()?.into_iter().map(|recovery| recovery.uid).collect())
}

fn how_far(left: Option<&Story>) -> String {
    let Some(story) = left else { return "it knew of no recovery".to_owned() };
    let finished = story.steps.iter().filter(|step| step.finished.is_some()).count();
    let over = if story.recovery.ended.is_some() { ", and it was over" } else { "" };
    format!("{finished} of {} steps were finished, {} begun{over}", story.plan.steps.len(), story.steps.len())
}

/// What hooks wrote: one line for each run, with the name of the list and the id by which a repeat is known.
struct Hooks {
    file: PathBuf,
}

impl Hooks {
    fn new() -> Result<Self> {
        let file = lab::paths::lab_dir()?.join(format!("hooks-{}", std::process::id()));
        fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self { file })
    }

    fn command(&self, list: &str) -> String {
        format!("echo \"{list} $ORC_HOOK_ID $ORC_RECOVERY_UID\" >> '{}'", Path::display(&self.file))
    }

    fn forget(&self) -> Result<()> {
        fs::write(&self.file, "").with_context(|| format!("cannot write {}", self.file.display()))
    }

    fn ran(&self) -> Result<()> {
        let text = fs::read_to_string(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        complaint(&text).map_or(Ok(()), |what| bail!("{what}; the hooks wrote:\n{text}"))
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.file) {
            tracing::warn!(%error, "a file of hooks is left over");
        }
    }
}

/// Returns what is wrong with the runs of hooks: one that never ran, one without an id, a repeat in the same recovery with
/// another id than before, two lists with the same id.
fn complaint(text: &str) -> Option<String> {
    let mut list_of: BTreeMap<&str, &str> = BTreeMap::new();
    let mut id_of: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (list, id, uid) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        if id.is_empty() {
            return Some(format!("{list} ran without an id"));
        }
        if list_of.insert(id, list).is_some_and(|other| other != list) {
            return Some(format!("hooks of different lists share the id {id}"));
        }
        if !uid.is_empty() && id_of.insert((list, uid), id).is_some_and(|other| other != id) {
            return Some(format!("{list} ran twice in the recovery {uid}, under different ids"));
        }
    }
    let missing = HOOKS.iter().find(|list| !list_of.values().any(|known| known == *list));
    missing.map(|list| format!("{list} never ran"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_each_other_to_the_last_step() {
        let first = Moment { step: 1, finished: false };
        let all: Vec<Moment> = std::iter::successors(Some(first), |moment| moment.next(3, 1)).collect();
        assert_eq!(all.len(), 6);
        assert_eq!(all[5], Moment { step: 3, finished: true });
        assert_eq!(std::iter::successors(Some(first), |moment| moment.next(9, stride(3, 9))).count(), 3);
    }

    #[test]
    fn a_repeated_hook_is_known_by_its_id() {
        let run =
            |ids: [&str; 4]| HOOKS.iter().zip(ids).map(|(list, id)| format!("{list} {id} r1\n")).collect::<String>();
        let all = run(["a", "b", "c", "d"]);
        assert_eq!(complaint(&all), None);
        assert_eq!(complaint(&format!("{all}{} b r1\n{} x r2\n", HOOKS[1], HOOKS[1])), None);
        assert!(complaint(&format!("{all}{} x r1\n", HOOKS[1])).unwrap().contains("different ids"));
        assert!(complaint(&run(["a", "b", "c", ""])).unwrap().contains("without an id"));
        assert!(complaint(&run(["a", "b", "b", "d"])).unwrap().contains("share"));
        assert!(complaint("PreFailoverProcesses x r1\n").unwrap().contains("never ran"));
    }
}
