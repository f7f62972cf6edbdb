//! What a failed proof means, and what to do about it.

use std::error::Error;

use rustls::{AlertDescription, CertificateError};

use super::Proof;
use crate::transport::PortError;
use crate::transport::causes::causes;

/// Returns the TLS error at the bottom of `error`, if it is one.
pub(crate) fn tls_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Says why a node that we called was not believed, or did not believe us.
pub(crate) fn about_peer(error: &rustls::Error, proof: Proof) -> String {
    match (error, proof) {
        (rustls::Error::InvalidMessage(_), _) => {
            "it answers in the clear: give it the same raft secret or certificates as this node".to_owned()
        }
        (rustls::Error::InvalidCertificate(CertificateError::NotValidForName), _)
        | (rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }), _) => {
            format!("{error}: its certificate must be good for the host by which RaftNodes names it")
        }
        _ => mutual(error, proof),
    }
}

/// Says why somebody who called us was turned away.
pub(crate) fn about_stranger(error: &rustls::Error, proof: Proof) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS: if it is a raft node, give it the same raft secret or certificates as this one"
                .to_owned()
        }
        rustls::Error::NoCertificatesPresented => {
            "it shows no certificate: if it is a raft node, give it the same raft secret or certificates as this one"
                .to_owned()
        }
        _ => mutual(error, proof),
    }
}

/// What reads the same from both sides.
fn mutual(error: &rustls::Error, proof: Proof) -> String {
    match error {
        rustls::Error::InvalidCertificate(reason) => match (reason, proof) {
            (CertificateError::Expired | CertificateError::ExpiredContext { .. }, _) => {
                format!("{error}: renew its certificate")
            }
            (CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }, _) => {
                format!("{error}: are the clocks of both hosts right?")
            }
            (_, Proof::Secret) => "its RaftSharedSecret is another one than ours: they must be the same".to_owned(),
            _ => format!("{error}: its certificate must be signed by RaftTLSCAFile, for both sides of TLS"),
        },
        rustls::Error::AlertReceived(alert) => refused_us(*alert, proof),
        other => other.to_string(),
    }
}

/// The other side ended the handshake.
fn refused_us(alert: AlertDescription, proof: Proof) -> String {
    let why = match (alert, proof) {
        (AlertDescription::CertificateExpired, _) => "our certificate has expired, it says: renew it",
        (AlertDescription::CertificateRequired, _) => "it wants a certificate: see RaftTLSCertFile",
        (
            AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown,
            Proof::Secret,
        ) => "it does not believe us: RaftSharedSecret must be the same on both",
        (AlertDescription::ProtocolVersion, _) => "it speaks no TLS 1.3: is it a raft node of this version?",
        _ => "it does not believe us: both certificates must be signed by the RaftTLSCAFile of the other side",
    };
    format!("{why} ({alert:?})")
}

/// Says why this node's own certificate does not serve.
pub(super) fn own(error: &rustls::Error) -> PortError {
    PortError::Unusable(format!(
        "RaftTLSCertFile does not serve: {error}. It must be signed by RaftTLSCAFile, be valid now, and allow the use by \
         servers and by clients"
    ))
}
