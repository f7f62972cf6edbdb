//! The raft library's way to another node.

use std::sync::Arc;
use std::time::Duration;

use openraft::error::{Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{BasicNode, OptionalSend};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::NodeId;
use crate::message::{self, Append, Appended, Installed, SnapshotHead, VoteCall, Voted};
use crate::node::Node;
use crate::transport::{CallError, Kind};
use crate::types::{Snapshot, Types, Vote};

/// How long a snapshot of so many bytes may take to get there and to be put in place. Not longer than it must: when it is lost
/// without a word, nothing else is sent to that node until then.
fn snapshot_limit(bytes: usize) -> Duration {
    const AT_LEAST: Duration = Duration::from_secs(5);
    const BYTES_PER_SEC: usize = 1 << 20;
    AT_LEAST + Duration::from_secs((bytes / BYTES_PER_SEC) as u64)
}

/// Makes links.
pub(crate) struct Network {
    pub(crate) node: Arc<Node>,
}

/// The way to one node.
pub(crate) struct Link {
    node: Arc<Node>,
    target: NodeId,
    /// Its address according to the membership.
    address: String,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> Link {
        Link { node: Arc::clone(&self.node), target, address: node.addr.clone() }
    }
}

impl Link {
    /// Asks and waits for the answer. A failure takes as long as a heartbeat's pause, or the library would ask again and
    /// again without a breath.
    async fn ask<A: DeserializeOwned>(
        &self,
        kind: Kind,
        body: impl Serialize,
        limit: Duration,
    ) -> Result<A, CallError> {
        let began = Instant::now();
        let answer = self.node.ask(self.target, &self.address, kind, body, limit).await;
        if answer.is_err() {
            tokio::time::sleep_until(began + self.node.timing().heartbeat).await;
        }
        answer
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        let sent = Instant::now();
        let term = request.vote.leader_id().term;
        let body = Append { request, hand_overs: self.node.hand_overs(term) };
        let answer: Appended = self.ask(Kind::Append, body, option.hard_ttl()).await.map_err(unreachable)?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.node.acknowledged(term, self.target, sent);
        }
        Ok(answer)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        let body = VoteCall { request, permit: self.node.permit() };
        let answer: Result<Voted, CallError> = self.ask(Kind::Vote, body, option.hard_ttl()).await;
        match &answer {
            Ok(voted) => tracing::info!(
                voter = %self.address, granted = voted.vote_granted, vote = %voted.vote, "answer to our call for a vote"
            ),
            Err(error) => tracing::info!(voter = %self.address, %error, "no vote"),
        }
        answer.map_err(unreachable)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Types, Fatal<NodeId>>> {
        let bytes = snapshot.snapshot.into_inner();
        let failed = |error: CallError| StreamingError::Network(NetworkError::new(&error));
        tracing::info!(to = %self.address, bytes = bytes.len(), upto = ?snapshot.meta.last_log_id, "sending a snapshot");
        let sent = Instant::now();
        let head = SnapshotHead { vote, meta: snapshot.meta };
        let sending = async {
            let head = self.node.envelope(self.target, head).map_err(failed)?;
            let body = message::with_tail(&head, &bytes);
            let answer =
                self.node.call(&self.address, self.target, Kind::Snapshot, body, snapshot_limit(bytes.len())).await;
            message::parse::<Installed>(&answer.map_err(failed)?).map_err(|why| failed(CallError::Refused(why)))
        };
        let answer = tokio::select! {
            biased;
            closed = cancel => return Err(StreamingError::Closed(closed)),
            answer = sending => answer,
        };
        if answer.is_err() {
            tokio::time::sleep_until(sent + self.node.timing().heartbeat).await;
        }
        answer
    }
}

/// Whatever went wrong on the way is tried again with the next heartbeat.
fn unreachable<E: std::error::Error>(error: CallError) -> RPCError<NodeId, BasicNode, E> {
    RPCError::Network(NetworkError::new(&error))
}
