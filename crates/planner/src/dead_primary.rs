//! The plan that replaces a dead primary.
//!
//! Order: hooks that may refuse → receivers stop, so that what replicas hold is final → the candidate fetches what only
//! another replica has → it applies all it received, while the old primary is fenced as far as it can be reached → it is
//! promoted → the others move below it, and the world is told → lost servers are detached and put into downtime → hooks.

use std::time::Duration;

use analysis::{Facts, Policy};
use topology::{GtidSet, Instance, InstanceKey, Snapshot};

use crate::rehoming::incompatible_below;
use crate::steps::{Steps, shares_the_writes, threads_to_start, took_writes};
use crate::{Action, Certificate, Choice, HookList, Kind, Lost, Plan, Request};

/// Returns the plan that promotes `successor`, the choice's best.
pub(crate) fn plan(
    snapshot: &Snapshot,
    policy: &Policy,
    facts: &Facts,
    choice: Choice,
    successor: &InstanceKey,
    request: &Request,
) -> Plan {
    let with_hooks = !request.skip_hooks;
    let answers = answers(snapshot, facts);
    let certificate = Certificate::of(snapshot, facts, &choice, &answers);
    let mut lost = Vec::new();
    let mut kept = Vec::new();
    let failed = snapshot.instance(&facts.key);
    let promoted = snapshot.instance(successor);
    let purged = promoted.map(|instance| instance.gtid.purged.clone()).unwrap_or_default();
    let cannot = |replica: &Instance| {
        let why = promoted.and_then(|promoted| incompatible_below(replica, promoted, failed));
        why.map(|why| format!("the new primary {why}")).or_else(|| cannot_follow(replica, &certificate.holds, &purged))
    };
    for key in facts.replicas.iter().filter(|key| *key != successor) {
        match snapshot.instance(key).filter(|_| answers(key)) {
            None => lost.push(Lost { key: key.clone(), why: "does not answer".to_owned(), is_reachable: false }),
            Some(replica) => match cannot(replica) {
                Some(why) => lost.push(Lost { key: key.clone(), why, is_reachable: true }),
                None => kept.push(replica),
            },
        }
    }
    let reachable: Vec<&Instance> =
        facts.replicas.iter().filter(|key| answers(key)).filter_map(|key| snapshot.instance(key)).collect();

    let mut steps = Steps::default();
    if with_hooks {
        steps.stage(true, [Action::RunHooks(HookList::PreFailover)]);
    }
    let stop = |replica: &&Instance| Action::StopReceiver { replica: replica.key.clone(), held: replica.held() };
    // The candidate's receiver must be still, or its data is not final. One of another replica may fail: that replica is
    // then looked at again when it is moved.
    steps.stage(true, reachable.iter().filter(|replica| &replica.key == successor).map(stop));
    steps.same_stage(true, reachable.iter().filter(|replica| &replica.key != successor).map(stop));
    if let Some(donor) = &choice.donor {
        let until = choice.held_together.clone();
        steps.stage(true, [Action::CatchUp { candidate: successor.clone(), donor: donor.clone(), until }]);
    }
    let until = choice.held_together.clone();
    steps.stage(true, [Action::Drain { candidate: successor.clone(), until, within: policy.drain_timeout }]);
    let uuid = failed.and_then(|failed| failed.uuid.clone());
    let was_writable = took_writes(snapshot, &facts.key);
    steps.same_stage(false, [Action::Fence { server: facts.key.clone(), uuid, was_writable }]);
    steps.stage(
        true,
        [Action::Promote {
            server: successor.clone(),
            writable: policy.apply_promotion,
            // One that cannot wait is promoted all the same; preferences put it last.
            semi_sync: facts.semi_sync.source.enabled
                && snapshot.instance(successor).is_some_and(|new| new.semi_sync.source.available),
            was_writable: shares_the_writes(snapshot, facts, successor),
        }],
    );
    let repoint = |replica: &&Instance| Action::Repoint {
        replica: replica.key.clone(),
        source: successor.clone(),
        start: threads_to_start(replica),
    };
    let (late, prompt): (Vec<&Instance>, Vec<&Instance>) =
        kept.into_iter().partition(|replica| is_late(replica, policy.postpone_above_lag));
    steps.stage(true, [Action::Publish { primary: successor.clone() }]);
    steps.same_stage(false, prompt.iter().map(repoint));
    steps.stage(false, late.iter().map(repoint));
    if policy.detach_promoted && !policy.apply_promotion {
        steps.stage(false, [Action::Detach { replica: successor.clone() }]);
    }
    if policy.detach_lost {
        let reachable = lost.iter().filter(|lost| lost.is_reachable);
        steps.stage(false, reachable.map(|lost| Action::Detach { replica: lost.key.clone() }));
    }
    let lasts = policy.lost_downtime;
    let gone = std::iter::once(&facts.key).chain(lost.iter().map(|lost| &lost.key));
    steps.stage(false, gone.map(|server| Action::Downtime { server: server.clone(), lasts }));
    if with_hooks {
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

/// Returns whether a replica was read since the server that `facts` are about failed.
pub(crate) fn answers<'a>(snapshot: &'a Snapshot, facts: &'a Facts) -> impl Fn(&InstanceKey) -> bool + 'a {
    move |key| {
        snapshot
            .get(key)
            .is_some_and(|watched| facts.failing_since.map_or(watched.is_valid(), |since| watched.is_fresh(since)))
    }
}

/// Returns why `replica` cannot be attached below a server that holds `held` and has purged `purged`.
pub(crate) fn cannot_follow(replica: &Instance, held: &GtidSet, purged: &GtidSet) -> Option<String> {
    let executed = &replica.gtid.executed;
    if !held.contains(executed) {
        return Some(format!("has transactions that the new primary lacks: {}", executed.subtract(held)));
    }
    if !replica.channel().is_some_and(|channel| channel.auto_position) {
        return Some("does not use GTID".to_owned());
    }
    // Received and not applied transactions are fetched again: moving a replica drops its relay log.
    let needs = held.subtract(executed).intersect(purged);
    (!needs.is_empty()).then(|| format!("needs transactions that the new primary has purged: {needs}"))
}

/// True when moving `replica` can wait: it is far behind, or delayed on purpose.
fn is_late(replica: &Instance, limit: Option<Duration>) -> bool {
    let Some(limit) = limit else { return false };
    let delay = replica.channel().map_or(0, |channel| channel.delay_secs);
    replica.lag_secs().unwrap_or(0).max(delay) >= limit.as_secs()
}
