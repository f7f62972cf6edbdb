//! What is known about one instance and its replicas, counted once for all rules.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use topology::{
    BinlogCoordinates, BinlogFormat, Graph, GtidMode, GtidSet, Instance, InstanceKey, NodeView, Placement,
    ProbeFailure, SemiSync, Snapshot, Timestamp, Unreachable, Watched,
};

use crate::testimony::is_failing_to_connect;
use crate::{Policy, Testimony, Witness};

/// The evidence that rules examine, and that people and the API are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The instance.
    pub key: InstanceKey,
    /// Its source, if it has one.
    pub source: Option<InstanceKey>,
    /// Name of its cluster.
    pub cluster_name: String,
    /// Alias of its cluster; the name where there is none.
    pub cluster_alias: String,
    /// Domain of its cluster; empty where unknown.
    pub cluster_domain: String,
    /// Policy recovers this cluster's primary without asking.
    pub recovers_primary: bool,
    /// Policy recovers this cluster's intermediate sources without asking.
    pub recovers_intermediate: bool,
    /// Policy wants exactly as many semi-sync replicas as a primary waits for.
    #[serde(default)]
    pub exact_semi_sync: bool,
    /// Policy makes read-only primaries writable.
    pub recovers_non_writable: bool,
    /// A recovery of ours closed it to writes and was given up, and it is closed since.
    pub left_closed: bool,
    /// It heads its cluster: it replicates from nobody.
    pub is_primary: bool,
    /// It and its source replicate from each other.
    pub is_co_primary: bool,
    /// Others of the same ring of co-primaries that accept writes, as this one does, sorted. Empty where it does not.
    #[serde(default)]
    pub writable_rivals: Vec<InstanceKey>,
    /// It only relays binary logs.
    #[serde(default)]
    pub is_binlog_server: bool,
    /// It is in a replication group, and not offline there.
    pub is_group_member: bool,
    /// Steps from the head of the cluster.
    pub depth: u32,
    /// Its last probe was good.
    pub is_valid: bool,
    /// Its last probe failed after some answers.
    pub is_partial: bool,
    /// Its last probe failed as a dead server's does, and another one on a connection of its own confirmed it.
    pub is_confirmed_dead: bool,
    /// How its last probe failed.
    pub failure: Option<ProbeFailure>,
    /// Since when its probes fail.
    pub failing_since: Option<Timestamp>,
    /// When it was last seen.
    pub last_seen: Option<Timestamp>,
    /// When the receivers of its replicas were last restarted to find out whether they can connect.
    pub receivers_restarted: Option<Timestamp>,
    /// It refuses writes.
    pub is_read_only: bool,
    /// It cannot reach its own source.
    pub is_failing_to_connect: bool,
    /// End of its binary log.
    pub coordinates: BinlogCoordinates,
    /// It stands still: neither its binary log nor its semi-synchronous replication changed for longer than is reasonable.
    #[serde(default)]
    pub is_still: bool,
    /// By its own word commits have been waiting for an acknowledgement for longer than is reasonable, and none came.
    #[serde(default)]
    pub is_stuck: bool,
    /// Where it stands.
    pub placement: Placement,
    /// Its semi-synchronous replication.
    pub semi_sync: SemiSync,
    /// Its GTID mode.
    pub gtid_mode: GtidMode,
    /// Direct replicas, sorted.
    pub replicas: Vec<InstanceKey>,
    /// What each direct replica says of it, in the order of `replicas`.
    pub witnesses: Vec<Witness>,
    /// Replicas whose facts are valid and not older than its failure.
    pub valid_replicas: usize,
    /// Of these, those that replicate: both threads run.
    pub replicating_replicas: usize,
    /// Of the valid ones, those whose applier runs while their receiver reports an error of connecting.
    #[serde(default)]
    pub failing_replicas: usize,
    /// Replicas whose lag nobody knows, as that of one whose applier stands.
    #[serde(default)]
    pub unknown_lag_replicas: usize,
    /// Replicas with a lag above the reasonable.
    pub lagging_replicas: usize,
    /// Replicas with a configured delay.
    pub delayed_replicas: usize,
    /// Replicas in downtime.
    pub downtimed_replicas: usize,
    /// Valid replicas that keep their position by MySQL's GTID.
    pub mysql_gtid_replicas: usize,
    /// Valid replicas that keep their position by MariaDB's GTID.
    pub mariadb_gtid_replicas: usize,
    /// Valid replicas that only relay binary logs.
    #[serde(default)]
    pub binlog_server_replicas: usize,
    /// Replicas with semi-synchronous replication enabled.
    pub semi_sync_replicas: usize,
    /// Replicas that log what they replicate.
    pub logging_replicas: usize,
    /// Of these, by format: statement, mixed, row.
    pub logging_by_format: [usize; 3],
    /// Of these, the number of release lines.
    pub logging_lines: usize,
    /// Smallest and largest GTID mode of the replicas, as words.
    pub replica_gtid_modes: Option<(GtidMode, GtidMode)>,
    /// Transactions that a replica has and this source lacks, by replica; replicas in downtime left out.
    pub errant: Vec<(InstanceKey, GtidSet)>,
    /// End of its downtime, if it is in one.
    pub downtime_ends: Option<Timestamp>,
    /// What other nodes of ours said of it when they were last asked.
    #[serde(default)]
    pub elsewhere: Vec<NodeView>,
    /// How many nodes of ours vote, this one included.
    #[serde(default)]
    pub voters: usize,
    /// The moment of the snapshot.
    pub at: Timestamp,
}

