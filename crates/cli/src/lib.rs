//! Commands of the `orchestrator` binary and of `orchestrator-client`.
//!
//! A command is data: names, help, the path it asks the API for, and how the answer is shown. One table
//! ([`commands::ALL`](commands)) serves dispatch, help and synonyms of both programs, which differ in how options are
//! written and in a few outputs that scripts rely on ([`Program`]). Everything goes through the API: a [`Transport`] is
//! either a running service or, where none runs, the router within this process.
//!
//! Invariants: results go to stdout, all else to stderr; exit code 0 is success, 1 failure, 2 wrong usage. No decision is
//! made here.
#![warn(missing_docs)]

mod choice;
mod client;
mod client_args;
mod commands;
mod failure;
mod help;
mod options;
mod server_args;
mod session;
mod show;
mod transport;

pub use choice::{Chosen, Need};
pub use client::{SnapshotFile, client};
pub use failure::{Failure, TransportError};
pub use help::{cheat_sheet, listing, topic, usage};
pub use options::{Options, Program};
pub use server_args::{Mode, ServerArgs, UsageError, Verbosity};
pub use session::{Outcome, run};
pub use transport::{Credentials, Http, Transport};
