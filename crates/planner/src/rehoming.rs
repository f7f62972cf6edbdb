//! New sources for the replicas of a source that is gone: who goes where is decided beforehand, from data.
//!
//! A server may be a source of a replica when it lives and replicates, speaks its language, has not purged what the replica
//! needs, has or will have all that the replica has, and has nothing that should not spread. Orchestrator tries one place
//! after the other and sees what sticks; here nobody is moved to a place that would not hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use analysis::{Facts, Policy};
use topology::{Graph, GtidSet, Instance, InstanceKey, PromotionRule, Snapshot, Timestamp};

use crate::steps::{Steps, threads_to_start};
use crate::{Action, HookList, Lost};

/// Who moves where, and who cannot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moves {
    /// Replicas that go below one of them first, so that the others can follow below it.
    pub(crate) leader: Option<(InstanceKey, InstanceKey)>,
    /// Replica and new source.
    pub(crate) moves: Vec<(InstanceKey, InstanceKey)>,
    /// Those who cannot go anywhere.
    pub(crate) lost: Vec<Lost>,
}

impl Moves {
    /// Returns the new source of most; of two with as many, the one with the smaller address.
    pub(crate) fn successor(&self) -> Option<InstanceKey> {
        let mut counts: BTreeMap<&InstanceKey, usize> = BTreeMap::new();
        for (_, source) in self.moves.iter().chain(&self.leader) {
            *counts.entry(source).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(key, count)| (*count, Reverse(*key))).map(|(key, _)| key.clone())
    }
}

/// What moving the replicas of one failed source rests on.
pub(crate) struct Rehoming<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) graph: &'a Graph,
    pub(crate) policy: &'a Policy,
    /// About the failed source.
    pub(crate) facts: &'a Facts,
}

impl<'a> Rehoming<'a> {
    /// Returns whether a server was read since the failure.
    fn answers(&self, key: &InstanceKey) -> bool {
        let since = self.facts.failing_since;
        self.snapshot.get(key).is_some_and(|watched| is_read_since(watched, since))
    }

    /// Returns the replicas of the failed source that answer and could be moved at all, and the others as lost.
    pub(crate) fn replicas(&self) -> (Vec<&'a Instance>, Vec<Lost>) {
        let (mut answering, mut lost) = (Vec::new(), Vec::new());
        for key in &self.facts.replicas {
            match self.snapshot.instance(key) {
                Some(replica) if replica.source() != Some(&self.facts.key) => {}
                Some(replica) if self.answers(key) && by_gtid(replica) => answering.push(replica),
                Some(_) if self.answers(key) => {
                    let why = "does not use GTID, and its place in another log is not known".to_owned();
                    lost.push(Lost { key: key.clone(), why, is_reachable: true });
                }
                _ => lost.push(Lost { key: key.clone(), why: "does not answer".to_owned(), is_reachable: false }),
            }
        }
        (answering, lost)
    }

    /// Returns the servers that stand above the failed one, nearest first; in the place of one that was replaced, who
    /// replaced it.
    pub(crate) fn ancestors(&self) -> Vec<InstanceKey> {
        ancestors(self.snapshot, self.graph, &self.facts.key)
    }

