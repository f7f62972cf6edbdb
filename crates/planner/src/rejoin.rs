//! What becomes of a replaced primary that came back.
//!
//! It is closed to writes whatever is decided here. If its successor has all that it has, it is attached below the present
//! primary. If not, what it has beyond is put on record first; then a person decides, or the policy lets it be rebuilt.
//!
//! Its plan runs under its own name, not under its cluster's: a failover there does not wait for it.

use std::fmt;

use analysis::{Policy, ReturnedPrimary};
use serde::{Deserialize, Serialize};
use topology::gtid::Written;
use topology::{Demoted, Graph, GtidSet, Instance, InstanceKey, ServerUuid, Snapshot};

use crate::steps::Steps;
use crate::{Action, Choice, Flaw, Kind, Plan};

/// A replaced primary that came back, and what a person asks about it.
#[derive(Clone, Copy, Debug)]
pub struct Returning<'a> {
    /// All that is known.
    pub snapshot: &'a Snapshot,
    /// Who replicates from whom in it.
    pub graph: &'a Graph,
    /// What operators configured.
    pub policy: &'a Policy,
    /// Its address now.
    pub key: &'a InstanceKey,
    /// That it was replaced.
    pub demoted: &'a Demoted,
    /// What it has beyond the present primary is on record.
    pub recorded: bool,
    /// Why the record does not hold all that those transactions changed; none when it does.
    pub incomplete: Option<&'a str>,
    /// A person wants it back: policy, filters, downtime and the global switch do not hold it back.
    pub asked: bool,
    /// A person wants it rebuilt if it cannot be attached as it is.
    pub rebuild: bool,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It has found its place, for this reason: its record is void.
    Settled(String),
    /// It stays as it is.
    Stay(Stay),
    /// This.
    Act(Box<Plan>),
}

/// Why a returned primary stays as it is: closed to writes, and nobody's replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stay {
    /// No record says that it was replaced.
    NotReplaced,
    /// It does not answer.
    Unreadable,
    /// It is not closed yet.
    Writable,
    /// There is no primary to attach it to.
    NoPrimary {
        /// Who should be, and why it is not.
        why: String,
    },
    /// Its transactions cannot be compared with the primary's.
    Untold,
    /// It has transactions that the present primary has not.
    Divergent {
        /// The present primary.
        primary: InstanceKey,
        /// The transactions.
        beyond: String,
        /// They are on record.
        recorded: bool,
    },
    /// `ReturnedPrimaryPolicy` is `off`.
    PolicyOff,
    /// The cluster is not among those that are recovered without asking.
    NotAutomated,
    /// An operator disabled all automatic recoveries.
    Disabled,
    /// Somebody put it in downtime.
    Downtimed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// It is configured as a replica, and does not replicate.
    Stopped {
        /// The primary above it.
        source: InstanceKey,
    },
    /// No account is known by which it could replicate.
    NoAccount,
    /// The primary has purged what it lacks.
    Purged {
        /// What it lacks and cannot get.
        missing: GtidSet,
    },
    /// It cannot be rebuilt.
    CannotRebuild {
        /// Why not.
        why: String,
    },
    /// The plan would break a rule; a defect of ours.
    Unsafe {
        /// What is wrong with it.
        flaws: Vec<Flaw>,
    },
}

