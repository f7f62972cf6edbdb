//! Answering other nodes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Handler, Kind, PortError, Security};

/// The raft port, bound: connections wait in the system's queue until it is served.
pub struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Listens on `address` (`host:port`) and asks for the proofs that `security` says.
    ///
    /// # Errors
    /// [`PortError`] when the address cannot be bound or what `security` names does not serve.
    pub async fn bind(address: &str, _security: &Security) -> Result<Self, PortError> {
        let cannot = |source| PortError::Bind { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, address })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `handler` until `stop`.
    pub(crate) async fn serve(self, handler: Arc<dyn Handler>, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, handler.clone()));
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, handler: Arc<dyn Handler>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer(handler.clone(), request));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection on the raft port ended");
    }
}

async fn answer(handler: Arc<dyn Handler>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(kind) = Kind::of_path(request.uri().path()).filter(|_| request.method() == Method::POST) else {
        return Ok(plain(StatusCode::NOT_FOUND, "no such call"));
    };
    let Ok(body) = Limited::new(request.into_body(), kind.largest()).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "too large"));
    };
    match handler.handle(kind, body.to_bytes()).await {
        Ok(body) => Ok(Response::new(Full::new(body))),
        Err(refusal) => Ok(plain(StatusCode::CONFLICT, refusal)),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}
