//! One server, several names: which one it goes by.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use config::{Resolve, ResolveMethod};
use topology::InstanceKey;

/// Addresses that turned out to be other names of instances known by another one.
#[derive(Default)]
pub(crate) struct Names {
    /// Host names as resolved.
    hosts: RwLock<BTreeMap<String, String>>,
    /// Addresses whose server goes by another address.
    keys: RwLock<BTreeMap<InstanceKey, InstanceKey>>,
}

impl Names {
    pub(crate) fn new(hosts: BTreeMap<String, String>) -> Self {
        Self { hosts: RwLock::new(hosts), keys: RwLock::default() }
    }

    /// Returns the key that `key` is known by, as far as is known.
    pub(crate) fn known(&self, key: &InstanceKey) -> InstanceKey {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.get(key) {
            return known.clone();
        }
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = hosts.get(&key.host) else { return key.clone() };
        let resolved = InstanceKey::new(host.clone(), key.port);
        keys.get(&resolved).cloned().unwrap_or(resolved)
    }

    /// Learns that the server at `key` goes by `known`.
    pub(crate) fn learn(&self, key: InstanceKey, known: InstanceKey) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(key, known);
    }

    /// Learns what a host name resolves to; true when that is news.
    pub(crate) fn learn_host(&self, host: &str, resolved: &str) -> bool {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host.to_owned(), resolved.to_owned()).as_deref() != Some(resolved) && host != resolved
    }

    /// Forgets what host names resolved to, so that they are asked for anew.
    pub(crate) fn expire_hosts(&self) {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns what host names were resolved to.
    pub(crate) fn hosts(&self) -> BTreeMap<String, String> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Resolves a host name by the configured method.
///
/// # Errors
/// A sentence for people when the name cannot be resolved.
pub(crate) async fn resolve(host: &str, how: &Resolve) -> Result<String, String> {
    let host = host.trim();
    if host.is_empty() || host.contains(',') {
        return Err(format!("{host:?} is no host name"));
    }
    let resolved = match how.method {
        _ if host.starts_with("//") => host.to_owned(),
        ResolveMethod::None | ResolveMethod::Default => host.to_owned(),
        ResolveMethod::Cname => canonical_name(host.to_owned()).await?,
        ResolveMethod::Ip => address(host).await?,
    };
    let rejected = how.reject.as_ref().is_some_and(|pattern| pattern.is_match(&resolved));
    Ok(if rejected { host.to_owned() } else { resolved })
}

/// Returns the IPv4 address of a host, or its IPv6 address where it has no other.
async fn address(host: &str) -> Result<String, String> {
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| format!("cannot resolve {host}: {error}"))?;
    let addresses: Vec<_> = found.map(|socket| socket.ip()).collect();
    let best = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    best.map(ToString::to_string).ok_or_else(|| format!("{host} has no address"))
}

/// Returns the name that a host name is an alias of.
async fn canonical_name(host: String) -> Result<String, String> {
    // The system's own resolver, so that /etc/hosts and search domains count; it blocks.
    let lookup = tokio::task::spawn_blocking(move || {
        let hints = dns_lookup::AddrInfoHints { flags: AI_CANONNAME, ..dns_lookup::AddrInfoHints::default() };
        let mut found = dns_lookup::getaddrinfo(Some(&host), None, Some(hints))
            .map_err(|error| format!("cannot resolve {host}: {}", std::io::Error::from(error)))?;
        let name = found.find_map(|entry| entry.ok()?.canonname).unwrap_or_else(|| host.clone());
        Ok(name.trim_end_matches('.').to_owned())
    });
    lookup.await.unwrap_or_else(|_| Err("the resolver was interrupted".to_owned()))
}

/// `AI_CANONNAME` of `netdb.h` on Linux: ask for the canonical name.
const AI_CANONNAME: i32 = 2;
