//! A row of the table of routes.

use std::future::Future;

use axum::extract::State;
use axum::routing::{MethodFilter, MethodRouter, get};

use crate::answer::Answer;
use crate::app::Api;
use crate::call::Call;

/// What a request to a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Shows something. Open to everybody who is let in at all.
    Read,
    /// Changes something. Needs permission, and does not come from another site.
    Write,
}

/// Which of several nodes answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The node that was asked, from its own copy.
    Here,
    /// The node that leads: any other hands the request on to it.
    Leader,
}

/// How a path is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// `GET`: everything of Orchestrator's API, also what changes something.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
}

impl Verb {
    /// Returns what lets only requests of this method through.
    pub(crate) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// A path and what a request to it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteInfo {
    /// The whole path, parameters in braces.
    pub path: String,
    /// How it is asked.
    pub verb: Verb,
    /// What a request to it does.
    pub access: Access,
    /// Who answers it.
    pub place: Place,
}

/// A path and its handler.
pub(crate) struct Route {
    pub(crate) info: RouteInfo,
    pub(crate) handler: MethodRouter<Api>,
}

impl Route {
    /// Makes every node answer for itself, although something is changed.
    pub(crate) fn here(mut self) -> Self {
        self.info.place = Place::Here;
        self
    }

    /// Makes the leader answer, although nothing is changed.
    pub(crate) fn at_leader(mut self) -> Self {
        self.info.place = Place::Leader;
        self
    }
}

/// Returns the route of a handler that shows something at `/api/PATH`. Every node answers it for itself.
pub(crate) fn read<F, Fut>(path: &str, handler: F) -> Route
where
    F: Fn(Api, Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    route(path, Access::Read, Place::Here, handler)
}

/// Returns the route of a handler that changes something at `/api/PATH`. It is the leader's to do.
pub(crate) fn write<F, Fut>(path: &str, handler: F) -> Route
where
    F: Fn(Api, Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    route(path, Access::Write, Place::Leader, handler)
}

fn route<F, Fut>(path: &str, access: Access, place: Place, handler: F) -> Route
where
    F: Fn(Api, Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let info = RouteInfo { path: format!("/api/{path}"), verb: Verb::Get, access, place };
    Route { info, handler: get(move |State(api): State<Api>, call: Call| handler(api, call)) }
}
