//! Whole clusters on one thread, with a clock, a network and dice that one seed decides.
//!
//! The code is the real one down to the SQLite files; only the way between nodes is made up: messages are late, come twice,
//! overtake each other or never arrive, nodes crash and come back, members come and go. A schedule has two parts. First
//! faults, while at every moment at most one node may hold the lease. Then no faults: the nodes must find together, know
//! every command that was acknowledged, and have the same rows to the byte.
//!
//! `SIMULATE=5000 cargo test --release -p orchestrator-consensus simulation` runs that many schedules, from `SIMULATE_FROM`
//! on. A seed that fails is named; `SIMULATE=1 SIMULATE_FROM=<seed>` runs it again, step by step the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

mod cluster;
mod schedule;
mod stories;
mod wire;

use std::future::Future;

use tracing_subscriber::EnvFilter;

/// Runs `story` on one thread, with a clock that jumps to the next event.
fn simulate<T>(story: impl Future<Output = T>) -> T {
    // The second simulation of a process finds it in place.
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_test_writer().try_init().ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let result = runtime.block_on(story);
    runtime.shutdown_background();
    result
}
