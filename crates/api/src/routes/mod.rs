//! The table of routes, a module for each resource.

mod analysis;
mod audit;
mod candidates;
mod clusters;
mod downtime;
mod forced;
pub(crate) mod health;
mod instances;
mod maintenance;
mod meta;
mod nodes;
mod overview;
mod pools;
mod raft;
mod recovery;
mod replication;
mod returning;
mod simulation;
mod tags;
mod takeover;
mod topology;

use manager::View;

use crate::app::Api;
use crate::error::Error;
use crate::route::{Route, RouteInfo};

/// Returns every path that is served with what a request to it does, sorted. With a prefix, all stand below it.
pub fn all() -> Vec<RouteInfo> {
    let mut paths: Vec<RouteInfo> = table().into_iter().map(|route| route.info).collect();
    paths.sort();
    paths
}

/// Returns every route.
pub(crate) fn table() -> Vec<Route> {
    [
        health::routes(),
        raft::routes(),
        nodes::routes(),
        overview::routes(),
        instances::routes(),
        clusters::routes(),
        topology::routes(),
        replication::routes(),
        downtime::routes(),
        maintenance::routes(),
        candidates::routes(),
        analysis::routes(),
        recovery::routes(),
        returning::routes(),
        forced::routes(),
        takeover::routes(),
        audit::routes(),
        tags::routes(),
        pools::routes(),
        simulation::routes(),
        meta::routes(),
        crate::v2::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Api {
    /// Asks the store, which reads a file, on a thread where that may take a moment.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&store::Store) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.manager.store().clone();
        Ok(tokio::task::spawn_blocking(move || query(&store)).await??)
    }

    /// Returns a view that shows everything that was declared so far: the cached one may be a moment older.
    pub(crate) fn fresh_view(&self) -> View {
        let cached = self.view();
        let snapshot = ::topology::Snapshot { declared: self.manager.declared(), ..cached.snapshot.clone() };
        View { graph: ::topology::Graph::of(&snapshot), diagnoses: cached.diagnoses.clone(), snapshot }
    }
}
