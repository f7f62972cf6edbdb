//! Host names of peers.
//!
//! Names stay names: they are looked up for every new connection, so that a node may move. But the nodes must find each
//! other while the name service is slow or away, and a lookup occupies a thread for as long as it takes. So there is at
//! most one at a time for each name, and what the last one found serves when the present one takes too long.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared};
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

/// How long a lookup may take before what the last one found is used.
const PATIENCE: Duration = Duration::from_millis(100);
/// Names that are remembered.
const MOST: usize = 256;

type Found = Result<Vec<SocketAddr>, String>;

/// What is known about names. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Names {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Default)]
struct Entry {
    /// What the last lookup that succeeded found.
    last: Vec<SocketAddr>,
    lookup: Option<Shared<BoxFuture<'static, Found>>>,
}

impl Names {
    /// Returns the lookup of `name` that is under way, or a new one, and what the last one found.
    fn look_up(&self, name: &str) -> (Shared<BoxFuture<'static, Found>>, Vec<SocketAddr>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST && !entries.contains_key(name) {
            entries.clear();
        }
        let entry = entries.entry(name.to_owned()).or_default();
        let under_way = entry.lookup.take().filter(|lookup| lookup.peek().is_none());
        let lookup = under_way.unwrap_or_else(|| self.begin(name.to_owned()));
        entry.lookup = Some(lookup.clone());
        (lookup, entry.last.clone())
    }

    fn begin(&self, name: String) -> Shared<BoxFuture<'static, Found>> {
        let entries = self.entries.clone();
        // On a task of its own: it goes on when the caller does not wait for it.
        let task = tokio::spawn(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|error| error.to_string())?;
            let found: Vec<SocketAddr> = found.collect();
            if let Some(entry) = entries.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&name) {
                entry.last.clone_from(&found);
            }
            Ok(found)
        });
        task.map(|done| done.unwrap_or_else(|error| Err(error.to_string()))).boxed().shared()
    }
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (lookup, last) = self.look_up(name.as_str());
        async move {
            let found = if last.is_empty() {
                lookup.await
            } else {
                tokio::time::timeout(PATIENCE, lookup).await.unwrap_or_else(|_| Ok(last.clone()))
            };
            match found {
                Ok(found) => Ok(found.into_iter()),
                Err(_) if !last.is_empty() => Ok(last.into_iter()),
                Err(error) => Err(io::Error::other(format!("{name}: {error}"))),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolve(names: &mut Names, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(names.call(name.parse().expect("a name")).await?.collect())
    }

    /// Longer than a name can be, so that no name service is asked.
    fn no_name() -> String {
        "x".repeat(64)
    }

    #[tokio::test]
    async fn a_name_is_found_and_remembered_and_one_that_does_not_exist_is_named() {
        let mut names = Names::default();
        let found = resolve(&mut names, "localhost").await.expect("every host has it");
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
        let (_, last) = names.look_up("localhost");
        assert_eq!(last, found);
        let error = resolve(&mut names, &no_name()).await.expect_err("there is no such name").to_string();
        assert!(error.starts_with(&format!("{}: ", no_name())), "{error}");
    }

    #[tokio::test]
    async fn what_was_found_last_serves_while_the_name_service_fails_or_says_nothing() {
        let mut names = Names::default();
        let last: Vec<SocketAddr> = vec!["192.0.2.1:0".parse().expect("an address")];
        let set = |name: &str, lookup: Option<BoxFuture<'static, Found>>| {
            let entry = Entry { last: last.clone(), lookup: lookup.map(FutureExt::shared) };
            names.entries.lock().expect("no panic").insert(name.to_owned(), entry);
        };
        set(&no_name(), None);
        set("orc2", Some(futures::future::pending().boxed()));
        for name in [no_name().as_str(), "orc2"] {
            assert_eq!(resolve(&mut names, name).await.expect("the last one"), last, "{name}");
        }
    }

    #[tokio::test]
    async fn those_who_ask_for_the_same_name_wait_for_the_same_lookup() {
        let names = Names::default();
        let (first, _) = names.look_up("localhost");
        let (second, _) = names.look_up("localhost");
        assert!(first.ptr_eq(&second));
        first.await.expect("every host has it");
        let (third, _) = names.look_up("localhost");
        assert!(!third.ptr_eq(&second), "that one is over: names may move");
    }
}
