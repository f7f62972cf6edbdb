//! From commands to verdicts: through the log here, or through the leader.

use std::sync::Arc;
use std::time::Duration;

use openraft::error::{ClientWriteError, RaftError};
use store::{Applied, Command, Verdict};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::message::{Declare, Declared};
use crate::node::Node;
use crate::transport::{CallError, Kind};
use crate::types::{Answer, Payload};
use crate::{Error, Peer};

/// Most commands that may wait.
pub(crate) const QUEUE: usize = 4096;
/// Most commands in one entry.
const TOGETHER: usize = 128;
/// Most entries that are under way at one time. What comes meanwhile waits and goes together: each entry costs a write to
/// disk on every node.
const UNDER_WAY: usize = 2;

/// A command, and who waits for it.
pub(crate) struct Proposal {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Result<Applied, Error>>,
}

/// Takes proposals in their order, for ever.
pub(crate) async fn run(node: Arc<Node>, mut queue: mpsc::Receiver<Proposal>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    while let Some(first) = queue.recv().await {
        let Ok(turn) = Arc::clone(&under_way).acquire_owned().await else { return };
        let mut batch = vec![first];
        while batch.len() < TOGETHER
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        let (commands, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.command, one.reply)).unzip();
        let leader = if node.lease().is_some() { None } else { other_leader(&node).await };
        if node.lease().is_some() {
            // Handed to the library here, in order; only the waiting goes on beside.
            let waiting = submit(&node, commands).await;
            let node_of_task = Arc::clone(&node);
            node.spawn(async move {
                let outcome = match waiting {
                    Ok(waiting) => confirmed(&node_of_task, waiting).await,
                    Err(error) => Err(error),
                };
                answer(replies, outcome);
                drop(turn);
            });
        } else {
            let outcome = forward(&node, leader, commands).await;
            answer(replies, outcome);
        }
    }
}

/// Decides on `commands` if this node leads.
pub(crate) async fn decide(node: &Arc<Node>, commands: Vec<Command>) -> Result<Vec<Verdict>, Error> {
    if node.lease().is_none() {
        return Err(Error::NotLeader { leader: node.leader().filter(|leader| leader.id != node.me.id) });
    }
    confirmed(node, submit(node, commands).await?).await
}

type Waiting = oneshot::Receiver<Result<openraft::raft::ClientWriteResponse<crate::types::Types>, Refused>>;
type Refused = ClientWriteError<crate::NodeId, openraft::BasicNode>;

async fn submit(node: &Node, commands: Vec<Command>) -> Result<Waiting, Error> {
    let raft = node.raft().ok_or_else(|| unavailable(node))?;
    raft.client_write_ff(Payload::Commands(commands))
        .await
        .map_err(|error| Error::Unavailable { why: error.to_string() })
}

async fn confirmed(node: &Node, waiting: Waiting) -> Result<Vec<Verdict>, Error> {
    let limit = node.timing().confirmation;
    match tokio::time::timeout(limit, waiting).await {
        Err(_) => Err(Error::NotConfirmed { millis: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }),
        Ok(Err(_)) => Err(Error::Unavailable { why: "the log was closed: it may still be carried out".to_owned() }),
        Ok(Ok(Err(refused))) => Err(refusal(node, &refused)),
        Ok(Ok(Ok(response))) => match response.data {
            Answer::Verdicts(verdicts) => Ok(verdicts),
            Answer::Nothing => Ok(Vec::new()),
        },
    }
}

async fn forward(node: &Node, leader: Option<Peer>, commands: Vec<Command>) -> Result<Vec<Verdict>, Error> {
    let Some(leader) = leader else { return Err(Error::NotLeader { leader: None }) };
    let limit = node.timing().confirmation;
    let asked = node.ask::<Declared>(leader.id, &leader.address, Kind::Declare, Declare { commands }, limit);
    let unconfirmed = |why: &str| Error::Unavailable {
        why: format!("the leader {} did not confirm it ({why}): it may still be carried out", leader.address),
    };
    tokio::select! {
        biased;
        answer = asked => match answer {
            Ok(declared) => Ok(declared.verdicts),
            Err(CallError::Refused(why)) => Err(Error::Unavailable { why: format!("{} refuses: {why}", leader.address) }),
            Err(error) => Err(unconfirmed(&error.to_string())),
        },
        // What waits behind must not wait for one that leads no more.
        () = follows_another(node, &leader) => Err(unconfirmed("it leads no more")),
    }
}

/// Waits until `leader` is not the leader any more.
async fn follows_another(node: &Node, leader: &Peer) {
    const LOOK: Duration = Duration::from_millis(100);
    while node.leader().as_ref() == Some(leader) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns which other node leads, after an election if one is going on. None when this one does, or nobody is elected.
async fn other_leader(node: &Node) -> Option<Peer> {
    const LOOK: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + node.timing().loyalty + node.timing().jitter;
    loop {
        let leader = node.leader().filter(|leader| leader.id != node.me.id);
        if leader.is_some() || node.lease().is_some() || Instant::now() > deadline {
            return leader;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn answer(replies: Vec<oneshot::Sender<Result<Applied, Error>>>, outcome: Result<Vec<Verdict>, Error>) {
    match outcome {
        Ok(verdicts) => {
            for (reply, verdict) in replies.into_iter().zip(verdicts) {
                // Who does not wait any more does not hear.
                drop(reply.send(verdict.map_err(|refusal| Error::Store(store::Error::Refused(refusal)))));
            }
        }
        Err(error) => {
            for reply in replies {
                drop(reply.send(Err(error.again())));
            }
        }
    }
}

/// Returns what the refusal of the library means to who proposed.
pub(crate) fn refusal(node: &Node, refused: &Refused) -> Error {
    match refused {
        ClientWriteError::ForwardToLeader(_) => {
            Error::NotLeader { leader: node.leader().filter(|leader| leader.id != node.me.id) }
        }
        ClientWriteError::ChangeMembershipError(error) => Error::Impossible(error.to_string()),
    }
}

/// Returns what an error of the library means to who changes the membership.
pub(crate) fn failure(node: &Node, error: &RaftError<crate::NodeId, Refused>) -> Error {
    match error {
        RaftError::APIError(refused) => refusal(node, refused),
        RaftError::Fatal(fatal) => Error::Unavailable { why: fatal.to_string() },
    }
}

fn unavailable(node: &Node) -> Error {
    let why = node.state().trouble.clone().unwrap_or_else(|| "it is stopping".to_owned());
    Error::Unavailable { why }
}
