//! The way to the leader.
//!
//! What changes something is the leader's to do. Another node checks the caller's permission as far as it can, hands the
//! request on, and passes the answer back as it comes. A header marks what was handed on, so that two nodes which both
//! take the other for the leader do not play ball with it. The leader's answer tells how far its log has come, and this
//! node waits a moment for its own copy to get there: who asks next sees what they changed.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use config::{Config, ServerTls};
use consensus::{Peer, Standing, Status};
use tokio::time::Instant;

use crate::app::Api;
use crate::error;
use crate::route::Access;

/// Marks a request that a node handed on, and names the node.
const FORWARDED_BY: HeaderName = HeaderName::from_static("x-orchestrator-forwarded-by");
/// The last entry of the leader's log when it answered. What it did for the request is in it, or before.
const LOGGED: HeaderName = HeaderName::from_static("x-orchestrator-logged");

/// Headers that concern one connection only (RFC 9110, 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What is not handed on beside that: the client sets its own; the leader would take our page's `Origin` for another
/// site's, and this node has looked at it already; the answer is packed here, for whoever asked.
const OURS: [HeaderName; 5] =
    [header::HOST, header::CONTENT_LENGTH, header::ORIGIN, header::ACCEPT_ENCODING, header::PROXY_AUTHORIZATION];

/// The longest body that is handed on. Nothing that is served takes more than a few words.
const LONGEST_BODY: usize = 1 << 20;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For the leader to accept a connection.
    pub(crate) connect: Duration,
    /// For the answer to begin: hooks and replicas that catch up take their time.
    pub(crate) answer: Duration,
    /// For this node's own copy to show what the leader did.
    pub(crate) catch_up: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), answer: Duration::from_secs(15 * 60), catch_up: Duration::from_secs(1) }
    }
}

/// Why a request did not reach the leader, or its answer did not come back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody leads, as far as this node knows.
    #[error(
        "no node leads now, as far as this one knows; nothing was changed. A majority of the nodes must be up and see \
         each other: /api/v2/nodes tells which do. After an election, try again in a second"
    )]
    NoLeader,
    /// This node was elected and does not lead yet.
    #[error("this node was elected a moment ago and does not lead yet; nothing was changed. Try again in a second")]
    NotYet,
    /// This node takes no part.
    #[error("this node takes no part now: {why}; nothing was changed. Ask another node")]
    Down {
        /// Why not.
        why: String,
    },
    /// Another node took this one for the leader.
    #[error(
        "{by} handed this on, but this node does not lead{}; nothing was changed. Leadership moved: try again in a second",
        leader.as_ref().map_or_else(String::new, |leader| format!(", {} does", leader.address))
    )]
    Twice {
        /// Who handed it on.
        by: String,
        /// Who leads, where that is known.
        leader: Option<Peer>,
    },
    /// The leader does not say where its API is.
    #[error(
        "the leader {leader} has not told yet where its API is; nothing was changed. Set HTTPAdvertise there, or wait"
    )]
    NoAddress {
        /// Its raft address.
        leader: String,
    },
    /// TLS files of this node cannot be used.
    #[error("this node cannot hand requests on: {why}; nothing was changed. Ask the leader {url}")]
    NoClient {
        /// Where the leader is.
        url: String,
        /// Why not.
        why: String,
    },
    /// The body is too long.
    #[error("the request is longer than {LONGEST_BODY} bytes, or broke off; nothing was changed")]
    Body,
    /// The leader cannot be connected to.
    #[error(
        "the leader {url} cannot be reached from this node: {why}; nothing was changed. Is HTTPAdvertise right there, and \
         does a firewall let this node through?"
    )]
    Unreachable {
        /// Where the leader is.
        url: String,
        /// Why not.
        why: String,
    },
    /// The connection broke after the request went out.
    #[error(
        "the leader {url} was asked, and the connection broke: {why}. It may have been done: look before you repeat it"
    )]
    Broken {
        /// Where the leader is.
        url: String,
        /// Why.
        why: String,
    },
    /// No answer in time.
    #[error("the leader {url} was asked, and has not answered for {} s. It may still be doing it", limit.as_secs())]
    Slow {
        /// Where the leader is.
        url: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

/// Hands requests on to the leader. Cheap to clone; its connections are kept and shared.
#[derive(Clone)]
pub(crate) struct Forwarder {
    client: Result<reqwest::Client, String>,
    limits: Limits,
}

impl Forwarder {
    /// Returns what hands requests on with the TLS files of `config`. What is wrong with them is logged, and said to whoever
    /// needs it.
    pub(crate) fn new(config: &Config, limits: Limits) -> Self {
        let client = match config.raft.enabled {
            true => client(&config.tls, limits).inspect_err(|why| tracing::error!("cannot ask a leader: {why}")),
            false => Err("raft is not enabled".to_owned()),
        };
        Self { client, limits }
    }

    /// Sends `request` to the leader's API at `url` in the name of the node `by`. Returns its answer.
    async fn send(&self, request: Request, url: &str, by: &str) -> Result<Response, Error> {
        let client = match &self.client {
            Ok(client) => client,
            Err(why) => return Err(Error::NoClient { url: url.to_owned(), why: why.clone() }),
        };
        let path = original_uri(&request).path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, LONGEST_BODY).await.map_err(|_| Error::Body)?;
        let mut headers = end_to_end(&parts.headers);
        OURS.iter().for_each(|name| drop(headers.remove(name)));
        headers.insert(FORWARDED_BY, HeaderValue::from_str(by).unwrap_or(HeaderValue::from_static("a node")));
        let asked = client.request(parts.method, format!("{}{path}", url.trim_end_matches('/')));
        let answer = asked.headers(headers).body(body).send().await.map_err(|error| self.failure(&error, url))?;
        let (parts, body) = axum::http::Response::from(answer).into_parts();
        let mut response = (parts.status, Body::new(body)).into_response();
        *response.headers_mut() = end_to_end(&parts.headers);
        Ok(response)
    }

    fn failure(&self, error: &reqwest::Error, url: &str) -> Error {
        let (url, why) = (url.to_owned(), innermost(error));
        if error.is_connect() || error.is_builder() {
            Error::Unreachable { url, why }
        } else if error.is_timeout() {
            Error::Slow { url, limit: self.limits.answer }
        } else {
            Error::Broken { url, why }
        }
    }
}

