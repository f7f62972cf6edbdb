//! The plan that gives a primary as many semi-synchronous replicas as it waits for.
//!
//! Who may acknowledge is configured (`DetectSemiSyncEnforcedQuery`): 0 is never, a larger number sooner. *Enough* switches
//! on as many as are missing and nobody off. *Exact* has the first so many on and everybody else off.

use std::cmp::Reverse;

use analysis::Facts;
use topology::{GtidSet, Instance, Snapshot, ThreadState};

use crate::steps::Steps;
use crate::{Action, Choice, Context, Hold, HookList, Kind, Plan};

/// Returns the plan.
pub(crate) fn plan(context: Context<'_>, facts: &Facts, kind: Kind) -> Result<Plan, Hold> {
    let Context { snapshot, policy, request, .. } = context;
    let wanted = facts.semi_sync.wait_count as usize;
    let exact = policy.exact_semi_sync || kind == Kind::TooManySemiSync;
    let mut replicas = usable(snapshot, facts);
    replicas.sort_by_key(|replica| {
        let rule = snapshot.promotion_rule(&replica.key, policy.rule_expires_after);
        (Reverse(replica.semi_sync.priority), rule, replica.key.clone())
    });
    let (possible, asynchronous): (Vec<_>, Vec<_>) =
        replicas.into_iter().partition(|replica| replica.semi_sync.priority > 0);
    let in_effect = |replica: &Instance| replica.semi_sync.replica.enabled && replica.semi_sync.replica.active;
    let missing = wanted.saturating_sub(facts.semi_sync.clients as usize);
    let on: Vec<&Instance> = if exact {
        possible.iter().take(wanted).copied().filter(|replica| !in_effect(replica)).collect()
    } else {
        possible.iter().copied().filter(|replica| !in_effect(replica)).take(missing).collect()
    };
    let surplus = possible.iter().skip(wanted).chain(&asynchronous).filter(|replica| replica.semi_sync.replica.enabled);
    let off: Vec<&Instance> = if exact { surplus.copied().collect() } else { Vec::new() };
    if on.is_empty() && off.is_empty() {
        return Err(Hold::NoSemiSyncReplica { wanted, possible: possible.len(), missing });
    }
    let switch = |on| move |replica: &&Instance| Action::SetSemiSync { replica: replica.key.clone(), on };
    let mut steps = Steps::default();
    // Never fewer than are waited for, not even for a moment.
    steps.stage(true, on.iter().map(switch(true)));
    steps.stage(true, off.iter().map(switch(false)));
    if !request.skip_hooks {
        steps.stage(false, [Action::RunHooks(HookList::PostFailover)]);
    }
    Ok(Plan {
        kind,
        cluster: facts.cluster_name.clone(),
        failed: facts.key.clone(),
        successor: facts.key.clone(),
        command: request.command.clone(),
        choice: Choice::default(),
        certificate: None,
        lost: Vec::new(),
        steps: steps.list,
    })
}

/// Returns the replicas that replicate, and whose receiver may be restarted: MariaDB would throw away what it received and
/// cannot apply.
fn usable<'a>(snapshot: &'a Snapshot, facts: &Facts) -> Vec<&'a Instance> {
    let replicas = facts.replicas.iter().filter(|key| snapshot.get(key).is_some_and(|watched| watched.is_valid()));
    let known = replicas.filter_map(|key| snapshot.instance(key));
    known
        .filter(|replica| replica.semi_sync.replica.available)
        .filter(|replica| replica.channel().is_some_and(|channel| channel.receiver == ThreadState::Running))
        .filter(|replica| {
            let applies = replica.channel().is_some_and(|channel| channel.applier == ThreadState::Running);
            let unapplied = || replica.held().subtract(&replica.gtid.executed) != GtidSet::default();
            applies || !replica.version.is_mariadb() || !unapplied()
        })
        .collect()
}
