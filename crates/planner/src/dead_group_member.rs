//! The plan that gives the replicas of a dead member of a replication group another member as their source.
//!
//! The group looks after its own members. Of those that are alive and `ONLINE`, one near the dead one is preferred, then a
//! secondary, which has less to do than the primary.

use std::collections::BTreeMap;

use analysis::Facts;
use topology::{Graph, Instance};

use crate::dead_intermediate::finish;
use crate::rehoming::{Moves, Rehoming};
use crate::{Context, Hold, Kind, Lost, Plan};

/// Returns the plan.
pub(crate) fn plan(context: Context<'_>, graph: &Graph, facts: &Facts) -> Result<Plan, Hold> {
    let Context { snapshot, policy, request, .. } = context;
    let rehoming = Rehoming { snapshot, graph, policy, facts };
    let (mut replicas, mut lost) = rehoming.replicas();
    let mut members = online_members(&rehoming);
    if let Some(asked) = &request.candidate {
        members.retain(|member| member.key == *asked);
        if members.is_empty() {
            let why = "it is no other ONLINE member of the group".to_owned();
            return Err(Hold::WrongCandidate { asked: asked.clone(), why });
        }
    }
    let mut why_not = BTreeMap::new();
    let moves = rehoming.place(&mut replicas, &members, &mut why_not);
    for replica in replicas {
        let reasons = why_not.remove(&replica.key).unwrap_or_default();
        let why = if reasons.is_empty() { "no other member is ONLINE".to_owned() } else { reasons.join("; ") };
        lost.push(Lost { key: replica.key.clone(), why, is_reachable: true });
    }
    finish(&rehoming, Kind::DeadGroupMember, Moves { leader: None, moves, lost }, request)
}

fn online_members<'a>(rehoming: &Rehoming<'a>) -> Vec<&'a Instance> {
    let failed = rehoming.snapshot.instance(&rehoming.facts.key);
    let Some(group) = failed.and_then(|failed| failed.group.as_ref()) else { return Vec::new() };
    let is_online = |member: &&Instance| {
        member.group.as_ref().is_some_and(|own| own.name == group.name && own.state.eq_ignore_ascii_case("ONLINE"))
    };
    let known = group.members.iter().filter_map(|member| rehoming.snapshot.instance(&member.key));
    let mut members: Vec<&Instance> = known.filter(is_online).collect();
    members.sort_by_key(|member| {
        let is_primary = member.group.as_ref().is_some_and(|own| own.is_primary);
        (!rehoming.is_near(member), rehoming.rule(&member.key), is_primary, member.key.clone())
    });
    members
}
