//! `lab campaign raft-cuts`: managers and servers that do not reach each other.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use lab::report::{self, Series};
use lab::{Fleet, Leadership, ManagerNode, Party, Plot, Product, Server, Stage, TwoWritable, manager_binary_of};

use super::append;
use super::campaign::verdict;

/// How long anything may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon a replaced primary must refuse writes after it can be reached again. A connection that was begun while the
/// network was cut is tried again by the kernel a second later.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long a manager that lost its majority may still say that it leads, before it is asked in earnest.
const LEASE: Duration = Duration::from_secs(3);
/// How long the network flaps.
const FLAPPING: Duration = Duration::from_secs(8);

/// Who is cut off from whom. `L` leads, `P` is the MySQL primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// L from all other managers; all see the servers
    LeaderAlone,
    /// L and one of four others from the other three
    LeaderMinorityOfFive,
    /// A manager that does not lead from all others
    FollowerAlone,
    /// One direction only, by turns: L to one other, L to all others, all others to L, one follower to the other
    Asymmetric,
    /// L from all others, again and again for fractions of a second
    Flapping,
    /// L and P together from everybody else, clients too
    LeaderWithPrimary,
    /// L from P only
    LeaderFromPrimary,
    /// Each of these
    All,
}

impl Scenario {
    fn managers(self) -> usize {
        if self == Self::LeaderMinorityOfFive { 5 } else { 3 }
    }

    fn each(self) -> Vec<Self> {
        let single = Self::value_variants().iter().copied().filter(|scenario| *scenario != Self::All);
        if self == Self::All { single.collect() } else { vec![self] }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// How the campaign is played.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which cuts.
    pub scenario: Scenario,
    /// How many rounds of each.
    pub rounds: u32,
    /// How long each state is kept and looked at.
    pub calm: Duration,
    /// The servers.
    pub flavor: Product,
    /// Which build of the manager.
    pub manager: Option<String>,
    /// Where the result is appended.
    pub markdown: Option<PathBuf>,
}

/// Runs the campaign.
pub async fn run(settings: &Settings) -> Result<()> {
    let (mut series, mut broken) = (Vec::new(), Vec::new());
    // Scenarios with as many managers share a stage.
    for managers in [3, 5] {
        let scenarios = settings.scenario.each().into_iter().filter(|scenario| scenario.managers() == managers);
        let scenarios: Vec<Scenario> = scenarios.collect();
        if scenarios.is_empty() {
            continue;
        }
        let mut theatre = Theatre::open(settings, managers).await?;
        for scenario in scenarios {
            series.extend(theatre.play(scenario, settings.rounds, &mut broken).await);
        }
        broken.extend(theatre.close().await?);
    }
    let text = markdown(settings, &series, &broken);
    println!("\n{text}");
    if let Some(file) = &settings.markdown {
        append(file, &text)?;
    }
    verdict(&broken)
}

struct Theatre {
    stage: Stage,
    leadership: Leadership,
    primary: Arc<Server>,
    calm: Duration,
    /// Times with two writable servers that were looked at.
    seen: usize,
}

/// What one round came to.
#[derive(Default)]
struct Round {
    /// From the cut until a manager of the majority leads; nothing where the leader is to stay.
    again: Option<Duration>,
    /// From the cut until a client of the majority's side commits on a new primary.
    recovered: Option<Duration>,
    /// For how long a client could have written to the replaced primary after the cut was healed.
    old_writable: Option<Duration>,
    /// What else is worth a word.
    remark: String,
}

impl Theatre {
    async fn open(settings: &Settings, managers: usize) -> Result<Self> {
        // Lossless semi-sync, so that every acknowledged row must be there in the end.
        let fleet = Fleet::builder().product(settings.flavor).primary_with_replicas(2).semi_sync(1).in_namespaces();
        let plot = Plot::new(fleet, manager_binary_of(settings.manager.as_deref())?).managers(managers);
        let stage = Stage::set(plot).await?;
        let leadership = Leadership::start(stage.managers());
        let primary = stage.fleet().server(0).clone();
        Ok(Self { stage, leadership, primary, calm: settings.calm, seen: 0 })
    }

