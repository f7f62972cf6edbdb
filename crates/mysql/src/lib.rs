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
mod changes;
mod closing;
mod dialect;
mod driver;
mod error;
mod fence;
mod probe;
mod quote;
pub mod read;
mod replicas;
mod row;
mod server;
mod session;
mod verbs;
mod watch;

pub use access::{Access, Secret, Tls, TlsOptions};
pub use changes::{Cell, Change, Effect, Image, Wanted};
pub use closing::{Closing, Identity};
pub use dialect::{Dialect, Thread};
pub use error::{Error, ErrorKind, number};
pub use fence::{FenceLine, Fenced, HeldLine, PendingFence, fence};
pub use probe::{DetectQueries, HostnameResolve, Note, Probe, ProbeSettings, Prober};
pub use quote::{identifier, literal};
pub use replicas::{FoundReplica, replicas_from};
pub use row::Row;
pub use server::Server;
pub use session::Session;
pub use verbs::{Account, AckPolicy, Copied, Frozen, SourceChange, Waited};
pub use watch::{PulseEvent, Rhythm, pulse};
