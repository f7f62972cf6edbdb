//! Another server becomes the primary while the old one lives.
//!
//! Order: hooks that may refuse → the candidate follows closely → those siblings move below it that the old primary can do
//! without for its acknowledgements → **freeze** → the candidate applies the rest → where acknowledgements are lacking, the
//! other siblings move, and the old primary is attached and receives → as many replicas as commits must wait for are
//! connected, and the old primary still stands still → **open** → it is published; the old primary is attached, and whatever is
//! left moves → hooks, beside which the old primary starts to replicate.
//! Between freeze and open nobody takes writes, so all that can be done outside of that is.

mod obstacle;

use analysis::{Facts, Policy};
use topology::{GtidSet, Instance, InstanceKey, Snapshot, ThreadState, Version, Watched};

pub use obstacle::Obstacle;

use crate::candidate;
use crate::dead_primary::cannot_follow;
use crate::steps::{Steps, threads_to_start};
use crate::{
    Acks, Action, Certificate, Choice, Context, Decision, Hold, HookList, Kind, Lost, Plan, Rejection, Verdict, lint,
};

/// What somebody who wants another primary says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The server to promote.
    pub designated: Option<InstanceKey>,
    /// Choose the best if none is designated, and start replication on the old primary (`graceful-master-takeover-auto`).
    pub auto: bool,
}

/// Decides about replacing the living primary that `facts` are about.
pub fn takeover(facts: &Facts, context: Context<'_>, wish: &Wish) -> Decision {
    match Takeover::prepare(facts, context, wish) {
        Err(hold) => Decision::Hold(hold),
        Ok(takeover) => {
            let plan = takeover.plan();
            let flaws = lint::within(&plan, context.snapshot, context.graph);
            if flaws.is_empty() { Decision::Act(Box::new(plan)) } else { Decision::Hold(Hold::UnsafePlan { flaws }) }
        }
    }
}

/// Ranks the replicas of the living primary that `facts` are about as if nobody was named, also where a takeover is held.
pub fn takeover_choice(facts: &Facts, context: Context<'_>) -> Choice {
    let Context { snapshot, policy, .. } = context;
    let primary = snapshot.instance(&facts.key);
    primary.and_then(|primary| choose(snapshot, policy, facts, primary, None).ok()).unwrap_or_default()
}

/// A takeover that nothing speaks against.
struct Takeover<'a> {
    facts: &'a Facts,
    policy: &'a Policy,
    auto: bool,
    with_hooks: bool,
    primary: &'a Instance,
    candidate: &'a Instance,
    choice: Choice,
    certificate: Certificate,
    /// Siblings that move before the freeze.
    early: Vec<Move<'a>>,
    /// Siblings that the old primary's commits wait for until it is frozen.
    late: Vec<Move<'a>>,
    /// Without the late ones, and perhaps the old primary itself, the new one could acknowledge nothing.
    lacks_acks: bool,
    lost: Vec<Lost>,
}

/// A sibling of the candidate.
#[derive(Clone, Copy)]
struct Move<'a> {
    replica: &'a Instance,
    /// Nobody expects much of it: it is in downtime.
    may_fail: bool,
}

impl<'a> Takeover<'a> {
    fn prepare(facts: &'a Facts, context: Context<'a>, wish: &Wish) -> Result<Self, Hold> {
        let Context { snapshot, policy, running, request, .. } = context;
        if let Some(uid) = running {
            return Err(Hold::Running { uid: uid.to_owned() });
        }
        let primary = the_primary(snapshot, facts)?;
        let designated = designated(facts, wish)?;
        if let Some(source) = primary.source().filter(|source| designated.is_some_and(|named| named != *source)) {
            return Err(Obstacle::CoPrimary { primary: facts.key.clone(), other: source.clone() }.into());
        }
        let choice = choose(snapshot, policy, facts, primary, designated)?;
        let chosen = choice.chosen.as_ref().and_then(|chosen| snapshot.instance(chosen));
        let Some(candidate) = chosen else { return Err(Hold::NoCandidate { choice: Box::new(choice) }) };
        if !candidate.credentials_available && primary.source() != Some(&candidate.key) {
            return Err(Obstacle::NoAccount { candidate: candidate.key.clone() }.into());
        }
        let certificate = certificate(facts, snapshot, primary);
        let (moves, lost) = siblings(snapshot, facts, candidate, &certificate.holds)?;
        let (early, late, lacks_acks) = in_order(facts, primary, candidate, moves)?;
        let (auto, with_hooks) = (wish.auto, !request.skip_hooks);
        Ok(Self {
            facts,
            policy,
            auto,
            with_hooks,
            primary,
            candidate,
            choice,
            certificate,
            early,
            late,
            lacks_acks,
            lost,
        })
    }

