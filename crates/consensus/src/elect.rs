//! Standing for election, and handing leadership over.
//!
//! The library would raise its term whenever it does not hear a leader. A node that was cut off would come back with a higher
//! one and depose a leader whom all others hear. So the library does not elect by itself here: a node first asks whether a
//! majority *would* vote for it, which changes nothing, and raises its term only then (Ongaro, "Consensus: Bridging Theory
//! and Practice", 9.6).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use openraft::ServerState;
use tokio::time::Instant;

use crate::message::{Campaign, Permit, PreVote, PreVoted};
use crate::node::Node;
use crate::transport::{CallError, Kind};
use crate::types::{Metrics, Raft};
use crate::{Error, NodeId, Peer};

/// How often a node looks whether it should stand.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// Stands for election whenever no leader is heard, for ever.
pub(crate) async fn run(node: Arc<Node>) {
    let mut patience = node.timing().loyalty + node.any_below(node.timing().jitter);
    let mut told = String::new();
    loop {
        tokio::time::sleep(TICK).await;
        let Some(raft) = node.raft() else { continue };
        let metrics = raft.metrics().borrow().clone();
        if !may_stand(&node, &metrics) || node.state().promised().is_some_and(|promised| promised.elapsed() < patience)
        {
            continue;
        }
        match would_win(&node, &metrics, None).await {
            Ok(()) => {
                tracing::info!(
                    term = metrics.current_term + 1,
                    "no leader is heard, and a majority agrees: standing for election"
                );
                told.clear();
                stand(&node, &raft, &metrics, None).await;
            }
            Err(why) if why != told => {
                tracing::info!(%why, "no leader is heard, and a majority would not vote for this node");
                told = why;
            }
            Err(_) => {}
        }
        patience = node.timing().loyalty + node.any_below(node.timing().jitter);
        tokio::time::sleep(node.any_below(TICK * 2)).await;
    }
}

fn may_stand(node: &Node, metrics: &Metrics) -> bool {
    let is_voter = metrics.membership_config.membership().voter_ids().any(|id| id == node.me.id);
    is_voter && metrics.running_state.is_ok() && metrics.state != ServerState::Leader
}

/// Takes leadership over with the leader's word, or says why that did not come about within `limit`.
pub(crate) async fn take_over(node: &Arc<Node>, permit: Permit, limit: Duration) -> Result<(), String> {
    node.state().permit = Some(permit);
    let outcome = tokio::time::timeout(limit, async {
        // The library itself is loyal for a moment after the last heartbeat, whatever its leader says.
        let heard = node.state().heard_leader.unwrap_or_else(Instant::now);
        tokio::time::sleep_until(heard + node.timing().answer + TICK / 2).await;
        loop {
            let raft = node.raft().ok_or_else(|| "this node takes no part now".to_owned())?;
            let metrics = raft.metrics().borrow().clone();
            if metrics.state == ServerState::Leader {
                return Ok(());
            }
            if let Err(why) = would_win(node, &metrics, Some(permit)).await {
                tracing::debug!(%why, "cannot take over yet");
            } else {
                stand(node, &raft, &metrics, Some(permit)).await;
            }
            tokio::time::sleep(TICK).await;
        }
    });
    let outcome = outcome.await.unwrap_or_else(|_| Err("it was not elected in time".to_owned()));
    node.state().permit = None;
    outcome
}

/// Raises the term and asks for votes, unless a leader was heard since `before`; returns once the outcome is known, or it
/// takes too long.
async fn stand(node: &Node, raft: &Raft, before: &Metrics, permit: Option<Permit>) {
    {
        // In one step: from here on nothing is acknowledged to a leader, and what was acknowledged before shows as heard.
        let mut state = node.state();
        let present = raft.metrics().borrow().vote;
        // A candidacy of our own that came to nothing does not void the leader's word.
        let term = match permit {
            Some(permit) if !before.vote.is_committed() => permit.term,
            _ => before.vote.leader_id().term,
        };
        if present != before.vote || state.is_loyal(node.timing().loyalty, term, permit) {
            return;
        }
        state.stands = true;
    }
    // Also when this is dropped half way.
    let _standing = Standing { node };
    if raft.trigger().elect().await.is_ok() {
        let decided = |metrics: &Metrics| metrics.vote != before.vote && metrics.current_leader.is_some();
        // That nobody was elected shows by itself.
        until(raft, node.timing().answer, decided).await;
    }
}

