//! Whole fleets on one thread, with servers, a network, clients and dice that one seed decides.
//!
//! The manager is the real one, from its watchers to its journal in SQLite; only the way to servers is made up (see
//! `manager::reach`), and behind it stand simulated servers that obey the rules of replication. A schedule has three parts.
//! First the fleet settles. Then faults: servers die, hang, lose power, are cut off from each other, from clients or from
//! us; replicas lag, break and write what they should not; the manager itself is killed, in any step. Clients write all
//! the time and remember what was acknowledged. In the end faults are over, and the tree must become whole.
//!
//! `SIMULATE=5000 cargo test --release -p orchestrator-manager --test simulation fleet` runs that many schedules, from
//! `SIMULATE_FROM` on. One that fails tells its story; `SIMULATE=1 SIMULATE_FROM=<seed>` runs it again, step by step the
//! same, and `RUST_LOG=info` shows what the manager said.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

mod begin;
mod clients;
mod fleet;
mod hand;
mod invariants;
mod node;
mod plot;
mod raft;
mod reach;
mod schedule;
mod server;
mod status;
mod stories;
mod trx;
mod way;

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
