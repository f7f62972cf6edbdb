//! Our values in our own shapes, and the resources of `/api/v2` that the web interface is made of.

pub(crate) mod events;
mod farm;
mod findings;
mod history;
pub(crate) mod looks;
pub(crate) mod nodes;
pub(crate) mod overview;
mod preview;
pub(crate) mod recovery;
pub(crate) mod rehearsal;
pub(crate) mod returned;
mod servers;
mod session;
pub(crate) mod verb;

use crate::route::Route;

/// Returns the resources of the web interface.
pub(crate) fn routes() -> Vec<Route> {
    let all = [
        events::routes(),
        servers::routes(),
        rehearsal::routes(),
        preview::routes(),
        history::routes(),
        session::routes(),
    ];
    all.into_iter().flatten().collect()
}
