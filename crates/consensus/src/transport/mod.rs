//! How nodes talk: bodies to and fro over the raft port, whatever they mean.
//!
//! One call is one `POST /raft/v1/<kind>` of HTTP/1.1 on a connection that is kept for the next one. Calls to one peer run
//! side by side, each on a connection of its own, so that a heartbeat never waits behind a snapshot.
//!
//! Invariants: nothing that a stranger sends reaches the [`Handler`] where the port is secured. Nothing that anybody sends
//! makes this process panic, allocate without bound or wait for ever.

mod causes;
mod client;
mod error;
mod kind;
mod security;
mod server;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use client::Dialer;
pub use error::PortError;
pub(crate) use kind::Kind;
pub use security::Security;
pub use server::Port;

/// What the bodies are, for those who look: nothing but ours.
const MEDIA_TYPE: &str = "application/x-orchestrator-raft";

/// Why a call brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection came about, or it broke before the answer was here.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// No answer within the limit.
    #[error("no answer in time")]
    TimedOut,
    /// The peer answered no; its status and its words.
    #[error("refused: {0}")]
    Refused(String),
    /// Who the peer is, or who we are, could not be proven; says what to do.
    #[error("not secured: {0}")]
    Insecure(String),
}

/// How bodies get to another node. A trait because the simulation has another one.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// Brings `body` to the node at `address` (`host:port`) and returns its answer, within `limit`. When it failed, the peer
    /// may have carried the request out nonetheless, unless the error is [`CallError::Insecure`].
    fn call(
        &self,
        address: &str,
        kind: Kind,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>>;
}

/// Who answers.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Returns the answer to `body`, or why there is none: that is told to the caller and logged, at most once a minute for
    /// each remote address. Runs to its end even when the caller went away meanwhile.
    fn handle(&self, kind: Kind, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>>;
}