impl Stay {
    /// Returns a short name for it that does not change, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReplaced => "not_replaced",
            Self::Unreadable => "unreadable",
            Self::Writable => "writable",
            Self::NoPrimary { .. } => "no_primary",
            Self::Untold => "untold",
            Self::Divergent { .. } => "divergent",
            Self::PolicyOff => "policy_off",
            Self::NotAutomated => "not_automated",
            Self::Disabled => "disabled",
            Self::Downtimed { .. } => "downtimed",
            Self::Stopped { .. } => "stopped",
            Self::NoAccount => "no_account",
            Self::Purged { .. } => "purged",
            Self::CannotRebuild { .. } => "cannot_rebuild",
            Self::Unsafe { .. } => "unsafe_plan",
        }
    }

    /// Returns the command that would change it, if there is one.
    pub fn remedy(&self, key: &InstanceKey) -> Option<String> {
        match self {
            Self::PolicyOff | Self::NotAutomated | Self::Disabled | Self::Downtimed { .. } => {
                Some(format!("orchestrator-client -c rejoin -i {key}"))
            }
            Self::Divergent { recorded: true, .. } | Self::Purged { .. } => {
                Some(format!("orchestrator-client -c rejoin-clone -i {key}"))
            }
            Self::Stopped { .. } => Some(format!("orchestrator-client -c start-replica -i {key}")),
            Self::NoAccount => Some("set ReplicationCredentialsQuery, or attach it by hand".to_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReplaced => write!(out, "no record says that it was replaced as a primary"),
            Self::Unreadable => write!(out, "it does not answer"),
            Self::Writable => write!(out, "it is not closed to writes yet"),
            Self::NoPrimary { why } => write!(out, "there is no primary to attach it to: {why}"),
            Self::Untold => write!(out, "it cannot be told whether it has transactions that its successor has not"),
            Self::Divergent { primary, beyond, recorded } => {
                let record = if *recorded { "they are on record" } else { "they are not on record yet" };
                write!(out, "it has transactions that {primary} has not: {beyond}; {record}")
            }
            Self::PolicyOff => write!(out, "ReturnedPrimaryPolicy is off"),
            Self::NotAutomated => write!(out, "the cluster matches no entry of RecoverMasterClusterFilters"),
            Self::Disabled => write!(out, "automatic recoveries are disabled globally"),
            Self::Downtimed { by, reason } => write!(out, "it is in downtime (by {by}: {reason})"),
            Self::Stopped { source } => write!(out, "it is configured below {source} and does not replicate"),
            Self::NoAccount => write!(out, "no account is known by which it could replicate"),
            Self::Purged { missing } => write!(out, "it lacks transactions that the primary has purged: {missing}"),
            Self::CannotRebuild { why } => write!(out, "it cannot be rebuilt: {why}"),
            Self::Unsafe { flaws } => {
                let flaws: Vec<String> = flaws.iter().map(ToString::to_string).collect();
                write!(out, "the plan would break a rule: {}", flaws.join("; "))
            }
        }
    }
}

/// What one server has and another lacks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beyond {
    /// MySQL: the transactions.
    pub gtids: GtidSet,
    /// MariaDB: the transactions, by who wrote them.
    pub written: Vec<Written>,
}

impl Beyond {
    /// Returns what `server` has and `other` lacks; none when that cannot be told.
    pub fn of(server: &Instance, other: &Instance) -> Option<Self> {
        if server.version.is_mariadb() != other.version.is_mariadb() {
            return None;
        }
        if !server.version.is_mariadb() {
            let is_read = server.gtid.is_read() && other.gtid.is_read();
            let gtids = server.gtid.executed.subtract(&other.gtid.executed);
            return is_read.then_some(Self { gtids, written: Vec::new() });
        }
        if !server.binlog.enabled || !other.binlog.enabled {
            return None;
        }
        let nothing = topology::gtid::mariadb::Position::default();
        let replicated = other.gtid.replicated.position().unwrap_or(&nothing);
        let written = server.gtid.binlog_state.beyond(&other.gtid.binlog_state, replicated);
        Some(Self { gtids: GtidSet::default(), written })
    }

    fn without_those_of(mut self, primary: &Instance) -> Self {
        if let Some(uuid) = &primary.uuid {
            self.gtids = self.gtids.without_uuid(uuid.as_str());
        }
        self.written.retain(|written| written.server != primary.server_id);
        self
    }

    /// True when there is nothing.
    pub fn is_empty(&self) -> bool {
        self.gtids.is_empty() && self.written.is_empty()
    }
}

impl fmt::Display for Beyond {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.written.is_empty() {
            return write!(out, "{}", self.gtids);
        }
        let written: Vec<String> = self.written.iter().map(Written::to_string).collect();
        out.write_str(&written.join(","))
    }
}