    /// Returns those who replicate from where the failed one did, best first: who has more replicas already, then who is
    /// further, then by address.
    pub(crate) fn siblings(&self) -> Vec<&'a Instance> {
        let Some(above) = self.ancestors().into_iter().next() else { return Vec::new() };
        let below = self.graph.replicas(&above).iter().filter(|key| **key != self.facts.key);
        let mut siblings: Vec<&Instance> = below.filter_map(|key| self.snapshot.instance(key)).collect();
        siblings.sort_by_key(|sibling| {
            let wanted = self.rule(&sibling.key);
            let count = self.graph.replicas(&sibling.key).len();
            (wanted, Reverse(count), Reverse(sibling.gtid.executed.count()), sibling.key.clone())
        });
        siblings
    }

    /// True when a server is where the failed one is.
    pub(crate) fn is_near(&self, server: &Instance) -> bool {
        let (here, there) = (&server.placement, &self.facts.placement);
        here.data_center == there.data_center && here.environment == there.environment
    }

    /// True when a server lags unreasonably, by more than it is delayed on purpose.
    pub(crate) fn lags(&self, server: &Instance) -> bool {
        let delay = server.channel().map_or(0, |channel| channel.delay_secs);
        let lag = server.lag_secs().unwrap_or_default();
        lag.saturating_sub(delay) > self.policy.reasonable_lag.as_secs()
    }

    /// Returns why `source` can be nobody's new source now.
    pub(crate) fn unfit(&self, source: &Instance) -> Option<String> {
        let key = &source.key;
        let (declared, now) = (&self.snapshot.declared, self.snapshot.now);
        let why = if !self.answers(key) {
            "was not read since the failure".to_owned()
        } else if self.snapshot.demotion_at(key).is_some() {
            "was replaced".to_owned()
        } else if source.is_replica() && !source.channel().is_some_and(topology::Channel::is_replicating) {
            "does not replicate itself".to_owned()
        } else if let Some(maintenance) = declared.maintenance(key, now) {
            format!("is in maintenance by {}", maintenance.owner)
        } else if declared.downtime(key, now).is_some() {
            "is in downtime".to_owned()
        } else if source.is_replica() && self.is_banned(key) {
            "is kept from being a source (must_not, or PromotionIgnoreHostnameFilters)".to_owned()
        } else {
            return self.differs(source).or_else(|| self.spreads(source));
        };
        Some(why)
    }

    /// Servers that filter what they replicate have other data than those that do not.
    fn differs(&self, source: &Instance) -> Option<String> {
        let filters = |server: &Instance| server.channel().is_some_and(|channel| channel.has_filters);
        let failed = self.snapshot.instance(&self.facts.key).is_some_and(filters);
        match (filters(source), failed) {
            (true, false) => Some("filters what it replicates, and the failed server did not".to_owned()),
            (false, true) => Some("does not filter what it replicates as the failed server did".to_owned()),
            _ => None,
        }
    }

    /// A source sends all it has: transactions of its own would spread.
    fn spreads(&self, source: &Instance) -> Option<String> {
        // A group agrees on each transaction, whoever of it takes the write.
        if source.group.is_some() {
            return None;
        }
        let errant = analysis::errant_of(self.snapshot, self.graph, &source.key);
        (!errant.is_empty()).then(|| format!("has transactions of its own that would spread: {errant}"))
    }

    /// Returns why `replica` cannot replicate from `source`, which hangs below (or is) `via`.
    pub(crate) fn obstacle(&self, replica: &Instance, source: &Instance, via: &InstanceKey) -> Option<String> {
        if let Some(why) = incompatible(replica, source) {
            return Some(why);
        }
        if self.graph.descendants(&replica.key).contains(&source.key) {
            return Some("replicates from it itself".to_owned());
        }
        let ahead = ahead(self.snapshot, self.graph, replica, source, via);
        if !ahead.is_empty() {
            return Some(format!("lacks what it has, and will not get it: {ahead}"));
        }
        let needs = source.held().subtract(&replica.gtid.executed).intersect(&source.gtid.purged);
        (!needs.is_empty()).then(|| format!("has purged what it needs: {needs}"))
    }

    /// True when nobody shall be made more important than it is.
    pub(crate) fn is_banned(&self, key: &InstanceKey) -> bool {
        self.rule(key) == PromotionRule::MustNot || self.policy.never_promote.holds(key)
    }

    pub(crate) fn rule(&self, key: &InstanceKey) -> PromotionRule {
        self.snapshot.promotion_rule(key, self.policy.rule_expires_after)
    }

    /// Gives each of `replicas` the first of `sources` that can serve it; one that can serve all comes before all others.
    /// Those whom nobody can serve are left in `replicas`, and why is added to `why_not`.
    pub(crate) fn place(
        &self,
        replicas: &mut Vec<&'a Instance>,
        sources: &[&'a Instance],
        why_not: &mut BTreeMap<InstanceKey, Vec<String>>,
    ) -> Vec<(InstanceKey, InstanceKey)> {
        let mut fit = Vec::new();
        for source in sources {
            match self.unfit(source) {
                None => fit.push(*source),
                Some(why) => {
                    for replica in replicas.iter() {
                        why_not.entry(replica.key.clone()).or_default().push(format!("{} {why}", source.key));
                    }
                }
            }
        }
        let serves = |source: &Instance, replica: &Instance| self.obstacle(replica, source, &source.key);
        let of_all = fit.iter().position(|source| replicas.iter().all(|replica| serves(source, replica).is_none()));
        if let Some(best) = of_all {
            fit.swap(0, best);
        }
        let mut moves = Vec::new();
        replicas.retain(|replica| {
            let mut refused = Vec::new();
            let found = fit.iter().find(|source| match serves(source, replica) {
                None => true,
                Some(why) => {
                    refused.push(format!("{} {why}", source.key));
                    false
                }
            });
            match found {
                Some(source) => moves.push((replica.key.clone(), source.key.clone())),
                None => why_not.entry(replica.key.clone()).or_default().append(&mut refused),
            }
            found.is_none()
        });
        moves
    }

    /// Returns the steps that carry `moves` out.
    pub(crate) fn steps(&self, moves: &Moves, with_hooks: bool) -> Steps {
        let mut steps = Steps::default();
        if with_hooks {
            steps.stage(true, [Action::RunHooks(HookList::PreFailover)]);
        }
        let repoint = |(replica, source): &(InstanceKey, InstanceKey)| Action::Repoint {
            replica: replica.clone(),
            source: source.clone(),
            start: self.snapshot.instance(replica).map_or(crate::Threads::BOTH, threads_to_start),
        };
        // Nobody is put below a server that hangs nowhere itself.
        steps.stage(true, moves.leader.iter().map(repoint));
        steps.stage(false, self.waits(moves));
        steps.stage(false, moves.moves.iter().map(repoint));
        steps.give_up(self.policy, &moves.lost);
        if with_hooks {
            steps.stage(false, [Action::RunHooks(HookList::PostIntermediateFailover)]);
            steps.stage(false, [Action::RunHooks(HookList::PostFailover)]);
        }
        steps
    }

    /// A source on MariaDB refuses, for good, a replica that is ahead of it, if only for a moment.
    fn waits(&self, moves: &Moves) -> Vec<Action> {
        let mut needed: BTreeMap<&InstanceKey, GtidSet> = BTreeMap::new();
        for (replica, source) in &moves.moves {
            let (Some(replica), Some(server)) = (self.snapshot.instance(replica), self.snapshot.instance(source))
            else {
                continue;
            };
            let is_leader = moves.leader.as_ref().is_some_and(|(leader, _)| leader == source);
            let held = replica.held();
            if server.version.is_mariadb() && (is_leader || !server.gtid.executed.contains(&held)) {
                let until = needed.entry(source).or_default();
                *until = until.union(&held);
            }
        }
        let within = self.policy.drain_timeout;
        needed.into_iter().map(|(source, until)| Action::Drain { candidate: source.clone(), until, within }).collect()
    }
}

