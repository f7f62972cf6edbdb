//! The plan that replaces a dead primary whose replicas do not use GTID.
//!
//! Without GTID a place in one server's log says nothing about another's. One case is certain: replicas that have applied the
//! log of the dead primary up to the very same place hold the same. One of them is promoted, and the others go on from the
//! end of its own log, read while it is closed. Who stopped elsewhere in the log is lost, with that reason.

use analysis::{Facts, Policy};
use topology::{BinlogCoordinates, GtidSet, Instance, InstanceKey, Snapshot, ThreadState};

use crate::candidate::rank;
use crate::steps::{Steps, shares_the_writes, threads_to_start, took_writes};
use crate::{
    Action, Certificate, Choice, Hold, HookList, Kind, Lost, Plan, Rejection, Request, dead_primary, rehoming,
};

/// Returns the plan.
pub(crate) fn plan(snapshot: &Snapshot, policy: &Policy, facts: &Facts, request: &Request) -> Result<Plan, Hold> {
    let answers = dead_primary::answers(snapshot, facts);
    let replicas: Vec<&Instance> =
        facts.replicas.iter().filter(|key| answers(key)).filter_map(|key| snapshot.instance(key)).collect();
    if let Some(key) = still_applying(snapshot, policy, facts, &replicas) {
        return Err(Hold::StillApplying { key });
    }
    let Some(end) = replicas.iter().filter_map(|replica| place(replica)).max().cloned() else {
        return Err(Hold::NoGtid);
    };
    let choice = choose(snapshot, policy, facts, request, &answers, &end);
    if let Some(asked) = &request.candidate
        && choice.chosen.as_ref() != Some(asked)
    {
        let of = choice.candidate(asked);
        let why = of.map_or_else(|| "it is no replica".to_owned(), |of| crate::decide::reasons(&of.rejections));
        return Err(Hold::WrongCandidate { asked: asked.clone(), why });
    }
    let Some(successor) = choice.chosen.clone() else {
        return Err(Hold::NoCandidate { choice: Box::new(choice) });
    };
    let certificate = Certificate::of(snapshot, facts, &choice, &answers);
    let (kept, lost) = sort_out(snapshot, facts, &replicas, &successor, &end, &certificate.holds);
    let steps = steps(snapshot, policy, facts, request, &successor, &kept, &lost, &end);
    Ok(Plan {
        kind: Kind::DeadPrimary,
        cluster: facts.cluster_name.clone(),
        failed: facts.key.clone(),
        successor,
        command: request.command.clone(),
        choice,
        certificate: Some(certificate),
        lost,
        steps: steps.list,
    })
}

/// Returns how far a replica has applied the log of its source.
fn place(replica: &Instance) -> Option<&BinlogCoordinates> {
    replica.channel().map(|channel| &channel.executed).filter(|place| !place.is_empty())
}

/// Returns a replica that may still apply what it received. The rest of a transaction that was cut off in the middle looks
/// alike and never comes to an end, so that is not waited for for ever.
fn still_applying(snapshot: &Snapshot, policy: &Policy, facts: &Facts, replicas: &[&Instance]) -> Option<InstanceKey> {
    let applies = |replica: &&&Instance| {
        replica.channel().is_some_and(|channel| {
            channel.applier == ThreadState::Running && channel.read > channel.executed && channel.delay_secs == 0
        })
    };
    let patient = facts.failing_since.is_none_or(|since| snapshot.now.since(since) < policy.drain_timeout);
    replicas.iter().find(applies).filter(|_| patient).map(|replica| replica.key.clone())
}

/// As for replicas by GTID, but that who did not come as far as the furthest is no candidate.
fn choose(
    snapshot: &Snapshot,
    policy: &Policy,
    facts: &Facts,
    request: &Request,
    answers: &dyn Fn(&InstanceKey) -> bool,
    end: &BinlogCoordinates,
) -> Choice {
    let mut choice = Choice::among(snapshot, policy, facts, request.candidate.as_ref(), answers);
    for candidate in &mut choice.candidates {
        candidate.rejections.retain(|why| !matches!(why, Rejection::NoGtid | Rejection::CannotCatchUp { .. }));
        let place = snapshot.instance(&candidate.key).and_then(place).cloned().unwrap_or_default();
        if place != *end {
            candidate.rejections.push(Rejection::NotAsFar { at: place, end: end.clone() });
        }
    }
    rank(&mut choice.candidates);
    let best = choice.candidates.first().filter(|best| best.rejections.is_empty());
    choice.chosen = best.map(|best| best.key.clone());
    choice.donor = None;
    choice
}

