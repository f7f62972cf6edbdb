//! Real MySQL and MariaDB fleets, and the faults that befall them: for tests, the demo and the benchmark.
//!
//! [`servers::ensure`] gets a server product by unpacking Debian packages, not installing them. A [`Fleet`] is a few of
//! its processes in a replication tree, each on an address of its own. A [`Writer`] commits rows through whichever
//! server is writable and remembers which commits were acknowledged; a [`Watcher`] looks for two writable servers at one
//! time. A [`ManagerCluster`] is one manager under test, or several that decide together; [`Leadership`] looks for two
//! that lead at one time. In network namespaces every one of them can be cut off from every other, by [`Fleet::cut_apart`]
//! and [`Fleet::cut_one_way`].
//!
//! Invariants: nothing outlives the process that made it (servers die with their parent, by the kernel's hand; files and
//! network namespaces are swept by the next start or by `lab clean`); only processes, addresses and namespaces that the
//! lab made are ever touched; nothing is installed on the machine. This is a tool for developers: errors are
//! [`anyhow::Error`] with a text that says what to do.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod address;
mod admin;
mod cluster;
mod debian;
pub mod demo;
mod dialect;
mod disk;
mod failover;
mod fleet;
pub mod http;
pub mod journal;
mod leadership;
mod manager;
mod netns;
pub mod paths;
mod process;
mod product;
mod replication;
pub mod report;
mod server;
pub mod servers;
mod spans;
mod stage;
pub mod sweep;
pub mod tale;
mod template;
mod watcher;
mod writer;

pub use admin::AdminSession;
pub use cluster::{ManagerCluster, ManagerNode};
pub use disk::SmallDisk;
pub use failover::{Failing, Failover, Fault, Resumed, Times};
pub use fleet::{Fleet, FleetBuilder, Tree};
pub use leadership::{Leadership, TwoLeaders};
pub use manager::{ManagerProcess, manager_binary, manager_binary_of};
pub use netns::Party;
pub use process::Signal;
pub use product::{Accounts, Product};
pub use replication::ReplicaState;
pub use server::Server;
pub use spans::{Overlap, Span};
pub use stage::{Plot, Stage};
pub use watcher::{OpenSpan, TwoWritable, Watcher};
pub use writer::{Commit, Outcome, Record, Verification, Writer, WriterOptions};
