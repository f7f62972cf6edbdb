//! Who could be promoted, in which order, and why the others could not.

use std::cmp::Reverse;
use std::fmt;

use analysis::{Facts, Policy};
use serde::{Deserialize, Serialize};
use topology::{GtidSet, Instance, InstanceKey, PromotionRule, Snapshot, ThreadState};

/// Why a replica cannot be promoted. Constraints, not preferences: they apply before the choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// It was not read since the failure.
    DoesNotAnswer,
    /// Its promotion rule is `must_not`.
    MustNot,
    /// `PromotionIgnoreHostnameFilters` names it.
    Filtered,
    /// Another replica has the rule `must`.
    AnotherMust {
        /// That replica.
        key: InstanceKey,
    },
    /// It has no binary log.
    NoBinaryLog,
    /// It does not log what it replicates, so others could not be attached below it.
    DoesNotLogReplicated,
    /// It does not keep its position by GTID.
    NoGtid,
    /// It replicates with filters, and others do not: it lacks data that they have.
    LacksFiltered,
    /// It is in maintenance.
    InMaintenance {
        /// Who.
        owner: String,
    },
    /// Its applier stopped with an error while there are transactions that it has not applied, or would have to fetch.
    BrokenApplier {
        /// `Last_SQL_Errno`.
        errno: u32,
    },
    /// `PreventCrossDataCenterMasterFailover`.
    OtherDataCenter {
        /// Where it is.
        here: String,
        /// Where the failed primary is.
        there: String,
    },
    /// `PreventCrossRegionMasterFailover`.
    OtherRegion {
        /// Where it is.
        here: String,
        /// Where the failed primary is.
        there: String,
    },
    /// `FailMasterPromotionOnLagMinutes`.
    Lags {
        /// Its lag in seconds; none when unknown.
        secs: Option<u64>,
    },
    /// `FailMasterPromotionIfSQLThreadNotUpToDate`.
    Unapplied,
    /// It logs in a format that most replicas cannot apply, or is of a newer line than most.
    AheadOfOthers {
        /// What differs.
        what: String,
    },
    /// Without GTID: another replica has applied more of the old primary's log.
    NotAsFar {
        /// How far it has come.
        at: topology::BinlogCoordinates,
        /// How far the other one has.
        end: topology::BinlogCoordinates,
    },
    /// It does not replicate (takeovers only).
    DoesNotReplicate,
    /// It is delayed by configuration (takeovers only).
    Delayed {
        /// By how many seconds.
        secs: u64,
    },
    /// It replicates only part of what the primary has (takeovers only).
    Partial,
    /// It replicates from several sources (takeovers only).
    SeveralSources,
    /// It has transactions that the primary lacks: all others would get them (takeovers only).
    Errant {
        /// Which.
        gtids: GtidSet,
    },
    /// It is of a newer release line than servers that would have to replicate from it (takeovers only).
    NewerThan {
        /// Those servers.
        keys: Vec<InstanceKey>,
    },
    /// It lacks transactions that no reachable replica which could serve them to it has.
    CannotCatchUp {
        /// What it lacks.
        lacks: GtidSet,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoesNotAnswer => write!(out, "does not answer"),
            Self::MustNot => write!(out, "promotion rule must_not"),
            Self::Filtered => write!(out, "PromotionIgnoreHostnameFilters"),
            Self::AnotherMust { key } => write!(out, "{key} has the promotion rule must"),
            Self::NoBinaryLog => write!(out, "has no binary log"),
            Self::DoesNotLogReplicated => write!(out, "does not log what it replicates"),
            Self::NoGtid => write!(out, "does not use GTID"),
            Self::LacksFiltered => write!(out, "replicates with filters, so it lacks data that others have"),
            Self::InMaintenance { owner } => write!(out, "in maintenance by {owner}"),
            Self::BrokenApplier { errno } => write!(out, "its applier is broken (error {errno})"),
            Self::OtherDataCenter { here, there } => write!(out, "data centre {here:?}, not {there:?}"),
            Self::OtherRegion { here, there } => write!(out, "region {here:?}, not {there:?}"),
            Self::Lags { secs: Some(secs) } => write!(out, "lags {secs} s"),
            Self::Lags { secs: None } => write!(out, "its lag is unknown"),
            Self::Unapplied => write!(out, "has not applied all it received"),
            Self::AheadOfOthers { what } => write!(out, "{what} than most of its siblings"),
            Self::NotAsFar { at, end } => write!(out, "stands at {at} of the old primary's log, another one at {end}"),
            Self::DoesNotReplicate => write!(out, "does not replicate"),
            Self::Delayed { secs } => write!(out, "delayed by {secs} s"),
            Self::Partial => write!(out, "has replication filters"),
            Self::SeveralSources => write!(out, "replicates from several sources"),
            Self::Errant { gtids } => write!(out, "has transactions that the primary lacks: {gtids}"),
            Self::NewerThan { keys } => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                write!(out, "of a newer version than what would replicate from it: {}", keys.join(", "))
            }
            Self::CannotCatchUp { lacks } => write!(out, "lacks {lacks}, and nobody can serve it"),
        }
    }
}