    fn plan(self) -> Plan {
        let (primary, candidate) = (self.primary.key.clone(), self.candidate.key.clone());
        let mut steps = Steps::default();
        if self.with_hooks {
            steps.stage(true, [Action::RunHooks(HookList::PreGracefulTakeover)]);
            steps.stage(true, [Action::RunHooks(HookList::PreFailover)]);
        }
        self.before_the_freeze(&mut steps);
        self.while_writes_wait(&mut steps);
        self.afterwards(&mut steps);
        Plan {
            kind: Kind::Takeover,
            cluster: self.facts.cluster_name.clone(),
            failed: primary,
            successor: candidate,
            command: "graceful-master-takeover".to_owned(),
            choice: self.choice,
            certificate: Some(self.certificate),
            lost: self.lost,
            steps: steps.list,
        }
    }

    fn before_the_freeze(&self, steps: &mut Steps) {
        let approach = || Action::Approach {
            candidate: self.candidate.key.clone(),
            primary: self.primary.key.clone(),
            within: self.policy.takeover_lag,
        };
        if !self.early.is_empty() {
            steps.stage(true, [approach()]);
            let moves = |may_fail: bool| {
                let moving = self.early.iter().filter(move |early| early.may_fail == may_fail);
                moving.map(|early| self.relocate(early.replica))
            };
            let are_all_unsure = self.early.iter().all(|early| early.may_fail);
            steps.stage(true, moves(false));
            if are_all_unsure { steps.stage(false, moves(true)) } else { steps.same_stage(false, moves(true)) }
        }
        steps.stage(true, [approach()]);
    }

    fn while_writes_wait(&self, steps: &mut Steps) {
        let (primary, candidate) = (self.primary.key.clone(), self.candidate.key.clone());
        let (budget, was_writable) = (self.policy.write_block, self.primary.writes.is_writable());
        let (server, uuid) = (primary.clone(), self.primary.uuid.clone());
        steps.stage(true, [Action::Freeze { server, uuid, budget, was_writable }]);
        let follow = Action::FollowToEnd { candidate: candidate.clone(), primary: primary.clone() };
        let acks = Some(acks_of(&self.primary.semi_sync)).filter(|acks| acks.enabled);
        let before = acks_of(&self.candidate.semi_sync);
        let ready = Action::Ready { candidate: candidate.clone(), primary: primary.clone(), acks, before };
        let was_writable = self.primary.source() == Some(&candidate) && self.candidate.writes.is_writable();
        let promote = Action::Promote { server: candidate, writable: true, semi_sync: false, was_writable };
        steps.stage(true, [follow]);
        if self.lacks_acks {
            steps.same_stage(true, [self.attach()]);
            steps.same_stage(true, self.late.iter().map(|late| self.relocate(late.replica)));
            // Only now: on MariaDB a source must have all that its replica has.
            steps.stage(true, [Action::Acknowledge { replica: primary }, ready]);
            steps.stage(true, [promote]);
        } else {
            steps.same_stage(true, [ready]);
            steps.stage(true, [promote]);
        }
    }