/// A step about a returned primary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Homecoming {
    /// Checks once more, by reading both, that it is closed and has nothing that the primary has not, or that what it has
    /// beyond is on record.
    Check {
        /// The returned primary.
        server: InstanceKey,
        /// Its identity, where it has one.
        uuid: Option<ServerUuid>,
        /// The present primary.
        primary: InstanceKey,
        /// What it has beyond is on record, and may be given up.
        recorded: bool,
    },
    /// Replaces all its data by a copy of another server's.
    Rebuild {
        /// The returned primary.
        server: InstanceKey,
        /// Whose data it gets.
        donor: InstanceKey,
        /// The present primary.
        primary: InstanceKey,
    },
    /// Lets it replicate from the primary, as its siblings do.
    Attach {
        /// The returned primary.
        server: InstanceKey,
        /// The present primary.
        source: InstanceKey,
        /// The replica whose account and TLS options it gets; none where it has its own.
        account_of: Option<InstanceKey>,
        /// It acknowledges semi-synchronous commits, as its siblings do.
        semi_sync: bool,
    },
    /// Takes back that it is demoted, and its downtime.
    Reinstate {
        /// The returned primary.
        server: InstanceKey,
    },
}

impl Homecoming {
    /// Returns the returned primary.
    pub fn server(&self) -> &InstanceKey {
        match self {
            Self::Check { server, .. }
            | Self::Rebuild { server, .. }
            | Self::Attach { server, .. }
            | Self::Reinstate { server } => server,
        }
    }

    /// True when it changes a MySQL server.
    pub fn changes_a_server(&self) -> bool {
        matches!(self, Self::Rebuild { .. } | Self::Attach { .. })
    }
}

impl fmt::Display for Homecoming {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check { server, primary, recorded: false, .. } => {
                write!(out, "see that {server} is closed and has nothing that {primary} has not")
            }
            Self::Check { server, primary, .. } => {
                write!(out, "see that {server} is closed and what it has beyond {primary} is on record")
            }
            Self::Rebuild { server, donor, .. } => write!(out, "replace all data of {server} by a copy of {donor}"),
            Self::Attach { server, source, .. } => write!(out, "let {server} replicate from {source}"),
            Self::Reinstate { server } => write!(out, "take back that {server} is demoted"),
        }
    }
}

/// Decides what becomes of a replaced primary that came back.
pub fn receive(returning: Returning<'_>) -> Reception {
    match decide(returning) {
        Ok(reception) => reception,
        Err(stay) => Reception::Stay(stay),
    }
}

fn decide(returning: Returning<'_>) -> Result<Reception, Stay> {
    let Returning { snapshot, graph, key, demoted, recorded, .. } = returning;
    let server = valid(snapshot, key).ok_or(Stay::Unreadable)?;
    if is_primary_again(snapshot, graph, key, demoted) {
        return Ok(Reception::Settled(format!("{} replicates from it: it is the primary again", demoted.successor)));
    }
    let primary = present_primary(returning)?;
    let is_below = graph.cluster_of(key).is_some_and(|cluster| cluster.head == primary.key);
    let replicates = is_below && server.channel().is_some_and(topology::Channel::is_replicating);
    let beyond = Beyond::of(server, primary).ok_or(Stay::Untold)?;
    // Of two that were read one after the other, the replica may show what the primary wrote in between.
    let beyond = if replicates { beyond.without_those_of(primary) } else { beyond };
    let divergent = || Stay::Divergent { primary: primary.key.clone(), beyond: beyond.to_string(), recorded };
    // Even one that replicates: without its record nobody would close it.
    if server.writes.is_writable() {
        return Err(Stay::Writable);
    }
    if !beyond.is_empty() && !recorded {
        return Err(divergent());
    }
    if replicates {
        return Ok(Reception::Settled(format!("it replicates below {}", primary.key)));
    }
    // Somebody configured it, and did not start it: as after a takeover that leaves that to a person.
    if is_below && !returning.asked {
        return Err(Stay::Stopped { source: primary.key.clone() });
    }
    let rebuild = returning.rebuild || returning.policy.returned_primary == ReturnedPrimary::Clone;
    let missing = primary.gtid.purged.subtract(&server.gtid.executed);
    let fits = beyond.is_empty() && missing.is_empty();
    if !fits && !rebuild {
        return Err(if beyond.is_empty() { Stay::Purged { missing } } else { divergent() });
    }
    held_back(returning, &primary.key)?;
    if let Some(why) = returning.incomplete.filter(|_| !beyond.is_empty()) {
        return Err(Stay::CannotRebuild { why: format!("what it changed is not kept whole: {why}") });
    }
    let donor = if fits { None } else { Some(donor(returning, server, primary)?) };
    let plan = plan(returning, server, primary, donor)?;
    let flaws = flaws(&plan, snapshot);
    if flaws.is_empty() { Ok(Reception::Act(Box::new(plan))) } else { Err(Stay::Unsafe { flaws }) }
}