fn by_gtid(replica: &Instance) -> bool {
    replica.channel().is_some_and(|channel| channel.auto_position)
}

/// True when a server was read since `since`; when it answers, where there is no such moment.
pub(crate) fn is_read_since(watched: &topology::Watched, since: Option<Timestamp>) -> bool {
    since.map_or(watched.is_valid(), |since| watched.is_fresh(since))
}

/// Returns who stands above `key`, nearest first; in the place of one that was replaced, who replaced it.
pub(crate) fn ancestors(snapshot: &Snapshot, graph: &Graph, key: &InstanceKey) -> Vec<InstanceKey> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::from([key.clone()]));
    let mut next = graph.source(key).cloned();
    while let Some(above) = next.take().filter(|above| seen.insert(above.clone())) {
        let replaced_by = snapshot.demotion_at(&above).map(|demoted| demoted.successor.clone());
        if replaced_by.is_none() {
            found.push(above.clone());
        }
        next = replaced_by.or_else(|| graph.source(&above).cloned());
    }
    found
}

/// Returns the servers that could become sources of the replicas of `key`, as far as the tree tells: they must be read anew
/// before anything is decided about its death.
pub fn possible_sources(snapshot: &Snapshot, graph: &Graph, key: &InstanceKey) -> Vec<InstanceKey> {
    let above = ancestors(snapshot, graph, key);
    let siblings = above.first().map_or(&[][..], |above| graph.replicas(above));
    let group = snapshot.instance(key).and_then(|failed| failed.group.as_ref());
    let members = group.into_iter().flat_map(|group| group.members.iter().map(|member| &member.key));
    let mut sources: Vec<InstanceKey> = above.iter().chain(siblings).chain(members).cloned().collect();
    sources.retain(|source| source != key);
    sources.sort();
    sources.dedup();
    sources
}