    async fn play(&mut self, scenario: Scenario, rounds: u32, broken: &mut Vec<String>) -> Vec<Series> {
        let named = |what: &str| Series::new(format!("{scenario}: {what}"));
        let mut again = named("the majority leads");
        let mut recovered = named("the majority's clients write again");
        let mut old = named("old primary writable after healing");
        for number in 1..=rounds {
            let begun = Instant::now();
            let outcome = self.round(scenario, number).await;
            // Whatever happened: nobody is cut off in the next round.
            let outcome = self.stage.fleet().heal_all().and(outcome);
            match outcome {
                Ok(round) => {
                    println!("{number:>3}  held   {scenario}: {} ({:.0} s)", round, begun.elapsed().as_secs_f64());
                    again.extend(round.again);
                    recovered.extend(round.recovered);
                    old.extend(round.old_writable);
                }
                Err(error) => {
                    println!("{number:>3}  BROKEN {scenario}: {error:#}");
                    broken.push(format!("{scenario}, round {number}: {error:#}"));
                    if self.mend().await.is_err() {
                        break;
                    }
                }
            }
        }
        [again, recovered, old].into_iter().filter(|series| !series.is_empty()).collect()
    }

    async fn round(&mut self, scenario: Scenario, number: u32) -> Result<Round> {
        let leader = self.stage.managers().wait_for_leader(PATIENCE).await?;
        self.stage.managers().healthy(PATIENCE).await?;
        self.stage.settled(&self.primary).await?;
        let before = self.recoveries(&leader)?;
        let round = match scenario {
            Scenario::LeaderAlone | Scenario::LeaderMinorityOfFive => {
                let company = if scenario == Scenario::LeaderAlone { 0 } else { 1 };
                let minority = self.with_company(&leader, company);
                let cut = Cut::apart(&minority, &self.rest(&minority));
                self.leader_loses_majority(cut, &minority).await
            }
            Scenario::FollowerAlone => {
                let alone = self.followers(&leader).next().context("a follower")?.index();
                self.leader_stays(Cut::apart(&[alone], &self.rest(&[alone])), &leader).await
            }
            Scenario::Asymmetric => self.asymmetric(&leader, number).await,
            Scenario::Flapping => self.flapping(&leader, number).await,
            Scenario::LeaderWithPrimary => self.leader_with_primary(&leader).await,
            Scenario::LeaderFromPrimary => self.leader_from_primary(&leader).await,
            Scenario::All => bail!("each scenario is played by itself"),
        }?;
        if round.recovered.is_none() {
            self.nobody_recovered(&before)?;
        }
        self.rules_of_all_rounds(&round)?;
        Ok(round)
    }

    /// The leader is in the minority: it stops, a manager of the majority leads, nobody is promoted, and healing changes
    /// nothing.
    async fn leader_loses_majority(&self, cut: Cut, minority: &[usize]) -> Result<Round> {
        let at = self.cut(&cut)?;
        let again = self.majority_leads(at, minority).await?;
        self.minority_has_stopped(minority, at).await?;
        self.writes_go_on_for(self.calm).await?;
        let leader =
            self.stage.managers().wait_for_leader_among(PATIENCE, |node| !minority.contains(&node.index())).await?;
        self.heals_at_no_cost(&leader).await?;
        let remark = format!("manager {} leads", leader.index() + 1);
        Ok(Round { again: Some(again), remark, ..Round::default() })
    }

    /// Others are cut off: the leader leads on, during the cut and after it.
    async fn leader_stays(&self, cut: Cut, leader: &Arc<ManagerNode>) -> Result<Round> {
        let (at, term) = (Instant::now(), leader.term().await);
        self.cut(&cut)?;
        self.writes_go_on_for(self.calm).await?;
        self.leads_alone_since(leader, at, term).await.context("during the cut")?;
        self.heals_at_no_cost(leader).await?;
        Ok(Round { remark: format!("manager {} leads on", leader.index() + 1), ..Round::default() })
    }

