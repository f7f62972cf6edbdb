//! The operator's own certificates.

use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Identity;
use crate::transport::PortError;

/// Reads what this node shows and whom it believes.
pub(super) fn identity(certificate: &Path, key: &Path, authority: &Path) -> Result<Identity, PortError> {
    let chain = certificates("RaftTLSCertFile", certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed("RaftTLSPrivateKeyFile", key, error))?;
    Ok(Identity { chain, key, believed: certificates("RaftTLSCAFile", authority)? })
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PortError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(failed(key, path, pem::Error::NoItemsFound)),
        Ok(found) => Ok(found),
        Err(error) => Err(failed(key, path, error)),
    }
}

fn failed(key: &'static str, path: &Path, error: pem::Error) -> PortError {
    match error {
        pem::Error::Io(source) => PortError::File { key, path: path.to_owned(), source },
        pem::Error::NoItemsFound => {
            let wanted = if key == "RaftTLSPrivateKeyFile" { "private key" } else { "certificate" };
            PortError::Unusable(format!("{key} {} has no {wanted} in it: it must be a PEM file", path.display()))
        }
        other => PortError::Unusable(format!("{key} {} is no PEM file: {other}", path.display())),
    }
}
