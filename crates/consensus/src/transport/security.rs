//! Who may talk on the raft port: TLS 1.3 in which both sides show a certificate.

mod files;
mod fresh;
mod secret;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig};

use super::PortError;
pub(super) use fresh::Fresh;
pub(super) use words::{about_peer, about_stranger, tls_cause};

/// How nodes prove to each other who they are. The same on every node. `Debug` does not show the secret.
#[derive(Clone)]
pub enum Security {
    /// Not at all: whoever reaches the port is believed, and whoever is in between can read and change everything.
    Plain,
    /// By a text that all of them know. It never travels, and everything is encrypted.
    Secret(String),
    /// By certificates that one authority signed. Everything is encrypted. The certificate that a node shows must be good
    /// for both sides of TLS, and for the host by which the others address it.
    Certificates {
        /// This node's certificate, and those between it and the authority, in PEM.
        certificate: PathBuf,
        /// Its private key, in PEM.
        key: PathBuf,
        /// The authority that must have signed every node's certificate, in PEM.
        authority: PathBuf,
    },
}

impl fmt::Debug for Security {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "Plain",
            Self::Secret(_) => "Secret(***)",
            Self::Certificates { .. } => "Certificates",
        })
    }
}

/// The kind of proof, for the sentences about those that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    None,
    Secret,
    Certificate,
}

/// What a node shows, and whom it believes.
#[derive(PartialEq, Eq)]
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    believed: Vec<CertificateDer<'static>>,
}

impl Security {
    pub(super) fn proof(&self) -> Proof {
        match self {
            Self::Plain => Proof::None,
            Self::Secret(_) => Proof::Secret,
            Self::Certificates { .. } => Proof::Certificate,
        }
    }

    /// Returns the name that every node's certificate has; none where it is the host of its address.
    pub(super) fn common_name(&self) -> Result<Option<ServerName<'static>>, PortError> {
        match self {
            Self::Secret(_) => {
                ServerName::try_from(secret::NAME).map(Some).map_err(|error| PortError::Unusable(error.to_string()))
            }
            _ => Ok(None),
        }
    }

    /// Returns the identity that this asks for; none in the clear. Takes a tenth of a second with a secret.
    ///
    /// # Errors
    /// [`PortError`] when the secret or the files do not serve.
    fn identity(&self) -> Result<Option<Identity>, PortError> {
        let identity = self.identity_unchecked()?;
        if let (Self::Certificates { .. }, Some(identity)) = (self, &identity) {
            identity.check()?;
        }
        Ok(identity)
    }

    /// As [`Self::identity`], without asking whether the others will believe it.
    fn identity_unchecked(&self) -> Result<Option<Identity>, PortError> {
        match self {
            Self::Plain => Ok(None),
            Self::Secret(secret) => secret::identity(secret).map(Some),
            Self::Certificates { certificate, key, authority } => {
                files::identity(certificate, key, authority).map(Some)
            }
        }
    }
}

impl Identity {
    /// Returns how this node answers.
    pub(super) fn server(&self) -> Result<ServerConfig, PortError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots()?, provider())
            .build()
            .map_err(|error| PortError::Unusable(format!("RaftTLSCAFile does not serve as an authority: {error}")))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(unusable)?;
        // Connections are kept; a resumed one would live on a proof that may have expired.
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// Returns how this node calls.
    pub(super) fn client(&self) -> Result<ClientConfig, PortError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(unusable)?;
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, PortError> {
        let mut roots = RootCertStore::empty();
        for authority in &self.believed {
            roots.add(authority.clone()).map_err(|error| {
                PortError::Unusable(format!("RaftTLSCAFile has no usable authority in it: {error}"))
            })?;
        }
        Ok(Arc::new(roots))
    }

    /// Judges this node's own certificate as the others will: better told at start than by every peer in turn.
    fn check(&self) -> Result<(), PortError> {
        let Some((certificate, intermediates)) = self.chain.split_first() else {
            return Err(PortError::Unusable("RaftTLSCertFile has no certificate in it".to_owned()));
        };
        let now = UnixTime::now();
        let as_client = WebPkiClientVerifier::builder_with_provider(self.roots()?, provider()).build();
        let as_server = WebPkiServerVerifier::builder_with_provider(self.roots()?, provider()).build();
        let (Ok(as_client), Ok(as_server)) = (as_client, as_server) else {
            return Err(PortError::Unusable("RaftTLSCAFile does not serve as an authority".to_owned()));
        };
        as_client.verify_client_cert(certificate, intermediates, now).map_err(|error| words::own(&error))?;
        // The name does not matter here: which one the others use is not known.
        let any = ServerName::try_from("raft.invalid").map_err(|error| PortError::Unusable(error.to_string()))?;
        use rustls::client::danger::ServerCertVerifier;
        match as_server.verify_server_cert(certificate, intermediates, &any, &[], now) {
            Ok(_)
            | Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            Err(error) => Err(words::own(&error)),
        }
    }
}

/// Returns the algorithms in use, whichever of them the process chose as its default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn unusable(error: rustls::Error) -> PortError {
    PortError::Unusable(format!("the raft port cannot be secured: {error}"))
}
