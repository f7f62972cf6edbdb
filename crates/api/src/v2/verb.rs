//! Requests that change something with the verb that says so, and answers of our own shape when they fail.

use std::future::Future;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete as on_delete, post as on_post, put as on_put};
use manager::Error as ManagerError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::route::{Access, Place, Route, RouteInfo, Verb, read};

/// Returns the route of a handler that shows something; what goes wrong is told in our own shape.
pub(crate) fn get<F, Fut>(path: &str, handler: F) -> Route
where
    F: Fn(Api, Call) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    read(path, move |api, call| {
        let answer = handler(api, call);
        async move { Ok(answer.await.unwrap_or_else(|error| problem(&error))) }
    })
}

/// Returns the route of a handler that makes something happen.
pub(crate) fn post<F, Fut>(path: &str, handler: F) -> Route
where
    F: Fn(Api, Call, Value) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    route(path, Verb::Post, handler)
}

/// Returns the route of a handler that sets something.
pub(crate) fn put<F, Fut>(path: &str, handler: F) -> Route
where
    F: Fn(Api, Call, Value) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    route(path, Verb::Put, handler)
}

/// Returns the route of a handler that ends something.
pub(crate) fn delete<F, Fut>(path: &str, handler: F) -> Route
where
    F: Fn(Api, Call, Value) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    route(path, Verb::Delete, handler)
}

fn route<F, Fut>(path: &str, verb: Verb, handler: F) -> Route
where
    F: Fn(Api, Call, Value) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let answer = move |State(api): State<Api>, method: Method, headers: HeaderMap, call: Call, body: Bytes| async move {
        let answered = match read_json(&method, &headers, &body) {
            Ok(value) => handler(api, call, value).await,
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| problem(&error)).into_response()
    };
    let handler: MethodRouter<Api> = match verb {
        Verb::Post => on_post(answer),
        Verb::Put => on_put(answer),
        Verb::Delete => on_delete(answer),
        Verb::Get => axum::routing::get(answer),
    };
    let info = RouteInfo { path: format!("/api/{path}"), verb, access: Access::Write, place: Place::Leader };
    Route { info, handler }
}

/// Reads a body. One that is no JSON by its own word is refused: a page of another site may send that unasked.
fn read_json(method: &Method, headers: &HeaderMap, body: &Bytes) -> Result<Value, Error> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let is_json = given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    if !is_json && (!body.is_empty() || *method == Method::POST) {
        return Err(Error::BadParameter("the body must be application/json".to_owned()));
    }
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| Error::BadParameter(format!("the body is no JSON: {error}")))
}

/// Returns what `body` asks for.
///
/// # Errors
/// [`Error::BadParameter`] that says what does not fit.
pub(crate) fn asked<T: DeserializeOwned>(body: Value) -> Result<T, Error> {
    serde_json::from_value(body).map_err(|error| Error::BadParameter(format!("the body does not fit: {error}")))
}

/// Returns what tells that something was done.
pub(crate) fn done(message: impl Into<String>) -> Answer {
    Reply::bare(&json!({ "message": message.into() }))
}

/// Returns a failure in our own shape, with a status that says what sort it is.
pub(crate) fn problem(error: &Error) -> Reply {
    let (status, code) = match error {
        Error::BadPort(_) | Error::BadHost(_) | Error::BadParameter(_) => (StatusCode::BAD_REQUEST, "bad_request"),
        Error::Unauthorised => (StatusCode::FORBIDDEN, "not_permitted"),
        Error::CrossSite => (StatusCode::FORBIDDEN, "cross_site"),
        Error::UnknownInstance(_) | Error::Manager(ManagerError::Unknown(_)) => {
            (StatusCode::NOT_FOUND, "unknown_instance")
        }
        Error::UnknownCluster(_) | Error::UnknownAlias(_) => (StatusCode::NOT_FOUND, "unknown_cluster"),
        Error::Manager(ManagerError::Held(_)) => (StatusCode::CONFLICT, "held"),
        Error::Manager(ManagerError::Consensus(_)) | Error::Consensus(_) | Error::Forward(_) => {
            (error.status(), "not_decided")
        }
        Error::Store(_) | Error::Json(_) | Error::Interrupted(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        _ => (StatusCode::CONFLICT, "not_done"),
    };
    let message = match error {
        Error::Unauthorised => "you may look, and not change anything".to_owned(),
        Error::UnknownInstance(key) => format!("there is no instance {key}"),
        Error::UnknownCluster(hint) | Error::UnknownAlias(hint) => format!("there is no cluster {hint:?}"),
        error => error.to_string(),
    };
    plain_problem(status, code, &message)
}

/// Returns a failure in our own shape.
pub(crate) fn plain_problem(status: StatusCode, code: &str, message: &str) -> Reply {
    Reply::of(status, &json!({ "code": code, "message": message }))
}

/// Returns `response` with words that keep every cache from storing it.
pub(crate) fn unstored(mut response: Response) -> Response {
    let never = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, never);
    response
}
