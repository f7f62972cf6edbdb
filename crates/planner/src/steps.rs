//! Putting a plan together, stage by stage.

use crate::{Action, Step};

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
}
