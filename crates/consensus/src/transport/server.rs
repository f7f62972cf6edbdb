//! Answering other nodes.

mod body;
mod crowd;
mod repeats;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::body::Room;
use self::crowd::{Crowd, Seat, Trust};
use self::repeats::{Repeats, Topic};
use super::security::{Fresh, Identity, Proof, about_stranger, tls_cause};
use super::{Handler, Kind, MEDIA_TYPE, PortError, Security};

/// How long somebody may take to read a part of an answer.
const UNREAD: Duration = Duration::from_secs(30);
/// How long somebody who was turned away may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);
/// Requests that are carried out at once.
const MOST_REQUESTS: usize = 256;
/// Bytes of the head of a request.
const LARGEST_HEAD: usize = 64 * 1024;

/// How long others are waited for.
#[derive(Clone, Copy)]
struct Limits {
    /// For somebody to show who this is: for TLS, and for the head of the first request in the clear.
    patience: Duration,
    /// For the next request, with its head, on a node's connection.
    idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { patience: Duration::from_secs(5), idle: Duration::from_secs(60) }
    }
}

/// The raft port, bound: connections wait in the system's queue until it is served.
pub struct Port {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Fresh<ServerConfig>>,
    proof: Proof,
    limits: Limits,
}

impl Port {
    /// Listens on `address` (`host:port`) and asks for the proofs that `security` says. Takes a tenth of a second with a
    /// secret.
    ///
    /// # Errors
    /// [`PortError`] when the address cannot be bound or what `security` names does not serve.
    pub async fn bind(address: &str, security: &Security) -> Result<Self, PortError> {
        let tls = Fresh::new(security, Identity::server)?;
        let cannot = |source| PortError::Bind { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, address, tls, proof: security.proof(), limits: Limits::default() })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns this port with less patience.
    #[cfg(test)]
    pub(super) fn impatient(self) -> Self {
        Self { limits: Limits { patience: Duration::from_millis(300), idle: Duration::from_millis(600) }, ..self }
    }

    /// Answers with `handler` until `stop`; what is under way then has a second.
    pub(crate) async fn serve(self, handler: Arc<dyn Handler>, stop: CancellationToken) {
        let host = Arc::new(Host {
            handler,
            tls: self.tls,
            proof: self.proof,
            limits: self.limits,
            room: Room::default(),
            requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
            repeats: Repeats::default(),
            stop: stop.clone(),
        });
        let crowd = Arc::new(Crowd::default());
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = connections.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "a connection on the raft port ended badly");
                },
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, address)) => match crowd.enter(address.ip().to_canonical()) {
                        Some(seat) => _ = connections.spawn(host.clone().converse(stream, seat)),
                        None => host.warn(address.ip().to_canonical(), Topic::Limit, "it has too many connections: one more was refused"),
                    },
                    Err(error) => host.not_accepted(&error).await,
                },
            }
        }
        drop(self.listener);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, all_ended).await.is_err() {
            tracing::debug!("connections on the raft port were cut off");
        }
    }
}

/// What all connections share.
struct Host {
    handler: Arc<dyn Handler>,
    tls: Option<Fresh<ServerConfig>>,
    proof: Proof,
    limits: Limits,
    room: Room,
    requests: Arc<Semaphore>,
    repeats: Repeats,
    stop: CancellationToken,
}

