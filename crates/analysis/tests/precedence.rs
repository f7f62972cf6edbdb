//! Random small fleets, and Orchestrator's order of precedence written down a second time, as the ladder that it is: the
//! rules say the same wherever the evidence is beyond doubt, and where it is not, what they say instead is named here.

use std::sync::Arc;

use analysis::{Code, Diagnosis, Facts, Policy, Testimony};
use proptest::prelude::*;
use topology::{
    Channel, Graph, Instance, InstanceKey, ProbeFailure, SemiSyncRole, Snapshot, ThreadState, Timestamp, Unreachable,
    Version, Watched, WritePolicy,
};

/// One server: its source, whether it answers, what its threads do, its lag and delay, and whether it is read-only.
#[derive(Clone, Debug)]
struct Server {
    source: Option<u8>,
    answers: bool,
    receiver: (ThreadState, u32),
    applier: ThreadState,
    lag_secs: u64,
    delay_secs: u64,
    read_only: bool,
    is_binlog_server: bool,
    semi_sync: (bool, bool, u32, u32, bool),
}

fn server(count: u8) -> impl Strategy<Value = Server> {
    let receiver = prop_oneof![
        3 => Just((ThreadState::Running, 0)),
        3 => Just((ThreadState::Connecting, 2003)),
        1 => Just((ThreadState::Stopped, 0)),
        1 => Just((ThreadState::Stopped, 2013)),
    ];
    let applier = prop_oneof![3 => Just(ThreadState::Running), 1 => Just(ThreadState::Stopped)];
    let lag = prop_oneof![Just(0_u64), Just(60)];
    let delay = prop_oneof![3 => Just(0_u64), 1 => Just(60)];
    let semi_sync = (any::<bool>(), any::<bool>(), 0..3_u32, 0..3_u32, any::<bool>());
    let source = prop::option::weighted(0.8, 0..count);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    (source, receiver, applier, lag, delay, semi_sync, flags).prop_map(
        |(source, receiver, applier, lag, delay, semi_sync, flags)| {
            let (answers, read_only, is_binlog_server) = flags;
            let (lag_secs, delay_secs) = (lag, delay);
            Server { source, answers, receiver, applier, lag_secs, delay_secs, read_only, is_binlog_server, semi_sync }
        },
    )
}

fn fleet() -> impl Strategy<Value = (Vec<Server>, bool, bool)> {
    (1..6_u8)
        .prop_flat_map(|count| (prop::collection::vec(server(count), usize::from(count)), any::<bool>(), any::<bool>()))
}

fn key(number: usize) -> InstanceKey {
    InstanceKey::new(format!("db{number}"), 3306)
}

fn watched(number: usize, server: &Server, now: Timestamp) -> Watched {
    let mut instance = Instance { key: key(number), ..Instance::default() };
    instance.version = Version::parse(if server.is_binlog_server { "2.5.1-maxscale" } else { "8.4.6" }, "");
    instance.writes = if server.read_only { WritePolicy::ReadOnly } else { WritePolicy::Writable };
    let (enabled, active, wait_count, clients, is_still) = server.semi_sync;
    instance.semi_sync.source = SemiSyncRole { available: true, enabled, active, new_names: true };
    (instance.semi_sync.wait_count, instance.semi_sync.clients) = (wait_count, clients);
    if let Some(source) = server.source.map(usize::from).filter(|source| *source != number) {
        instance.channels.push(Channel {
            source: key(source),
            receiver: server.receiver.0,
            receiver_errno: server.receiver.1,
            applier: server.applier,
            lag_secs: Some(server.lag_secs),
            delay_secs: server.delay_secs,
            ..Channel::default()
        });
    }
    let failure = ProbeFailure { kind: Unreachable::Refused, message: String::new(), partial: false };
    Watched {
        key: key(number),
        instance: Some(Arc::new(instance)),
        seen: Some(now),
        failure: (!server.answers).then_some(failure),
        failing_since: (!server.answers).then_some(now),
        failures: u32::from(!server.answers),
        unchanged_since: is_still.then_some(Timestamp::FIRST),
        ..Watched::default()
    }
}

