//! The plan after one of two co-primaries died: the other one is the primary, and everybody follows it.
//!
//! Where the configuration leaves the choice (`CoMasterRecoveryMustPromoteOtherCoMaster` is false) and the other one does not
//! take writes, another replica may be better. One that takes writes is never passed over: there would be two.

use analysis::Facts;
use topology::InstanceKey;

use crate::decide::plan_for;
use crate::{Action, Context, Hold, Kind, Plan, Request, Verdict};

/// Returns the plan.
pub(crate) fn plan(context: Context<'_>, facts: &Facts) -> Result<Plan, Hold> {
    let Context { snapshot, policy, request, .. } = context;
    let other = facts.source.clone().ok_or(Hold::NoReplicas)?;
    let is_writable = snapshot.instance(&other).is_some_and(|server| server.writes.is_writable());
    let asked = request.candidate.as_ref();
    if let Some(asked) = asked.filter(|asked| is_writable && **asked != other) {
        let why = format!("{other} takes writes and is alive");
        return Err(Hold::WrongCandidate { asked: asked.clone(), why });
    }
    let must = is_writable || policy.only_other_co_primary;
    let candidate = if must { Some(asked.unwrap_or(&other).clone()) } else { asked.cloned() };
    let wanted = Request { candidate, ..request.clone() };
    let mut plan = plan_for(snapshot, policy, facts, &wanted)?;
    plan.kind = Kind::DeadCoPrimary;
    if is_writable {
        leave_open(&mut plan, &other);
        let failed = snapshot.instance(&facts.key).map(|failed| failed.gtid.executed.clone()).unwrap_or_default();
        if facts.is_read_only
            && let Some(certificate) = &mut plan.certificate
            && certificate.holds.contains(&failed)
        {
            certificate.verdict = Verdict::NothingLost;
            certificate.because = vec![format!("{} took no writes when it was last seen, and {other} does", facts.key)];
        }
    }
    Ok(plan)
}

/// What a server holds that takes writes is never final: its receiver ends with its promotion.
fn leave_open(plan: &mut Plan, writable: &InstanceKey) {
    let is_stop = |action: &Action| matches!(action, Action::StopReceiver { replica, .. } if replica == writable);
    plan.steps.retain(|step| !is_stop(&step.action));
    for (step, number) in plan.steps.iter_mut().zip(1..) {
        step.number = number;
    }
}
