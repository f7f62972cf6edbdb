//! The rows that a cluster begins with: the founder's.
//!
//! Nodes may bring rows of their own, as those of an Orchestrator that they replace. The founder puts its rows into the log
//! in pieces that are small enough for a heartbeat's time, and then one entry that puts them in place of everybody's, its own
//! included, at once. Until then nobody may act. A founder that dies meanwhile still has its rows and begins anew.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Dump, Store};

use crate::node::Node;
use crate::storage::fact;
use crate::types::{Payload, Raft};
use crate::{Error, elect, propose};

/// Characters in one piece.
const PIECE: usize = 128 * 1024;

/// Largest content that is unpacked: what somebody packed small must not fill the memory.
const LARGEST: u64 = 4 << 30;

/// Sees to it, on a node that leads, that the cluster gets the rows of its founder.
pub(crate) async fn look(node: &std::sync::Arc<Node>, raft: &Raft) -> Result<(), Error> {
    if node.state().founder {
        return send(node, raft).await;
    }
    let others = node.other_voters();
    let (founder, heard) = {
        let state = node.state();
        // Another node at its address: it lost its file, and its rows with it.
        let is_lost =
            |peer: &crate::Peer| state.contacts.get(&peer.address).is_some_and(|about| about.peer.id != peer.id);
        let known = |peer: &&crate::Peer| state.known.get(&peer.id).filter(|_| !is_lost(peer));
        let founder = others.iter().find(|peer| known(peer).is_some_and(|known| known.about.founder)).cloned();
        (founder, others.iter().filter(|peer| known(peer).is_some() || is_lost(peer)).count())
    };
    match founder {
        Some(founder) => {
            tracing::info!(to = %founder.address, "the rows that the cluster begins with are there: it should lead");
            elect::release(node, &founder).await.map(|_| ())
        }
        // Nobody has them any more: the founder lost its file.
        None if heard == others.len() => send(node, raft).await,
        None => Ok(()),
    }
}

/// Puts the rows of this node into the log.
async fn send(node: &Node, raft: &Raft) -> Result<(), Error> {
    let unavailable = |why: String| Error::Unavailable { why };
    let text = encoded(&node.store).await.map_err(unavailable)?;
    let attempt = node.any_name();
    let mut pieces = 0;
    for piece in text.as_bytes().chunks(PIECE) {
        let text = String::from_utf8_lossy(piece).into_owned();
        write(node, raft, Payload::Piece { attempt: attempt.clone(), number: pieces, text }).await?;
        pieces += 1;
    }
    write(node, raft, Payload::Adopt { attempt, pieces }).await?;
    tracing::info!(pieces, "the cluster begins with the rows of this node");
    Ok(())
}

async fn write(node: &Node, raft: &Raft, payload: Payload) -> Result<(), Error> {
    let limit = node.timing().confirmation;
    let written = tokio::time::timeout(limit, raft.client_write(payload)).await;
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let written = written.map_err(|_| Error::NotConfirmed { millis })?;
    written.map(|_| ()).map_err(|error| propose::failure(node, &error))
}

async fn encoded(store: &Store) -> Result<String, String> {
    let store = store.clone();
    let is_inline = store.is_inline();
    let take = move || {
        let (dump, _) = store.dump().map_err(|error| error.to_string())?;
        let packed = pack(&dump).map_err(|error| error.to_string())?;
        Ok(BASE64_STANDARD.encode(packed))
    };
    if is_inline { take() } else { tokio::task::spawn_blocking(take).await.map_err(|error| error.to_string())? }
}

/// Returns the name under which a piece is kept.
pub(crate) fn piece(attempt: &str, number: u32) -> String {
    format!("{}{attempt}/{number:08}", fact::PIECE)
}

/// Puts the pieces of `attempt` in `kept` together; none when some are missing or make no sense.
pub(crate) fn assemble(kept: &BTreeMap<String, String>, attempt: &str, pieces: u32) -> Option<Dump> {
    let mut text = String::new();
    for number in 0..pieces {
        text.push_str(kept.get(&piece(attempt, number))?);
    }
    let packed = BASE64_STANDARD.decode(text).ok()?;
    unpack(&packed).ok()
}

/// Writes `content` small.
pub(crate) fn pack(content: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&serde_json::to_vec(content)?)?;
    packed.finish()
}

/// Reads what [`pack`] wrote.
pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> std::io::Result<T> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).take(LARGEST).read_to_end(&mut plain)?;
    Ok(serde_json::from_slice(&plain)?)
}
