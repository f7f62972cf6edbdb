//! One decision among several managers: the only crate that knows the raft library.
//!
//! A [`Consensus`] takes commands and answers when they are applied here and can no longer be lost. On a manager that
//! stands alone that is one transaction; among several it goes through a log that a majority has on disk. Nobody above
//! knows the difference.
//!
//! Invariants: types of the raft library stay inside. No command is acknowledged that a majority does not have. At most one
//! node holds the [`Lease`] at any moment. A node whose file is lost never votes under its old identity.
//!
//! Vocabulary: a *node* is a manager; its *id* is a number that it drew at its first start and that is in its file; its
//! *address* is where its raft port is reached, and may change. *Voters* decide, *learners* only listen.
//!
//! Not here: what commands do (`store`), what a leader does (`manager`).
#![warn(missing_docs)]

mod adopt;
mod consensus;
mod elect;
mod error;
mod inbound;
mod join;
mod lead;
mod lease;
mod message;
mod network;
mod node;
mod propose;
mod run;
#[cfg(test)]
mod simulation;
mod status;
mod storage;
mod timing;
mod transport;
mod types;

pub use consensus::{Consensus, Local, is_member};
pub use error::Error;
pub use node::Settings;
pub use status::{Card, Lease, Member, NodeId, Peer, Role, Standing, Status};
pub use timing::Timing;
pub use transport::{Dialer, Port, PortError, Security};