impl Host {
    async fn converse(self: Arc<Self>, stream: TcpStream, seat: Seat) {
        let address = seat.host();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%address, %error, "a connection on the raft port was gone at once");
            return;
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(UNREAD));
        let stream = Box::pin(stream);
        let seat = Arc::new(seat);
        tokio::select! {
            () = seat.taken() => self.warn(address, Topic::Stranger, "it proved nothing, and others came"),
            () = self.clone().receive(stream, seat.clone()) => {}
        }
    }

    async fn receive(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin, seat: Arc<Seat>) {
        let Some(tls) = self.tls.as_ref().map(Fresh::get) else {
            return self.answer_all(stream, seat).await;
        };
        match timeout(self.limits.patience, TlsAcceptor::from(tls).accept(stream).into_fallible()).await {
            Ok(Ok(stream)) => {
                seat.show(Trust::Proven);
                self.answer_all(stream, seat).await;
            }
            Ok(Err((error, stream))) => {
                match tls_cause(&error) {
                    Some(error) => self.warn(seat.host(), Topic::Stranger, &about_stranger(error, self.proof)),
                    // Health checks of load balancers do this all the time.
                    None => tracing::debug!(remote = %seat.host(), %error, "a connection on the raft port broke off"),
                }
                say_farewell(stream).await;
            }
            Err(_) => self.warn(seat.host(), Topic::Stranger, "it did not prove itself in time"),
        }
    }

    /// Answers requests on `stream` until it ends.
    async fn answer_all(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin, seat: Arc<Seat>) {
        let service = service_fn({
            let (host, seat) = (self.clone(), seat.clone());
            move |request| host.clone().answer(request, seat.clone())
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.idle)
                .max_buf_size(LARGEST_HEAD)
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut silent = pin!(silent(&seat, self.limits.patience));
        let mut is_stopping = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = silent.as_mut() => {
                    return self.warn(seat.host(), Topic::Stranger, "it sent no request of a node in time");
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        match ended {
            Err(error) if error.is_parse() => {
                let message = match self.proof {
                    Proof::None => {
                        "it does not speak HTTP in the clear: if it is a raft node with a secret or certificates, \
                                    give this one the same"
                    }
                    Proof::Secret | Proof::Certificate => "it does not speak HTTP: is it a raft node of this version?",
                };
                self.warn(seat.host(), Topic::Stranger, message);
            }
            Err(error) => tracing::debug!(remote = %seat.host(), %error, "a connection on the raft port ended"),
            Ok(()) => {}
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        seat: Arc<Seat>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let Some(kind) = kind_of(&request) else {
            self.warn(seat.host(), Topic::Stranger, "it asks for what no raft node of this version would");
            return Ok(refused(StatusCode::NOT_FOUND, "no such call: is this a raft node of the same version?"));
        };
        seat.show(Trust::Asked);
        let outcome = self.carry_out(kind, request, &seat).await;
        Ok(outcome.unwrap_or_else(|(status, reason)| {
            self.warn(seat.host(), Topic::Refusal, &format!("{kind} was refused: {reason}"));
            refused(status, reason)
        }))
    }

    async fn carry_out(
        &self,
        kind: Kind,
        request: Request<Incoming>,
        seat: &Seat,
    ) -> Result<Response<Full<Bytes>>, (StatusCode, String)> {
        let read = self.room.read(request.into_body(), kind.largest()).await.map_err(|unread| {
            let (status, reason) = unread.status();
            (status, reason.to_owned())
        })?;
        let busy = || (StatusCode::SERVICE_UNAVAILABLE, "too many requests at once: try again".to_owned());
        let permit = self.requests.clone().try_acquire_owned().map_err(|_| busy())?;
        let answering = self.handler.handle(kind, read.body.clone());
        // On a task of its own: the caller may go away, but nothing is left half done.
        let task = tokio::spawn(async move {
            let answer = answering.await;
            drop((permit, read));
            answer
        });
        match task.await {
            Ok(Ok(answer)) => {
                seat.show(Trust::Proven);
                Ok(Response::new(Full::new(answer)))
            }
            Ok(Err(refusal)) => Err((StatusCode::CONFLICT, refusal)),
            Err(error) => {
                tracing::error!(%error, %kind, "a request on the raft port could not be carried out");
                Err((StatusCode::INTERNAL_SERVER_ERROR, "it failed here: see the log of this node".to_owned()))
            }
        }
    }

    /// The system gave no connection: it is out of something.
    async fn not_accepted(&self, error: &io::Error) {
        if let Some(left_out) = self.repeats.due(IpAddr::from([0; 4]), Topic::Limit) {
            tracing::error!(%error, left_out, "the raft port cannot take a connection: are there too many open files?");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn warn(&self, address: IpAddr, topic: Topic, what: &str) {
        if let Some(left_out) = self.repeats.due(address, topic) {
            match topic {
                Topic::Refusal => tracing::warn!(remote = %address, left_out, "raft request: {what}"),
                Topic::Stranger | Topic::Limit => {
                    tracing::warn!(remote = %address, left_out, "connection on the raft port closed: {what}");
                }
            }
        }
    }
}

/// Waits until the time is over in which somebody has to ask for something; for ever if that happened.
async fn silent(seat: &Seat, patience: Duration) {
    tokio::time::sleep(patience).await;
    if seat.trust() > Trust::Silent {
        std::future::pending::<()>().await;
    }
}

/// Returns what `request` is about, if it is one of a node. The media type keeps browsers out: a page may not send it to
/// another host unasked.
fn kind_of(request: &Request<Incoming>) -> Option<Kind> {
    let is_ours = request.method() == Method::POST
        && request.headers().get(CONTENT_TYPE).is_some_and(|media_type| media_type == MEDIA_TYPE);
    is_ours.then(|| Kind::of_path(request.uri().path())).flatten()
}

fn refused(status: StatusCode, reason: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reason.into()));
    *response.status_mut() = status;
    response
}

/// Closes `stream` so that the last words on it arrive: closing with something unread would take them back.
async fn say_farewell(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let farewell = async {
        stream.shutdown().await?;
        let mut scrap = [0; 4096];
        for _ in 0..16 {
            if stream.read(&mut scrap).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    if !matches!(timeout(FAREWELL, farewell).await, Ok(Ok(()))) {
        tracing::trace!("a stranger did not wait for our last words");
    }
}
