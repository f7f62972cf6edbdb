//! How to reach and enter servers: one account, one TLS rule and the same deadlines for all of them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use topology::InstanceKey;

/// A text that must not be shown. `Debug` hides it, and it has no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True when there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_empty() { "Secret(empty)" } else { "Secret(***)" })
    }
}

/// Files and checks of an encrypted connection. Files are PEM and are read anew for each connection, so that renewed
/// certificates need no restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates of the authorities to trust; without it, those that browsers trust.
    pub ca: Option<PathBuf>,
    /// Our own certificate, for mutual TLS; only together with `key`.
    pub cert: Option<PathBuf>,
    /// The private key of `cert`.
    pub key: Option<PathBuf>,
    /// Accept any certificate: encryption without knowing whom we talk to.
    pub skip_verify: bool,
}

/// When connections are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    #[default]
    Off,
    /// Plain, unless the server answers that it demands encryption (error 3159); that is remembered per server. An
    /// account that demands TLS looks like a wrong password (1045) and is *not* tried again: access denied stays so.
    Mixed(TlsOptions),
    /// Always; a server that cannot is an error.
    Required(TlsOptions),
}

/// The account, TLS rule and deadlines for all servers. Cheap to clone; clones share what was learnt about TLS.
#[derive(Clone, Debug)]
pub struct Access {
    /// Account name.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// When to encrypt.
    pub tls: Tls,
    /// How long name resolution, connecting and authenticating may take together.
    pub connect_timeout: Duration,
    /// How long one round trip may take, where the caller names no other limit.
    pub read_timeout: Duration,
    demand_tls: Arc<Mutex<BTreeSet<InstanceKey>>>,
}

impl Access {
    /// Returns access by this account without TLS, with 2 s to connect and 10 s per round trip (Orchestrator's
    /// defaults).
    pub fn new(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
            tls: Tls::Off,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(10),
            demand_tls: Arc::default(),
        }
    }

    /// Returns the same with this TLS rule.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Returns the same with these deadlines.
    #[must_use]
    pub fn with_timeouts(mut self, connect: Duration, read: Duration) -> Self {
        self.connect_timeout = connect;
        self.read_timeout = read;
        self
    }

    /// Returns the TLS options to begin a connection to `key` with; none for a plain one.
    pub(crate) fn tls_for(&self, key: &InstanceKey) -> Option<&TlsOptions> {
        match &self.tls {
            Tls::Off => None,
            Tls::Required(options) => Some(options),
            Tls::Mixed(options) => self.known(|keys| keys.contains(key)).then_some(options),
        }
    }

    /// Notes that `key` demands TLS and returns the options to try again with; none when that changes nothing.
    pub(crate) fn learn_tls(&self, key: &InstanceKey) -> Option<&TlsOptions> {
        let Tls::Mixed(options) = &self.tls else { return None };
        self.known(|keys| keys.insert(key.clone())).then_some(options)
    }

    /// Forgets that `key` demanded TLS: the next connection begins plain again.
    pub(crate) fn unlearn_tls(&self, key: &InstanceKey) {
        self.known(|keys| keys.remove(key));
    }

    fn known<T>(&self, look: impl FnOnce(&mut BTreeSet<InstanceKey>) -> T) -> T {
        look(&mut self.demand_tls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_text_shows_the_password() {
        let access = Access::new("orchestrator", "top-secret");
        assert!(!format!("{access:?}").contains("top-secret"));
    }

    #[test]
    fn mixed_learns_per_server_and_clones_share_it() {
        let access = Access::new("o", "").with_tls(Tls::Mixed(TlsOptions::default()));
        let (strict, lax) = (InstanceKey::new("strict", 3306), InstanceKey::new("lax", 3306));
        let clone = access.clone();
        assert!(access.tls_for(&strict).is_none());
        assert!(clone.learn_tls(&strict).is_some());
        assert!(access.tls_for(&strict).is_some());
        assert!(access.tls_for(&lax).is_none());
        // Demanded again although TLS was used: nothing left to try.
        assert!(access.learn_tls(&strict).is_none());
    }
}