/// Orchestrator's ladder, over the counts that the facts hold.
fn ladder(facts: &Facts, policy: &Policy) -> Code {
    let (m, c, valid) = (facts.is_primary, facts.is_co_primary, facts.is_valid);
    let (n, v, r) = (facts.replicas.len(), facts.valid_replicas, facts.replicating_replicas);
    let (f, lag, delayed) = (facts.failing_replicas, facts.lagging_replicas, facts.delayed_replicas);
    let semi_sync = &facts.semi_sync;
    let in_effect = m && semi_sync.source.enabled && semi_sync.source.active && semi_sync.wait_count > 0;
    let waits = in_effect && semi_sync.clients < semi_sync.wait_count;
    let rungs = [
        (m && !valid && n == 0, Code::DeadPrimaryWithoutReplicas),
        (m && !valid && v == n && r == 0, Code::DeadPrimary),
        (m && !valid && n > 0 && v == 0 && r == 0, Code::DeadPrimaryAndReplicas),
        (m && !valid && v > 0 && v < n && r == 0, Code::DeadPrimaryAndSomeReplicas),
        (m && !valid && lag == n && delayed < n && r > 0, Code::UnreachablePrimaryWithLaggingReplicas),
        (m && !valid && v > 0 && r > 0, Code::UnreachablePrimary),
        (waits && facts.is_still, Code::LockedSemiSyncPrimary),
        (waits, Code::LockedSemiSyncPrimaryHypothesis),
        (
            policy.exact_semi_sync && in_effect && semi_sync.clients > semi_sync.wait_count,
            Code::PrimaryWithTooManySemiSyncReplicas,
        ),
        (policy.recover_non_writable && m && valid && facts.is_read_only && r > 0, Code::NoWritablePrimary),
        (m && valid && n == 1 && v == 1 && r == 0, Code::PrimarySingleReplicaNotReplicating),
        (m && valid && n == 1 && v == 0, Code::PrimarySingleReplicaDead),
        (m && valid && n > 1 && v == n && r == 0, Code::AllPrimaryReplicasNotReplicating),
        (m && valid && n > 1 && v > 0 && v < n && r == 0, Code::AllPrimaryReplicasNotReplicatingOrDead),
        (c && !valid && n > 0 && v == n && r == 0, Code::DeadCoPrimary),
        (c && !valid && v > 0 && v < n && r == 0, Code::DeadCoPrimaryAndSomeReplicas),
        (c && !valid && v > 0 && r > 0, Code::UnreachableCoPrimary),
        (c && valid && n > 0 && r == 0, Code::AllCoPrimaryReplicasNotReplicating),
        (!m && !valid && n == 1 && v == 1 && f == 1 && r == 0, Code::DeadIntermediateWithSingleReplicaFailingToConnect),
        (!m && !valid && n == 1 && v == 1 && r == 0, Code::DeadIntermediateWithSingleReplica),
        (!m && !valid && n > 1 && v == n && r == 0, Code::DeadIntermediate),
        (!m && !valid && v > 0 && v < n && r == 0, Code::DeadIntermediateAndSomeReplicas),
        (!m && !valid && n > 0 && v == 0, Code::DeadIntermediateAndReplicas),
        (!m && !valid && lag == n && delayed < n && r > 0, Code::UnreachableIntermediateWithLaggingReplicas),
        (!m && !valid && v > 0 && r > 0, Code::UnreachableIntermediate),
        (!m && valid && n > 1 && r == 0 && f > 0 && f == v, Code::AllIntermediateReplicasFailingToConnectOrDead),
        (!m && valid && n > 0 && v > 0 && r == 0, Code::AllIntermediateReplicasNotReplicating),
        // What a server said of its source before it stopped answering does not count here.
        (facts.is_binlog_server && facts.is_failing_to_connect && valid, Code::BinlogServerFailingToConnect),
        (facts.depth == 1 && facts.is_failing_to_connect && valid, Code::FirstTierReplicaFailingToConnect),
        (!facts.writable_rivals.is_empty(), Code::CoPrimarySplitBrain),
    ];
    rungs.into_iter().find(|(applies, _)| *applies).map_or(Code::NoProblem, |(_, code)| code)
}

/// What is said where Orchestrator takes a server for dead and nobody witnesses it.
fn softened(code: Code, facts: &Facts) -> Code {
    let seen_alive = facts.testimonies().any(|says| matches!(says, Testimony::Connected | Testimony::Answered(_)));
    match code {
        _ if facts.is_witnessed_dead() => code,
        Code::DeadPrimary | Code::DeadPrimaryAndSomeReplicas => Code::UnreachablePrimary,
        Code::DeadCoPrimary | Code::DeadCoPrimaryAndSomeReplicas => Code::UnreachableCoPrimary,
        Code::DeadIntermediate | Code::DeadIntermediateAndSomeReplicas => Code::UnreachableIntermediate,
        Code::DeadIntermediateWithSingleReplica if seen_alive => Code::UnreachableIntermediate,
        code => code,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_rules_are_the_ladder_where_the_evidence_is_beyond_doubt((servers, exact, non_writable) in fleet()) {
        let now = Timestamp::from_secs(1000);
        let mut snapshot = Snapshot { now, voters: 1, ..Snapshot::default() };
        for (number, server) in servers.iter().enumerate() {
            snapshot.watched.insert(key(number), Arc::new(watched(number, server, now)));
        }
        let graph = Graph::of(&snapshot);
        let policy = Policy { exact_semi_sync: exact, recover_non_writable: non_writable, ..Policy::default() };
        for key in snapshot.watched.keys() {
            let found = analysis::diagnose_one(&snapshot, &graph, &policy, key);
            let Diagnosis { code, facts, .. } = found.ok_or_else(|| TestCaseError::fail("it is watched"))?;
            prop_assert_eq!(code, softened(ladder(&facts, &policy), &facts), "of {} in {:?}", key, facts);
        }
    }

    /// Downtime is told with a diagnosis and changes none; every problem is in the list, the rest is not unless remarked upon.
    #[test]
    fn the_list_has_every_problem_once((servers, exact, non_writable) in fleet()) {
        let now = Timestamp::from_secs(1000);
        let mut snapshot = Snapshot { now, voters: 1, ..Snapshot::default() };
        for (number, server) in servers.iter().enumerate() {
            snapshot.watched.insert(key(number), Arc::new(watched(number, server, now)));
        }
        let graph = Graph::of(&snapshot);
        let policy = Policy { exact_semi_sync: exact, recover_non_writable: non_writable, ..Policy::default() };
        let listed = analysis::diagnose(&snapshot, &graph, &policy);
        for key in snapshot.watched.keys() {
            let one = analysis::diagnose_one(&snapshot, &graph, &policy, key);
            let is_problem = one.as_ref().is_some_and(|one| one.code != Code::NoProblem);
            let of_key: Vec<&Diagnosis> = listed.iter().filter(|found| found.subject == *key).collect();
            prop_assert!(of_key.len() == 1 || (of_key.is_empty() && !is_problem));
            prop_assert!(of_key.iter().all(|found| Some(*found) == one.as_ref()));
        }
        prop_assert!(listed.is_sorted_by_key(|found| !found.facts.is_primary));
    }
}