/// How many probes on connections of their own must fail before silence is taken for death. A refused connection is the
/// kernel's own word; a timeout may be load, and is asked for twice.
const CONFIRMING_FAILURES_OF_SILENCE: u32 = 2;

/// How long a receiver may take to connect to a living source before its silence means something.
const TIME_TO_CONNECT: Duration = Duration::from_secs(1);

impl Facts {
    /// Returns the facts about `watched`.
    pub fn gather(snapshot: &Snapshot, graph: &Graph, policy: &Policy, watched: &Watched) -> Self {
        let mut facts = Self::about_itself(snapshot, graph, policy, watched);
        if graph.replicas(&watched.key).is_empty() {
            return facts;
        }
        let mut lines = BTreeSet::new();
        let upstream = Upstream::from(snapshot, graph, &watched.key);
        for key in graph.replicas(&watched.key) {
            let Some(replica) = snapshot.get(key).filter(|replica| replicates_from(replica, &watched.key)) else {
                continue;
            };
            facts.count_replica(snapshot, policy, &upstream, replica, &mut lines);
        }
        facts.logging_lines = lines.len();
        facts
    }

    /// True for a server that heads a tree, and is in no group that looks after itself.
    pub(crate) fn heads_tree(&self) -> bool {
        self.is_primary && !self.is_group_member
    }

    /// True for one of two that replicate from each other, outside of a group.
    pub(crate) fn heads_ring(&self) -> bool {
        self.is_co_primary && !self.is_group_member
    }

    /// True for a server that replicates, outside of a group.
    pub(crate) fn is_below(&self) -> bool {
        !self.is_primary && !self.is_group_member
    }

    /// True when a source and all that replicate from it do not answer here, and it is not certain that it lives.
    pub(crate) fn is_dead_with_all_replicas(&self) -> bool {
        self.is_confirmed_dead && !self.replicas.is_empty() && self.valid_replicas == 0 && !self.quorum().is_seen()
    }

    /// True when a source does not answer here, and nothing proves its death.
    pub(crate) fn is_unreachable(&self) -> bool {
        !self.is_valid && !self.replicas.is_empty() && !self.is_witnessed_dead() && !self.is_dead_with_all_replicas()
    }