/// Ends a candidacy when it is dropped.
struct Standing<'a> {
    node: &'a Node,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.node.state().stands = false;
    }
}

/// Waits until what the library says of this node `holds`; false when it did not within `limit`, or the library stopped.
/// (Its own wait chooses by chance between the two when both come at once, and no simulation could be repeated.)
pub(crate) async fn until(raft: &Raft, limit: Duration, holds: impl Fn(&Metrics) -> bool) -> bool {
    let mut metrics = raft.metrics();
    let waiting = async {
        while !holds(&metrics.borrow_and_update()) {
            if metrics.changed().await.is_err() {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(limit, waiting).await.unwrap_or(false)
}

/// Asks all voters whether they would vote for this node. `Ok` as soon as majorities would: a voter that is cut off must not
/// hold up the others.
async fn would_win(node: &Node, metrics: &Metrics, permit: Option<Permit>) -> Result<(), String> {
    let last_log = node.shared.last_log();
    let limit = node.timing().answer;
    let others = node.other_voters();
    let mut asked: FuturesUnordered<_> = others
        .iter()
        .map(|peer| async move {
            let question = PreVote { last_log, permit };
            (peer, node.ask::<PreVoted>(peer.id, &peer.address, Kind::PreVote, question, limit).await)
        })
        .collect();
    let configs = metrics.membership_config.membership().get_joint_config();
    let mut yes: BTreeSet<NodeId> = BTreeSet::from([node.me.id]);
    let mut no = BTreeSet::new();
    while !configs.iter().all(|voters| voters.intersection(&yes).count() > voters.len() / 2) {
        let Some((peer, answer)) = asked.next().await else {
            return Err(no.into_iter().collect::<Vec<_>>().join("; "));
        };
        match refusal(node, peer, answer) {
            None => drop(yes.insert(peer.id)),
            Some(why) => drop(no.insert(format!("{}: {why}", peer.address))),
        }
    }
    Ok(())
}

/// Returns why `peer` would not vote for this node; none when it would.
fn refusal(node: &Node, peer: &Peer, answer: Result<PreVoted, CallError>) -> Option<String> {
    match answer {
        Ok(PreVoted { refusal: None }) => None,
        Ok(PreVoted { refusal: Some(why) }) => {
            if why.ends_with("is no voter") {
                node.state().excluded_by.insert(peer.id);
            }
            // Milliseconds would make every refusal a new one.
            Some(if why.contains("heard its leader") { "it hears a leader".to_owned() } else { why })
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Hands leadership over to `to`, or to the voter that is most up to date, and returns who leads then.
pub(crate) async fn hand_over(node: &Arc<Node>, to: Option<&Peer>) -> Result<Peer, Error> {
    if node.lease().is_none() {
        return Err(Error::NotLeader { leader: node.leader() });
    }
    let target = choose(node, to)?;
    release(node, &target).await
}

/// Hands leadership over to `target`, also before this node may act.
pub(crate) async fn release(node: &Arc<Node>, target: &Peer) -> Result<Peer, Error> {
    let not_leading = || Error::NotLeader { leader: node.leader() };
    let raft = node.raft().ok_or_else(not_leading)?;
    let term = raft.metrics().borrow().current_term;
    if raft.metrics().borrow().state != ServerState::Leader {
        return Err(not_leading());
    }
    is_there(node, &raft, target).await?;
    tracing::info!(to = %target.address, "handing leadership over");
    let count = node.hand_overs(term);
    // From here on this node does not act: neither a heartbeat nor a lease, whatever the others do.
    node.state().stood_down = Some(term);
    node.changed.notify_one();
    let outcome = persuade(node, &raft, target, Permit { term, count }).await;
    if let Err(why) = &outcome {
        tracing::warn!(to = %target.address, %why, "leadership was not taken over: going on");
        // Nobody may vote with the word that was given: it is void for whoever hears the next heartbeat, and only what is
        // acknowledged after that one counts for the lease.
        let mut state = node.state();
        state.hand_overs = (term, count + 1);
        state.acks.forget(Instant::now());
        state.stood_down = None;
    }
    outcome.map(|()| target.clone()).map_err(Error::Impossible)
}

/// Makes sure that `target` is there and has the whole log, while this node still leads.
async fn is_there(node: &Node, raft: &Raft, target: &Peer) -> Result<(), Error> {
    const CATCH_UP: Duration = Duration::from_secs(1);
    let absent = |why: String| Error::Impossible(format!("{} cannot take over: {why}", target.address));
    node.greet(&target.address).await.map_err(|error| absent(error.to_string()))?;
    let caught_up = until(raft, CATCH_UP, |metrics| has_all(metrics, target)).await;
    if caught_up { Ok(()) } else { Err(absent("it is not up to date".to_owned())) }
}

fn has_all(metrics: &Metrics, target: &Peer) -> bool {
    let matched = metrics.replication.as_ref().and_then(|all| all.get(&target.id)?.map(|id| id.index));
    metrics.state != ServerState::Leader || matched >= metrics.last_log_index
}

/// Returns how long a hand-over may take. Shorter than the others are loyal: if it fails, they have not begun to look for
/// another leader.
pub(crate) fn hand_over_limit(node: &Node) -> Duration {
    let loyalty = u64::try_from(node.timing().loyalty.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(loyalty / 5 * 4)
}

async fn persuade(node: &Arc<Node>, raft: &Raft, target: &Peer, permit: Permit) -> Result<(), String> {
    let limit = hand_over_limit(node);
    let asking = async {
        until(raft, limit, |metrics| has_all(metrics, target)).await;
        let asked = node.ask::<()>(target.id, &target.address, Kind::Campaign, Campaign { permit }, limit).await;
        asked.map_err(|error| error.to_string())
    };
    let asked = tokio::time::timeout(limit, asking).await;
    asked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

fn choose(node: &Node, to: Option<&Peer>) -> Result<Peer, Error> {
    let others = node.other_voters();
    if let Some(to) = to {
        let found = others.into_iter().find(|peer| peer.id == to.id || peer.address == to.address);
        return found.ok_or_else(|| Error::Impossible(format!("{} is no voter beside this node", to.address)));
    }
    let replication = node.metrics().and_then(|metrics| metrics.replication).unwrap_or_default();
    let heard = |peer: &Peer| {
        let state = node.state();
        let age = state.known.get(&peer.id).map_or(Duration::MAX, |known| known.heard.elapsed());
        age < node.timing().hello * 4
    };
    let best = others.into_iter().max_by_key(|peer| {
        let matched = replication.get(&peer.id).copied().flatten().map(|id| id.index);
        (heard(peer), matched, std::cmp::Reverse(peer.address.clone()))
    });
    best.ok_or_else(|| Error::Impossible("there is no other voter".to_owned()))
}

/// Tells the others that this node leads, for ever.
pub(crate) async fn beat(node: Arc<Node>) {
    let mut next = Instant::now();
    let mut acted = Instant::now();
    loop {
        next += node.timing().heartbeat;
        tokio::time::sleep_until(next).await;
        // After a pause of the machine one heartbeat is enough.
        next = next.max(Instant::now());
        let Some(raft) = node.raft() else { continue };
        let (leads, term) = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow();
            (metrics.state == ServerState::Leader, metrics.current_term)
        };
        if leads && node.state().stood_down != Some(term) && is_worth_hearing(&node, &mut acted) {
            drop(raft.trigger().heartbeat().await);
        }
    }
}

/// False while this node should be silent, though it was elected: it is heard and hears no answer, so it may not act, and
/// whoever hears it looks for no other leader. It speaks now and then, for the answers may come again.
fn is_worth_hearing(node: &Node, acted: &mut Instant) -> bool {
    let timing = node.timing();
    let silence = timing.loyalty + timing.jitter * 2;
    if node.lease().is_some() || acted.elapsed() > timing.loyalty + silence {
        *acted = Instant::now();
    }
    acted.elapsed() <= timing.loyalty
}