fn valid<'a>(snapshot: &'a Snapshot, key: &InstanceKey) -> Option<&'a Instance> {
    snapshot.get(key).filter(|watched| watched.is_valid())?.instance.as_deref()
}

/// True when the successor is seen to be a closed replica of the server, directly or not: somebody switched back by other
/// means.
pub fn is_primary_again(snapshot: &Snapshot, graph: &Graph, key: &InstanceKey, demoted: &Demoted) -> bool {
    valid(snapshot, &demoted.successor).is_some_and(|successor| !successor.writes.is_writable())
        && graph.descendants(key).contains(&demoted.successor)
}

/// Returns who leads now: the successor, who took over from it since, or who stands above it by now.
///
/// # Errors
/// [`Stay::NoPrimary`] when that server does not answer, or is no primary.
pub fn present_primary(returning: Returning<'_>) -> Result<&Instance, Stay> {
    let Returning { snapshot, graph, key, demoted, .. } = returning;
    let mut successor = &demoted.successor;
    for _ in 0..snapshot.declared.demoted.len() {
        match snapshot.demotion_at(successor) {
            Some(next) if &next.successor != key => successor = &next.successor,
            _ => break,
        }
    }
    let head = graph.cluster_of(successor).map_or(successor, |cluster| &cluster.head);
    let no_primary = |why: &str| Err(Stay::NoPrimary { why: format!("{head} {why}") });
    let Some(primary) = valid(snapshot, head) else { return no_primary("does not answer") };
    if head == key || graph.descendants(key).contains(head) {
        return no_primary("is that server itself, or stands below it");
    }
    if primary.is_replica() {
        return no_primary("replicates from another server");
    }
    if !primary.writes.is_writable() {
        return no_primary("is read-only");
    }
    Ok(primary)
}

fn held_back(returning: Returning<'_>, primary: &InstanceKey) -> Result<(), Stay> {
    let Returning { snapshot, graph, policy, key, asked, .. } = returning;
    if asked {
        return Ok(());
    }
    if policy.returned_primary == ReturnedPrimary::Off {
        return Err(Stay::PolicyOff);
    }
    if !graph.cluster_of(primary).is_some_and(|cluster| policy.recovers_primary.holds(cluster)) {
        return Err(Stay::NotAutomated);
    }
    if snapshot.declared.recoveries_disabled {
        return Err(Stay::Disabled);
    }
    let downtime = snapshot.declared.downtime(key, snapshot.now);
    match downtime.filter(|downtime| downtime.reason != "lost-in-recovery") {
        Some(downtime) => Err(Stay::Downtimed { by: downtime.owner.clone(), reason: downtime.reason.clone() }),
        None => Ok(()),
    }
}

/// Returns whose copy it can become: a replica rather than the primary, which has other things to do.
fn donor(returning: Returning<'_>, server: &Instance, primary: &Instance) -> Result<InstanceKey, Stay> {
    let Returning { snapshot, graph, key, .. } = returning;
    let cannot = |why: String| Err(Stay::CannotRebuild { why });
    if server.version.is_mariadb() || !server.version.is_mysql_at_least(8, 0, 17) {
        return cannot("it has no clone plugin: that came with MySQL 8.0.17, and MariaDB has none".to_owned());
    }
    let living = graph.replicas(key).iter().find(|replica| valid(snapshot, replica).is_some());
    if let Some(replica) = living {
        return cannot(format!("{replica} still replicates from it: move that one first"));
    }
    let siblings = graph.replicas(&primary.key).iter().filter(|sibling| *sibling != key);
    let healthy = siblings.filter_map(|sibling| valid(snapshot, sibling)).filter(|sibling| {
        sibling.channel().is_some_and(topology::Channel::is_replicating)
            && Beyond::of(sibling, primary).is_some_and(|beyond| beyond.is_empty())
    });
    let donors = healthy.chain([primary]).find(|donor| donor.version == server.version);
    match donors {
        Some(donor) => Ok(donor.key.clone()),
        None => cannot("no healthy server of the cluster has its very version".to_owned()),
    }
}

