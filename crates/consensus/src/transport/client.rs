//! Calling other nodes.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{CallError, Carrier, Kind, PortError, Security};

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Reaches other nodes. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Dialer {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Dialer {
    /// Returns a dialer that proves itself as `security` says.
    ///
    /// # Errors
    /// [`PortError`] when what `security` names does not serve.
    pub fn new(_security: &Security) -> Result<Self, PortError> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { client })
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
        let client = self.client.clone();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{address}{}", kind.path()))
            .body(Full::new(body));
        async move {
            let request = request.map_err(|error| CallError::Unreachable(error.to_string()))?;
            tokio::time::timeout(limit, exchange(client, request)).await.map_err(|_| CallError::TimedOut)?
        }
        .boxed()
    }
}

async fn exchange(
    client: Client<HttpConnector, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Bytes, CallError> {
    let answer = client.request(request).await.map_err(|error| CallError::Unreachable(error.to_string()))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LARGEST_ANSWER)
        .collect()
        .await
        .map_err(|error| CallError::Unreachable(error.to_string()))?
        .to_bytes();
    if status == StatusCode::OK {
        Ok(body)
    } else {
        Err(CallError::Refused(format!("{}: {}", status.as_u16(), String::from_utf8_lossy(&body))))
    }
}
