//! Calling other nodes.

mod connector;
mod names;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;

use self::connector::Connector;
use super::causes::causes;
use super::security::{Proof, about_peer, tls_cause};
use super::{CallError, Carrier, Kind, MEDIA_TYPE, PortError, Security};

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// Connections that lie idle this long are closed: well before the other side would close them.
const IDLE: Duration = Duration::from_secs(20);
/// Idle connections that are kept to one peer.
const MOST_IDLE: usize = 8;
/// Calls to one peer at once, of those that take turns. Several nodes may share a host, and a host has its limit at the peer.
const MOST_IN_TURN: usize = 24;
/// Peers whose connections are kept. Clusters are small; this only bounds what an odd caller could do.
const MOST_PEERS: usize = 256;

/// Reaches other nodes. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Dialer {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    proof: Proof,
    pools: Mutex<Pools>,
}

/// The connections to each peer.
#[derive(Default)]
struct Pools {
    by_address: HashMap<String, Pool>,
    made: u64,
}

/// The connections to one peer since it last failed us.
#[derive(Clone)]
struct Pool {
    number: u64,
    client: legacy::Client<Connector, Full<Bytes>>,
    turns: Arc<Semaphore>,
}

impl Dialer {
    /// Returns a dialer that proves itself as `security` says. Takes a tenth of a second with a secret.
    ///
    /// # Errors
    /// [`PortError`] when what `security` names does not serve.
    pub fn new(security: &Security) -> Result<Self, PortError> {
        let connector = Connector::new(security)?;
        Ok(Self { shared: Arc::new(Shared { connector, proof: security.proof(), pools: Mutex::default() }) })
    }
}

impl Carrier for Dialer {
    fn call(
        &self,
        address: &str,
        kind: Kind,
        body: Bytes,
        limit: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let (shared, address) = (self.shared.clone(), address.to_owned());
        async move { shared.call(&address, kind, body, limit).await }.boxed()
    }
}

impl Shared {
    async fn call(&self, address: &str, kind: Kind, body: Bytes, limit: Duration) -> Result<Bytes, CallError> {
        if body.len() > kind.largest() {
            return Err(CallError::Refused(format!("{kind}: {} bytes are more than a peer takes", body.len())));
        }
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}://{address}{}", self.connector.scheme(), kind.path()))
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .body(Full::new(body))
            .map_err(|error| CallError::Unreachable(format!("\"{address}\" is no address: {error}")))?;
        let pool = self.pool(address);
        let exchange = async {
            let turn = if kind.takes_turns() { pool.turns.acquire().await.ok() } else { None };
            let answer = self.exchange(&pool, request).await;
            drop(turn);
            answer
        };
        let outcome = tokio::time::timeout(limit, exchange).await;
        let outcome = outcome.unwrap_or(Err(CallError::TimedOut));
        if matches!(outcome, Err(CallError::TimedOut | CallError::Unreachable(_))) {
            self.forget(address, pool.number);
        }
        outcome
    }

    async fn exchange(&self, pool: &Pool, request: Request<Full<Bytes>>) -> Result<Bytes, CallError> {
        // A kept connection that turns out to be closed before the request went out is replaced by a new one in here.
        let answer = pool.client.request(request).await.map_err(|error| self.failed(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| self.failed(error.as_ref()))?
            .to_bytes();
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(CallError::Refused(format!("{}: {}", status.as_u16(), String::from_utf8_lossy(&body))))
        }
    }

    fn failed(&self, error: &(dyn Error + 'static)) -> CallError {
        if let Some(tls) = tls_cause(error) {
            return CallError::Insecure(about_peer(tls, self.proof));
        }
        if speaks_something_else(error) {
            let message = "what answers there is no raft port in the clear: give this node the raft secret or certificates \
                           of the others";
            return CallError::Insecure(message.to_owned());
        }
        CallError::Unreachable(innermost(error))
    }

    /// Returns the connections to `address`.
    fn pool(&self, address: &str) -> Pool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.by_address.get(address) {
            return pool.clone();
        }
        if pools.by_address.len() >= MOST_PEERS {
            pools.by_address.clear();
        }
        pools.made += 1;
        let client = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .build(self.connector.clone());
        let pool = Pool { number: pools.made, client, turns: Arc::new(Semaphore::new(MOST_IN_TURN)) };
        pools.by_address.insert(address.to_owned(), pool.clone());
        pool
    }

    /// Lets go of the kept connections to `address`, unless that was done already: after a cut the other ones are as dead
    /// as the one that just failed, and each would cost a call.
    fn forget(&self, address: &str, number: u64) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.by_address.get(address).is_some_and(|pool| pool.number == number) {
            pools.by_address.remove(address);
        }
    }
}

/// True when the answer was no HTTP.
fn speaks_something_else(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse))
}

/// Returns what the system or the library at the bottom says: what wraps it adds nothing that helps.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