fn sort_out<'a>(
    snapshot: &Snapshot,
    facts: &Facts,
    answering: &[&'a Instance],
    successor: &InstanceKey,
    end: &BinlogCoordinates,
    holds: &GtidSet,
) -> (Vec<&'a Instance>, Vec<Lost>) {
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    let failed = snapshot.instance(&facts.key);
    for key in facts.replicas.iter().filter(|key| *key != successor) {
        let Some(replica) = answering.iter().find(|replica| replica.key == *key) else {
            lost.push(Lost { key: key.clone(), why: "does not answer".to_owned(), is_reachable: false });
            continue;
        };
        let cannot =
            snapshot.instance(successor).and_then(|source| rehoming::incompatible_below(replica, source, failed));
        let why = match (place(replica), cannot) {
            (_, None) if !holds.contains(&replica.gtid.executed) => {
                let own = replica.gtid.executed.subtract(holds);
                format!("has transactions that the new primary lacks: {own}")
            }
            (Some(at), None) if at == end => {
                kept.push(*replica);
                continue;
            }
            (_, Some(why)) => format!("the new primary {why}"),
            (at, None) => {
                let at = at.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
                format!(
                    "stands at {at} of the old primary's log and the new primary at {end}: without GTID nobody can tell where to go on"
                )
            }
        };
        lost.push(Lost { key: key.clone(), why, is_reachable: true });
    }
    (kept, lost)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one plan")]
fn steps(
    snapshot: &Snapshot,
    policy: &Policy,
    facts: &Facts,
    request: &Request,
    successor: &InstanceKey,
    kept: &[&Instance],
    lost: &[Lost],
    end: &BinlogCoordinates,
) -> Steps {
    let mut steps = Steps::default();
    if !request.skip_hooks {
        steps.stage(true, [Action::RunHooks(HookList::PreFailover)]);
    }
    let settle = |replica: &InstanceKey| {
        let (replica, at, within) = (replica.clone(), end.clone(), policy.drain_timeout);
        Action::Settle { replica, at, within }
    };
    steps.stage(true, [settle(successor)]);
    steps.same_stage(false, kept.iter().map(|replica| settle(&replica.key)));
    let uuid = snapshot.instance(&facts.key).and_then(|failed| failed.uuid.clone());
    let was_writable = took_writes(snapshot, &facts.key);
    steps.same_stage(false, [Action::Fence { server: facts.key.clone(), uuid, was_writable }]);
    let align = |replica: &&Instance| {
        let (replica, start) = (replica.key.clone(), threads_to_start(replica));
        Action::Align { replica, source: successor.clone(), at: end.clone(), start }
    };
    // While the new primary is closed: its first write would move the end of its log.
    steps.stage(false, kept.iter().map(align));
    let (server, writable) = (successor.clone(), policy.apply_promotion);
    let was_writable = shares_the_writes(snapshot, facts, successor);
    let semi_sync = facts.semi_sync.source.enabled
        && snapshot.instance(successor).is_some_and(|new| new.semi_sync.source.available);
    steps.stage(true, [Action::Promote { server, writable, semi_sync, was_writable }]);
    steps.stage(true, [Action::Publish { primary: successor.clone() }]);
    steps.give_up(policy, lost);
    steps.stage(false, [Action::Downtime { server: facts.key.clone(), lasts: policy.lost_downtime }]);
    if !request.skip_hooks {
        steps.stage(false, [Action::RunHooks(HookList::PostMasterFailover)]);
        steps.stage(false, [Action::RunHooks(HookList::PostFailover)]);
    }
    steps
}
