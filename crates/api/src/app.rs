//! The router, put together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use config::Config;
use manager::{Manager, View};
use tower_http::compression::CompressionLayer;

use crate::compat::{Limits, Scene};
use crate::error::Error;
use crate::forward::{self, Forwarder};
use crate::metrics::Metrics;
use crate::outlook::Outlook;
use crate::route::{Access, Place, Route};
use crate::v2::looks::Looks;
use crate::{auth, routes, web};

/// What every handler has at hand. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) manager: Manager,
    pub(crate) metrics: Metrics,
    /// How this node stands among the others.
    pub(crate) outlook: Arc<dyn Outlook>,
    /// Hands requests on to the leader.
    pub(crate) forwarder: Forwarder,
    /// What is told to those who watch.
    pub(crate) looks: Arc<Looks>,
}

/// Returns everything that is served: `/api`, `/api/v2`, `/web` and `/metrics`, below the configured prefix. Prefix and
/// authentication are those of the configuration at this moment and of each request, respectively.
pub fn router(manager: Manager, metrics: Metrics) -> Router {
    let outlook = Arc::new(manager.consensus().clone());
    let forwarder = Forwarder::new(&manager.config(), forward::Limits::default());
    router_of(Api { manager, metrics, outlook, forwarder, looks: Arc::default() })
}

/// Returns the same of an `api` that is put together already.
pub(crate) fn router_of(api: Api) -> Router {
    let prefix = api.config().listen.url_prefix.clone();
    let paths = mounted(&api, Guard::Permission);
    let served = if prefix.is_empty() {
        paths
    } else {
        Router::new().nest(&prefix, paths.clone()).fallback_service(paths_outside(api.clone()))
    };
    served
        .layer(middleware::from_fn_with_state(api.clone(), auth::identify))
        .layer(middleware::from_fn_with_state(api, measure))
        .layer(middleware::from_fn(refuse_odd_paths))
        .layer(CompressionLayer::new())
}

/// Returns the same for a caller within this process, without prefix and without permissions: who could open the database
/// may do everything anyway. Of a manager that only answers, nothing can be changed.
pub fn router_for_this_process(manager: Manager, metrics: Metrics) -> Router {
    let outlook = Arc::new(manager.consensus().clone());
    let forwarder = Forwarder::new(&manager.config(), forward::Limits::default());
    let guard = if manager.only_answers() { Guard::Refusal } else { Guard::None };
    let api = Api { manager, metrics, outlook, forwarder, looks: Arc::default() };
    mounted(&api, guard).layer(middleware::from_fn(refuse_odd_paths))
}

/// What stands before the handlers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Permission for what changes something, and the way to the leader.
    Permission,
    /// Nothing.
    None,
    /// Nothing for what shows something, and no way to what changes something.
    Refusal,
}

fn mounted(api: &Api, guard: Guard) -> Router {
    let mut handlers: BTreeMap<String, MethodRouter<Api>> = BTreeMap::new();
    for route in routes::table() {
        let (path, handler) = (route.info.path.clone(), guarded(api, route, guard));
        let joined = match handlers.remove(&path) {
            Some(others) => others.merge(handler),
            None => handler,
        };
        handlers.insert(path, joined);
    }
    let mut paths = if guard == Guard::Permission { web::router() } else { Router::new() };
    for (path, handler) in handlers {
        let handler = handler.fallback(not_found);
        paths = paths.route(&path, handler.clone()).route(&format!("{path}/"), handler);
    }
    paths.fallback(other).with_state(api.clone())
}

/// Returns the handler of a route behind what guards it. A `HEAD` of what changes something changes nothing.
fn guarded(api: &Api, route: Route, guard: Guard) -> MethodRouter<Api> {
    let mut handler = route.handler;
    if route.info.place == Place::Leader && guard == Guard::Permission {
        let way = (api.clone(), route.info.access);
        handler = handler.layer(middleware::from_fn_with_state(way, forward::to_leader));
    }
    if route.info.access == Access::Write && guard == Guard::Permission {
        handler = handler
            .layer(middleware::from_fn_with_state(api.clone(), auth::authorise))
            .layer(middleware::from_fn(nothing_for_head));
    }
    if route.info.access == Access::Write && guard == Guard::Refusal {
        handler = axum::routing::on(route.info.verb.filter(), || async { Error::OnlyAnswers });
    }
    handler
}

/// With a prefix, only the status check is served outside of it, if it is configured there.
fn paths_outside(api: Api) -> Router {
    Router::new().fallback(other).with_state(api)
}

impl Api {
    pub(crate) fn config(&self) -> Arc<Config> {
        self.manager.config()
    }

    /// Returns what is known now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.manager.view()
    }

    /// Returns `view` as something to show from.
    pub(crate) fn scene<'v>(&self, view: &'v View) -> Scene<'v> {
        let config = self.config();
        let limits = Limits {
            poll: config.discovery.poll,
            lag: config.problems.lag,
            maintenance_lag: config.problems.maintenance_lag,
            rule_expiry: config.candidates.rule_expiry,
        };
        Scene { snapshot: &view.snapshot, graph: &view.graph, limits }
    }
}

/// Serves the status check where the configuration moved it to, and tells that there is nothing else.
async fn other(State(api): State<Api>, request: Request) -> Response {
    let path =
        request.extensions().get::<axum::extract::OriginalUri>().map_or(request.uri(), |original| &original.0).path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_read && path == api.config().listen.status_path {
        return routes::health::status_of(&api).await.into_response();
    }
    not_found().await
}

/// The answer to any path that is not served.
pub(crate) async fn not_found() -> Response {
    let text = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    (StatusCode::NOT_FOUND, text, "404 page not found\n").into_response()
}

/// An encoded slash would end up inside a parameter; nobody has a host name with one.
async fn refuse_odd_paths(request: Request, next: Next) -> Response {
    const LONGEST: usize = 8 * 1024;
    let path = request.uri().path();
    if path.len() > LONGEST || path.to_ascii_lowercase().contains("%2f") {
        return not_found().await;
    }
    next.run(request).await
}

async fn nothing_for_head(request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD { StatusCode::OK.into_response() } else { next.run(request).await }
}

async fn measure(State(api): State<Api>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    api.metrics.count_request(response.status(), began.elapsed());
    response
}

/// Asks `router` for a path with its query, as a client over the network would. Returns status and body.
///
/// # Errors
/// The path is no path of a URL, or the answer broke off.
pub async fn get(router: &Router, path_and_query: &str) -> Result<(u16, Vec<u8>), axum::Error> {
    let request = Request::get(path_and_query).body(axum::body::Body::empty()).map_err(axum::Error::new)?;
    let response = match tower::ServiceExt::oneshot(router.clone(), request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
    Ok((status, body.to_vec()))
}
