//! A diagnosis or a request in, a decision out: hold, with a typed reason, or act, with a plan.
//!
//! A [`Plan`] is an immutable, numbered list of [`Step`]s that leaves no choice to its execution: it names servers, GTID
//! sets and order. It is written to the journal before a server is touched, so that any later process can go on with it.
//! [`Hold`] says why nothing is done, in words an operator can act on. [`Choice`] shows every candidate, chosen or
//! rejected, and why. [`Certificate`] is the written proof that nothing acknowledged is lost, or names what may be.
//!
//! Invariants: pure; emits plans, runs none. Constraints apply before the choice. [`lint()`] checks any plan: the tree stays
//! a tree, at most one writable head, nobody ahead of the new primary is attached below it.
#![warn(missing_docs)]

mod candidate;
mod certificate;
mod dead_primary;
mod decide;
mod explain;
mod hold;
mod lint;
mod plan;
mod proof;
mod receivers;
mod rejoin;
mod retreat;
mod steps;
mod takeover;

pub use candidate::{Candidate, Choice, Outranked, Preference, Rejection};
pub use certificate::{Certificate, Verdict};
pub use decide::{Context, Decision, PastRecovery, Request, decide};
pub use explain::{Explanation, Rehearsal, explain};
pub use hold::Hold;
pub use lint::{Flaw, lint};
pub use plan::{Acks, Action, HookList, Kind, Lost, Outcome, Plan, Sides, Step, Threads};
pub use receivers::receivers_to_restart;
pub use rejoin::{Beyond, Homecoming, Reception, Returning, Stay, is_primary_again, present_primary, receive};
pub use retreat::{Undo, retreat};
pub use takeover::{Obstacle, Wish, takeover};