/// What orders the candidates, most important first; the smaller is the better. One total order: equal only for the
/// same server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Preference {
    /// Not the server that was asked for.
    pub not_asked_for: bool,
    /// In downtime.
    pub downtimed: bool,
    /// Delayed by configuration, or lagging unreasonably: to drain it would take long.
    pub slow: bool,
    /// Promotion rule.
    pub rule: PromotionRule,
    /// Not in the data centre and environment of the failed primary.
    pub elsewhere: bool,
    /// Could not wait for replicas as the failed primary did: it has no semi-synchronous source side.
    #[serde(default)]
    pub cannot_wait: bool,
    /// Is no semi-synchronous replica, where the failed primary waited for such.
    #[serde(default)]
    pub asynchronous: bool,
    /// Result of `DetectSemiSyncEnforcedQuery`, where the failed primary waited; the larger is the better.
    #[serde(default)]
    pub priority: Reverse<u32>,
    /// Has transactions of its own that the failed primary never had.
    pub errant: bool,
    /// Transactions that it lacks and would have to fetch from another replica first.
    pub lacks: u64,
    /// Logs less strictly than ROW.
    pub format: Reverse<topology::BinlogFormat>,
    /// Release line: the older can be a source of the newer.
    pub line: (u16, u16),
    /// Transactions that it received and has to apply before it can take writes.
    #[serde(default)]
    pub unapplied: u64,
    /// Address, so that no two are equal.
    pub key: InstanceKey,
}

impl Preference {
    /// Returns the first criterion, in words, by which this ranks below `better`.
    fn why_below(&self, better: &Self) -> String {
        let by = &better.key;
        let line = |(major, minor): (u16, u16)| format!("{major}.{minor}");
        let criteria = [
            (self.not_asked_for == better.not_asked_for, format!("{by} was asked for")),
            (self.downtimed == better.downtimed, "it is in downtime".to_owned()),
            (self.slow == better.slow, "it is delayed by configuration, or lags".to_owned()),
            (self.rule == better.rule, format!("{by} has the promotion rule {}, it has {}", better.rule, self.rule)),
            (
                self.elsewhere == better.elsewhere,
                format!("{by} is in the data centre and environment of the old primary, it is not"),
            ),
            (
                self.cannot_wait == better.cannot_wait,
                format!("{by} can wait for semi-synchronous replicas as a primary, it cannot"),
            ),
            (self.asynchronous == better.asynchronous, format!("{by} is a semi-synchronous replica, it is not")),
            (
                self.priority == better.priority,
                format!("{by} has the semi-sync priority {}, it has {}", better.priority.0, self.priority.0),
            ),
            (self.errant == better.errant, "it has transactions that the old primary never had".to_owned()),
            (
                self.lacks == better.lacks,
                format!(
                    "it would have to fetch {} transactions from another replica, {by} {}",
                    self.lacks, better.lacks
                ),
            ),
            (
                self.format == better.format,
                format!("{by} logs {}, it logs {}", better.format.0.as_str(), self.format.0.as_str()),
            ),
            (
                self.line == better.line,
                format!("{by} runs {}, it runs {}: the older serves the newer", line(better.line), line(self.line)),
            ),
            (
                self.unapplied == better.unapplied,
                format!("it has {} received transactions to apply, {by} has {}", self.unapplied, better.unapplied),
            ),
        ];
        let decisive = criteria.into_iter().find(|(is_equal, _)| !is_equal);
        decisive.map_or_else(|| format!("all else is equal, and {by} comes first by its address"), |(_, why)| why)
    }
}

/// Why a replica that could be promoted is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outranked {
    /// The one that is.
    pub by: InstanceKey,
    /// The first criterion by which it is preferred, in words.
    pub why: String,
}

impl fmt::Display for Outranked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ranks below {}: {}", self.by, self.why)
    }
}

