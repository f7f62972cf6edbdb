//! The plan that replaces a primary that lives, because a person says so (`force-master-failover`, `force-master-takeover`).
//!
//! Before anybody is promoted it must have said itself that it refuses writes. Then it has all that was ever acknowledged,
//! the candidate fetches that from it, and nothing is lost.

use analysis::{Facts, Policy};
use topology::{GtidSet, Instance, InstanceKey, Snapshot};

use crate::steps::{Steps, shares_the_writes, threads_to_start, took_writes};
use crate::{Action, Certificate, Choice, HookList, Kind, Lost, Plan, Request, Verdict, rehoming};

/// Returns the plan that promotes `successor`.
pub(crate) fn plan(
    snapshot: &Snapshot,
    policy: &Policy,
    facts: &Facts,
    choice: Choice,
    successor: &InstanceKey,
    request: &Request,
) -> Plan {
    let old = snapshot.instance(&facts.key);
    let (kept, lost) = sort_out(snapshot, facts, successor);
    let holds = old.map_or_else(GtidSet::default, |old| old.gtid.executed.clone());
    let certificate = Certificate {
        verdict: Verdict::NothingLost,
        because: vec![format!("{} lives: it is closed to writes, and {successor} applies all it has", facts.key)],
        holds: kept.iter().fold(holds.union(&choice.held_together), |holds, replica| holds.union(&replica.held())),
        last_seen: facts.last_seen,
    };
    let mut steps = Steps::default();
    if !request.skip_hooks {
        steps.stage(true, [Action::RunHooks(HookList::PreFailover)]);
    }
    let (candidate, primary, within) = (successor.clone(), facts.key.clone(), policy.drain_timeout);
    steps.stage(true, [Action::Approach { candidate: candidate.clone(), primary: primary.clone(), within }]);
    let uuid = old.and_then(|old| old.uuid.clone());
    let (server, budget) = (facts.key.clone(), policy.write_block);
    let was_writable = took_writes(snapshot, &server);
    steps.stage(true, [Action::Freeze { server, uuid, budget, was_writable }]);
    steps.stage(true, [Action::FollowToEnd { candidate, primary }]);
    // What was on before is not switched, and so not switched off by the way back.
    let semi_sync = facts.semi_sync.source.enabled
        && snapshot
            .instance(successor)
            .is_some_and(|new| new.semi_sync.source.available && !new.semi_sync.source.enabled);
    let (server, writable) = (successor.clone(), policy.apply_promotion);
    let was_writable = shares_the_writes(snapshot, facts, successor);
    steps.stage(true, [Action::Promote { server, writable, semi_sync, was_writable }]);
    steps.stage(true, [Action::Publish { primary: successor.clone() }]);
    // Only now: if it cannot be opened, it replicates again as it did.
    steps.same_stage(false, writable.then(|| Action::Forget { server: successor.clone() }));
    steps.same_stage(
        false,
        kept.iter().map(|replica| Action::Repoint {
            replica: replica.key.clone(),
            source: successor.clone(),
            start: threads_to_start(replica),
        }),
    );
    steps.give_up(policy, &lost);
    let lasts = policy.lost_downtime;
    steps.stage(false, [Action::Downtime { server: facts.key.clone(), lasts }]);
    if !request.skip_hooks {
        steps.stage(false, [Action::RunHooks(HookList::PostMasterFailover)]);
        steps.stage(false, [Action::RunHooks(HookList::PostFailover)]);
    }
    Plan {
        kind: Kind::DeadPrimary,
        cluster: facts.cluster_name.clone(),
        failed: facts.key.clone(),
        successor: successor.clone(),
        command: request.command.clone(),
        choice,
        certificate: Some(certificate),
        lost,
        steps: steps.list,
    }
}

/// Returns the replicas that can follow `successor`, and the others with the reason.
fn sort_out<'a>(snapshot: &'a Snapshot, facts: &Facts, successor: &InstanceKey) -> (Vec<&'a Instance>, Vec<Lost>) {
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    let errant = |key: &InstanceKey| facts.errant.iter().find(|(replica, _)| replica == key).map(|(_, set)| set);
    let old = snapshot.instance(&facts.key);
    let Some(source) = snapshot.instance(successor) else { return (kept, lost) };
    for key in facts.replicas.iter().filter(|key| *key != successor) {
        let answers = snapshot.get(key).is_some_and(|watched| watched.is_valid());
        let why = match snapshot.instance(key).filter(|_| answers) {
            None => "does not answer".to_owned(),
            Some(replica) if !replica.channel().is_some_and(|channel| channel.auto_position) => {
                "does not use GTID".to_owned()
            }
            Some(replica) => match (rehoming::incompatible_below(replica, source, old), errant(key)) {
                (Some(why), _) => format!("the new primary {why}"),
                (None, Some(own)) => format!("has transactions that the new primary lacks: {own}"),
                (None, None) => {
                    kept.push(replica);
                    continue;
                }
            },
        };
        lost.push(Lost { key: key.clone(), why, is_reachable: answers });
    }
    (kept, lost)
}
