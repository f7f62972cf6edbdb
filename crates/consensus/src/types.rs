//! What the log carries, in the terms of the raft library.

use std::io::Cursor;

use openraft::BasicNode;
use serde::{Deserialize, Serialize};
use store::{Command, Verdict};

use crate::NodeId;

openraft::declare_raft_types!(
    /// The types with which this program uses the library.
    pub(crate) Types:
        D = Payload,
        R = Answer,
        NodeId = NodeId,
        Node = BasicNode,
        SnapshotData = Cursor<Vec<u8>>,
);

/// The library, with our types.
pub(crate) type Raft = openraft::Raft<Types>;
pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type LogId = openraft::LogId<NodeId>;
pub(crate) type Vote = openraft::Vote<NodeId>;
pub(crate) type Metrics = openraft::RaftMetrics<NodeId, BasicNode>;
pub(crate) type Membership = openraft::StoredMembership<NodeId, BasicNode>;
pub(crate) type Snapshot = openraft::Snapshot<Types>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<NodeId, BasicNode>;
pub(crate) type StorageError = openraft::StorageError<NodeId>;

/// What one entry says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Payload {
    /// Commands that were waiting together: they share a write to disk and a round to the others.
    Commands(Vec<Command>),
    /// A piece of the founder's rows: nodes bring rows of their own, and must have the same ones.
    Piece {
        /// Which try this is.
        attempt: String,
        /// Its place, from 0.
        number: u32,
        /// What it holds, see `adopt.rs`.
        text: String,
    },
    /// All pieces of this attempt are there: all rows are those from now on.
    Adopt {
        /// Which try this is.
        attempt: String,
        /// How many there must be.
        pieces: u32,
    },
    /// The node at this address was removed: it is not taken in again by itself.
    Retire(String),
    /// It may come again.
    Readmit(String),
}

/// What an entry came to, on every node alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Nothing to say.
    Nothing,
    /// One verdict for each command.
    Verdicts(Vec<Verdict>),
}