    fn afterwards(&self, steps: &mut Steps) {
        // Clients wait for nothing but the new primary.
        steps.stage(true, [Action::Publish { primary: self.candidate.key.clone() }]);
        if !self.lacks_acks {
            steps.same_stage(false, [self.attach()]);
            steps.same_stage(false, self.late.iter().map(|late| self.relocate(late.replica)));
        }
        let tell = |list: HookList| Some(Action::RunHooks(list)).filter(|_| self.with_hooks);
        steps.stage(false, tell(HookList::PostMasterFailover));
        // As long as the new primary knows its account, the old one takes that over: it forgets it after that.
        let forget = [Action::Forget { server: self.candidate.key.clone() }];
        if self.with_hooks {
            steps.same_stage(false, forget)
        } else {
            steps.stage(false, forget)
        }
        let (replica, waited) = (self.primary.key.clone(), self.primary.semi_sync.source.enabled);
        // One that the new primary cannot do without cannot be left stopped.
        steps.same_stage(false, [Action::Subordinate { replica, waited, start: self.auto || self.lacks_acks }]);
        for list in [HookList::PostFailover, HookList::PostGracefulTakeover] {
            steps.stage(false, tell(list));
        }
    }

    fn relocate(&self, replica: &Instance) -> Action {
        Action::Relocate {
            replica: replica.key.clone(),
            from: self.primary.key.clone(),
            to: self.candidate.key.clone(),
            start: threads_to_start(replica),
        }
    }

    /// The old primary takes the part that the candidate had: it acknowledges if that did, or if it is needed for it.
    fn attach(&self) -> Action {
        let semi_sync = &self.primary.semi_sync;
        let acked = semi_sync.replica.enabled;
        let acknowledges = semi_sync.source.enabled
            && semi_sync.replica.available
            && (self.lacks_acks || self.candidate.semi_sync.replica.enabled);
        let is_attached = self.primary.source() == Some(&self.candidate.key);
        let tls = self.candidate.channel().map(|channel| Box::new(channel.tls.clone()));
        Action::Attach {
            server: self.primary.key.clone(),
            source: self.candidate.key.clone(),
            tls: tls.filter(|_| !is_attached),
            acked,
            acks: acked || acknowledges,
        }
    }
}

/// Returns the primary, if it is one that can be asked to stand back.
fn the_primary<'a>(snapshot: &'a Snapshot, facts: &Facts) -> Result<&'a Instance, Hold> {
    let unfit = |why: &str| Obstacle::Primary { primary: facts.key.clone(), why: why.to_owned() };
    let watched = snapshot.get(&facts.key);
    let Some(primary) = watched.filter(|watched| watched.is_valid()).and_then(|watched| watched.instance.as_deref())
    else {
        return Err(unfit("does not answer: if it is dead, recover").into());
    };
    if primary.group.is_some() {
        return Err(unfit("is a member of a replication group, which chooses its primary itself").into());
    }
    if !primary.writes.is_writable() {
        return Err(unfit("is read-only").into());
    }
    if let Some(maintenance) = snapshot.declared.maintenance(&facts.key, snapshot.now) {
        return Err(unfit(&format!("is in maintenance by {}", maintenance.owner)).into());
    }
    if !primary.binlog.enabled {
        return Err(unfit("has no binary log").into());
    }
    Ok(primary)
}

/// Returns the server to promote: the one that was named, or the only one there is. None where the best may be chosen.
fn designated<'a>(facts: &'a Facts, wish: &'a Wish) -> Result<Option<&'a InstanceKey>, Hold> {
    match (&wish.designated, facts.replicas.as_slice()) {
        (Some(asked), replicas) if !replicas.contains(asked) => {
            Err(Obstacle::NotAReplica { asked: asked.clone(), primary: facts.key.clone() }.into())
        }
        (Some(asked), _) => Ok(Some(asked)),
        (None, []) => Err(Hold::NoReplicas),
        (None, [only]) => Ok(Some(only)),
        (None, _) if wish.auto => Ok(None),
        (None, replicas) => Err(Obstacle::NobodyNamed { primary: facts.key.clone(), replicas: replicas.len() }.into()),
    }
}