    async fn asymmetric(&self, leader: &Arc<ManagerNode>, number: u32) -> Result<Round> {
        let others: Vec<usize> = self.followers(leader).map(|node| node.index()).collect();
        let (own, one, two) = (leader.index(), others[0], others[1]);
        let one_way = |from: &[usize], to: &[usize]| Cut::OneWay(from.to_vec(), to.to_vec());
        match number % 4 {
            1 => self.leader_stays(one_way(&[own], &[one]), leader).await,
            2 => self.leader_loses_majority(one_way(&[own], &others), &[own]).await,
            3 => self.leader_loses_majority(one_way(&others, &[own]), &[own]).await,
            _ => self.leader_stays(one_way(&[one], &[two]), leader).await,
        }
    }

    async fn flapping(&self, leader: &Arc<ManagerNode>, number: u32) -> Result<Round> {
        let (own, begun, mut flaps) = (leader.index(), Instant::now(), 0_u32);
        let cut = Cut::apart(&[own], &self.rest(&[own]));
        while begun.elapsed() < FLAPPING {
            self.cut(&cut)?;
            // From less than a heartbeat to more than an election takes.
            self.writes_go_on_for(Duration::from_millis(u64::from((number + flaps) * 173 % 900) + 50)).await?;
            self.stage.fleet().heal_all()?;
            self.writes_go_on_for(Duration::from_millis(u64::from((number + flaps) * 131 % 500) + 50)).await?;
            flaps += 1;
        }
        let healed = Instant::now();
        let now = self.stage.managers().wait_for_leader(PATIENCE).await?;
        let again = healed.elapsed();
        self.stage.managers().healthy(PATIENCE).await?;
        let (since, term) = (Instant::now(), now.term().await);
        self.writes_go_on_for(self.calm).await?;
        self.leads_alone_since(&now, since, term).await.context("after the network had come to rest")?;
        Ok(Round {
            again: Some(again),
            remark: format!("{flaps} flaps, manager {} leads", now.index() + 1),
            ..Round::default()
        })
    }

    /// The primary is cut off from everybody but the leader: the majority replaces both.
    async fn leader_with_primary(&mut self, leader: &Arc<ManagerNode>) -> Result<Round> {
        let (old, own) = (self.primary.clone(), leader.index());
        let rest = self.rest(&[own]);
        let before = self.recoveries(leader)?;
        let logs = self.log_lengths();
        let cut = Cut::With(vec![own], old.clone(), rest);
        let at = self.cut(&cut)?;
        let again = self.majority_leads(at, &[own]).await?;
        let (new, recovered) = self.writes_go_on_elsewhere(&old, at).await?;
        self.minority_has_stopped(&[own], at).await?;
        self.writes_go_on_for(self.calm).await?;
        let now = self.stage.managers().wait_for_leader_among(PATIENCE, |node| node.index() != own).await?;

        let healed = Instant::now();
        self.heals_at_no_cost(&now).await?;
        self.one_recovery_by_one_manager(&before, &logs).await?;
        let old_writable = self.old_primary_is_closed(&old, healed).await?;
        let uid = self.newest_recovery(&now)?;
        self.stage.acknowledge(&uid).await?;
        // A commit that waits for its replicas for ever is in the way of all that is asked of it: it dies with the server.
        old.kill9()?;
        self.stage.fleet().rejoin(&old, new.key()).await?;
        self.stage.brought_back(old.key()).await?;
        self.primary = new;
        let remark = format!("manager {} leads, {} is primary", now.index() + 1, self.primary.key());
        Ok(Round { again: Some(again), recovered: Some(recovered), old_writable: Some(old_writable), remark })
    }

    /// The leader alone does not see the primary: nobody is promoted, and one leads that sees it.
    async fn leader_from_primary(&self, leader: &Arc<ManagerNode>) -> Result<Round> {
        let own = leader.index();
        let at = self.cut(&Cut::With(vec![own], self.primary.clone(), Vec::new()))?;
        let again = self.majority_leads(at, &[own]).await.context("the leader does not hand over")?;
        self.writes_go_on_for(self.calm).await?;
        let now = self.stage.managers().wait_for_leader(PATIENCE).await?;
        if now.index() == own {
            bail!("manager {} leads again, and does not see the primary", own + 1);
        }
        self.heals_at_no_cost(&now).await?;
        Ok(Round { again: Some(again), remark: format!("manager {} leads", now.index() + 1), ..Round::default() })
    }

