//! Hung primary: it accepts connections and answers nothing, and its replicas do not confirm that it is dead: their
//! receivers wait on connections that nobody closed.
//!
//! Evidence: confirmed failures of our own probes, the last one on a connection that was accepted, before any answer;
//! replicas are known; death not witnessed.
//! Look-alikes: a single timeout → `unreachable_primary`; `dead_primary` a moment later, once receivers were restarted and cannot connect: a hung primary is replaced
//! as that; a long lock behind which some queries are answered → `unreachable_primary`.
//! Differs from Orchestrator: there it is an unreachable master like any other.
//! Recovery: none by itself; receivers that believe in it are restarted, and when that shows it dead, it is replaced.
//! Compat code: `HungMaster`.

use topology::Unreachable;

use super::Rule;
use crate::{Code, Facts};

pub(crate) const RULE: Rule = Rule { code: Code::HungPrimary, priority: 45, examine };

fn examine(facts: &Facts) -> bool {
    facts.heads_tree() && facts.is_unreachable() && facts.is_confirmed_dead && facts.fails_by(Unreachable::Hung)
}
