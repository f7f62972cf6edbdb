//! What a leader does for the membership: adopts a founder's rows, takes in who is awaited, lets learners vote, follows
//! addresses. All of it is looked at again and again, so a leader that dies in the middle leaves nothing undone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::{BasicNode, ChangeMembers};

use crate::message::{About, mark};
use crate::node::{Node, members};
use crate::types::{Metrics, Payload, Raft};
use crate::{Error, NodeId, Peer, Role};
use crate::{adopt, elect, propose, run};

/// How often a leader looks.
const EVERY: Duration = Duration::from_millis(200);

/// A learner that lacks no more than so many entries votes.
const NEARLY_THERE: u64 = 100;

/// Looks after the membership while this node leads, for ever.
pub(crate) async fn run(node: Arc<Node>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(raft) = node.raft() else { continue };
        let metrics = raft.metrics().borrow().clone();
        if metrics.current_leader != Some(node.me.id) || node.state().stood_down == Some(metrics.current_term) {
            continue;
        }
        if !node.has_adopted() {
            if let Err(error) = adopt::look(&node, &raft).await {
                tracing::warn!(%error, "the cluster does not have the rows of its founder yet: trying again");
            }
        } else if node.lease().is_some()
            && let Err(error) = look(&node, &raft, &metrics).await
        {
            tracing::warn!(%error, "the membership was not changed: trying again");
        }
    }
}

async fn look(node: &Node, raft: &Raft, metrics: &Metrics) -> Result<(), Error> {
    let present = members(metrics);
    if metrics.membership_config.membership().get_joint_config().len() > 1 {
        // Whoever began the change was to end it, and died or lost its lead: until then majorities of both are needed.
        tracing::info!("completing a change of the membership");
        let change = ChangeMembers::AddVoterIds(BTreeSet::new());
        return changed(node, raft.change_membership(change, true).await);
    }
    let retired = node.retired();
    let is_retired = |(peer, role): &&(Peer, Role)| *role == Role::Learner && retired.contains(&peer.address);
    if let Some((peer, _)) = present.iter().find(is_retired) {
        tracing::info!(node = %peer.address, "completing a removal");
        let change = ChangeMembers::RemoveNodes(BTreeSet::from([peer.id]));
        return changed(node, raft.change_membership(change, false).await);
    }
    if let Some(learner) = ready_learner(metrics, &present) {
        tracing::info!(node = %learner.address, "has caught up: it votes from now on");
        let change = ChangeMembers::AddVoterIds(BTreeSet::from([learner.id]));
        return changed(node, raft.change_membership(change, true).await);
    }
    if let Some((peer, address)) = moved(node, &present) {
        tracing::info!(node = peer.id, from = %peer.address, to = %address, "has another address");
        let change = ChangeMembers::SetNodes(BTreeMap::from([(peer.id, BasicNode::new(address))]));
        return changed(node, raft.change_membership(change, true).await);
    }
    if let Some(about) = awaited(node, &present) {
        tracing::info!(node = %about.peer.address, "is one of RaftNodes and comes late: taking it in");
        let member = BasicNode::new(about.peer.address.clone());
        return changed(node, raft.add_learner(about.peer.id, member, false).await);
    }
    Ok(())
}

type Change = Result<
    openraft::raft::ClientWriteResponse<crate::types::Types>,
    openraft::error::RaftError<NodeId, openraft::error::ClientWriteError<NodeId, BasicNode>>,
>;

fn changed(node: &Node, change: Change) -> Result<(), Error> {
    change.map(|_| ()).map_err(|error| propose::failure(node, &error))
}

fn ready_learner(metrics: &Metrics, present: &[(Peer, Role)]) -> Option<Peer> {
    let replication = metrics.replication.as_ref()?;
    let is_ready = |peer: &Peer| {
        let matched = replication.get(&peer.id).copied().flatten().map(|id| id.index);
        matched.is_some_and(|matched| matched + NEARLY_THERE >= metrics.last_log_index.unwrap_or(0))
    };
    let mut learners = present.iter().filter(|(_, role)| *role == Role::Learner).map(|(peer, _)| peer);
    learners.find(|peer| is_ready(peer)).cloned()
}

/// Returns a member that says that it is reached elsewhere.
fn moved(node: &Node, present: &[(Peer, Role)]) -> Option<(Peer, String)> {
    let state = node.state();
    present.iter().find_map(|(peer, _)| {
        let said = &state.known.get(&peer.id)?.about.peer.address;
        (*said != peer.address).then(|| (peer.clone(), said.clone()))
    })
}

/// Returns a node that `RaftNodes` names, that belongs to no other cluster, and whose address no member has or had. One that
/// belongs to this cluster and is no member was taken in by a leader that lost its lead before a majority knew.
fn awaited(node: &Node, present: &[(Peer, Role)]) -> Option<About> {
    let retired = node.retired();
    let state = node.state();
    let own = state.cluster.as_deref().map(mark);
    let is_awaited = |about: &&About| {
        let address = &about.peer.address;
        (about.mark.is_none() || about.mark == own)
            && node.settings.nodes.contains(address)
            && !retired.contains(address)
            && !present.iter().any(|(peer, _)| peer.address == *address || peer.id == about.peer.id)
    };
    state.contacts.values().find(is_awaited).cloned()
}

