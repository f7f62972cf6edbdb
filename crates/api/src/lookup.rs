//! Which instance or cluster a request means.
//!
//! People write short names. A request that only shows something may name an instance by any part of its host name, if
//! that means exactly one. A request that changes something means the host name that it gives or, if a *known* host is
//! called that and more after a dot (`db1` for `db1.example.com`), the only such host. It never goes to a host that merely
//! has a similar name.

use manager::View;
use topology::{Cluster, InstanceKey};

use crate::app::Api;
use crate::call::Call;
use crate::error::Error;

/// Reads host and port of a path.
///
/// # Errors
/// [`Error::BadPort`] and [`Error::BadHost`] for what cannot be connected to.
pub(crate) fn key(host: &str, port: &str) -> Result<InstanceKey, Error> {
    let number = port.parse::<u16>().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| Error::BadPort(shortened(port)))?;
    // 253 is the longest host name that DNS has.
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '/' | '\\' | '\'' | '"' | '`');
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() || bare.len() > 253 || bare.contains(is_odd) {
        return Err(Error::BadHost(shortened(host)));
    }
    Ok(InstanceKey::new(bare, number))
}

/// Returns the instance that a request that shows something means; the given key where nothing known fits.
pub(crate) fn instance_to_show(api: &Api, view: &View, given: InstanceKey) -> InstanceKey {
    resolved(api, view, &given).or_else(|| only_one(view, &given, |host| host.contains(&given.host))).unwrap_or(given)
}

/// Returns the instance that a request that changes something means; the given key where nothing known fits.
pub(crate) fn instance_to_change(api: &Api, view: &View, given: InstanceKey) -> InstanceKey {
    let domain = format!("{}.", given.host);
    resolved(api, view, &given).or_else(|| only_one(view, &given, |host| host.starts_with(&domain))).unwrap_or(given)
}

/// Returns the cluster that the path means: by hint, or by one of its members.
///
/// # Errors
/// [`Error::UnknownCluster`].
pub(crate) fn cluster<'v>(api: &Api, view: &'v View, call: &Call) -> Result<&'v Cluster, Error> {
    let hint = call.param("cluster")?;
    if hint.is_empty() {
        let key = instance_to_show(api, view, call.key()?);
        return view.graph.cluster_of(&key).ok_or_else(|| Error::UnknownCluster(key.to_string()));
    }
    cluster_of_hint(api, view, hint)
}

/// Returns the cluster of this name, else of this alias, else of this instance.
///
/// # Errors
/// [`Error::UnknownCluster`].
pub(crate) fn cluster_of_hint<'v>(api: &Api, view: &'v View, hint: &str) -> Result<&'v Cluster, Error> {
    let by_member = || {
        let given = InstanceKey::parse(hint, api.config().topology_access.default_port).ok()?;
        view.graph.cluster_of(&instance_to_show(api, view, given))
    };
    named(view, hint).or_else(by_member).ok_or_else(|| Error::UnknownCluster(shortened(hint)))
}

/// Returns the cluster of exactly this name or alias.
pub(crate) fn named<'v>(view: &'v View, text: &str) -> Option<&'v Cluster> {
    let aliased = || view.graph.clusters().iter().find(|cluster| cluster.alias == text);
    view.graph.cluster(text).or_else(aliased)
}

/// Returns the key itself where it is known, or what its host name is known to resolve to.
fn resolved(api: &Api, view: &View, given: &InstanceKey) -> Option<InstanceKey> {
    let is_known = |key: &InstanceKey| view.snapshot.watched.contains_key(key) || view.graph.cluster_of(key).is_some();
    if is_known(given) {
        return Some(given.clone());
    }
    let host = api.manager.resolved_hosts().get(&given.host)?.clone();
    Some(InstanceKey::new(host, given.port)).filter(is_known)
}

/// Returns the only known instance at the same port whose host `fits`. Parts of an address mean nothing.
fn only_one(view: &View, given: &InstanceKey, fits: impl Fn(&str) -> bool) -> Option<InstanceKey> {
    if given.host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let mut fitting = view.snapshot.watched.keys().filter(|key| key.port == given.port && fits(&key.host));
    let first = fitting.next()?;
    fitting.next().is_none().then(|| first.clone())
}

/// What a caller sent, short enough to be sent back.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 260;
    if text.chars().count() <= LONGEST { text.to_owned() } else { text.chars().take(LONGEST).chain(['…']).collect() }
}