    /// True when a source answered a part of the last probe and its replicas replicate: noise, rather than a problem.
    pub(crate) fn is_hiccup(&self) -> bool {
        self.is_partial && self.replicating_replicas > 0
    }

    /// True when every replica lags, or has a lag that nobody knows, and not all of them by a configured delay.
    pub(crate) fn all_replicas_lag(&self) -> bool {
        let count = self.replicas.len();
        self.lagging_replicas > 0
            && self.lagging_replicas + self.unknown_lag_replicas == count
            && self.delayed_replicas < count
    }

    /// True when the last probe failed in this way.
    pub(crate) fn fails_by(&self, kind: Unreachable) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind == kind)
    }

    /// True when the failure of the last probe itself shows that the server lives.
    pub(crate) fn shows_life(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.partial || failure.kind.shows_life())
    }

    /// True when semi-sync is in effect and commits wait for more replicas than there are.
    pub(crate) fn waits_for_semi_sync(&self) -> bool {
        self.semi_sync.source.enabled
            && self.semi_sync.source.active
            && self.semi_sync.wait_count > 0
            && self.semi_sync.clients < self.semi_sync.wait_count
    }

    /// Returns what the direct replicas testify, in order.
    pub fn testimonies(&self) -> impl Iterator<Item = Testimony> + '_ {
        self.witnesses.iter().map(|witness| witness.says)
    }

    /// Returns the number of replicas that say they cannot connect.
    pub fn cut_off_replicas(&self) -> usize {
        self.testimonies().filter(|says| matches!(says, Testimony::CannotConnect(_))).count()
    }

    /// True when a fresh replica shows that the source lives: connected, or answered by it.
    pub fn a_replica_sees_it_alive(&self) -> bool {
        self.testimonies().any(|says| matches!(says, Testimony::Connected | Testimony::Answered(_)))
    }

    /// True when the death of the server is witnessed from two sides: this node's confirmed failures, and at least one
    /// replica that cannot connect while none sees it alive. Never when too many nodes of ours reach it.
    pub fn is_witnessed_dead(&self) -> bool {
        self.is_confirmed_dead
            && self.cut_off_replicas() > 0
            && !self.a_replica_sees_it_alive()
            && !self.quorum().is_seen()
    }

    /// True when a receiver that is still trying, without an error so far, has had long enough to connect to a living
    /// source. A moment after it was restarted it is trying in any case.
    fn had_time_to_connect(&self) -> bool {
        let long_ago = |moment: Option<Timestamp>| moment.is_none_or(|moment| self.at.since(moment) >= TIME_TO_CONNECT);
        long_ago(self.failing_since) && long_ago(self.receivers_restarted)
    }

    fn about_itself(snapshot: &Snapshot, graph: &Graph, policy: &Policy, watched: &Watched) -> Self {
        let key = &watched.key;
        let cluster = graph.cluster_of(key);
        let own = watched.instance.as_deref();
        let channel = own.and_then(Instance::channel);
        let group = own.and_then(|own| own.group.as_ref()).filter(|group| !group.name.is_empty());
        Self {
            key: key.clone(),
            source: graph.source(key).cloned(),
            cluster_name: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
            cluster_alias: cluster.map(|cluster| cluster.alias.clone()).unwrap_or_default(),
            cluster_domain: cluster.map(|cluster| cluster.domain.clone()).unwrap_or_default(),
            recovers_primary: cluster.is_some_and(|cluster| policy.recovers_primary.holds(cluster)),
            recovers_intermediate: cluster.is_some_and(|cluster| policy.recovers_intermediate.holds(cluster)),
            exact_semi_sync: policy.exact_semi_sync,
            recovers_non_writable: policy.recover_non_writable,
            left_closed: own.is_some_and(|own| snapshot.left_closed(own).is_some()),
            is_primary: graph.source(key).is_none() && group.is_none_or(|group| group.is_primary),
            is_co_primary: graph.is_co_primary(key),
            writable_rivals: writable_rivals(snapshot, graph, watched),
            is_binlog_server: own.is_some_and(|own| own.version.is_binlog_server()),
            is_group_member: group.is_some_and(|group| !group.state.eq_ignore_ascii_case("OFFLINE")),
            depth: graph.depth(key),
            is_valid: watched.is_valid(),
            is_partial: watched.failure.as_ref().is_some_and(|failure| failure.partial),
            is_confirmed_dead: is_confirmed_dead(watched),
            failure: watched.failure.clone(),
            failing_since: watched.failing_since,
            last_seen: watched.seen,
            receivers_restarted: watched.receivers_restarted,
            is_read_only: own.is_some_and(|own| !own.writes.is_writable()),
            is_failing_to_connect: channel.is_some_and(is_failing_to_connect),
            coordinates: own.map(|own| own.binlog.coordinates.clone()).unwrap_or_default(),
            is_still: watched
                .unchanged_since
                .is_some_and(|since| snapshot.now.since(since) > policy.locked_semi_sync_after),
            is_stuck: watched
                .ledger
                .stuck_since
                .is_some_and(|since| snapshot.now.since(since) > policy.locked_semi_sync_after),
            placement: own.map(|own| own.placement.clone()).unwrap_or_default(),
            semi_sync: own.map(|own| own.semi_sync.clone()).unwrap_or_default(),
            gtid_mode: own.map(|own| own.gtid.mode).unwrap_or_default(),
            downtime_ends: snapshot.declared.downtime(key, snapshot.now).map(|downtime| downtime.ends),
            elsewhere: watched.elsewhere.clone(),
            voters: snapshot.voters,
            at: snapshot.now,
            ..Self::default()
        }
    }

    fn count_replica(
        &mut self,
        snapshot: &Snapshot,
        policy: &Policy,
        upstream: &Upstream<'_>,
        watched: &Watched,
        lines: &mut BTreeSet<(u16, u16)>,
    ) {
        let key = &watched.key;
        let Some(replica) = watched.instance.as_deref() else { return };
        let channel = replica.channels.iter().find(|channel| channel.source == self.key);
        // Facts older than the failure say nothing about it.
        let is_fresh = self.failing_since.map_or(watched.is_valid(), |since| watched.is_fresh(since));
        let says = match channel.map(Testimony::of) {
            Some(Testimony::CannotConnect(0)) if is_fresh && !self.had_time_to_connect() => Testimony::Silent,
            Some(says) if is_fresh => says,
            _ => Testimony::Absent,
        };
        self.replicas.push(key.clone());
        self.witnesses.push(Witness {
            key: key.clone(),
            says,
            seen: watched.seen,
            applier_running: channel.is_some_and(|channel| channel.applier == topology::ThreadState::Running),
        });
        if is_fresh {
            self.valid_replicas += 1;
            self.replicating_replicas += usize::from(channel.is_some_and(topology::Channel::is_replicating));
            self.failing_replicas += usize::from(channel.is_some_and(is_failing_to_connect));
            self.binlog_server_replicas += usize::from(replica.version.is_binlog_server());
            let by_gtid = channel.is_some_and(|channel| channel.auto_position);
            self.mysql_gtid_replicas += usize::from(by_gtid && !replica.version.is_mariadb());
            self.mariadb_gtid_replicas += usize::from(by_gtid && replica.version.is_mariadb());
        }
        let lag = replica.lag_secs().is_some_and(|lag| lag > policy.reasonable_lag.as_secs());
        self.unknown_lag_replicas += usize::from(replica.lag_secs().is_none());
        let is_downtimed = snapshot.declared.downtime(key, snapshot.now).is_some();
        self.lagging_replicas += usize::from(lag);
        self.delayed_replicas += usize::from(channel.is_some_and(|channel| channel.delay_secs > 0));
        self.downtimed_replicas += usize::from(is_downtimed);
        self.semi_sync_replicas += usize::from(replica.semi_sync.replica.enabled);
        if replica.can_be_source() {
            self.logging_replicas += 1;
            self.logging_by_format[match replica.binlog.format {
                BinlogFormat::Statement => 0,
                BinlogFormat::Mixed => 1,
                BinlogFormat::Row => 2,
            }] += 1;
            lines.insert(replica.version.line());
        }
        let mode = replica.gtid.mode;
        let (least, most) = self.replica_gtid_modes.unwrap_or((mode, mode));
        // The API compares them as words.
        let mut modes = [least, mode, most];
        modes.sort_by_key(|mode| mode.as_str());
        self.replica_gtid_modes = Some((modes[0], modes[2]));
        if !is_downtimed {
            let errant = upstream.errant(replica);
            if !errant.is_empty() {
                self.errant.push((key.clone(), errant));
            }
        }
    }
}