/// Ranks the replicas as for a failover, but that the primary lives: what they lack they get from it, and what speaks against
/// a server that would have to be taken as it is, speaks against it here.
fn choose(
    snapshot: &Snapshot,
    policy: &Policy,
    facts: &Facts,
    primary: &Instance,
    designated: Option<&InstanceKey>,
) -> Result<Choice, Hold> {
    let at_most = policy.max_promotion_lag.unwrap_or(policy.takeover_lag).min(policy.takeover_lag);
    let policy = Policy { refuse_unapplied: false, max_promotion_lag: Some(at_most), ..policy.clone() };
    let answers = |key: &InstanceKey| snapshot.get(key).is_some_and(Watched::is_valid);
    let mut choice = Choice::among(snapshot, &policy, facts, designated, &answers);
    for candidate in &mut choice.candidates {
        candidate.rejections.retain(|why| !matches!(why, Rejection::CannotCatchUp { .. }));
        if let Some(replica) = snapshot.instance(&candidate.key).filter(|_| answers(&candidate.key)) {
            candidate.rejections.extend(cannot_take_over(snapshot, facts, primary, replica));
        }
    }
    candidate::rank(&mut choice.candidates);
    choice.donor = None;
    choice.chosen = choice.candidates.first().filter(|best| best.rejections.is_empty()).map(|best| best.key.clone());
    match designated {
        Some(asked) if choice.chosen.as_ref() != Some(asked) => {
            let rejections = choice.candidate(asked).map(|candidate| candidate.rejections.as_slice());
            let why = rejections.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Err(Hold::WrongCandidate { asked: asked.clone(), why })
        }
        _ => Ok(choice),
    }
}

/// Returns what forbids to promote `replica` while the primary lives, beyond what forbids it in a failover.
fn cannot_take_over(snapshot: &Snapshot, facts: &Facts, primary: &Instance, replica: &Instance) -> Vec<Rejection> {
    let mut found = Vec::new();
    if let Some(channel) = replica.channel() {
        if !channel.is_replicating() {
            found.push(Rejection::DoesNotReplicate);
        }
        if channel.delay_secs > 0 {
            found.push(Rejection::Delayed { secs: channel.delay_secs });
        }
        if channel.has_filters {
            found.push(Rejection::Partial);
        }
    }
    if replica.channels.len() > 1 {
        found.push(Rejection::SeveralSources);
    }
    let errant = errant(primary, replica);
    if !errant.is_empty() {
        found.push(Rejection::Errant { gtids: errant });
    }
    // The old primary and all siblings will replicate from it.
    let below = facts.replicas.iter().filter_map(|key| snapshot.instance(key)).chain([primary]);
    let older = below.filter(|other| is_older(&other.version, &replica.version)).map(|other| other.key.clone());
    let older: Vec<InstanceKey> = older.collect();
    if !older.is_empty() {
        found.push(Rejection::NewerThan { keys: older });
    }
    found
}

/// True when a server of version `one` is of an older release line than `two`, whose events it may not understand.
fn is_older(one: &Version, two: &Version) -> bool {
    one.line() < two.line()
}

/// Returns what `replica` executed and the primary did not. The two were read at different moments: the primary's own newer
/// transactions are not errant.
fn errant(primary: &Instance, replica: &Instance) -> GtidSet {
    if !primary.gtid.is_read() {
        return GtidSet::default();
    }
    GtidSet::errant(&replica.gtid.executed, &primary.gtid.executed, Some(primary.gtid_origin().as_str()))
}

/// The primary lives: what it has executed when it is frozen, the new one applies before it is opened.
fn certificate(facts: &Facts, snapshot: &Snapshot, primary: &Instance) -> Certificate {
    let replicas = facts.replicas.iter().filter_map(|key| snapshot.instance(key));
    let rightful = replicas.map(|replica| {
        let errant = errant(primary, replica);
        if replica.version.is_mariadb() { replica.held() } else { replica.held().subtract(&errant) }
    });
    Certificate {
        verdict: Verdict::NothingLost,
        because: vec!["the old primary lives: it is frozen, and the new one applies all that it executed".to_owned()],
        holds: rightful.fold(primary.gtid.executed.clone(), |all, held| all.union(&held)),
        last_seen: facts.last_seen,
    }
}

