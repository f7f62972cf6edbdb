//! Putting a plan together, stage by stage.

use analysis::{Facts, Policy, Testimony};
use topology::{Instance, InstanceKey, Snapshot, ThreadState};

use crate::{Action, Lost, Step, Threads};

/// Steps in the making, numbered as they come.
#[derive(Default)]
pub(crate) struct Steps {
    pub(crate) list: Vec<Step>,
    stage: u32,
}

impl Steps {
    /// Adds a stage of actions that run side by side; none where there are no actions.
    pub(crate) fn stage(&mut self, required: bool, actions: impl IntoIterator<Item = Action>) {
        let mut actions = actions.into_iter().peekable();
        if actions.peek().is_some() {
            self.stage += 1;
            self.same_stage(required, actions);
        }
    }

    /// Adds actions to the last stage.
    pub(crate) fn same_stage(&mut self, required: bool, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX).saturating_add(1);
            self.list.push(Step { number, stage: self.stage, required, action });
        }
    }

    /// Detaches lost replicas that answer, where that is configured, and puts all of them into downtime.
    pub(crate) fn give_up(&mut self, policy: &Policy, lost: &[Lost]) {
        if policy.detach_lost {
            let reachable = lost.iter().filter(|lost| lost.is_reachable);
            self.stage(false, reachable.map(|lost| Action::Detach { replica: lost.key.clone() }));
        }
        let lasts = policy.lost_downtime;
        self.stage(false, lost.iter().map(|lost| Action::Downtime { server: lost.key.clone(), lasts }));
    }
}

/// True unless `server` is known to have refused writes when it was last seen.
pub(crate) fn took_writes(snapshot: &Snapshot, server: &InstanceKey) -> bool {
    snapshot.instance(server).is_none_or(|server| server.writes.is_writable())
}

/// True when `successor` is a co-primary of the server that `facts` are about, and takes writes already.
pub(crate) fn shares_the_writes(snapshot: &Snapshot, facts: &Facts, successor: &InstanceKey) -> bool {
    facts.source.as_ref() == Some(successor)
        && snapshot.instance(successor).is_some_and(|server| server.writes.is_writable())
}

/// A receiver that an operator stopped stays stopped; so does an applier that was stopped without an error.
pub(crate) fn threads_to_start(replica: &Instance) -> Threads {
    let Some(channel) = replica.channel() else { return Threads::BOTH };
    let applier_stopped = channel.applier == ThreadState::Stopped && channel.applier_errno == 0;
    Threads { receiver: Testimony::of(channel) != Testimony::Silent, applier: !applier_stopped }
}
