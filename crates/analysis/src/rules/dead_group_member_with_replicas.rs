//! Dead group member with replicas: a member of a replication group does not answer, and servers outside of the group that
//! replicate from it cannot reach it, or do not answer either. The group replaces its primary by itself; only those servers
//! are stranded.
//!
//! Evidence: confirmed failures of our own probes; replicas outside of the group are known; of those read since, at least
//! one cannot connect and none sees it alive, or none was read; not so many nodes of ours reach it that it is certain to live.
//! Look-alikes: replicas that were stopped, or still believe in it: no diagnosis until they show otherwise.
//! Differs from Orchestrator: as `dead_primary` does.
//! Recovery: dead group member.
//! Compat code: `DeadReplicationGroupMemberWithReplicas`.

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::DeadGroupMemberWithReplicas, priority: 310, examine };

fn examine(facts: &Facts) -> bool {
    facts.is_group_member && (facts.is_witnessed_dead() || facts.is_dead_with_all_replicas())
}