/// Returns what `replica` has that `source` does not have and will not get from those above `via`, below which it hangs.
pub(crate) fn ahead(
    snapshot: &Snapshot,
    graph: &Graph,
    replica: &Instance,
    source: &Instance,
    via: &InstanceKey,
) -> GtidSet {
    let mut origins: Vec<String> = Vec::new();
    for key in std::iter::once(via.clone()).chain(ancestors(snapshot, graph, via)) {
        // A dead one sends nothing any more.
        let Some(server) = snapshot.get(&key).filter(|watched| watched.is_valid()).and(snapshot.instance(&key)) else {
            break;
        };
        origins.push(server.gtid_origin());
        origins.extend(server.group.iter().map(|group| group.name.clone()));
    }
    GtidSet::errant(&replica.held(), &source.held(), origins.iter().map(String::as_str))
}

/// Returns why `replica` could never replicate from `source` once that one is promoted. What it has borne of `failed`, from
/// which it replicates, is no reason.
pub(crate) fn incompatible_below(replica: &Instance, source: &Instance, failed: Option<&Instance>) -> Option<String> {
    let mut source = Instance { channels: Vec::new(), ..source.clone() };
    if let Some(failed) = failed.filter(|failed| failed.version.is_mariadb() == source.version.is_mariadb()) {
        if failed.version.line() >= source.version.line() && replica.version.is_mariadb() == source.version.is_mariadb()
        {
            source.version = replica.version.clone();
        }
        if failed.binlog.format >= source.binlog.format {
            source.binlog.format = replica.binlog.format;
        }
    }
    incompatible(replica, &source)
}

/// Returns why `replica` could never replicate from `source`, whatever they have.
pub(crate) fn incompatible(replica: &Instance, source: &Instance) -> Option<String> {
    let delay = |server: &Instance| server.channel().map_or(0, |channel| channel.delay_secs);
    let why = if replica.key == source.key || replica.is_same_server(source) {
        "is the same server".to_owned()
    } else if replica.server_id == source.server_id {
        format!("has the same server_id {}", source.server_id)
    } else if replica.version.is_mariadb() != source.version.is_mariadb() {
        "is of another kind".to_owned()
    } else if !source.binlog.enabled {
        "has no binary log".to_owned()
    } else if source.is_replica() && !source.binlog.logs_replica_updates {
        "does not log what it replicates".to_owned()
    } else if source.version.line() > replica.version.line() {
        format!("is newer ({})", source.version)
    } else if replica.can_be_source() && replica.binlog.format < source.binlog.format {
        format!("logs in {}, which is stricter", source.binlog.format.as_str())
    } else if delay(source) > delay(replica) {
        format!("is delayed by {} s", delay(source))
    } else {
        return None;
    };
    Some(why)
}
