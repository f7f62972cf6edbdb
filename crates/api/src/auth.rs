//! Who may do what.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use config::{Auth, AuthMethod};
use subtle::ConstantTimeEq as _;

use crate::app::Api;
use crate::call::User;
use crate::error::Error;
use crate::v2::verb::problem;

/// The user that may read with any password (`multi`).
const READER: &str = "readonly";

/// Finds out who sent a request. Basic and multi authentication guard everything that is served.
pub(crate) async fn identify(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let config = api.config();
    let auth = &config.auth;
    let user = match auth.method {
        AuthMethod::Basic | AuthMethod::Multi => match basic_user(auth, request.headers()) {
            Some(user) => Some(user),
            None => return demand_password(),
        },
        AuthMethod::Proxy => header_text(request.headers(), &auth.user_header),
        AuthMethod::None | AuthMethod::Token | AuthMethod::OAuth => None,
    };
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        request.extensions_mut().insert(User(user));
    }
    next.run(request).await
}

/// Lets a request that changes something through to its handler, or not.
pub(crate) async fn authorise(State(api): State<Api>, request: Request, next: Next) -> Response {
    let is_ours = request.uri().path().starts_with("/api/v2/");
    let refused = |error: Error| if is_ours { problem(&error).into_response() } else { error.into_response() };
    if comes_from_another_site(request.headers()) {
        return refused(Error::CrossSite);
    }
    let config = api.config();
    let user = request.extensions().get::<User>().map(|user| user.0.as_str());
    if !may_change(&config.auth, user).await {
        return refused(Error::Unauthorised);
    }
    next.run(request).await
}

/// Tells whether `user` may change anything.
pub(crate) async fn may_change(auth: &Auth, user: Option<&str>) -> bool {
    if auth.read_only {
        return false;
    }
    match auth.method {
        AuthMethod::None | AuthMethod::Basic => true,
        AuthMethod::Multi => user.is_some_and(|user| user != READER),
        AuthMethod::Proxy => {
            let named = |name: &str| auth.power_users.iter().any(|power| power == name);
            named("*")
                || match user {
                    Some(user) => named(user) || is_in_a_group(user, &auth.power_groups).await,
                    None => false,
                }
        }
        AuthMethod::Token | AuthMethod::OAuth => false,
    }
}

/// Asks the system's user database, which may be LDAP's, whether `user` is listed in one of `groups`.
async fn is_in_a_group(user: &str, groups: &[String]) -> bool {
    for group in groups {
        // Not a shell: the name of the group is one argument, and it comes from the configuration.
        let answer = tokio::process::Command::new("getent").args(["group", "--", group]).output().await;
        let Ok(answer) = answer else { continue };
        if members(&String::from_utf8_lossy(&answer.stdout)).any(|member| member == user) {
            return true;
        }
    }
    false
}

/// Returns the members in a line of the group database: `name:password:number:member,member`.
fn members(entry: &str) -> impl Iterator<Item = &str> {
    entry.trim_end().rsplit(':').next().unwrap_or_default().split(',').map(str::trim)
}

fn basic_user(auth: &Auth, headers: &HeaderMap) -> Option<String> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = given.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    if auth.method == AuthMethod::Multi && user == READER {
        return Some(user.to_owned());
    }
    // Without a configured user nobody would be kept out by an empty password.
    let is_same = |one: &str, two: &str| bool::from(one.as_bytes().ct_eq(two.as_bytes()));
    let matches = is_same(user, &auth.user) & is_same(password, auth.password.reveal());
    (matches && !auth.user.is_empty()).then(|| user.to_owned())
}

fn demand_password() -> Response {
    let challenge = HeaderValue::from_static(r#"Basic realm="Authorization Required""#);
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], "Not Authorized\n").into_response()
}

/// True when a browser says that a page of somebody else made it ask. A program sends none of these headers.
fn comes_from_another_site(headers: &HeaderMap) -> bool {
    if header_text(headers, "sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return true;
    }
    let Some(origin) = header_text(headers, "origin") else { return false };
    let host = header_text(headers, "host").unwrap_or_default();
    let origin_host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
    !origin_host.eq_ignore_ascii_case(&host)
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().expect("text")))
            .collect()
    }

    #[test]
    fn a_foreign_page_is_told_from_a_program_and_from_our_own_pages() {
        let host = ("host", "orch.example.com:3000");
        for (sent, foreign) in [
            (headers(&[host]), false),
            (headers(&[host, ("sec-fetch-site", "none")]), false),
            (headers(&[host, ("sec-fetch-site", "same-origin")]), false),
            (headers(&[host, ("sec-fetch-site", "cross-site")]), true),
            (headers(&[host, ("origin", "http://orch.example.com:3000")]), false),
            (headers(&[host, ("origin", "https://evil.example.com")]), true),
            (headers(&[host, ("origin", "null")]), true),
        ] {
            assert_eq!(comes_from_another_site(&sent), foreign, "{sent:?}");
        }
    }

    #[test]
    fn members_of_a_group_are_whole_names() {
        assert_eq!(members("dba:x:1001:ann,bob\n").collect::<Vec<_>>(), ["ann", "bob"]);
        assert!(!members("dba:x:1001:\n").any(|member| member == "ann"));
    }
}