/// Returns the siblings of the candidate that move, and those in downtime that cannot. Any other that cannot is a reason not
/// to begin.
fn siblings<'a>(
    snapshot: &'a Snapshot,
    facts: &Facts,
    candidate: &Instance,
    holds: &GtidSet,
) -> Result<(Vec<Move<'a>>, Vec<Lost>), Hold> {
    let (mut moves, mut lost) = (Vec::new(), Vec::new());
    for key in facts.replicas.iter().filter(|key| **key != candidate.key) {
        let may_fail = snapshot.declared.downtime(key, snapshot.now).is_some();
        let is_reachable = snapshot.get(key).is_some_and(Watched::is_valid);
        let replica = snapshot.instance(key).filter(|_| is_reachable);
        let why = match replica {
            None => Some("does not answer".to_owned()),
            Some(replica) => cannot_follow(replica, holds, &candidate.gtid.purged)
                .or_else(|| in_maintenance(snapshot, key))
                .or_else(|| is_older(&replica.version, &candidate.version).then(|| "is older".to_owned())),
        };
        match (why, replica) {
            (None, Some(replica)) => moves.push(Move { replica, may_fail }),
            (Some(why), _) if may_fail => lost.push(Lost { key: key.clone(), why, is_reachable }),
            (why, _) => {
                let why = why.unwrap_or_default();
                return Err(Obstacle::Sibling { sibling: key.clone(), candidate: candidate.key.clone(), why }.into());
            }
        }
    }
    Ok((moves, lost))
}

fn in_maintenance(snapshot: &Snapshot, key: &InstanceKey) -> Option<String> {
    let maintenance = snapshot.declared.maintenance(key, snapshot.now)?;
    Some(format!("is in maintenance by {}", maintenance.owner))
}

/// Splits the siblings into those that move before the freeze and those that the old primary needs until then. True with
/// them when the new primary could not acknowledge a commit without the late ones and the old primary.
///
/// Until it is frozen the old primary keeps as many acknowledging replicas as its commits wait for, the candidate counted;
/// and one to spare, if the new one gets all it needs nevertheless.
#[allow(clippy::type_complexity, reason = "two lists and a flag, named where they are taken apart")]
fn in_order<'a>(
    facts: &Facts,
    primary: &Instance,
    candidate: &Instance,
    moves: Vec<Move<'a>>,
) -> Result<(Vec<Move<'a>>, Vec<Move<'a>>, bool), Hold> {
    let semi_sync = &facts.semi_sync;
    if !semi_sync.source.enabled {
        return Ok((moves, Vec::new(), false));
    }
    let needed = usize::try_from(semi_sync.wait_count.max(1)).unwrap_or(usize::MAX);
    let (ackers, mut early): (Vec<_>, Vec<_>) =
        moves.into_iter().partition(|sibling| acknowledges(sibling.replica) && !sibling.may_fail);
    let free = (ackers.len() + usize::from(acknowledges(candidate))).saturating_sub(needed);
    let count = if free > needed { free - 1 } else { free }.min(ackers.len());
    let late = ackers[count..].to_vec();
    early.extend(&ackers[..count]);
    let have = ackers.len() + usize::from(primary.semi_sync.replica.available);
    if have < needed {
        let candidate = candidate.key.clone();
        return Err(Obstacle::TooFewAcks { candidate, needed, have }.into());
    }
    Ok((early, late, count < needed))
}

/// True when commits of its source wait for this replica.
fn acknowledges(replica: &Instance) -> bool {
    let receives = replica.channel().is_some_and(|channel| channel.receiver == ThreadState::Running);
    replica.semi_sync.replica.enabled && receives
}

/// Returns how the commits of a server wait for replicas.
fn acks_of(semi_sync: &topology::SemiSync) -> Acks {
    Acks {
        enabled: semi_sync.source.enabled,
        wait_count: semi_sync.wait_count.max(1),
        timeout_ms: semi_sync.timeout_ms,
        lossless: semi_sync.lossless,
    }
}
