//! The web interface: files that are part of the program, below `/web/`.
//!
//! Every page is the same document; which one is shown, its script reads from the address. The document names its files
//! relative to the address that was asked for, so that it works below any prefix, also one that a proxy cuts off.

use axum::Router;
use axum::extract::{OriginalUri, Path};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::app::Api;

/// What `npm run build` made in `web/`; nothing where that was never run.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// Only our own files, no script or style within documents, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where the interface was not built.
const NOT_BUILT: &str = "<!doctype html><title>orchestrator</title><p>This program was built without its web \
    interface. Build it with <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, then the program again. \
    The API is at <code>/api</code>.";

/// Returns the pages.
pub(crate) fn router() -> Router<Api> {
    let entrance = || get(|OriginalUri(uri): OriginalUri| async move { to_clusters(uri.path()) });
    Router::new()
        .route("/", entrance())
        .route("/web", entrance())
        .route("/web/", entrance())
        .route("/web/{*path}", get(|Path(path): Path<String>| async move { page(&path) }))
}

fn to_clusters(asked: &str) -> Response {
    let above = asked.trim_end_matches('/');
    let above = above.strip_suffix("/web").unwrap_or(above);
    let Ok(to) = HeaderValue::from_str(&format!("{above}/web/clusters")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

fn page(path: &str) -> Response {
    if let Some(name) = path.strip_prefix("assets/") {
        return asset(name);
    }
    let Some(file) = Files::get("index.html") else {
        return guarded((StatusCode::OK, NOT_BUILT).into_response(), "text/html; charset=utf-8", "no-store");
    };
    // As many steps up as there are slashes behind `/web/`.
    let up = match path.matches('/').count() {
        0 => "./".to_owned(),
        steps => "../".repeat(steps),
    };
    let document = String::from_utf8_lossy(&file.data).replace("./assets/", &format!("{up}assets/"));
    guarded(document.into_response(), "text/html; charset=utf-8", "no-cache")
}

fn asset(name: &str) -> Response {
    let Some(file) = Files::get(&format!("assets/{name}")) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    };
    guarded(file.data.into_owned().into_response(), kind, "no-cache")
}

fn guarded(mut response: Response, kind: &'static str, cache: &'static str) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