fn plan(
    returning: Returning<'_>,
    server: &Instance,
    primary: &Instance,
    donor: Option<InstanceKey>,
) -> Result<Plan, Stay> {
    let Returning { snapshot, graph, key, recorded, asked, .. } = returning;
    let siblings = graph.replicas(&primary.key).iter().filter(|sibling| *sibling != key);
    let siblings: Vec<&Instance> = siblings.filter_map(|sibling| valid(snapshot, sibling)).collect();
    // One that was a replica before may have an account still.
    let has_own = server.channel().is_some_and(|channel| !channel.user.is_empty());
    // Whether it stores one is looked up seldom: a MySQL replica that has an account is likely to.
    let has_user = |sibling: &&&Instance| {
        !sibling.version.is_mariadb() && sibling.channel().is_some_and(|channel| !channel.user.is_empty())
    };
    let stores = siblings.iter().find(|sibling| sibling.credentials_available);
    // The primary itself can tell it by ReplicationCredentialsQuery.
    let tells = [primary].into_iter().find(|primary| primary.credentials_available);
    let account_of = stores.or_else(|| siblings.iter().find(has_user)).copied().or(tells).map(|one| one.key.clone());
    if !has_own && account_of.is_none() {
        return Err(Stay::NoAccount);
    }
    let semi_sync = siblings.iter().any(|sibling| sibling.semi_sync.replica.enabled);
    let (key, primary) = (key.clone(), primary.key.clone());
    let mut steps = Steps::default();
    let step = |action| [Action::Return(action)];
    let check = Homecoming::Check {
        server: key.clone(),
        uuid: server.uuid.clone(),
        primary: primary.clone(),
        recorded: recorded && donor.is_some(),
    };
    steps.stage(true, step(check));
    if let Some(donor) = donor {
        let (server, primary) = (key.clone(), primary.clone());
        steps.stage(true, step(Homecoming::Rebuild { server, donor, primary }));
    }
    steps.stage(
        true,
        step(Homecoming::Attach {
            server: key.clone(),
            source: primary.clone(),
            account_of: if has_own { None } else { account_of },
            semi_sync: semi_sync && server.semi_sync.replica.available,
        }),
    );
    steps.stage(true, step(Homecoming::Reinstate { server: key.clone() }));
    Ok(Plan {
        kind: Kind::Return,
        // Of its own: a failover of the cluster must not wait for it.
        cluster: key.to_string(),
        failed: key,
        successor: primary,
        command: if asked { "rejoin".to_owned() } else { String::new() },
        choice: Choice::default(),
        certificate: None,
        lost: Vec::new(),
        steps: steps.list,
    })
}

/// Returns every rule that the plan of a return breaks.
pub(crate) fn flaws(plan: &Plan, snapshot: &Snapshot) -> Vec<Flaw> {
    let graph = Graph::of(snapshot);
    let mut flaws = Vec::new();
    let mut rebuilt = false;
    for step in &plan.steps {
        match &step.action {
            Action::Return(homecoming) if homecoming.server() != &plan.failed => {
                flaws.push(Flaw::StrayTree(homecoming.server().clone()));
            }
            Action::Return(Homecoming::Rebuild { server, donor, .. }) => {
                rebuilt = true;
                if server == donor || server == &plan.successor || graph.descendants(server).contains(donor) {
                    flaws.push(Flaw::Ring(server.clone()));
                }
            }
            Action::Return(Homecoming::Attach { server, source, .. }) => {
                if source != &plan.successor {
                    flaws.push(Flaw::StrayTree(server.clone()));
                }
                if server == source || graph.descendants(server).contains(source) {
                    flaws.push(Flaw::Ring(server.clone()));
                }
                let beyond = snapshot.instance(server).zip(snapshot.instance(source));
                let beyond = beyond.and_then(|(server, source)| Beyond::of(server, source));
                if !rebuilt && beyond.is_none_or(|beyond| !beyond.is_empty()) {
                    flaws.push(Flaw::AttachesAhead(server.clone()));
                }
            }
            Action::Return(_) => {}
            // Nobody is promoted, moved or cut off by it.
            other => flaws.push(Flaw::SecondWritable(other.server().unwrap_or(&plan.failed).clone())),
        }
    }
    flaws
}
