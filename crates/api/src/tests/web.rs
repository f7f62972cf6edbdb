//! The resources of the web interface, and its files.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::{Answered, Served};
use crate::{Access, Verb, routes};

const JSON: (&str, &str) = ("content-type", "application/json");

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Delete => Method::DELETE,
    }
}

async fn ask(served: &Served, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answered {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    served.send(request.body(Body::from(body.to_string())).expect(path)).await
}

#[test]
fn the_document_names_every_resource_and_no_other() {
    let document: Value = serde_json::from_str(include_str!("../../../../docs/openapi.json")).expect("JSON");
    let mut documented = BTreeSet::new();
    for (path, verbs) in document["paths"].as_object().expect("paths") {
        for verb in verbs.as_object().expect("verbs").keys() {
            documented.insert(format!("{} {path}", verb.to_uppercase()));
        }
    }
    let served: BTreeSet<String> = routes()
        .into_iter()
        .filter(|route| route.path.starts_with("/api/v2/"))
        .map(|route| format!("{} {}", method(route.verb), route.path))
        .collect();
    assert_eq!(documented, served);
}

#[tokio::test]
async fn who_may_only_look_changes_nothing() {
    let served = Served::with(r#"{"ReadOnly": true}"#).await;
    let is_ours = |route: &crate::RouteInfo| route.path.starts_with("/api/v2/");
    for route in routes().into_iter().filter(|route| route.access == Access::Write && is_ours(route)) {
        let path = route.path.replace(['{', '}'], "");
        let refused = ask(&served, method(route.verb), &path, &[JSON], &json!({})).await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (StatusCode::FORBIDDEN, &json!("not_permitted")),
            "{path}"
        );
    }
    assert_eq!(served.get("/api/v2/session").await.json()["may_change"], json!(false));
}

#[tokio::test]
async fn a_foreign_page_and_a_plain_form_change_nothing() {
    let served = Served::new().await;
    let off = json!({"on": false});
    for (headers, status) in [
        (vec![JSON, ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (vec![JSON, ("origin", "https://evil.example.com")], StatusCode::FORBIDDEN),
        (vec![("content-type", "text/plain")], StatusCode::BAD_REQUEST),
        (vec![], StatusCode::BAD_REQUEST),
    ] {
        let refused = ask(&served, Method::PUT, "/api/v2/automatic-recovery", &headers, &off).await;
        assert_eq!(refused.status, status, "{headers:?}");
    }
    assert_eq!(served.get("/api/v2/session").await.json()["recoveries_enabled"], json!(true));
    let done = ask(&served, Method::PUT, "/api/v2/automatic-recovery", &[JSON], &off).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert_eq!(served.get("/api/v2/session").await.json()["recoveries_enabled"], json!(false));
}

#[tokio::test]
async fn what_was_declared_of_a_server_shows() {
    let served = Served::new().await;
    let path = "/api/v2/instances/127.0.1.3/21103";
    let wish = json!({"reason": "<b>disk</b>", "duration": "1h"});
    assert_eq!(ask(&served, Method::PUT, &format!("{path}/downtime"), &[JSON], &wish).await.status, StatusCode::OK);
    let rule = json!({"rule": "prefer_not"});
    ask(&served, Method::PUT, &format!("{path}/promotion-rule"), &[JSON], &rule).await;
    let row = &served.get(path).await.json()["row"];
    assert_eq!((&row["downtime"]["reason"], &row["promotion_rule"]), (&json!("<b>disk</b>"), &json!("prefer_not")));
    let found = served.get("/api/v2/search?q=127.0.1.3").await.json();
    assert_eq!(found["total"], json!(1));
    for (body, part) in [(json!({"reason": " ", "duration": "1h"}), "reason"), (json!({"duration": 1}), "does not fit")]
    {
        let refused = ask(&served, Method::PUT, &format!("{path}/downtime"), &[JSON], &body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.json()["message"].as_str().is_some_and(|said| said.contains(part)), "{}", refused.text);
    }
    ask(&served, Method::DELETE, &format!("{path}/downtime"), &[], &Value::Null).await;
    let unknown = served.get("/api/v2/instances/127.0.99.99/3306").await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (StatusCode::NOT_FOUND, &json!("unknown_instance")));
}

#[tokio::test]
async fn what_an_action_would_do_is_told_before() {
    let served = Served::new().await;
    let told =
        async |server: &str, action: &str| served.get(&format!("/api/v2/instances/{server}/preview/{action}")).await;
    let stop = told("127.0.1.3/21103", "stop-replication").await.json();
    assert_eq!((&stop["danger"], &stop["why_not"]), (&json!(true), &json!(null)));
    assert!(stop["statements"][0].as_str().is_some_and(|sql| sql.starts_with("stop replica")), "{stop:#}");
    let restart = told("127.0.1.3/21103", "restart-replication").await.json();
    assert_eq!((restart["statements"].as_array().map(Vec::len), &restart["danger"]), (Some(2), &json!(false)));
    let rejoin = told("127.0.1.3/21103", "rejoin").await.json();
    assert_eq!(rejoin["why_not"], json!("no record says that it was replaced as a primary"));
    assert_eq!(told("127.0.1.3/21103", "explode").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(told("127.0.99.99/3306", "forget").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_root_leads_to_the_clusters_below_any_prefix() {
    for (prefix, path) in [("", "/"), ("", "/web"), ("", "/web/"), ("/orch", "/orch/web/")] {
        let served = Served::with(&json!({"URLPrefix": prefix}).to_string()).await;
        let answered = served.get(path).await;
        assert_eq!(answered.status, StatusCode::FOUND, "{path}");
        assert_eq!(answered.headers["location"], format!("{prefix}/web/clusters"), "{path}");
    }
}

#[tokio::test]
async fn every_page_forbids_what_is_not_ours() {
    let served = Served::new().await;
    for path in ["/web/clusters", "/web/cluster/alias/%3Cscript%3E", "/web/no/such/page"] {
        let answered = served.get(path).await;
        assert_eq!(answered.status, StatusCode::OK, "{path}");
        let policy = answered.headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(!answered.text.contains("<script>"), "{}", answered.text);
    }
    assert_eq!(served.get("/web/assets/no-such-file").await.status, StatusCode::NOT_FOUND);
}