/// Secondaries of a replication group hang below its primary in the graph, and replicate from nobody.
fn replicates_from(replica: &Watched, source: &InstanceKey) -> bool {
    replica.instance.as_deref().and_then(Instance::source) == Some(source)
}

fn writable_rivals(snapshot: &Snapshot, graph: &Graph, watched: &Watched) -> Vec<InstanceKey> {
    let writable = |watched: &Watched| {
        watched.is_valid() && watched.instance.as_ref().is_some_and(|instance| instance.writes.is_writable())
    };
    let mut rivals = Vec::new();
    if writable(watched) {
        rivals = graph.ring(&watched.key);
        rivals.retain(|key| snapshot.get(key).is_some_and(writable));
        rivals.sort();
    }
    rivals
}

pub(crate) fn is_confirmed_dead(watched: &Watched) -> bool {
    use topology::Unreachable as How;
    // One that answered some questions and then blocked (on a long lock, say) lives.
    watched.failure.as_ref().filter(|failure| !failure.partial).is_some_and(|failure| match failure.kind {
        How::Refused => watched.failures >= 1,
        kind => kind.looks_dead() && watched.failures >= CONFIRMING_FAILURES_OF_SILENCE,
    })
}

/// Returns the transactions that the instance `key` executed and its source did not. Empty for one that has no source, or
/// above which nobody ever said what they executed.
pub fn errant_of(snapshot: &Snapshot, graph: &Graph, key: &InstanceKey) -> GtidSet {
    let both = graph.source(key).and_then(|source| Some((source, snapshot.instance(key)?)));
    both.map_or_else(GtidSet::default, |(source, own)| Upstream::from(snapshot, graph, source).errant(own))
}

