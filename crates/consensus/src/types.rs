//! What the log carries, in the terms of the raft library.

use std::io::Cursor;

use openraft::BasicNode;
use serde::{Deserialize, Serialize};
use store::{Command, Dump, Verdict};

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
    /// All rows are these from now on: a founder's, so that nodes which bring rows of their own have the same ones.
    Adopt(Box<Dump>),
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
