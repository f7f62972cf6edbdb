//! What nodes say to each other: JSON, each body in an envelope that says from whom and to whom.

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Command, Verdict};
use topology::InstanceKey;

use crate::types::{LogId, SnapshotMeta, Types, Vote};
use crate::{Card, NodeId, Peer, Role};

/// Every body but a greeting. Who does not know the cluster's name is not listened to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    /// The name of the cluster: drawn when it was founded, and told to nobody who does not belong to it.
    pub(crate) cluster: String,
    pub(crate) from: Peer,
    /// Whom it is for. An address may have been given to another node.
    pub(crate) to: NodeId,
    pub(crate) body: T,
}

/// A greeting: who I am.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The name of my cluster, if I have one: it proves that I belong to it.
    pub(crate) cluster: Option<String>,
    pub(crate) me: About,
}

/// What a node tells of itself to whoever greets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) peer: Peer,
    pub(crate) card: Card,
    /// The [`mark`] of its cluster; none when it has none.
    pub(crate) mark: Option<String>,
    /// True when it founded that cluster: the cluster begins with its rows.
    #[serde(default)]
    pub(crate) founder: bool,
    /// True when something was decided in that cluster.
    pub(crate) established: bool,
    /// The members that it knows.
    pub(crate) members: Vec<(Peer, Role)>,
    pub(crate) term: u64,
    pub(crate) leads: bool,
    pub(crate) applied: u64,
}

impl About {
    /// Returns the member with this id.
    pub(crate) fn has_member(&self, id: NodeId) -> bool {
        self.members.iter().any(|(peer, _)| peer.id == id)
    }
}

/// Tells clusters apart without giving their names away.
pub(crate) fn mark(cluster: &str) -> String {
    let digest = Sha256::digest(cluster.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Would you vote for me? Nothing changes by asking.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PreVote {
    pub(crate) last_log: Option<LogId>,
    pub(crate) permit: Option<Permit>,
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PreVoted {
    /// Why not; none for yes.
    pub(crate) refusal: Option<String>,
}

/// A leader's word that nobody needs to be loyal to it any more: it hands over. Void once it goes on leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Permit {
    pub(crate) term: u64,
    /// Which hand-over of that term.
    pub(crate) count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VoteCall {
    pub(crate) request: VoteRequest<NodeId>,
    pub(crate) permit: Option<Permit>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) request: AppendEntriesRequest<Types>,
    /// Hand-overs of this term that are over.
    pub(crate) hand_overs: u64,
}

/// A snapshot; its bytes follow behind this head, see [`with_tail`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotHead {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
}

/// Stand for election now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Campaign {
    pub(crate) permit: Permit,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Declare {
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Declared {
    pub(crate) verdicts: Vec<Verdict>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) key: InstanceKey,
}

pub(crate) type Voted = VoteResponse<NodeId>;
pub(crate) type Appended = AppendEntriesResponse<NodeId>;
pub(crate) type Installed = SnapshotResponse<NodeId>;

/// Writes a body.
pub(crate) fn print(value: &impl Serialize) -> Result<Bytes, String> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| format!("cannot write a message: {error}"))
}

/// Reads a body.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("cannot read the message: {error}"))
}

/// Reads a body that borrows from `bytes`.
pub(crate) fn parse_borrowed<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("cannot read the message: {error}"))
}

/// Puts bytes behind a head: the head's length as four bytes, the head, the bytes.
pub(crate) fn with_tail(head: &Bytes, tail: &[u8]) -> Bytes {
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let mut whole = Vec::with_capacity(4 + head.len() + tail.len());
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(head);
    whole.extend_from_slice(tail);
    whole.into()
}

/// Takes [`with_tail`] apart.
pub(crate) fn split_tail(whole: &Bytes) -> Result<(Bytes, Bytes), String> {
    let short = || "the message ends too early".to_owned();
    let length: [u8; 4] = whole.get(..4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(short)?;
    let end = 4 + usize::try_from(u32::from_be_bytes(length)).map_err(|_| short())?;
    if whole.len() < end {
        return Err(short());
    }
    Ok((whole.slice(4..end), whole.slice(end..)))
}
