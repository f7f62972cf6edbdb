//! The way back from a plan that ended before it had brought what it is for.

use std::collections::{BTreeMap, BTreeSet};

use topology::{BinlogCoordinates, InstanceKey, ServerUuid};

use crate::{Acks, Action, Outcome, Plan, Step, Threads};

/// Something that is done to take back what a step did, or may have done. Each is idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Start a receiver again.
    StartReceiver {
        /// The replica.
        replica: InstanceKey,
        /// Not if it does not answer: its step failed, most likely for that.
        only_if_it_answers: bool,
    },
    /// Start both threads of a replica that may be between two sources.
    StartReplication {
        /// The replica.
        replica: InstanceKey,
        /// Not if it does not answer.
        only_if_it_answers: bool,
    },
    /// Put a candidate that may have been opened for writes on record as demoted, so that it is fenced when it is met again.
    Disown {
        /// The candidate.
        server: InstanceKey,
    },
    /// Close a candidate that may have been opened while the old primary lives. Only if that is certain, the old primary may
    /// take writes again.
    Close {
        /// The candidate.
        server: InstanceKey,
        /// The old primary.
        primary: InstanceKey,
        /// Its commits were told to wait for replicas, and did not before.
        waits: bool,
    },
    /// Take the fence of the old primary back.
    Unfence {
        /// The old primary.
        server: InstanceKey,
        /// It was fenced, and may be opened.
        open: bool,
    },
    /// Let the frozen primary take writes again.
    Thaw {
        /// The primary.
        server: InstanceKey,
        /// Its identity: the address may be another server's by now.
        uuid: Option<ServerUuid>,
    },
    /// Move a replica back.
    MoveBack {
        /// The replica.
        replica: InstanceKey,
        /// Where it was.
        to: InstanceKey,
        /// What ran on it.
        start: Threads,
    },
    /// Let a replica without GTID, which was aligned with the candidate, go on where it had settled in the log of its source;
    /// unless the candidate may have been opened.
    Realign {
        /// The replica.
        replica: InstanceKey,
        /// Where it was.
        to: InstanceKey,
        /// How far it had come there.
        at: BinlogCoordinates,
        /// What ran on it.
        start: Threads,
    },
    /// Let the primary commit as fast as it can.
    ReleaseBrake {
        /// The primary.
        primary: InstanceKey,
    },
    /// Let the candidate go on replicating.
    FollowAgain {
        /// The candidate.
        candidate: InstanceKey,
    },
    /// Make the old primary replicate from nobody.
    Detach {
        /// The old primary.
        server: InstanceKey,
        /// It did not replicate before.
        forget_source: bool,
        /// It acknowledged as a replica.
        acked: bool,
    },
    /// Let a candidate's commits wait as they did.
    RestoreAcks {
        /// The candidate.
        candidate: InstanceKey,
        /// How they did.
        acks: Acks,
    },
}

/// Returns what takes `plan` back, last first; those of one list may be done side by side. `begun` are the steps that were
/// begun, `ended` those of them whose outcome is known: one that failed, or is not known to have ended, may have done all it
/// does.
pub fn retreat(plan: &Plan, begun: &BTreeSet<u32>, ended: &BTreeMap<u32, Outcome>) -> Vec<Vec<Undo>> {
    let promoting = ended.contains_key(&plan.point_of_no_return());
    let mut stages: Vec<(u32, Vec<Undo>)> = Vec::new();
    for step in plan.steps.iter().rev() {
        let outcome = ended.get(&step.number).copied();
        if outcome.is_none() && !begun.contains(&step.number) {
            continue;
        }
        let Some(undo) = undo(plan, step, outcome, promoting) else { continue };
        match stages.last_mut() {
            Some((stage, undos)) if *stage == step.stage => undos.push(undo),
            _ => stages.push((step.stage, vec![undo])),
        }
    }
    let mut undos: Vec<Vec<Undo>> = stages.into_iter().map(|(_, undos)| undos).collect();
    // MySQL takes a second to end waiting for replicas; writes must not wait for that.
    undos.sort_by_key(|undos| undos.iter().any(|undo| matches!(undo, Undo::RestoreAcks { .. })));
    undos
}

fn undo(plan: &Plan, step: &Step, outcome: Option<Outcome>, promoting: bool) -> Option<Undo> {
    let lives = plan.steps.iter().any(|step| matches!(step.action, Action::Freeze { .. }));
    let undo = match &step.action {
        Action::StopReceiver { replica, .. } | Action::Settle { replica, .. } => {
            Undo::StartReceiver { replica: replica.clone(), only_if_it_answers: outcome != Some(Outcome::Done) }
        }
        // Wherever it points by now, it replicates from there.
        Action::CatchUp { candidate, .. } => {
            Undo::StartReplication { replica: candidate.clone(), only_if_it_answers: outcome != Some(Outcome::Done) }
        }
        // It took writes before, and may be the only one that does.
        Action::Promote { was_writable: true, .. } => return None,
        Action::Promote { server, semi_sync, .. } if lives => {
            Undo::Close { server: server.clone(), primary: plan.failed.clone(), waits: *semi_sync }
        }
        Action::Promote { server, .. } => Undo::Disown { server: server.clone() },
        // A candidate that may have been opened for writes leaves the dead primary closed.
        Action::Fence { server, was_writable, .. } => {
            let open = *was_writable && matches!(outcome, None | Some(Outcome::Done)) && !promoting;
            Undo::Unfence { server: server.clone(), open }
        }
        // It was closed before: nothing but what is on record of it is taken back.
        Action::Freeze { server, was_writable: false, .. } => Undo::Unfence { server: server.clone(), open: false },
        Action::Freeze { server, uuid, .. } => Undo::Thaw { server: server.clone(), uuid: uuid.clone() },
        Action::Relocate { replica, from, start, .. } => {
            Undo::MoveBack { replica: replica.clone(), to: from.clone(), start: *start }
        }
        Action::Align { replica, at, start, .. } => {
            Undo::Realign { replica: replica.clone(), to: plan.failed.clone(), at: at.clone(), start: *start }
        }
        Action::Attach { server, tls, acked, .. } => {
            Undo::Detach { server: server.clone(), forget_source: tls.is_some(), acked: *acked }
        }
        Action::Approach { primary, .. } => Undo::ReleaseBrake { primary: primary.clone() },
        Action::FollowToEnd { candidate, .. } => Undo::FollowAgain { candidate: candidate.clone() },
        Action::Ready { candidate, acks: Some(_), before, .. } => {
            Undo::RestoreAcks { candidate: candidate.clone(), acks: *before }
        }
        _ => return None,
    };
    Some(undo)
}