    fn followers<'a>(&'a self, leader: &ManagerNode) -> impl Iterator<Item = &'a Arc<ManagerNode>> {
        self.stage.managers().others(leader.index())
    }

    fn with_company(&self, leader: &ManagerNode, count: usize) -> Vec<usize> {
        std::iter::once(leader.index()).chain(self.followers(leader).take(count).map(|node| node.index())).collect()
    }

    fn rest(&self, than: &[usize]) -> Vec<usize> {
        (0..self.stage.managers().nodes().len()).filter(|index| !than.contains(index)).collect()
    }

    fn cut(&self, cut: &Cut) -> Result<Instant> {
        let fleet = self.stage.fleet();
        let managers = |some: &[usize]| -> Result<Vec<Party>> {
            let party = |index: &usize| self.stage.managers().node(*index).party();
            some.iter().map(party).collect::<Option<_>>().context("managers have networks of their own")
        };
        let at = Instant::now();
        match cut {
            Cut::Apart(some, others) => fleet.cut_apart(&managers(some)?, &managers(others)?)?,
            Cut::OneWay(from, to) => fleet.cut_one_way(&managers(from)?, &managers(to)?)?,
            Cut::With(some, server, others) if others.is_empty() => {
                fleet.cut_apart(&managers(some)?, &[fleet.party(server)?])?;
            }
            Cut::With(some, server, others) => {
                let mut alone = managers(some)?;
                alone.push(fleet.party(server)?);
                let servers = fleet.servers().iter().filter(|other| other.key() != server.key());
                let mut everybody = managers(others)?;
                everybody.push(Party::CLIENT);
                everybody.extend(servers.map(|other| fleet.party(other)).collect::<Result<Vec<_>>>()?);
                fleet.cut_apart(&alone, &everybody)?;
            }
        }
        Ok(at)
    }

    /// Returns how long after `at` a manager outside of the minority led.
    async fn majority_leads(&self, at: Instant, minority: &[usize]) -> Result<Duration> {
        while at.elapsed() < PATIENCE {
            if let Some((_, led)) = self.leadership.first_since(at, |who| !minority.contains(&who)) {
                return Ok(led.duration_since(at));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the majority has no leader after {PATIENCE:?}\n{}", self.stage.managers().log_tails(30))
    }

    /// No manager of the minority leads once its lease is over.
    async fn minority_has_stopped(&self, minority: &[usize], at: Instant) -> Result<()> {
        tokio::time::sleep(LEASE.saturating_sub(at.elapsed())).await;
        for index in minority {
            if self.stage.managers().node(*index).leads().await {
                bail!("manager {} has no majority and says that it leads", index + 1);
            }
        }
        Ok(())
    }

    /// Clients of the majority's side get their rows acknowledged all the time.
    async fn writes_go_on_for(&self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.stage.writer.commits_again(Instant::now(), Duration::from_secs(5)).await.context("writes stopped")?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn writes_go_on_elsewhere(&self, old: &Server, at: Instant) -> Result<(Arc<Server>, Duration)> {
        let mut after = at;
        loop {
            let commit = match self.stage.writer.commits_again(after, PATIENCE).await {
                Ok(commit) => commit,
                Err(error) => bail!("no failover: {error:#}\n{}", self.stage.excuse(old.key()).await),
            };
            let server = self.stage.fleet().server(commit.server);
            if server.key() != old.key() {
                return Ok((server.clone(), commit.done.duration_since(at)));
            }
            after = commit.done;
        }
    }

    /// Heals everything, and sees that the leader stays.
    async fn heals_at_no_cost(&self, leader: &Arc<ManagerNode>) -> Result<()> {
        let term = leader.term().await;
        let healed = Instant::now();
        self.stage.fleet().heal_all()?;
        self.writes_go_on_for(self.calm).await?;
        self.leads_alone_since(leader, healed, term).await.context("healing cost the majority its leader")
    }

    /// Nobody else led since then, it leads now, and in the same term as before.
    async fn leads_alone_since(&self, leader: &Arc<ManagerNode>, since: Instant, term: Option<u64>) -> Result<()> {
        let led = self.leadership.leaders_since(since);
        let now = leader.term().await;
        if led != [leader.index()] || now != term || !leader.leads().await {
            let names: Vec<usize> = led.iter().map(|index| index + 1).collect();
            bail!(
                "manager {} led in term {term:?}; then managers {names:?} led, and its term is {now:?}\n{}",
                leader.index() + 1,
                self.stage.managers().log_tails(25)
            );
        }
        Ok(())
    }

    /// Returns for how long the replaced primary was open after the cut was healed. Later than at once is too late.
    async fn old_primary_is_closed(&self, old: &Server, healed: Instant) -> Result<Duration> {
        let until = healed + PATIENCE;
        while old.is_writable().await? {
            if Instant::now() > until {
                bail!("{} stays writable\n{}", old.key(), self.stage.managers().log_tails(25));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let spans = self.stage.watcher.writable();
        let open = spans.iter().filter(|span| span.who == *old.key() && span.until > healed);
        let open = open.map(|span| span.until.duration_since(healed)).max().unwrap_or_default();
        if open > AT_ONCE {
            bail!("{} was open to clients for {} ms after the cut was healed", old.key(), open.as_millis());
        }
        Ok(open)
    }

    fn recoveries(&self, node: &ManagerNode) -> Result<BTreeSet<String>> {
        Ok(node.journal()?.recoveries()?.into_iter().map(|recovery| recovery.uid).collect())
    }

    fn newest_recovery(&self, node: &ManagerNode) -> Result<String> {
        Ok(node.journal()?.recoveries()?.first().context("a recovery")?.uid.clone())
    }

    /// No manager knows of a recovery that was not known before.
    fn nobody_recovered(&self, before: &BTreeSet<String>) -> Result<()> {
        for node in self.stage.managers().nodes() {
            let journal = node.journal()?;
            if let Some(new) = journal.recoveries()?.iter().find(|recovery| !before.contains(&recovery.uid)) {
                let tale: Vec<String> = journal.sentences(&new.uid)?.into_iter().map(|told| told.message).collect();
                bail!("{} of {} was recovered:\n  {}", new.code, new.key, tale.join("\n  "));
            }
        }
        Ok(())
    }

    /// All managers tell of one new recovery, it ended well, and one of them acted.
    async fn one_recovery_by_one_manager(&self, before: &BTreeSet<String>, logs: &[usize]) -> Result<()> {
        let mut told = BTreeSet::new();
        for node in self.stage.managers().nodes() {
            told.extend(self.when_ended(node, before).await?);
        }
        let [uid] = told.iter().collect::<Vec<_>>()[..] else { bail!("there is more than one recovery: {told:?}") };
        let acted = |node: &&Arc<ManagerNode>| acts_in(&node.log()[logs[node.index()]..], uid);
        let actors: Vec<usize> =
            self.stage.managers().nodes().iter().filter(acted).map(|node| node.index() + 1).collect();
        if actors.len() == 1 { Ok(()) } else { bail!("managers {actors:?} acted in the recovery {uid}") }
    }

    /// Waits until a manager knows that the new recovery ended, and returns which.
    async fn when_ended(&self, node: &ManagerNode, before: &BTreeSet<String>) -> Result<Vec<String>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let all = node.journal()?.recoveries()?;
            let new: Vec<_> = all.into_iter().filter(|recovery| !before.contains(&recovery.uid)).collect();
            if !new.is_empty() && new.iter().all(|recovery| recovery.ended.is_some()) {
                if let Some(failed) = new.iter().find(|recovery| !recovery.is_successful) {
                    bail!("the recovery {} failed: {:?}", failed.uid, failed.errors);
                }
                return Ok(new.into_iter().map(|recovery| recovery.uid).collect());
            }
            if Instant::now() > until {
                bail!(
                    "manager {} does not know how it ended\n{}",
                    node.index() + 1,
                    self.stage.managers().log_tails(25)
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log_lengths(&self) -> Vec<usize> {
        self.stage.managers().nodes().iter().map(|node| node.log().len()).collect()
    }

    /// What may never be, whatever is cut.
    fn rules_of_all_rounds(&mut self, round: &Round) -> Result<()> {
        if let Some(two) = self.leadership.two_leaders().first() {
            let lasted = two.lasted.as_millis();
            bail!("managers {} and {} both led for {lasted} ms", two.first + 1, two.second + 1);
        }
        let all = self.stage.watcher.two_writable();
        let new: Vec<TwoWritable> = all.iter().skip(std::mem::replace(&mut self.seen, all.len())).cloned().collect();
        // A replaced primary can be reached a moment before it can be closed: that time is measured by itself.
        let excused = |two: &&TwoWritable| round.old_writable.is_some_and(|open| two.lasted <= open);
        match new.iter().find(|two| !excused(two)) {
            Some(two) => bail!("{} and {} were both writable for {} ms", two.first, two.second, two.lasted.as_millis()),
            None => Ok(()),
        }
    }

    /// After a broken round: finds the primary, and waits until all is well.
    async fn mend(&mut self) -> Result<()> {
        self.stage.managers().wait_for_leader(PATIENCE).await?;
        if let Some(primary) = self.stage.primary().await? {
            self.primary = primary;
        }
        self.stage.settled(&self.primary).await
    }

    /// Ends everything, and reads every row back.
    async fn close(self) -> Result<Vec<String>> {
        let two = self.leadership.stop().await;
        let (fleet, record, _) = self.stage.end().await;
        fleet.in_sync_with(&self.primary, PATIENCE).await?;
        let lost = record.verify(&self.primary).await?;
        println!("{} rows acknowledged, {} lost", lost.acknowledged, lost.missing.len());
        let mut broken = Vec::new();
        if !lost.missing.is_empty() {
            broken.push(format!("{} acknowledged rows are lost in spite of semi-sync", lost.missing.len()));
        }
        broken.extend(two.first().map(|two| format!("managers {} and {} both led", two.first + 1, two.second + 1)));
        Ok(broken)
    }
}

/// Managers by their numbers, and servers, who do not reach each other.
enum Cut {
    Apart(Vec<usize>, Vec<usize>),
    OneWay(Vec<usize>, Vec<usize>),
    /// Managers together with a server, from other managers and all other servers and clients; with no other managers:
    /// managers from the server.
    With(Vec<usize>, Arc<Server>, Vec<usize>),
}

impl Cut {
    fn apart(some: &[usize], others: &[usize]) -> Self {
        Self::Apart(some.to_vec(), others.to_vec())
    }
}

/// True when a manager's log says that it performed steps of a recovery.
fn acts_in(log: &str, uid: &str) -> bool {
    log.lines().any(|line| line.contains(uid) && line.contains("step "))
}

impl fmt::Display for Round {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_millis();
        if let Some(again) = self.again {
            write!(out, "led again after {} ms, ", millis(again))?;
        }
        if let Some(recovered) = self.recovered {
            write!(out, "written again after {} ms, ", millis(recovered))?;
        }
        if let Some(old) = self.old_writable {
            write!(out, "old primary reachable and writable for {} ms, ", millis(old))?;
        }
        out.write_str(&self.remark)
    }
}

fn markdown(settings: &Settings, series: &[Series], broken: &[String]) -> String {
    let build = settings.manager.as_deref().unwrap_or("same as the lab's");
    let (scenario, rounds, flavor) = (settings.scenario, settings.rounds, settings.flavor);
    let (today, machine, table) = (report::today(), report::machine(), report::table(series));
    let count = broken.len();
    format!(
        "### raft: network cuts, {scenario}, {rounds} rounds each, {flavor}\n\n{today}; {machine}; manager build: {build}.\n\n\
         {table}\n- broken rules: {count}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_played_by_itself_and_all_plays_each() {
        assert_eq!(Scenario::All.each().len(), 7);
        assert_eq!(Scenario::Flapping.each(), [Scenario::Flapping]);
    }

    #[test]
    fn only_who_performed_a_step_acted() {
        assert!(acts_in("INFO manager: step 3: promote db2: done recovery=ab:1", "ab:1"));
        assert!(!acts_in("INFO manager: a recovery runs recovery=ab:1\nINFO step 1 recovery=ab:2", "ab:1"));
    }
}
