//! How a node comes to belong to a cluster: founding, and being taken in.
//!
//! Founding. Nodes without a cluster greet all of `RaftNodes`. Once a majority of them is there and none belongs to a cluster,
//! the one with the lowest address founds: it draws the cluster's name and makes those that are there its members. The
//! others join it when they see that it names them. Who comes later is taken in by the leader (`lead.rs`).
//!
//! Two nodes that see different others may both found. A node joins one cluster only, for good, so at most one of the two
//! finds a majority; the other founder was never elected, and gives its cluster up when it sees that another is established.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use openraft::BasicNode;
use tokio::time::Instant;

use crate::message::{About, mark};
use crate::node::{Known, Node};
use crate::storage::fact;
use crate::{Peer, inbound};

/// How often a node that belongs to no cluster looks around.
const LOOK: Duration = Duration::from_millis(200);

/// Keeps greeting: until this node belongs to a cluster to find one, and then to know the others. For ever.
pub(crate) async fn run(node: Arc<Node>) {
    let mut majority_since = None;
    loop {
        let abouts = greet_all(&node).await;
        if is_settled(&node) {
            tokio::time::sleep(node.timing().hello).await;
            continue;
        }
        invite_self(&node, &abouts);
        if node.state().cluster.is_some() {
            give_up_if_void(&node, &abouts).await;
        } else if let Err(why) = found_if_due(&node, &abouts, &mut majority_since).await {
            tracing::warn!(%why, "cannot found a cluster: trying again");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// True when this node has a membership that names it.
fn is_settled(node: &Node) -> bool {
    let has_members = node.metrics().is_some_and(|metrics| {
        metrics.last_applied.is_some() && metrics.membership_config.membership().nodes().next().is_some()
    });
    has_members && node.state().cluster.is_some()
}

/// Greets `RaftNodes` and members, side by side, and returns who answered.
async fn greet_all(node: &Node) -> Vec<About> {
    let mut addresses: Vec<String> = node.settings.nodes.clone();
    let members = node.metrics().as_ref().map(crate::node::members).unwrap_or_default();
    let members: Vec<Peer> = members.into_iter().map(|(peer, _)| peer).collect();
    addresses.extend(members.iter().map(|peer| peer.address.clone()));
    addresses.extend(node.state().known.values().map(|known| known.about.peer.address.clone()));
    addresses.sort();
    addresses.dedup();
    addresses.retain(|address| *address != node.me.address);
    let answers = join_all(addresses.iter().map(|address| node.greet(address))).await;
    let now = Instant::now();
    let mut state = node.state();
    let own = state.cluster.as_deref().map(mark);
    state.contacts = BTreeMap::new();
    let mut heard = Vec::new();
    for (address, answer) in addresses.into_iter().zip(answers) {
        let Ok(about) = answer else { continue };
        if about.peer.id == node.me.id {
            continue;
        }
        // Where a member moved to, it says itself, with the cluster's name: whoever has its old address may say anything.
        let is_member = members.contains(&about.peer) && about.peer.address == address;
        if own.is_some() && about.mark == own && is_member {
            state.known.insert(about.peer.id, Known { about: about.clone(), heard: now });
        }
        state.contacts.insert(address, about.clone());
        heard.push(about);
    }
    heard
}

/// Notes the clusters that name this node as a member: it joins the one that speaks to it first.
fn invite_self(node: &Node, abouts: &[About]) {
    let inviting = abouts.iter().filter(|about| about.has_member(node.me.id));
    let marks: Vec<String> = inviting.filter_map(|about| about.mark.clone()).collect();
    node.state().invitations.extend(marks);
}

async fn found_if_due(node: &Arc<Node>, abouts: &[About], since: &mut Option<Instant>) -> Result<(), String> {
    let nodes = &node.settings.nodes;
    let stands_alone = nodes.is_empty() || *nodes == [node.me.address.clone()];
    if !stands_alone && !nodes.contains(&node.me.address) {
        // Not one of the founders: it waits until somebody adds it.
        return Ok(());
    }
    let mut present: BTreeMap<String, u64> = BTreeMap::from([(node.me.address.clone(), node.me.id)]);
    for about in abouts.iter().filter(|about| nodes.contains(&about.peer.address)) {
        if about.mark.is_some() {
            *since = None;
            return Ok(());
        }
        present.insert(about.peer.address.clone(), about.peer.id);
    }
    if !stands_alone && present.len() <= nodes.len() / 2 {
        *since = None;
        return Ok(());
    }
    let waited = since.get_or_insert_with(Instant::now).elapsed();
    if present.len() < nodes.len() && waited < node.timing().patience {
        return Ok(());
    }
    if present.keys().next() == Some(&node.me.address) { found(node, present).await } else { Ok(()) }
}

async fn found(node: &Arc<Node>, members: BTreeMap<String, u64>) -> Result<(), String> {
    let Some(raft) = node.raft() else { return Ok(()) };
    let cluster = node.any_name();
    inbound::join(node, &cluster, node.me.id).await?;
    tracing::warn!(members = ?members.keys().collect::<Vec<_>>(), "founding a cluster");
    let members: BTreeMap<u64, BasicNode> =
        members.into_iter().map(|(address, id)| (id, BasicNode::new(address))).collect();
    raft.initialize(members).await.map_err(|error| error.to_string())
}

/// Gives up a cluster in which nothing can ever have been decided, when the others have one.
async fn give_up_if_void(node: &Arc<Node>, abouts: &[About]) {
    let Some(own) = node.state().cluster.as_deref().map(mark) else { return };
    let Some(raft) = node.raft() else { return };
    let Ok(founder) = node.store.work(|db| db.kept(fact::FOUNDER)).await else { return };
    let is_founder = founder.as_deref() == Some(node.me.id.to_string().as_str());
    let (last, was_elected) = {
        let metrics = raft.metrics().borrow().clone();
        (metrics.last_log_index, metrics.last_applied.is_some() || metrics.last_log_index > Some(0))
    };
    let is_void = if is_founder {
        // Only the founder can be the first to lead, and it never did.
        let others = abouts.iter().filter(|about| about.established && about.mark.as_ref() != Some(&own));
        !was_elected && others.count() > 0
    } else {
        // Nothing came from the founder, and it is elsewhere now.
        let of_founder = abouts.iter().find(|about| founder.as_ref() == Some(&about.peer.id.to_string()));
        last.is_none() && of_founder.is_some_and(|about| about.mark.is_some() && about.mark.as_ref() != Some(&own))
    };
    if !is_void && initialize_again(node, &raft, is_founder, last).await {
        return;
    }
    if is_void {
        tracing::warn!("gives up a cluster that was never established: the others have another one");
        node.state().abandon = true;
        drop(raft.shutdown().await);
    }
}

/// A founder that died between naming its cluster and writing down its members does that now, with whoever is there.
async fn initialize_again(node: &Arc<Node>, raft: &crate::types::Raft, is_founder: bool, last: Option<u64>) -> bool {
    if !is_founder || last.is_some() {
        return false;
    }
    let contacts = node.state().contacts.clone();
    let mut members = BTreeMap::from([(node.me.id, BasicNode::new(node.me.address.clone()))]);
    for about in contacts.values().filter(|about| about.mark.is_none()) {
        members.insert(about.peer.id, BasicNode::new(about.peer.address.clone()));
    }
    if members.len() <= node.settings.nodes.len() / 2 {
        return false;
    }
    raft.initialize(members).await.is_ok()
}