/// One replica, as a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The replica.
    pub key: InstanceKey,
    /// Why it cannot be promoted; empty when it can.
    pub rejections: Vec<Rejection>,
    /// What orders it among the others.
    pub preference: Preference,
    /// All it holds: received and executed.
    pub held: GtidSet,
    /// What it would have to fetch from another replica first.
    pub lacks: GtidSet,
    /// Who is preferred to it, and why; none for the best, and for those that cannot be promoted.
    #[serde(default)]
    pub outranked: Option<Outranked>,
}

impl Candidate {
    /// True when nothing but what it lacks speaks against it.
    fn only_lacks(&self) -> bool {
        self.rejections.iter().all(|why| matches!(why, Rejection::CannotCatchUp { .. }))
    }

    /// Returns why it is not the one, in words; nothing when it is.
    pub fn why_not(&self) -> Option<String> {
        match self.rejections.as_slice() {
            [] => self.outranked.as_ref().map(ToString::to_string),
            rejections => Some(rejections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// All replicas of a failed primary, as candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The best that can be promoted.
    pub chosen: Option<InstanceKey>,
    /// Who serves it what it lacks first; none when it lacks nothing.
    pub donor: Option<InstanceKey>,
    /// Every direct replica, best first, those that cannot be promoted last.
    pub candidates: Vec<Candidate>,
    /// All that the replicas that answer hold together, errant transactions left out.
    pub held_together: GtidSet,
}

impl Choice {
    /// Returns the candidate `key`.
    pub fn candidate(&self, key: &InstanceKey) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| &candidate.key == key)
    }

    /// Ranks the direct replicas of the server that `facts` are about. `asked` names one that somebody wants. Replicas
    /// for which `answers` is false were not read since the failure.
    pub fn among(
        snapshot: &Snapshot,
        policy: &Policy,
        facts: &Facts,
        asked: Option<&InstanceKey>,
        answers: &dyn Fn(&InstanceKey) -> bool,
    ) -> Self {
        let replicas: Vec<&Instance> = facts.replicas.iter().filter_map(|key| snapshot.instance(key)).collect();
        let answering: Vec<&Instance> = replicas.iter().copied().filter(|replica| answers(&replica.key)).collect();
        let failed = snapshot.instance(&facts.key);
        // One that filters has each transaction, and not all that was in it: nobody can get that from it.
        let all_filter = answering.iter().all(|replica| filters(replica));
        let is_whole = |replica: &Instance| all_filter || !filters(replica) || asked == Some(&replica.key);
        let answering: Vec<&Instance> = answering.into_iter().filter(|replica| is_whole(replica)).collect();
        let judged = |heard: &[&Instance]| {
            let held = heard.iter().map(|replica| rightful(replica, failed));
            let held_together = held.fold(GtidSet::default(), |all, held| all.union(&held));
            let judge = Judge {
                snapshot,
                policy,
                facts,
                failed,
                asked,
                answering: &answering,
                heard,
                held_together: &held_together,
            };
            let candidate = |replica: &&Instance| judge.candidate(replica, answers(&replica.key), is_whole(replica));
            let mut candidates: Vec<Candidate> = replicas.iter().map(candidate).collect();
            rank(&mut candidates);
            let best = candidates.first().filter(|best| best.rejections.is_empty());
            let donor = best.filter(|best| !best.lacks.is_empty()).and_then(|best| judge.donor(&best.key, &best.lacks));
            Self { chosen: best.map(|best| best.key.clone()), donor, candidates, held_together }
        };
        let choice = judged(&answering);
        if choice.chosen.is_some() {
            return choice;
        }
        // What those have who can neither be promoted nor pass it on is lost: the certificate names it, and policy decides.
        let could_lead = |key: &InstanceKey| choice.candidate(key).is_some_and(Candidate::only_lacks);
        let passes_on = |replica: &Instance| serves_all_it_has(replica, failed);
        let mut narrower = [&passes_on as &dyn Fn(&Instance) -> bool, &|_| false].into_iter().map(|passes_on| {
            let counts = |replica: &&Instance| could_lead(&replica.key) || passes_on(replica);
            judged(&answering.iter().copied().filter(counts).collect::<Vec<_>>())
        });
        let found = narrower.find(|choice| choice.chosen.is_some());
        found.unwrap_or(choice)
    }
}

struct Judge<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    facts: &'a Facts,
    failed: Option<&'a Instance>,
    asked: Option<&'a InstanceKey>,
    answering: &'a [&'a Instance],
    /// Those of them whose data is to be had.
    heard: &'a [&'a Instance],
    held_together: &'a GtidSet,
}

