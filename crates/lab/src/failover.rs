//! One failover, from the fault to a healthy fleet: what the servers and an application saw, beside what the manager wrote
//! down.

use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use planner::{Action, Verdict};
use topology::{GtidSet, InstanceKey, Timestamp};

use crate::journal::Story;
use crate::server::Server;
use crate::stage::Stage;
use crate::writer::{Commit, Record, Writer, WriterOptions};

/// How long anything may take after writes go on: moving replicas, ending the recovery, resuming.
const AFTERWARDS: Duration = Duration::from_secs(60);
/// How long the old primary may take to get all that was written since.
const CATCHES_UP: Duration = Duration::from_secs(300);
/// How long clients at full speed write before the fault.
const BURST: Duration = Duration::from_millis(700);
/// How soon a replaced primary that resumes must refuse writes.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long a stubborn client waits for an answer: longer than a failover takes.
const STUBBORN: Duration = Duration::from_secs(120);

/// What befalls the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL: the kernel closes its connections.
    Kill,
    /// SIGSTOP: connections stay open, nothing is answered.
    Freeze,
    /// Its network link goes down: packets vanish, nobody is told.
    Cut,
}

impl Fault {
    /// Returns the word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Cut => "cut",
        }
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let all = [Self::Kill, Self::Freeze, Self::Cut];
        let found = all.into_iter().find(|fault| fault.name() == text);
        found.with_context(|| format!("no fault {text:?}: there are kill, freeze, cut"))
    }
}

/// When things were so, counted from the moment before the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The manager put the failure on record.
    pub detect: Duration,
    /// The manager put the recovery with its plan on record.
    pub decide: Duration,
    /// The manager had seen the new primary accept writes.
    pub promote: Duration,
    /// The writer's first row was acknowledged by the new primary.
    pub first_write: Duration,
    /// Every other running server was seen to replicate from the new primary, by asking them.
    pub all_moved: Duration,
}

/// What a frozen or cut-off primary did when it came back, long after its successor was promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// How long `root` saw it open to writes.
    pub writable: Duration,
    /// Rows that were sent before the fault and acknowledged after it: they waited in the server itself.
    pub in_flight: usize,
    /// Rows that were sent after the fault and acknowledged by the old primary, by clients that had held their connections
    /// and waited: two primaries took writes.
    pub late: usize,
}

/// What one failover came to.
#[derive(Clone, Debug)]
pub struct Failover {
    /// The primary that failed.
    pub old: InstanceKey,
    /// The primary that writes went on with.
    pub new: InstanceKey,
    /// When the fault was injected.
    pub at: Instant,
    /// The same moment by the clock on the wall.
    pub at_clock: Timestamp,
    /// The times.
    pub times: Times,
    /// The manager's story.
    pub story: Story,
    /// What became of an old primary that was not killed.
    pub resumed: Option<Resumed>,
    /// Transactions that the old primary had, and that the new one was certified not to have.
    pub beyond: GtidSet,
    /// The old primary needed new data to come back.
    pub rebuilt: bool,
    /// What clients at full speed wrote around the fault; nothing without such.
    pub burst: Option<Record>,
}

/// How the primary fails.
#[derive(Clone, Debug)]
pub struct Failing {
    /// What befalls it.
    pub fault: Fault,
    /// How soon writes must go on.
    pub limit: Duration,
    /// Further clients that write from a moment before the fault until writes go on. (For ever at full speed, replicas
    /// that are brought back would never catch up.)
    pub burst: Option<WriterOptions>,
}

impl Failover {
    /// Lets `primary` fail and follows the failover through to the end: writes go on, all replicas follow, the recovery is
    /// acknowledged, the old primary is a replica, and the manager sees a healthy fleet.
    ///
    /// # Errors
    /// When one of these does not happen: with what the manager says.
    pub async fn run(stage: &Stage, primary: &Server, failing: &Failing) -> Result<Self> {
        let Failing { fault, limit, burst } = failing.clone();
        let burst = match burst {
            Some(options) => Some(full_speed(stage, options).await?),
            None => None,
        };
        let stubborn = match fault {
            Fault::Kill => None,
            Fault::Freeze | Fault::Cut => Some(stubborn(primary).await?),
        };
        let (at, at_clock) = (Instant::now(), wall_clock());
        inject(stage, primary, fault)?;
        let failed = Instant::now();
        let commit = first_commit_elsewhere(stage, primary.key(), limit).await?;
        let new = stage.fleet().server(commit.server).clone();
        let others: Vec<InstanceKey> = stage.fleet().keys();
        follow(stage, &others, primary.key(), new.key()).await?;
        let all_moved = at.elapsed();
        let burst = match burst {
            Some(writer) => Some(writer.stop().await),
            None => None,
        };
        let story = ended(stage, primary.key(), at_clock).await?;
        stage.acknowledge(&story.recovery.uid).await?;

        let resumed = resume(stage, primary, fault, failed, stubborn).await?;
        let executed = GtidSet::parse(&primary.executed().await?).context("the old primary's GTIDs")?;
        let beyond = executed.subtract(&story.certificate.holds);
        let rebuilt = stage.fleet().rejoin(primary, new.key()).await?;
        stage.brought_back(primary.key()).await?;
        stage.fleet().in_sync_with(&new, CATCHES_UP).await?;
        stage.settled(&new).await?;

        let since = |moment: Timestamp| moment.since(at_clock);
        let promoted = story.done(|action| matches!(action, Action::Promote { .. }));
        let times = Times {
            detect: since(story.detected),
            decide: since(story.recovery.started),
            promote: since(promoted.context("the journal knows of no promotion")?),
            first_write: commit.done.saturating_duration_since(at),
            all_moved,
        };
        let (old, new) = (primary.key().clone(), new.key().clone());
        Ok(Self { old, new, at, at_clock, times, story, resumed, beyond, rebuilt, burst })
    }

