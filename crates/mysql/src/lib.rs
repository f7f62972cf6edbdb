//! The only crate that speaks to MySQL and MariaDB servers.
//!
//! A [`Session`] is one connection kept open, used through the text protocol with several statements per round trip. An
//! [`Error`] says what was tried on whom, and is classified by error *number* and operating-system error, never by the
//! text of a message.
//!
//! Invariants: every operation has a deadline; a session whose operation was cut off refuses further use, so that no
//! answer is ever read as the answer to another question; no error, log line or `Debug` text holds a password.
#![warn(missing_docs)]

mod access;
mod dialect;
mod driver;
mod error;
mod probe;
mod quote;
pub mod read;
mod replicas;
mod row;
mod session;

pub use access::{Access, Secret, Tls, TlsOptions};
pub use dialect::{Dialect, Thread};
pub use error::{Error, ErrorKind, number};
pub use probe::{DetectQueries, HostnameResolve, Note, Probe, ProbeSettings, Prober};
pub use quote::{identifier, literal};
pub use replicas::{FoundReplica, replicas_from};
pub use row::Row;
pub use session::Session;
mod stub {
    #![allow(missing_docs, clippy::unused_async)]
    use super::*; use std::time::Duration; use topology::*;
    pub struct FenceLine; pub enum PulseEvent { Up { line: FenceLine } }
    pub async fn pulse(_k: &InstanceKey, _a: &Access, _e: Duration, _s: Duration, _f: impl FnMut(PulseEvent)) -> Unreachable { Unreachable::Hung }
    pub enum Fenced { Now, Pending(std::pin::Pin<Box<dyn Future<Output=()>+Send>>), Unreachable(Unreachable) }
    pub async fn fence(_l: Option<FenceLine>, _k: &InstanceKey, _a: &Access, _m: bool, _w: Duration) -> Fenced { Fenced::Now }
    pub struct Server;
    impl Server {
        pub fn new(_k: InstanceKey, _a: Access, _i: &Instance) -> Self { Self }
        pub async fn start_replication(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn stop_replication(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn start_receiver(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn stop_receiver(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn restart_receiver(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn start_applier(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn reset_replication(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn change_source(&mut self, _k: &InstanceKey) -> Result<(), Error> { Ok(()) }
        pub async fn detach(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn set_read_only(&mut self, _s: bool) -> Result<(), Error> { Ok(()) }
        pub async fn set_writable(&mut self) -> Result<(), Error> { Ok(()) }
        pub async fn set_semi_sync_source(&mut self, _s: bool) -> Result<(), Error> { Ok(()) }
        pub async fn wait_applied(&mut self, _s: &GtidSet, _d: Duration) -> Result<bool, Error> { Ok(true) }
    }
}
pub use stub::*;
