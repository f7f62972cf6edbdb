//! HTTP routes, authentication, and compatibility with Orchestrator's API.
//!
//! One table ([`routes()`]) names every path with its handler and says whether it changes anything; what changes something
//! is checked for permission before its handler runs, so that no handler can forget. `routes/` has a module for each
//! resource, `compat/` puts our values into Orchestrator's shapes, `v2/` into our own, `error.rs` is the one place where
//! errors become answers. The table says too who of several nodes answers: what changes something is the leader's, and
//! `forward.rs` hands it on.
//!
//! Invariants: answers are JSON (but for `/metrics` and the text of unknown paths) and hold no secret; nothing that a
//! caller sends reaches a shell; a request that changes something never acts on another server than the one it names; a
//! request is handed on once at most.
//!
//! Not here: when something happens (`manager`), what is decided (`planner`).
#![warn(missing_docs)]

mod answer;
mod app;
mod auth;
mod call;
mod compat;
mod error;
#[cfg(test)]
mod fixture;
mod forward;
mod lookup;
mod members;
mod metrics;
mod outlook;
mod route;
mod routes;
mod simple_time;
#[cfg(test)]
mod tests;
mod v2;
mod web;
mod words;

pub use app::{get, router, router_for_this_process};
pub use compat::reading::{NotASnapshot, read_snapshot};
pub use metrics::Metrics;
pub use route::{Access, Place, RouteInfo, Verb};
pub use routes::all as routes;
pub use v2::events::end_streams;