impl Judge<'_> {
    fn candidate(&self, replica: &Instance, answers: bool, is_whole: bool) -> Candidate {
        let held = replica.held();
        let lacks = self.held_together.subtract(&held);
        let mut rejections = self.constraints(replica, answers, &held, &lacks);
        if answers && !is_whole {
            rejections.push(Rejection::LacksFiltered);
        }
        if answers && !lacks.is_empty() && self.donor(&replica.key, &lacks).is_none() {
            rejections.push(Rejection::CannotCatchUp { lacks: lacks.clone() });
        }
        let preference = self.preference(replica, &held, &lacks);
        Candidate { key: replica.key.clone(), rejections, preference, held, lacks, outranked: None }
    }

    fn constraints(&self, replica: &Instance, answers: bool, held: &GtidSet, lacks: &GtidSet) -> Vec<Rejection> {
        let key = &replica.key;
        let rule = self.rule(key);
        let mut found = Vec::new();
        let mut reject = |applies: bool, why: Rejection| {
            if applies {
                found.push(why);
            }
        };
        reject(!answers, Rejection::DoesNotAnswer);
        reject(rule == PromotionRule::MustNot, Rejection::MustNot);
        reject(self.policy.never_promote.holds(key), Rejection::Filtered);
        if let Some(other) = self.another_must(key, rule) {
            reject(true, Rejection::AnotherMust { key: other });
        }
        reject(!replica.binlog.enabled, Rejection::NoBinaryLog);
        reject(replica.binlog.enabled && !replica.binlog.logs_replica_updates, Rejection::DoesNotLogReplicated);
        reject(!replica.channel().is_some_and(|channel| channel.auto_position), Rejection::NoGtid);
        if let Some(maintenance) = self.snapshot.declared.maintenance(key, self.snapshot.now) {
            reject(true, Rejection::InMaintenance { owner: maintenance.owner.clone() });
        }
        let applied_all = replica.gtid.executed.contains(held);
        if let Some(channel) = replica.channel() {
            let broken = channel.applier == ThreadState::Stopped && channel.applier_errno != 0;
            let has_to_apply = !applied_all || !lacks.is_empty();
            reject(broken && has_to_apply, Rejection::BrokenApplier { errno: channel.applier_errno });
        }
        reject(self.policy.refuse_unapplied && !applied_all, Rejection::Unapplied);
        if let Some(limit) = self.policy.max_promotion_lag {
            // A replica whose applier waits for nothing has no lag to speak of, though the server may say NULL.
            let secs = replica.lag_secs().or(applied_all.then_some(0));
            reject(secs.is_none_or(|secs| secs >= limit.as_secs()), Rejection::Lags { secs });
        }
        found.extend(self.geography(replica));
        found.extend(self.compatibility(replica));
        found
    }

    fn geography(&self, replica: &Instance) -> Vec<Rejection> {
        let (here, there) = (&replica.placement, &self.facts.placement);
        let mut found = Vec::new();
        if self.policy.same_data_center && here.data_center != there.data_center {
            found.push(Rejection::OtherDataCenter { here: here.data_center.clone(), there: there.data_center.clone() });
        }
        if self.policy.same_region && here.region != there.region {
            found.push(Rejection::OtherRegion { here: here.region.clone(), there: there.region.clone() });
        }
        found
    }

    /// A newer server, or one that logs ROW, cannot be the source of older ones: with most siblings older, promoting it
    /// would lose most of them.
    fn compatibility(&self, replica: &Instance) -> Option<Rejection> {
        let line = most_common(self.answering.iter().map(|sibling| sibling.version.line()))?;
        let format = most_common(self.answering.iter().map(|sibling| sibling.binlog.format))?;
        if replica.version.line() > line {
            return Some(Rejection::AheadOfOthers { what: format!("version {} is newer", replica.version) });
        }
        (replica.binlog.format > format).then(|| Rejection::AheadOfOthers {
            what: format!("binlog format {} is stricter", replica.binlog.format.as_str()),
        })
    }

    fn preference(&self, replica: &Instance, held: &GtidSet, lacks: &GtidSet) -> Preference {
        let channel = replica.channel();
        let delayed = channel.is_some_and(|channel| channel.delay_secs > 0);
        let lags = replica.lag_secs().is_some_and(|lag| lag > self.policy.reasonable_lag.as_secs());
        let errant = !errant(held, self.failed).is_empty();
        let (here, there) = (&replica.placement, &self.facts.placement);
        let waits = self.facts.semi_sync.source.enabled;
        Preference {
            not_asked_for: self.asked.is_some_and(|asked| asked != &replica.key),
            downtimed: self.snapshot.declared.downtime(&replica.key, self.snapshot.now).is_some(),
            slow: delayed || lags,
            rule: self.rule(&replica.key),
            elsewhere: here.data_center != there.data_center || here.environment != there.environment,
            cannot_wait: waits && !replica.semi_sync.source.available,
            asynchronous: waits && !replica.semi_sync.replica.enabled,
            priority: Reverse(if waits { replica.semi_sync.priority } else { 0 }),
            errant,
            lacks: lacks.count(),
            format: Reverse(replica.binlog.format),
            line: replica.version.line(),
            unapplied: held.subtract(&replica.gtid.executed).count(),
            key: replica.key.clone(),
        }
    }

    /// Returns the sibling that can serve all that `candidate` lacks from its binary logs. A source sends all that it
    /// has: one with transactions of its own would spread them.
    fn donor(&self, candidate: &InstanceKey, lacks: &GtidSet) -> Option<InstanceKey> {
        let has_logged = |sibling: &Instance| sibling.gtid.executed.contains(lacks);
        self.heard
            .iter()
            .filter(|sibling| &sibling.key != candidate && sibling.can_be_source())
            .filter(|sibling| sibling.held().contains(lacks) && rightful(sibling, self.failed) == sibling.held())
            .filter(|sibling| sibling.gtid.purged.intersect(lacks).is_empty())
            .filter(|sibling| has_logged(sibling) || applies_now(sibling))
            .min_by_key(|sibling| !has_logged(sibling))
            .map(|sibling| sibling.key.clone())
    }

    fn rule(&self, key: &InstanceKey) -> PromotionRule {
        self.snapshot.promotion_rule(key, self.policy.rule_expires_after)
    }

    fn another_must(&self, key: &InstanceKey, rule: PromotionRule) -> Option<InstanceKey> {
        if rule == PromotionRule::Must || self.asked == Some(key) {
            return None;
        }
        self.facts.replicas.iter().find(|other| self.rule(other) == PromotionRule::Must).cloned()
    }
}

