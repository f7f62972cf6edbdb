//! Certificates as operators make them.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

use super::*;
use crate::transport::security::{Fresh, Identity};

/// An authority, and the folder with what it signed.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    /// Signs a certificate for `hosts`, changed by `change`.
    pub(super) fn sign(&self, name: &str, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Security {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("good names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let path = |end: &str| self.folder.path().join(format!("{name}{end}"));
        std::fs::write(path(".pem"), certificate.pem()).expect("written");
        std::fs::write(path(".key"), key.serialize_pem()).expect("written");
        let authority = self.folder.path().join("ca.pem");
        Security::Certificates { certificate: path(".pem"), key: path(".key"), authority }
    }

    pub(super) fn good(&self) -> Security {
        self.sign("good", &["127.0.0.1", "localhost"], |_| {})
    }
}

pub(super) fn expired(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2020, 1, 1);
}

fn refusal(security: &Security) -> String {
    Dialer::new(security).err().expect("it does not serve").to_string()
}

#[test]
fn files_that_do_not_serve_are_told_at_start() {
    let (authority, other) = (Authority::new(), Authority::new());
    let good = authority.good();
    let Security::Certificates { certificate, key, authority: root } = good.clone() else { unreachable!() };
    let Security::Certificates { key: other_key, authority: other_root, .. } = other.good() else { unreachable!() };
    let text = |security| refusal(&security);

    let mut files =
        Security::Certificates { certificate: "/no/such.pem".into(), key: key.clone(), authority: root.clone() };
    assert_eq!(
        refusal(&files),
        "cannot read RaftTLSCertFile /no/such.pem: it must be a PEM file that this process may read"
    );
    files = Security::Certificates { certificate: certificate.clone(), key: root.clone(), authority: root.clone() };
    let message = text(files);
    assert!(message.starts_with("RaftTLSPrivateKeyFile ") && message.contains("has no private key in it"), "{message}");
    files = Security::Certificates { certificate: certificate.clone(), key: other_key, authority: root };
    let message = text(files);
    assert!(message.contains("keys may not be consistent") || message.contains("KeyMismatch"), "{message}");
    files = Security::Certificates { certificate, key, authority: other_root };
    let message = text(files);
    assert!(message.starts_with("RaftTLSCertFile does not serve: "), "{message}");

    let message = text(authority.sign("old", &["localhost"], expired));
    assert!(message.contains("expired"), "{message}");
    let message = text(authority.sign("server", &["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    }));
    assert!(message.contains("allow the use by servers and by clients"), "{message}");
    Dialer::new(&good).expect("the good one serves");
}

#[tokio::test]
async fn renewed_files_are_taken_over_and_broken_ones_are_not() {
    let log = Log::begin();
    let authority = Authority::new();
    let good = authority.good();
    let Security::Certificates { certificate, .. } = &good else { unreachable!() };
    let fresh = Fresh::new(&good, Identity::server).expect("they serve").expect("there are some").look_always();
    let first = fresh.get();
    assert!(Arc::ptr_eq(&first, &fresh.get()), "nothing changed");
    authority.good();
    let second = fresh.get();
    assert!(!Arc::ptr_eq(&first, &second), "new ones are there");
    std::fs::write(certificate, "half a fi").expect("written");
    assert!(Arc::ptr_eq(&second, &fresh.get()) && Arc::ptr_eq(&second, &fresh.get()), "the last good ones");
    let told = log.wait_for("the raft certificates stay as they were").await;
    assert!(told.contains("RaftTLSCertFile"), "{told}");
    assert_eq!(log.lines().len(), 1, "{:#?}", log.lines());
    authority.sign("good", &["localhost"], expired);
    assert!(Arc::ptr_eq(&second, &fresh.get()), "nobody would believe those");
    authority.good();
    assert!(!Arc::ptr_eq(&second, &fresh.get()), "good again");
}
