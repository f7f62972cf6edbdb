//! What other nodes ask of this one.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use openraft::ServerState;
use openraft::raft::AppendEntriesResponse;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::message::{
    self, About, Append, Campaign, Declare, Declared, Envelope, Hello, Look, Permit, PreVote, PreVoted, SnapshotHead,
    VoteCall, mark,
};
use crate::node::{Known, Node};
use crate::storage::fact;
use crate::transport::{Handler, Kind};
use crate::types::{Raft, Snapshot};
use crate::{NodeId, Peer, elect, propose};

/// Answers for a node.
pub(crate) struct Inbound {
    pub(crate) node: Arc<Node>,
}

impl Handler for Inbound {
    fn handle(&self, kind: Kind, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let node = Arc::clone(&self.node);
        async move {
            if node.stopping.is_cancelled() {
                return Err("this node is stopping".to_owned());
            }
            match kind {
                Kind::Hello => message::print(&hello(&node, &body)?),
                Kind::PreVote => message::print(&pre_vote(&node, &body).await?),
                Kind::Vote => message::print(&vote(&node, &body).await?),
                Kind::Append => message::print(&append(&node, &body).await?),
                Kind::Snapshot => message::print(&snapshot(&node, &body).await?),
                Kind::Declare => message::print(&declare(&node, &body).await?),
                Kind::Look => message::print(&look(&node, &body).await?),
                Kind::Campaign => message::print(&campaign(&node, &body).await?),
            }
        }
        .boxed()
    }
}

/// Somebody says who it is, and wants to know who this is. Its word about itself counts if it knows the cluster's name.
fn hello(node: &Node, body: &[u8]) -> Result<About, String> {
    let hello: Hello = message::parse(body)?;
    let mut state = node.state();
    if hello.cluster.is_some() && hello.cluster == state.cluster && hello.me.peer.id != node.me.id {
        state.known.insert(hello.me.peer.id, Known { about: hello.me, heard: Instant::now() });
    }
    drop(state);
    Ok(node.about())
}

/// Opens an envelope: it must be for this node, and from a node of its cluster. A node without a cluster joins the one that
/// named it as a member.
async fn open<T: DeserializeOwned>(node: &Node, body: &[u8]) -> Result<(Peer, T), String> {
    // Only who knows the cluster's name is read further: bodies may be large.
    let envelope: Envelope<&serde_json::value::RawValue> = message::parse_borrowed(body)?;
    if envelope.to != node.me.id {
        return Err(format!(
            "this is node {}, not {}: if the file of the node at {} was lost, let it in again with raft-add-peer",
            node.me.id, envelope.to, node.me.address
        ));
    }
    let own = node.state().cluster.clone();
    match own {
        Some(own) if own == envelope.cluster => {}
        Some(_) => return Err(format!("{} belongs to another cluster", envelope.from.address)),
        None if node.state().invitations.contains(&mark(&envelope.cluster)) => {
            join(node, &envelope.cluster, envelope.from.id).await?;
        }
        None => return Err("this node belongs to no cluster yet".to_owned()),
    }
    Ok((envelope.from, message::parse(envelope.body.get().as_bytes())?))
}

/// Belongs to `cluster` from now on.
pub(crate) async fn join(node: &Node, cluster: &str, founder: NodeId) -> Result<(), String> {
    let (name, by) = (cluster.to_owned(), founder.to_string());
    let kept = node.store.work(move |db| db.keep(&[(fact::CLUSTER, Some(name)), (fact::FOUNDER, Some(by))])).await;
    kept.map_err(|error| error.to_string())?;
    tracing::info!(cluster = %mark(cluster), "belongs to a cluster now");
    let mut state = node.state();
    state.cluster = Some(cluster.to_owned());
    state.founder = founder == node.me.id;
    Ok(())
}

fn raft(node: &Node) -> Result<Raft, String> {
    node.raft().ok_or_else(|| {
        let why = node.state().trouble.clone();
        format!("this node takes no part now: {}", why.unwrap_or_else(|| "it is starting".to_owned()))
    })
}

/// Returns why this node would not vote for `candidate` now; none when it would.
fn disloyal(node: &Node, candidate: &Peer, permit: Option<Permit>) -> Option<String> {
    let metrics = node.metrics()?;
    let mut voters = metrics.membership_config.membership().voter_ids().peekable();
    if voters.peek().is_some() && !voters.any(|voter| voter == candidate.id) {
        return Some(format!("{} (node {}) is no voter", candidate.address, candidate.id));
    }
    let term = metrics.vote.leader_id().term;
    let state = node.state();
    if metrics.state == ServerState::Leader {
        let released = state.stood_down == Some(term) && permit.is_some_and(|permit| permit.term == term);
        drop(state);
        return (!released && node.lease().is_some()).then(|| "this node leads".to_owned());
    }
    let is_loyal = state.is_loyal(node.timing().loyalty, term, permit);
    is_loyal.then(|| {
        let ago = state.promised().map_or(0, |promised| promised.elapsed().as_millis());
        format!("this node heard its leader {ago} ms ago")
    })
}