/// Brings candidates into order, the best first, and says of each that could be promoted, and is not the first, what it
/// lacks before the first.
pub(crate) fn rank(candidates: &mut [Candidate]) {
    candidates.sort_by(|one, two| {
        (!one.rejections.is_empty(), &one.preference).cmp(&(!two.rejections.is_empty(), &two.preference))
    });
    candidates.iter_mut().for_each(|candidate| candidate.outranked = None);
    let [best, others @ ..] = candidates else { return };
    for other in others.iter_mut().filter(|other| other.rejections.is_empty()) {
        let why = other.preference.why_below(&best.preference);
        other.outranked = Some(Outranked { by: best.key.clone(), why });
    }
}

/// True when some of what it receives is not applied (`Replicate_*`).
fn filters(replica: &Instance) -> bool {
    replica.channels.iter().any(|channel| channel.has_filters)
}

/// True when `replica` is about to apply, and so to log, what it received: only then can it pass it on.
fn applies_now(replica: &Instance) -> bool {
    replica.channel().is_some_and(|channel| channel.applier == ThreadState::Running && channel.delay_secs == 0)
}

/// True when `replica` can serve others all that it holds, and nothing that they should not get.
fn serves_all_it_has(replica: &Instance, failed: Option<&Instance>) -> bool {
    let held = replica.held();
    let logs_it = replica.gtid.executed.contains(&held) || applies_now(replica);
    replica.can_be_source() && logs_it && rightful(replica, failed) == held
}

/// Returns what `replica` holds and got by replication. Transactions of its own, which the failed primary never had, must
/// not spread to the new primary and from there to everybody.
fn rightful(replica: &Instance, failed: Option<&Instance>) -> GtidSet {
    let held = replica.held();
    // A position of MariaDB is one number per domain: nothing can be taken out of its middle.
    if replica.version.is_mariadb() { held } else { held.subtract(&errant(&held, failed)) }
}

/// Returns the transactions in `held` that the failed primary did not have when it was last seen, its own newer ones
/// left out. Nothing when it was never seen.
fn errant(held: &GtidSet, failed: Option<&Instance>) -> GtidSet {
    let Some(failed) = failed.filter(|failed| failed.gtid.is_read()) else { return GtidSet::default() };
    GtidSet::errant(held, &failed.gtid.executed, Some(failed.gtid_origin().as_str()))
}

/// Returns the value that most have; of equally frequent ones the smallest.
fn most_common<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = std::collections::BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(value, count)| (*count, Reverse(*value))).map(|(value, _)| value)
}
