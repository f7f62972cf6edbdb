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
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use super::names::Names;
use crate::transport::security::{Fresh, Identity};
use crate::transport::{PortError, Security};

/// The longest time that opening a connection may take, TLS included, whoever waits for it. A call has its own limit; this
/// is for connections that nobody waits for any more.
const LONGEST: Duration = Duration::from_secs(10);
/// Time without a packet after which the system asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Tcp = HttpConnector<Names>;

/// Opens connections: TCP, and TLS where this node has an identity. Clones share what they know.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: Tcp,
    tls: Arc<Tls>,
}

enum Tls {
    None(Arc<ClientConfig>),
    /// With the name that every peer has; none where it is the host of its address.
    Some(Box<Fresh<ClientConfig>>, Option<ServerName<'static>>),
}

impl Connector {
    /// Returns a connector that proves itself as `security` says.
    pub(super) fn new(security: &Security) -> Result<Self, PortError> {
        let mut tcp = HttpConnector::new_with_resolver(Names::default());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let tls = match Fresh::new(security, Identity::client)? {
            None => Tls::None(nobody()?),
            Some(tls) => Tls::Some(Box::new(tls), security.common_name()?),
        };
        Ok(Self { tcp, tls: Arc::new(tls) })
    }

    /// Returns the scheme that requests must have.
    pub(super) fn scheme(&self) -> &'static str {
        match *self.tls {
            Tls::None(_) => "http",
            Tls::Some(..) => "https",
        }
    }

    fn inner(&self) -> HttpsConnector<Tcp> {
        let (config, name) = match &*self.tls {
            Tls::None(nobody) => (nobody.clone(), None),
            Tls::Some(tls, name) => (tls.get(), name.clone()),
        };
        let names: Arc<dyn ResolveServerName + Send + Sync> = match name {
            Some(name) => Arc::new(FixedServerNameResolver::new(name)),
            None => Arc::new(DefaultServerNameResolver::default()),
        };
        HttpsConnector::new(self.tcp.clone(), config, matches!(*self.tls, Tls::Some(..)), names)
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let opening = self.inner().call(uri);
        Box::pin(async move { tokio::time::timeout(LONGEST, opening).await? })
    }
}

/// Returns the client of somebody who believes nobody and shows nothing. It is never used: the scheme of every request says
/// so.
fn nobody() -> Result<Arc<ClientConfig>, PortError> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| PortError::Unusable(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}
