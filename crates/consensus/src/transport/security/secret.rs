//! From a shared secret to an authority.
//!
//! Whoever knows the secret can compute the private key of one small certificate authority, and nobody else can. Each
//! process signs itself a certificate with it, for a key that lives as long as the process, and believes whoever shows
//! another one. So the secret is proven in a TLS handshake without being sent, and one code path serves this and the
//! certificates of operators.

use std::num::NonZeroU32;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519,
};
use ring::pbkdf2;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Identity;
use crate::transport::PortError;

/// Rounds of the derivation. A secret that a machine made needs none; they are for those that a person made up.
const ROUNDS: NonZeroU32 = NonZeroU32::new(250_000).expect("not zero");
/// What sets our derivation apart from any other of the same text. Changing it cuts new nodes off from old ones.
const SALT: &[u8] = b"orchestrator raft port, authority of a shared secret, 1";
/// The name in every node's certificate. It proves nothing that the signature does not.
pub(super) const NAME: &str = "raft.orchestrator.internal";
/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Returns a fresh identity under the authority of `secret`.
pub(super) fn identity(secret: &str) -> Result<Identity, PortError> {
    build(secret).map_err(|error| PortError::Unusable(format!("RaftSharedSecret does not serve: {error}")))
}

fn build(secret: &str) -> Result<Identity, Box<dyn std::error::Error>> {
    let mut authority = params("orchestrator raft authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = Issuer::from_params(&authority, authority_key(secret)?);
    let believed = authority.self_signed(issuer.key())?;

    let mut leaf = params(NAME);
    leaf.subject_alt_names = vec![rcgen::SanType::DnsName(NAME.try_into()?)];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    Ok(Identity {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        believed: vec![believed.der().clone()],
    })
}

/// Returns the signing key that every node with this secret computes.
fn authority_key(secret: &str) -> Result<KeyPair, rcgen::Error> {
    let mut encoded = [0; 48];
    encoded[..16].copy_from_slice(&PKCS8_PREFIX);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, SALT, secret.as_bytes(), &mut encoded[16..]);
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(&encoded[..]), &PKCS_ED25519)
}

/// Returns a certificate to be, for `name`. It is valid at any time: these come and go with processes, and a clock that
/// jumped must not cut a node off.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