/// Hands leadership over when the database of this node takes no writes any more: nothing that a leader does could be put on
/// record here. Orchestrator yields for the same reason (its health check, after 5 s). For ever.
pub(crate) async fn yield_when_unhealthy(node: Arc<Node>) {
    const EVERY: Duration = Duration::from_secs(1);
    /// So many failures in a row: somebody may hold the file for a moment.
    const ENOUGH: u32 = 3;
    let mut failures = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        if node.lease().is_none() {
            failures = 0;
            continue;
        }
        match tokio::time::timeout(EVERY, run::takes_writes(&node)).await {
            Ok(true) => failures = 0,
            _ => failures += 1,
        }
        if failures >= ENOUGH {
            tracing::error!("the database of this node takes no writes: handing leadership over");
            if let Err(error) = elect::hand_over(&node, None).await {
                tracing::error!(%error, "leadership stays here, and nothing can be put on record");
            }
        }
    }
}

/// Makes the node at `address` a member. It takes the place of a member that had the address and lost its file.
pub(crate) async fn add(node: &Arc<Node>, address: &str) -> Result<Peer, Error> {
    let raft = leading(node)?;
    let about = node.greet(address).await.map_err(|error| Error::Impossible(format!("{address}: {error}")))?;
    let metrics = raft.metrics().borrow().clone();
    let present = members(&metrics);
    if present.iter().any(|(peer, _)| peer.id == about.peer.id) {
        return Ok(about.peer);
    }
    let own = node.state().cluster.as_deref().map(mark);
    if about.mark.is_some() && about.mark != own {
        return Err(Error::Impossible(format!(
            "{address} belongs to another cluster: stop it, move its database file away, and start it again"
        )));
    }
    let replaced: Vec<Peer> =
        present.iter().map(|(peer, _)| peer).filter(|peer| peer.address == address).cloned().collect();
    write(node, &raft, Payload::Readmit(address.to_owned())).await?;
    if !replaced.is_empty() {
        tracing::warn!(%address, old = replaced[0].id, new = about.peer.id, "a node that lost its file is replaced");
        remove_ids(node, &raft, replaced.iter().map(|peer| peer.id).collect()).await?;
    }
    tracing::info!(node = %address, id = about.peer.id, "taking a node in");
    changed(node, raft.add_learner(about.peer.id, BasicNode::new(address), false).await)?;
    await_vote(node, &raft, &about.peer).await?;
    Ok(about.peer)
}

/// Waits until `peer` votes: [`run`] sees to it once it has caught up.
async fn await_vote(node: &Node, raft: &Raft, peer: &Peer) -> Result<(), Error> {
    const LIMIT: Duration = Duration::from_secs(60);
    let votes = |metrics: &Metrics| metrics.membership_config.membership().voter_ids().any(|id| id == peer.id);
    if elect::until(raft, LIMIT, votes).await {
        return Ok(());
    }
    let why = format!("{} is taken in and does not vote yet: it has not caught up; see raft-status", peer.address);
    Err(if node.lease().is_some() { Error::Impossible(why) } else { Error::NotLeader { leader: node.leader() } })
}

/// Removes the member with `address`.
pub(crate) async fn remove(node: &Arc<Node>, address: &str) -> Result<Peer, Error> {
    let raft = leading(node)?;
    let present = members(&raft.metrics().borrow().clone());
    let found = present.into_iter().map(|(peer, _)| peer).find(|peer| peer.address == address);
    let peer = found.ok_or_else(|| Error::Impossible(format!("{address} is no member; see raft-peers")))?;
    if peer.id == node.me.id {
        return Err(Error::Impossible(format!(
            "{address} leads: hand leadership over first (raft-elect-leader), then remove it"
        )));
    }
    write(node, &raft, Payload::Retire(address.to_owned())).await?;
    remove_ids(node, &raft, BTreeSet::from([peer.id])).await?;
    node.state().known.remove(&peer.id);
    tracing::warn!(node = %address, id = peer.id, "removed");
    Ok(peer)
}

/// Removes members, whether they vote or only listen.
async fn remove_ids(node: &Node, raft: &Raft, ids: BTreeSet<NodeId>) -> Result<(), Error> {
    let voters: BTreeSet<NodeId> = raft.metrics().borrow().membership_config.membership().voter_ids().collect();
    let (voting, listening): (BTreeSet<NodeId>, BTreeSet<NodeId>) = ids.into_iter().partition(|id| voters.contains(id));
    if !voting.is_empty() {
        // Not to stay as learners: one that is up to date would vote again in a moment.
        changed(node, raft.change_membership(ChangeMembers::RemoveVoters(voting), false).await)?;
    }
    if listening.is_empty() {
        return Ok(());
    }
    changed(node, raft.change_membership(ChangeMembers::RemoveNodes(listening), false).await)
}

async fn write(node: &Node, raft: &Raft, payload: Payload) -> Result<(), Error> {
    raft.client_write(payload).await.map(|_| ()).map_err(|error| propose::failure(node, &error))
}

fn leading(node: &Node) -> Result<Raft, Error> {
    let not_leading = || Error::NotLeader { leader: node.leader() };
    node.lease().ok_or_else(not_leading)?;
    node.raft().ok_or_else(not_leading)
}
