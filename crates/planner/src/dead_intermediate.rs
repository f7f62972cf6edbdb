//! The plan that gives the replicas of a dead intermediate source new sources.
//!
//! Places, in order: a sibling of the dead one where it was; regrouped among themselves, one of them below a server
//! elsewhere; a sibling elsewhere; those above the dead one; a sibling that lags. It waits for the recovery of the primary, if that is dead too.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use analysis::{Diagnosis, Facts};
use topology::{Graph, Instance, InstanceKey};

use crate::rehoming::{Moves, Rehoming, ancestors};
use crate::{Choice, Context, Decision, Hold, Kind, Lost, Plan, Request, decide};

/// Returns the plan.
pub(crate) fn plan(context: Context<'_>, graph: &Graph, facts: &Facts) -> Result<Plan, Hold> {
    let Context { snapshot, policy, request, .. } = context;
    let rehoming = Rehoming { snapshot, graph, policy, facts };
    let moves = choose(&rehoming, request)?;
    finish(&rehoming, Kind::DeadIntermediate, moves, request)
}

/// Returns the plan of `moves`, or that nobody can be moved.
pub(crate) fn finish(rehoming: &Rehoming<'_>, kind: Kind, moves: Moves, request: &Request) -> Result<Plan, Hold> {
    let Some(successor) = moves.successor() else { return Err(Hold::NowhereToGo { lost: moves.lost }) };
    Ok(Plan {
        kind,
        cluster: rehoming.facts.cluster_name.clone(),
        failed: rehoming.facts.key.clone(),
        successor,
        command: request.command.clone(),
        choice: Choice::default(),
        certificate: None,
        steps: rehoming.steps(&moves, !request.skip_hooks).list,
        lost: moves.lost,
    })
}

fn choose(rehoming: &Rehoming<'_>, request: &Request) -> Result<Moves, Hold> {
    let (mut replicas, mut lost) = rehoming.replicas();
    let mut why_not = BTreeMap::new();
    // What lags would make all below it lag.
    let (slow, siblings): (Vec<_>, Vec<_>) =
        rehoming.siblings().into_iter().partition(|sibling| rehoming.lags(sibling));
    let (near, far): (Vec<_>, Vec<_>) = siblings.into_iter().partition(|sibling| rehoming.is_near(sibling));
    let above: Vec<&Instance> = rehoming.ancestors().iter().filter_map(|key| rehoming.snapshot.instance(key)).collect();
    let elsewhere: Vec<&Instance> = far.iter().chain(&above).chain(&slow).copied().collect();
    let mut moves = Moves::default();
    if let Some(asked) = &request.candidate {
        let found = near.iter().chain(&elsewhere).find(|server| server.key == *asked);
        let Some(server) = found else {
            let why = format!("it is neither a sibling of {} nor above it", rehoming.facts.key);
            return Err(Hold::WrongCandidate { asked: asked.clone(), why });
        };
        moves.moves = rehoming.place(&mut replicas, &[server], &mut why_not);
    } else {
        moves.moves = rehoming.place(&mut replicas, &near, &mut why_not);
        regroup(rehoming, &mut replicas, &elsewhere, &mut moves);
        moves.moves.extend(rehoming.place(&mut replicas, &elsewhere, &mut why_not));
    }
    for replica in replicas {
        let reasons = why_not.remove(&replica.key).unwrap_or_default();
        let why = if reasons.is_empty() { "there is no other source".to_owned() } else { reasons.join("; ") };
        lost.push(Lost { key: replica.key.clone(), why, is_reachable: true });
    }
    moves.lost = lost;
    Ok(moves)
}

/// Puts those of `replicas` that are left below one of them, and that one below somebody of `elsewhere`.
fn regroup<'a>(
    rehoming: &Rehoming<'a>,
    replicas: &mut Vec<&'a Instance>,
    elsewhere: &[&'a Instance],
    moves: &mut Moves,
) {
    let mut best: Option<(&Instance, InstanceKey, Vec<InstanceKey>)> = None;
    let mut leaders = replicas.clone();
    leaders.retain(|leader| {
        let filters = leader.channel().is_some_and(|channel| channel.has_filters);
        leader.can_be_source() && !filters && !rehoming.is_banned(&leader.key) && is_whole(rehoming, leader)
    });
    leaders.sort_by_key(|leader| (rehoming.rule(&leader.key), Reverse(leader.held().count()), leader.key.clone()));
    for leader in leaders {
        let mut unused = BTreeMap::new();
        let Some((_, source)) = rehoming.place(&mut vec![leader], elsewhere, &mut unused).pop() else { continue };
        let others = replicas.iter().filter(|replica| replica.key != leader.key);
        let followers: Vec<InstanceKey> = others
            .filter(|replica| rehoming.obstacle(replica, leader, &source).is_none())
            .map(|replica| replica.key.clone())
            .collect();
        if followers.len() > best.as_ref().map_or(0, |(_, _, known)| known.len()) {
            best = Some((leader, source, followers));
        }
    }
    let Some((leader, source, followers)) = best else { return };
    replicas.retain(|replica| replica.key != leader.key && !followers.contains(&replica.key));
    moves.moves.extend(followers.into_iter().map(|follower| (follower, leader.key.clone())));
    moves.leader = Some((leader.key.clone(), source));
}

/// True when a replica applies what it receives and has nothing of its own.
fn is_whole(rehoming: &Rehoming<'_>, leader: &Instance) -> bool {
    let applies = leader.channel().is_some_and(|channel| channel.applier == topology::ThreadState::Running);
    let errant = analysis::errant_of(rehoming.snapshot, rehoming.graph, &leader.key);
    let declared = &rehoming.snapshot.declared;
    applies && errant.is_empty() && declared.maintenance(&leader.key, rehoming.snapshot.now).is_none()
}

/// True when intermediate sources of the cluster that stands above `key` are recovered without asking.
pub(crate) fn is_automated_above(context: Context<'_>, graph: &Graph, key: &InstanceKey) -> bool {
    let above = ancestors(context.snapshot, graph, key).into_iter().next();
    let cluster = above.and_then(|above| graph.cluster_of(&above));
    cluster.is_some_and(|cluster| context.policy.recovers_intermediate.holds(cluster))
}

/// How long the recovery of a server above is waited for while its death is not certain.
const WAITS_FOR: Duration = Duration::from_secs(30);

/// Returns that a server above the failed one is dead too and is being, or about to be, recovered: who is promoted there
/// decides where these replicas go.
pub(crate) fn waits_for_above(diagnosis: &Diagnosis, context: Context<'_>, graph: &Graph) -> Option<Hold> {
    let snapshot = context.snapshot;
    let mut next = graph.source(&diagnosis.subject);
    let mut steps_left = snapshot.watched.len();
    while let Some(above) = next.filter(|above| **above != diagnosis.subject && steps_left > 0) {
        steps_left -= 1;
        let failing_since = snapshot.get(above).and_then(|watched| watched.failing_since);
        if let Some(since) = failing_since {
            let own = analysis::diagnose_one(snapshot, graph, context.policy, above)?;
            let automatic = Request::default();
            let is_due = match decide(&own, Context { request: &automatic, ..context }) {
                Decision::Act(_) => true,
                Decision::Hold(hold) => hold.may_pass() && snapshot.now.since(since) < WAITS_FOR,
            };
            if is_due {
                return Some(Hold::AboveFirst { above: above.clone() });
            }
        }
        next = graph.source(above);
    }
    None
}
