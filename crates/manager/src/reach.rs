//! What this crate asks of servers, so that a fleet of them can be simulated.
//!
//! All that is read from servers and done to them goes through a [`Reach`]. [`Network`] is the real one: each method there is
//! a call of `mysql`. A new verb is one line in the table below; a simulated server that does not know it says so.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use mysql::{
    Access, Account, AckPolicy, Change, Closing, Copied, Error, ErrorKind, FenceLine, Fenced, Frozen, HeldLine,
    Identity, Probe, ProbeSettings, Prober, PulseEvent, Rhythm, Server, SourceChange, Waited, Wanted,
};
use topology::{BinlogCoordinates, Channel, GtidSet, InstanceKey, Version, WritePolicy};

use crate::clock::Clock;

/// The way to servers.
pub trait Reach: Send + Sync + 'static {
    /// Returns what probes `key` again and again. Nothing is connected yet.
    fn prober(&self, key: InstanceKey, access: Access, settings: ProbeSettings) -> Box<dyn Probing>;

    /// Returns the verbs of a server of a known version. Nothing is connected yet.
    fn server(&self, key: InstanceKey, access: Access, version: &Version) -> Box<dyn Verbs>;

    /// Holds the pulse of `key` until it is dropped, as [`mysql::pulse`].
    fn pulse<'a>(&self, watched: Watched, clock: Clock, tell: Box<Tell<'a>>) -> BoxFuture<'a, ()>;

    /// Makes `key` refuse writes, as [`mysql::fence`].
    fn fence(&self, line: Option<HeldLine>, key: InstanceKey, access: Access) -> BoxFuture<'static, Fenced>;

    /// Opens a connection to `key` and closes it, without a word of MySQL's.
    ///
    /// # Errors
    /// What the operating system says; [`std::io::ErrorKind::TimedOut`] after `limit`.
    fn knock(&self, key: InstanceKey, limit: Duration) -> BoxFuture<'static, std::io::Result<()>>;
}

/// Is told what a pulse tells.
pub type Tell<'a> = dyn FnMut(PulseEvent) + Send + 'a;

/// Whose pulse is held, and how.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The server.
    pub key: InstanceKey,
    /// The account.
    pub access: Access,
    /// How often.
    pub rhythm: Rhythm,
    /// Where a second session is kept, to fence it by.
    pub line: FenceLine,
}

/// Probes one server again and again.
pub trait Probing: Send {
    /// As [`Prober::probe`].
    fn probe(&mut self, clock: Clock) -> BoxFuture<'_, Probe>;
}

impl Probing for Prober {
    fn probe(&mut self, clock: Clock) -> BoxFuture<'_, Probe> {
        Self::probe(self, move || clock.now()).boxed()
    }
}

/// Declares [`Verbs`], and what they are on a real server: the method of the same name.
macro_rules! verbs {
    ($(fn $verb:ident($($name:ident: $given:ty),*) -> $answer:ty;)*) => {
        /// What can be done to a server: the methods of [`Server`] of the same names.
        #[allow(missing_docs, reason = "each is documented where it is carried out")]
        pub trait Verbs: Send {
            fn key(&self) -> &InstanceKey;
            $(fn $verb<'a>(&'a mut self, $($name: $given),*) -> BoxFuture<'a, Result<$answer, Error>> {
                $(let _ = $name;)*
                let unknown = ErrorKind::Unsupported("this simulated server does not know it".to_owned());
                let error = Error::new(stringify!($verb), self.key(), unknown);
                async move { Err(error) }.boxed()
            })*
        }

        impl Verbs for Server {
            fn key(&self) -> &InstanceKey {
                Server::key(self)
            }
            $(fn $verb<'a>(&'a mut self, $($name: $given),*) -> BoxFuture<'a, Result<$answer, Error>> {
                Server::$verb(self, $($name),*).boxed()
            })*
        }
    };
}

verbs! {
    fn channels() -> Vec<Channel>;
    fn executed() -> GtidSet;
    fn unapplied_relay_log(channel: &'a str) -> GtidSet;
    fn stop_receiver(channel: &'a str) -> ();
    fn start_receiver(channel: &'a str) -> ();
    fn restart_receiver(channel: &'a str) -> ();
    fn stop_applier(channel: &'a str) -> ();
    fn start_applier(channel: &'a str) -> ();
    fn stop_replication(channel: &'a str) -> ();
    fn start_replication(channel: &'a str) -> ();
    fn apply_received(channel: &'a str, limit: Duration) -> Waited;
    fn wait_applied(set: &'a GtidSet, limit: Duration) -> Waited;
    fn change_source(change: &'a SourceChange) -> ();
    fn change_source_at(channel: &'a str, to: &'a InstanceKey, at: &'a BinlogCoordinates) -> ();
    fn detach_source(channel: &'a str, discard_unapplied: bool) -> ();
    fn reattach_source(channel: &'a str) -> ();
    fn reset_replication(channel: &'a str) -> ();
    fn stored_account(channel: &'a str) -> Option<Account>;
    fn write_policy() -> WritePolicy;
    fn set_write_policy(policy: WritePolicy) -> ();
    fn set_read_only(use_super: bool) -> ();
    fn set_writable() -> ();
    fn close_at_once(who: &'a Identity) -> Closing;
    fn changes_of(wanted: &'a Wanted, take: &'a mut (dyn FnMut(Change) -> bool + Send)) -> ();
    fn load_clone_plugin() -> ();
    fn copy_from(donor: &'a InstanceKey) -> Copied;
    fn set_semi_sync_source(on: bool) -> ();
    fn set_semi_sync_replica(on: bool) -> ();
    fn channel(name: &'a str) -> Option<Channel>;
    fn start_anew(channel: &'a str, receiver: bool, applier: bool) -> ();
    fn queried_account(query: &'a str) -> Option<(Account, [String; 3])>;
    fn freeze(within: Duration) -> Frozen;
    fn stands_still(at: Option<&'a GtidSet>) -> GtidSet;
    fn thaw() -> ();
    fn brake(delay: Option<Duration>) -> bool;
    fn set_acks(policy: AckPolicy) -> ();
    fn ack_clients() -> u32;
}

/// The network, and real servers in it.
pub struct Network;

impl Reach for Network {
    fn prober(&self, key: InstanceKey, access: Access, settings: ProbeSettings) -> Box<dyn Probing> {
        Box::new(Prober::new(key, access, settings))
    }

    fn server(&self, key: InstanceKey, access: Access, version: &Version) -> Box<dyn Verbs> {
        Box::new(Server::new(key, access, version))
    }

    fn pulse<'a>(&self, watched: Watched, clock: Clock, tell: Box<Tell<'a>>) -> BoxFuture<'a, ()> {
        let Watched { key, access, rhythm, line } = watched;
        mysql::pulse(key, access, rhythm, line, move || clock.now(), tell).boxed()
    }

    fn fence(&self, line: Option<HeldLine>, key: InstanceKey, access: Access) -> BoxFuture<'static, Fenced> {
        async move { mysql::fence(line, &key, &access).await }.boxed()
    }

    fn knock(&self, key: InstanceKey, limit: Duration) -> BoxFuture<'static, std::io::Result<()>> {
        async move {
            let connecting = tokio::net::TcpStream::connect((key.host.as_str(), key.port));
            let connected = tokio::time::timeout(limit, connecting).await;
            connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map(drop)
        }
        .boxed()
    }
}
