//! Opening a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream, ResolveServerName,
};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use super::names::Names;
use crate::transport::PortError;
use crate::transport::security::Identity;

/// The longest time that opening a connection may take, TLS included, whoever waits for it. A call has its own limit; this
/// is for connections that nobody waits for any more.
const LONGEST: Duration = Duration::from_secs(10);
/// Time without a packet after which the system asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Tcp = HttpConnector<Names>;

/// Opens connections: TCP, and TLS where this node has an identity.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<Tcp>,
    scheme: &'static str,
}

impl Connector {
    /// Returns a connector that shows `identity`; in the clear without one.
    pub(super) fn new(identity: Option<&Identity>) -> Result<Self, PortError> {
        let mut tcp = HttpConnector::new_with_resolver(Names::default());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let by_host: Arc<dyn ResolveServerName + Send + Sync> = Arc::new(DefaultServerNameResolver::default());
        let (config, names, scheme) = match identity {
            // Never used: the scheme of every request says so.
            None => (nobody()?, by_host, "http"),
            Some(identity) => {
                let names = match identity.name.clone() {
                    Some(name) => Arc::new(FixedServerNameResolver::new(name)),
                    None => by_host,
                };
                (identity.client()?, names, "https")
            }
        };
        Ok(Self { inner: HttpsConnector::new(tcp, config, identity.is_some(), names), scheme })
    }

    /// Returns the scheme that requests must have.
    pub(super) fn scheme(&self) -> &'static str {
        self.scheme
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let opening = self.inner.call(uri);
        Box::pin(async move { tokio::time::timeout(LONGEST, opening).await? })
    }
}

/// Returns the client of somebody who believes nobody and shows nothing.
fn nobody() -> Result<ClientConfig, PortError> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| PortError::Unusable(error.to_string()))?;
    Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}