/// Lets a request through to its handler if this node leads, and hands it on to the leader otherwise.
pub(crate) async fn to_leader(State((api, access)): State<(Api, Access)>, request: Request, next: Next) -> Response {
    let status = api.outlook.status();
    let by = request.headers().get(&FORWARDED_BY).map(|by| String::from_utf8_lossy(by.as_bytes()).into_owned());
    if status.standing.leads() {
        let mut response = next.run(request).await;
        if by.is_some() {
            response.headers_mut().insert(LOGGED, HeaderValue::from(api.outlook.status().last_log));
        }
        return response;
    }
    match address_of_leader(&status, by) {
        Ok(url) => handed_on(&api, request, &url, &status.node.address).await,
        // What only shows something shows what this node knows: that it does not lead.
        Err(_) if access == Access::Read => next.run(request).await,
        Err(refused) => error::Error::from(refused).into_response(),
    }
}

/// Returns where the leader's API is, for a request that the node `by` handed on or, without one, a caller sent.
fn address_of_leader(status: &Status, by: Option<String>) -> Result<String, Error> {
    if let Some(by) = by {
        return Err(Error::Twice { by, leader: status.leader.clone() });
    }
    let Some(leader) = &status.leader else {
        return Err(match &status.standing {
            Standing::Down { why } => Error::Down { why: why.clone() },
            _ => Error::NoLeader,
        });
    };
    if leader.id == status.node.id {
        return Err(Error::NotYet);
    }
    match &status.leader_card {
        Some(card) if !card.http.is_empty() => Ok(card.http.clone()),
        _ => Err(Error::NoAddress { leader: leader.address.clone() }),
    }
}

async fn handed_on(api: &Api, request: Request, url: &str, by: &str) -> Response {
    let mut response = match api.forwarder.send(request, url, by).await {
        Ok(response) => response,
        Err(failure) => return error::Error::from(failure).into_response(),
    };
    let logged = response.headers_mut().remove(&LOGGED);
    if let Some(logged) = logged.and_then(|value| value.to_str().ok()?.parse().ok()) {
        caught_up(api, logged).await;
    }
    response
}

/// Waits until this node shows the entry `logged`, but not for ever: the answer is true either way.
async fn caught_up(api: &Api, logged: u64) {
    const PAUSE: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + api.forwarder.limits.catch_up;
    while api.outlook.status().applied < logged && Instant::now() < deadline {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns the path as it was sent: with the prefix, which routing takes off.
fn original_uri(request: &Request) -> &Uri {
    request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0)
}

/// Returns the headers that are meant for the other end, and not for the connection.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut kept = headers.clone();
    HOP_BY_HOP.iter().chain(&named).for_each(|name| drop(kept.remove(name)));
    kept
}

/// Returns a client that trusts and identifies itself as `tls` says. It follows no redirects and uses no proxy: nodes know
/// each other's addresses.
fn client(tls: &ServerTls, limits: Limits) -> Result<reqwest::Client, String> {
    // An error means that a provider is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(limits.connect)
        // For the head of the answer, and for each further part: a long one that keeps coming is in order.
        .read_timeout(limits.answer)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_danger_accept_invalid_certs(tls.files.skip_verify);
    if let Some(authority) = &tls.files.authority {
        let unusable = |why: String| format!("cannot use {} (SSLCAFile): {why}", authority.display());
        let pem = std::fs::read(authority).map_err(|error| unusable(error.to_string()))?;
        let trusted = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(innermost(&error)))?;
        builder = builder.tls_certs_only(trusted);
    }
    if let (true, Some(certificate), Some(key)) = (tls.mutual, &tls.files.certificate, &tls.files.key) {
        let unusable = |why: String| {
            format!(
                "cannot use {} (SSLCertFile) with {} (SSLPrivateKeyFile): {why}",
                certificate.display(),
                key.display()
            )
        };
        let mut pem = std::fs::read(certificate).map_err(|error| unusable(error.to_string()))?;
        pem.push(b'\n');
        pem.extend(std::fs::read(key).map_err(|error| unusable(error.to_string()))?);
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(|error| unusable(innermost(&error)))?);
    }
    builder.build().map_err(|error| innermost(&error))
}

/// Returns the cause that says most, such as "Connection refused".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl Error {
    /// Returns the status of the answer that tells it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoLeader | Self::NotYet | Self::Down { .. } | Self::Twice { .. } | Self::NoAddress { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NoClient { .. } | Self::Unreachable { .. } | Self::Broken { .. } => StatusCode::BAD_GATEWAY,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}