/// A source and every server above it, as replicas of that source need to know them.
struct Upstream<'a> {
    /// Under which origins they write.
    origins: Vec<String>,
    /// What the source executed; of one that does not say, such as a binlog server, the next above it that does.
    executed: Option<&'a GtidSet>,
}

impl<'a> Upstream<'a> {
    fn from(snapshot: &'a Snapshot, graph: &Graph, source: &InstanceKey) -> Self {
        let mut upstream = Self { origins: Vec::new(), executed: None };
        let mut seen = BTreeSet::new();
        let mut next = Some(source);
        while let Some(key) = next.filter(|key| seen.insert(*key)) {
            if let Some(instance) = snapshot.instance(key) {
                upstream.origins.push(instance.gtid_origin());
                upstream.executed =
                    upstream.executed.or(Some(&instance.gtid).filter(|gtid| gtid.is_read()).map(|gtid| &gtid.executed));
            }
            next = graph.source(key);
        }
        upstream
    }

    /// Returns what `replica` executed and its source did not. The two were read at different moments: new transactions of
    /// the servers above reach the replica between the two probes and are not errant.
    fn errant(&self, replica: &Instance) -> GtidSet {
        self.executed.map_or_else(GtidSet::default, |executed| {
            GtidSet::errant(&replica.gtid.executed, executed, self.origins.iter().map(String::as_str))
        })
    }
}