    /// Returns which rules this failover broke, a sentence each; empty is good. `lost` are acknowledged rows that are gone.
    pub fn broken_rules(&self, lost: usize, semi_sync: bool) -> Vec<String> {
        let mut broken = Vec::new();
        let mut rule = |is_broken: bool, sentence: String| broken.extend(is_broken.then_some(sentence));
        let certificate = &self.story.certificate;
        rule(!self.story.recovery.is_successful, format!("the recovery failed: {:?}", self.story.recovery.errors));
        rule(self.story.recovery.successor.as_ref() != Some(&self.new), "writes go on elsewhere than said".to_owned());
        rule(semi_sync && lost > 0, format!("{lost} acknowledged rows are lost in spite of semi-sync"));
        rule(
            lost > 0 && certificate.proves_nothing_lost(),
            format!("{lost} rows are lost and nothing was certified to be"),
        );
        rule(lost > 0 && !self.is_named(), format!("{} was lost and is not named by: {certificate}", self.beyond));
        let counted = usize::try_from(self.beyond.count()).unwrap_or(usize::MAX);
        rule(lost > counted, format!("{lost} rows are lost, and the old primary had only {counted} more"));
        if let Some(Resumed { writable, late, .. }) = self.resumed {
            rule(writable > AT_ONCE, format!("the replaced primary was writable for {} ms", writable.as_millis()));
            // Without semi-sync nothing but a power switch keeps a primary that resumes from taking a row until the order
            // to close has reached it; with it, such a row waits for replicas that have gone.
            rule(semi_sync && late > 0, format!("the replaced primary acknowledged {late} rows sent after the fault"));
        }
        broken
    }

    /// True when the certificate names all that the old primary had beyond the new one: each transaction itself, or its
    /// origin as one of which the later transactions may be lost.
    pub fn is_named(&self) -> bool {
        match &self.story.certificate.verdict {
            Verdict::NothingLost => self.beyond.is_empty(),
            Verdict::MayLose { known, after } => {
                let unnamed = self.beyond.subtract(known);
                let origins = unnamed.after();
                origins.iter().all(|lost| after.iter().any(|named| named.starts_with(&format!("{}:", lost.origin))))
            }
        }
    }

    /// Returns the steps that took longer than any should, with how long.
    fn slow_steps(&self) -> Vec<(String, Duration)> {
        const SLOW: Duration = Duration::from_millis(250);
        let named = |number: u32| self.story.plan.steps.iter().find(|step| step.number == number);
        let steps = self.story.steps.iter().filter_map(|step| {
            let took = step.finished?.since(step.started?);
            (took > SLOW).then(|| (named(step.number).map(|step| step.action.to_string()).unwrap_or_default(), took))
        });
        steps.collect()
    }

    /// Returns the failover as one line, times in milliseconds, with a line more for each slow step.
    pub fn line(&self) -> String {
        let millis = |time: Duration| time.as_millis();
        let Times { detect, decide, promote, first_write, all_moved } = self.times;
        let mut text = format!(
            "{} -> {}  detect {:>4}  decide {:>4}  promote {:>4}  first write {:>4}  all moved {:>4} ms",
            self.old.host,
            self.new.host,
            millis(detect),
            millis(decide),
            millis(promote),
            millis(first_write),
            millis(all_moved)
        );
        if let Some(resumed) = &self.resumed {
            let Resumed { writable, in_flight, late } = resumed;
            let more = format!("  resumed: writable {} ms, {in_flight} in flight, {late} late", millis(*writable));
            text.push_str(&more);
        }
        if !self.beyond.is_empty() {
            text.push_str(&format!("  old had {} more", self.beyond.count()));
        }
        for (action, took) in self.slow_steps() {
            text.push_str(&format!("\n       {} ms: {action}", millis(took)));
        }
        text
    }
}