async fn pre_vote(node: &Node, body: &[u8]) -> Result<PreVoted, String> {
    let (candidate, call) = open::<PreVote>(node, body).await?;
    raft(node)?;
    let last_log = node.shared.last_log();
    let refusal = disloyal(node, &candidate, call.permit)
        .or_else(|| (call.last_log < last_log).then(|| format!("this node has a longer log ({last_log:?})")));
    tracing::debug!(candidate = %candidate.address, ?refusal, "was asked whether it would vote");
    Ok(PreVoted { refusal })
}

async fn vote(node: &Node, body: &[u8]) -> Result<message::Voted, String> {
    let (candidate, call) = open::<VoteCall>(node, body).await?;
    if let Some(why) = disloyal(node, &candidate, call.permit) {
        tracing::info!(candidate = %candidate.address, term = call.request.vote.leader_id().term, %why, "no vote");
        return Err(why);
    }
    let term = call.request.vote.leader_id().term;
    let voted = raft(node)?.vote(call.request).await.map_err(|error| error.to_string())?;
    if voted.vote_granted {
        tracing::info!(candidate = %candidate.address, term, "voted for it");
    } else {
        let why = format!("its log ends before ours, or we voted already ({})", voted.vote);
        tracing::info!(candidate = %candidate.address, term, %why, "no vote");
    }
    Ok(voted)
}

async fn append(node: &Node, body: &[u8]) -> Result<message::Appended, String> {
    let (_, call) = open::<Append>(node, body).await?;
    let raft = raft(node)?;
    let vote = call.request.vote;
    hear(node, &raft, vote, call.hand_overs);
    let appended = raft.append_entries(call.request).await.map_err(|error| error.to_string())?;
    if matches!(appended, AppendEntriesResponse::HigherVote(_)) {
        return Ok(appended);
    }
    if node.state().stands || !hear(node, &raft, vote, call.hand_overs) {
        return Err("this node stands for election, or follows another leader by now".to_owned());
    }
    Ok(appended)
}

/// Notes that a leader was heard; false when its time is over.
fn hear(node: &Node, raft: &Raft, vote: crate::types::Vote, hand_overs: u64) -> bool {
    if vote < raft.metrics().borrow().vote {
        return false;
    }
    let term = vote.leader_id().term;
    let mut state = node.state();
    state.heard_leader = Some(Instant::now());
    state.excluded_by.clear();
    let (of, over) = state.leaders_hand_overs;
    if term > of || (term == of && hand_overs > over) {
        state.leaders_hand_overs = (term, hand_overs);
    }
    true
}

async fn snapshot(node: &Node, body: &Bytes) -> Result<message::Installed, String> {
    let (head, bytes) = message::split_tail(body)?;
    let (leader, head) = open::<SnapshotHead>(node, &head).await?;
    tracing::info!(from = %leader.address, bytes = bytes.len(), upto = ?head.meta.last_log_id, "takes a snapshot");
    let raft = raft(node)?;
    hear(node, &raft, head.vote, 0);
    let snapshot = Snapshot { meta: head.meta, snapshot: Box::new(Cursor::new(bytes.to_vec())) };
    let installed = raft.install_full_snapshot(head.vote, snapshot).await.map_err(|error| error.to_string())?;
    hear(node, &raft, head.vote, 0);
    Ok(installed)
}

async fn declare(node: &Arc<Node>, body: &[u8]) -> Result<Declared, String> {
    let (_, call) = open::<Declare>(node, body).await?;
    let verdicts = propose::decide(node, call.commands).await.map_err(|error| error.to_string())?;
    Ok(Declared { verdicts })
}

async fn look(node: &Node, body: &[u8]) -> Result<topology::Sight, String> {
    let (_, call) = open::<Look>(node, body).await?;
    let local = node.local.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let local = local.ok_or_else(|| "this node does not watch servers yet".to_owned())?;
    let mut sight = local.look(call.key).await;
    sight.node.clone_from(&node.me.address);
    Ok(sight)
}

/// The leader hands over to this node.
async fn campaign(node: &Arc<Node>, body: &[u8]) -> Result<(), String> {
    let (leader, call) = open::<Campaign>(node, body).await?;
    let known = node.metrics().and_then(|metrics| metrics.current_leader);
    if known != Some(leader.id) {
        return Err(format!("{} is not the leader that this node knows", leader.address));
    }
    tracing::info!(from = %leader.address, "leadership is handed over to this node");
    // It gives up before the leader does, and goes on.
    elect::take_over(node, call.permit, elect::hand_over_limit(node) - elect::TICK).await
}
