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

mod by_position;
mod candidate;
mod certificate;
mod compatible;
mod dead_co_primary;
mod dead_group_member;
mod dead_intermediate;
mod dead_primary;
mod decide;
mod explain;
mod hold;
mod left_closed;
mod lint;
mod living_primary;
mod non_writable;
mod plan;
mod proof;
mod receivers;
mod rehoming;
mod rejoin;
mod retreat;
mod semi_sync;
mod simulate;
mod steps;
mod suppose;
mod takeover;

pub use candidate::{Candidate, Choice, Outranked, Preference, Rejection};
pub use certificate::{Certificate, Verdict};
pub use compatible::{Incompatible, ReplicationRules, can_follow_by_gtid, can_replicate};
pub use decide::{Context, Decision, PastRecovery, Request, decide};
pub use explain::{Explanation, Rehearsal, explain, readiness};
pub use hold::Hold;
pub use left_closed::against_reopening;
pub use lint::{Flaw, lint};
pub use plan::{Acks, Action, HookList, Kind, Lost, Outcome, Plan, Step, Threads};
pub use receivers::receivers_to_restart;
pub use rehoming::possible_sources;
pub use rejoin::{Beyond, Homecoming, Reception, Returning, Stay, is_primary_again, present_primary, receive};
pub use retreat::{Undo, retreat};
pub use simulate::{Consequence, Simulation, simulate};
pub use suppose::{Fault, Impossible, suppose};
pub use takeover::{Obstacle, Wish, takeover, takeover_choice};