/// Returns the present moment as the manager counts it.
pub(crate) fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// Starts clients of the primary alone, who wait for its answers whatever happens: what a careless application does.
async fn stubborn(primary: &Server) -> Result<Writer> {
    let options = WriterOptions { connections: 2, limit: STUBBORN, pause: Duration::from_millis(1) };
    let writer = Writer::to(vec![primary.key().clone()], options);
    writer.commits_again(Instant::now(), AFTERWARDS).await?;
    Ok(writer)
}

/// Starts more clients of whoever is writable, and lets them write for a moment.
async fn full_speed(stage: &Stage, options: WriterOptions) -> Result<Writer> {
    let writer = Writer::start(stage.fleet(), options);
    let begun = Instant::now();
    while begun.elapsed() < BURST {
        writer.commits_again(Instant::now(), AFTERWARDS).await?;
    }
    Ok(writer)
}

fn inject(stage: &Stage, primary: &Server, fault: Fault) -> Result<()> {
    match fault {
        Fault::Kill => primary.kill9(),
        Fault::Freeze => primary.freeze(),
        Fault::Cut => stage.fleet().cut(primary),
    }
}

/// Waits until a server other than `old` acknowledges a row that was sent after now.
async fn first_commit_elsewhere(stage: &Stage, old: &InstanceKey, limit: Duration) -> Result<Commit> {
    let begun = Instant::now();
    let mut after = begun;
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let waited = stage.writer.commits_again(after, left).await;
        let commit = match waited {
            Ok(commit) => commit,
            Err(error) => bail!("{error:#} after the fault on {old}\n{}", stage.excuse(old).await),
        };
        if stage.fleet().server(commit.server).key() != old {
            return Ok(commit);
        }
        after = commit.done;
    }
}

async fn follow(stage: &Stage, all: &[InstanceKey], old: &InstanceKey, new: &InstanceKey) -> Result<()> {
    let others = all.iter().filter(|key| *key != old && *key != new).filter_map(|key| stage.fleet().find(key));
    let following = others.map(|server| server.replicating_from(new, AFTERWARDS));
    let followed = futures::future::try_join_all(following).await;
    match followed {
        Ok(_) => Ok(()),
        Err(error) => bail!("{error:#}\n{}", stage.excuse(new).await),
    }
}

/// Waits until the recovery of `old` that began after `since` has ended, and returns its story.
async fn ended(stage: &Stage, old: &InstanceKey, since: Timestamp) -> Result<Story> {
    let until = Instant::now() + AFTERWARDS;
    let journal = stage.journal()?;
    loop {
        let found = journal
            .recoveries()?
            .into_iter()
            .find(|row| row.key == *old && row.started >= since && row.kind != "Return");
        if let Some(recovery) = found.filter(|row| row.ended.is_some())
            && let Some(story) = journal.story(&recovery.uid)?
        {
            return Ok(story);
        }
        if Instant::now() > until {
            bail!("the manager's journal shows no recovery of {old} that ended");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Brings the old primary back to life and, if it lived on, waits until it refuses writes.
async fn resume(
    stage: &Stage,
    old: &Server,
    fault: Fault,
    failed: Instant,
    stubborn: Option<Writer>,
) -> Result<Option<Resumed>> {
    let Some(stubborn) = stubborn else {
        old.start().await?;
        return Ok(None);
    };
    let resumed = Instant::now();
    match fault {
        Fault::Cut => stage.fleet().heal(old)?,
        Fault::Kill | Fault::Freeze => old.thaw()?,
    }
    while old.is_writable().await? {
        if resumed.elapsed() > AFTERWARDS {
            bail!("the replaced primary {} stays open to writes\n{}", old.key(), stage.excuse(old.key()).await);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let writable = resumed.elapsed();
    // A client that was cut off sends again only when its kernel does: up to seconds later.
    let last_word = Instant::now() + Duration::from_secs(2);
    tokio::time::sleep_until(last_word.into()).await;
    Ok(Some(judge(&stubborn.stop().await, failed, resumed, writable)))
}

fn judge(record: &Record, failed: Instant, resumed: Instant, writable: Duration) -> Resumed {
    let answered = record.acknowledged().filter(|commit| commit.done > resumed);
    let (in_flight, late): (Vec<&Commit>, Vec<&Commit>) = answered.partition(|commit| commit.sent <= failed);
    Resumed { writable, in_flight: in_flight.len(), late: late.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_names() {
        for fault in [Fault::Kill, Fault::Freeze, Fault::Cut] {
            assert_eq!(fault.name().parse::<Fault>().unwrap(), fault);
        }
        assert!("earthquake".parse::<Fault>().is_err());
    }
}
