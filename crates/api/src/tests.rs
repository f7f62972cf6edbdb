//! The router as a client sees it, over a store in memory and the recorded servers.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use config::{Config, NoSurroundings};
use manager::{Manager, Mode};
use serde_json::{Value, json};
use store::{ClusterFacts, ObservedInstance, Store};
use tower::ServiceExt as _;

use crate::fixture::{instances, recorded, watched};
use crate::{Access, Metrics, Place, Verb, get, router, router_for_this_process, routes};

mod client;
mod forward;
mod raft;
mod web;

fn config(text: &str) -> Config {
    let file = config::SourceFile { name: "test.json".to_owned(), text: text.to_owned() };
    config::parse(&[file], &NoSurroundings).unwrap_or_else(|problems| panic!("{problems:?}")).config
}

/// Returns a manager that knows the recorded servers.
async fn manager(text: &str) -> Manager {
    let store = Store::open(":memory:", store::Mode::Own).expect("a store in memory");
    let now = topology::Timestamp(jiff::Timestamp::now().as_microsecond());
    let observed = instances("all-instances.json")
        .iter()
        .map(|shown| {
            let mut watched = watched(shown, now);
            watched.seen = Some(now);
            ObservedInstance { watched: Arc::new(watched), facts: ClusterFacts::default() }
        })
        .collect();
    store.save_instances(observed).expect("saved");
    let same: Arc<manager::Reload> = Arc::new(|config, _| Ok((config.clone(), Vec::new())));
    Manager::start(config(text), consensus::Consensus::alone(store), Mode::OneCommand, same).await.expect("started")
}

/// What is served over the nine recorded servers, probed a moment ago.
struct Served {
    router: Router,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn message(&self) -> String {
        self.json()["Message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Served {
    async fn new() -> Self {
        Self::with(r#"{"RecoverMasterClusterFilters": ["*"], "RecoverIntermediateMasterClusterFilters": ["*"]}"#).await
    }

    async fn with(text: &str) -> Self {
        Self { router: router(manager(text).await, Metrics::install()) }
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 10 << 20).await.expect("a body");
        Answered { status, headers, text: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn get(&self, path: &str) -> Answered {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answered {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect(path)).await
    }
}

#[test]
fn every_route_with_what_it_does() {
    let mut listed = String::new();
    for route in routes() {
        let access = if route.access == Access::Write { "W" } else { "R" };
        let place = if route.place == Place::Leader { "L" } else { "-" };
        let verb = match route.verb {
            Verb::Get => String::new(),
            verb => format!("{verb:?} ").to_uppercase(),
        };
        writeln!(listed, "{access}{place} {verb}{}", route.path).expect("a string");
    }
    insta::assert_snapshot!("routes", listed);
    let documented = include_str!("../../../docs/api.md");
    let missing: Vec<String> = routes()
        .into_iter()
        .filter(|route| !documented.contains(&format!("`{}`", route.path.trim_start_matches("/api/"))))
        .map(|route| route.path)
        .collect();
    assert!(missing.is_empty(), "docs/api.md does not list {missing:?}");
}

#[tokio::test]
async fn answers_are_the_recorded_ones() {
    let served = Served::new().await;
    for (path, name) in [
        ("/api/topology/alpha", "topology-hint"),
        ("/api/topology/127.0.1.3/21103", "topology-hint"),
        ("/api/topology-tabulated/127.0.2.3/21203", "topology-tabulated-instance"),
        ("/api/automated-recovery-filters", "automated-recovery-filters"),
        ("/api/problems", "problems"),
        ("/api/replication-analysis", "replication-analysis"),
        ("/api/instance/127.0.9.9/3306", "instance-unknown"),
        ("/api/instance/127.0.1.1/notaport", "instance-bad-port"),
        ("/api/cluster/alias/nosuchcluster", "cluster-unknown-alias"),
        ("/api/begin-downtime/127.0.1.3/21103/gopher/x/tenminutes", "begin-downtime-bad-duration"),
    ] {
        let answered = served.get(path).await;
        let theirs = recorded(&format!("{name}.json"));
        assert_eq!(answered.json(), theirs, "{path}");
        let failed = theirs["Code"] == "ERROR";
        let status = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        assert_eq!(answered.status, status, "{path}");
        assert_eq!(answered.headers["content-type"], "application/json; charset=UTF-8", "{path}");
    }
    let domainless = |mut list: Value| {
        for cluster in list.as_array_mut().expect("a list") {
            cluster["ClusterDomain"] = json!("");
        }
        list
    };
    assert_eq!(served.get("/api/clusters-info").await.json(), domainless(recorded("clusters-info.json")));
}

#[tokio::test]
async fn a_recovery_that_is_not_attempted_says_why() {
    let served = Served::new().await;
    // Nobody listens on the recorded addresses, so the whole site looks dead from here.
    let held = served.get("/api/recover/127.0.1.1/21101").await;
    assert_eq!(held.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(held.json()["Details"], json!({"Hostname": "127.0.1.1", "Port": 21101}));
    assert!(held.message().starts_with("Recovery not attempted: no replica answers"), "{}", held.text);
    let unknown = served.get("/api/recover-lite/127.0.9.9/3306/127.0.1.2/21102").await;
    assert_eq!(unknown.json()["Code"], "ERROR");
    let nobody = served.get("/api/force-master-failover/nosuchcluster").await;
    assert_eq!((nobody.status, &nobody.json()["Details"]), (StatusCode::INTERNAL_SERVER_ERROR, &Value::Null));
    let silent = served.get("/api/force-master-takeover/alpha/127.0.1.2/21102").await;
    assert_eq!(silent.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        silent.message().starts_with("Recovery not attempted: 127.0.1.2:21102 cannot take its place"),
        "{}",
        silent.text
    );
    assert_eq!(served.get("/api/audit-recovery").await.json(), json!([]));
}

#[tokio::test]
async fn lists_come_in_the_recorded_order() {
    let served = Served::new().await;
    let ports = |list: &Value| -> Vec<u64> {
        list.as_array().expect("a list").iter().map(|shown| shown["Key"]["Port"].as_u64().expect("a port")).collect()
    };
    let theirs = ports(&recorded("all-instances.json"));
    for path in ["/api/all-instances", "/api/all-instances/", "/api/search?s=", "/api/search"] {
        assert_eq!(ports(&served.get(path).await.json()), theirs, "{path}");
    }
    assert_eq!(ports(&served.get("/api/search/21102").await.json()), [21102]);
    assert_eq!(ports(&served.get("/api/cluster/beta").await.json()), [21201, 21202, 21203, 21204, 21205]);
    assert_eq!(ports(&served.get("/api/masters").await.json()), [21101, 21201]);
    assert_eq!(ports(&served.get("/api/instance-replicas/127.0.1.1/21101").await.json()), [21102, 21103, 21104]);
    assert_eq!(served.get("/api/clusters").await.json(), json!(["127.0.1.1:21101", "127.0.2.1:21201"]));
    assert_eq!(served.get("/api/master/beta").await.json()["Key"]["Port"], 21201);
}

#[tokio::test]
async fn the_changelog_tells_how_diagnoses_changed() {
    let manager = manager("{}").await;
    let diagnosed = |code: &str, secs: i64| store::Diagnosed {
        key: topology::InstanceKey::new("192.0.2.1", 3306),
        code: code.to_owned(),
        at: topology::Timestamp::from_secs(1_795_370_000 + secs),
    };
    let news = vec![diagnosed("NoProblem", 0), diagnosed("UnreachableMaster", 5), diagnosed("DeadMaster", 6)];
    manager.store().note_diagnoses(news).expect("a store");
    let served = Served { router: router(manager, Metrics::install()) };
    let shown = served.get("/api/replication-analysis-changelog").await.json();
    let expected = json!({
        "AnalyzedInstanceKey": {"Hostname": "192.0.2.1", "Port": 3306},
        "Changelog": ["2026-11-22T17:53:25Z;UnreachableMaster,", "2026-11-22T17:53:26Z;DeadMaster,"],
    });
    assert!(shown.as_array().expect("a list").contains(&expected), "{shown}");
}

#[tokio::test]
async fn a_lock_is_put_on_once_shown_and_taken_off() {
    let served = Served::new().await;
    let hp = "127.0.1.2/21102";
    let begun = served.get(&format!("/api/begin-maintenance/{hp}/gopher/golden%20test")).await;
    assert_eq!(begun.message(), "Maintenance begun: 127.0.1.2:21102");
    let again = served.get(&format!("/api/begin-maintenance/{hp}/gopher/second")).await;
    assert_eq!(again.json(), recorded("begin-maintenance-again.json"));
    assert_eq!(served.get(&format!("/api/in-maintenance/{hp}")).await.message(), "true");
    let mut shown = served.get("/api/maintenance").await.json();
    shown[0]["BeginTimestamp"] = recorded("maintenance.json")[0]["BeginTimestamp"].clone();
    assert_eq!(shown, recorded("maintenance.json"));
    assert_eq!(served.get("/api/end-maintenance/1").await.message(), "Maintenance ended: 1");
    assert_eq!(served.get("/api/maintenance").await.json(), json!([]));
}

#[tokio::test]
async fn a_downtime_is_seen_at_once_everywhere() {
    let served = Served::new().await;
    let begun = served.get("/api/begin-downtime/127.0.1.2/21102/gopher/because%20%3Cb%3E/2h").await;
    assert_eq!(begun.message(), "Downtime begun: 127.0.1.2:21102");
    let shown = served.get("/api/downtimed/alpha").await;
    assert!(shown.text.contains(r#""DowntimeReason":"because \u003cb\u003e""#), "{}", shown.text);
    assert_eq!(served.get("/api/downtimed/beta").await.json(), json!([]));
    assert!(served.get("/api/topology/alpha").await.text.contains("GTID,downtimed"));
    assert_eq!(served.get("/api/end-downtime/127.0.1.2/21102").await.message(), "Downtime ended: 127.0.1.2:21102");
    assert_eq!(served.get("/api/downtimed").await.json(), json!([]));
}

#[tokio::test]
async fn recoveries_are_switched_off_and_on() {
    let served = Served::new().await;
    for (path, word) in [
        ("check-global-recoveries", "enabled"),
        ("disable-global-recoveries", "disabled"),
        ("check-global-recoveries", "disabled"),
        ("enable-global-recoveries", "enabled"),
        ("check-global-recoveries/", "enabled"),
    ] {
        assert_eq!(served.get(&format!("/api/{path}")).await.json()["Details"], word, "{path}");
    }
    let refused = served.get("/api/ack-recovery/cluster/alpha?comment=%20").await;
    assert_eq!(refused.message(), "No acknowledge comment given");
    let done = served.get("/api/ack-all-recoveries?comment=two%20words").await;
    assert_eq!(done.json()["Details"], "two words");
}

#[tokio::test]
async fn a_promotion_rule_is_registered_or_refused() {
    let served = Served::new().await;
    let of = |rule: &str| format!("/api/register-candidate/127.0.1.3/21103/{rule}");
    assert_eq!(served.get(&of("prefer")).await.message(), "Registered candidate");
    assert_eq!(served.get("/api/instance/127.0.1.3/21103").await.json()["IsCandidate"], true);
    assert_eq!(served.get(&of("nosuchrule")).await.message(), "Invalid CandidatePromotionRule: nosuchrule");
    assert_eq!(served.get(&of("must")).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn unknown_paths_are_the_recorded_404() {
    let served = Served::new().await;
    for path in
        ["/api", "/api/nosuchendpoint", "/api/instance-slaves/127.0.1.1/21101", "/api/instance/a%2Fb/1", "/webs"]
    {
        let answered = served.get(path).await;
        assert_eq!(
            (answered.status, answered.text.as_str()),
            (StatusCode::NOT_FOUND, "404 page not found\n"),
            "{path}"
        );
    }
    let posted = served.send(Request::post("/api/health").body(Body::empty()).expect("a request")).await;
    assert_eq!(posted.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bad_input_is_an_error_in_the_envelope() {
    let served = Served::new().await;
    let long = "x".repeat(4000);
    for path in [
        "/api/instance/db1/0",
        "/api/instance/db1/65536",
        "/api/instance/db1/-1",
        "/api/instance/a,b/3306",
        "/api/instance/%FF%FE/3306",
        "/api/instance/a%00b/3306",
        "/api/discover/%27%3Bls/3306",
        &format!("/api/instance/{long}/3306"),
        &format!("/api/topology/{long}"),
        "/api/end-maintenance/abc",
        "/api/audit-recovery/id/abc",
        "/api/ack-recovery/abc?comment=x",
        "/api/begin-downtime/127.0.1.2/21102/a/b/99999999999999999w",
        "/api/topology/%5B%3A%3A",
    ] {
        let answered = served.get(path).await;
        assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}: {}", answered.text);
        assert_eq!(answered.json()["Code"], "ERROR", "{path}");
        assert!(answered.text.len() < 2000, "{path}");
    }
    assert_eq!(served.get(&format!("/api/instance/{}/1", "x".repeat(10_000))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/api/audit/notapage").await.json(), json!([]));
    assert_eq!(served.get("/api/audit-recovery-steps/nosuchuid").await.json(), json!([]));
}

#[tokio::test]
async fn a_part_of_a_name_shows_but_does_not_change() {
    let served = Served::new().await;
    // The first is an address, which has no parts; the second is a part of three host names, each at its own port.
    assert_eq!(served.get("/api/instance/27.0.1.2/21102").await.message(), "Cannot read instance: 27.0.1.2:21102");
    assert_eq!(served.get("/api/instance/0.1.2/21102").await.json()["Key"]["Hostname"], "127.0.1.2");
    let begun = served.get("/api/begin-downtime/0.1.2/21102/me/why").await;
    assert_eq!(begun.message(), "Downtime begun: 0.1.2:21102");
    assert_eq!(served.get("/api/downtimed/alpha").await.json(), json!([]));
}

#[tokio::test]
async fn a_head_request_changes_nothing() {
    let served = Served::new().await;
    let head = |path: &str| Request::head(path).body(Body::empty()).expect("a request");
    assert_eq!(served.send(head("/api/disable-global-recoveries")).await.status, StatusCode::OK);
    assert_eq!(served.get("/api/check-global-recoveries").await.json()["Details"], "enabled");
    let answered = served.send(head("/api/lb-check")).await;
    assert_eq!((answered.status, answered.text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let served = Served::new().await;
    for foreign in [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example.com")]] {
        let refused = served.get_with("/api/disable-global-recoveries", &foreign).await;
        assert_eq!(refused.json()["Code"], "ERROR", "{foreign:?}");
        assert_eq!(served.get_with("/api/clusters", &foreign).await.status, StatusCode::OK);
    }
    assert_eq!(served.get("/api/check-global-recoveries").await.json()["Details"], "enabled");
}

#[tokio::test]
async fn a_read_only_service_refuses_every_change() {
    let served = Served::with(r#"{"ReadOnly": true}"#).await;
    let ours = |path: &str| path.starts_with("/api/v2/");
    for route in routes().into_iter().filter(|route| route.access == Access::Write && !ours(&route.path)) {
        let path = route.path.replace(['{', '}'], "");
        let refused = served.get(&path).await;
        assert_eq!(refused.json(), json!({"Code": "ERROR", "Message": "Unauthorized", "Details": null}), "{path}");
    }
    assert_eq!(served.get("/api/clusters").await.status, StatusCode::OK);
}

#[tokio::test]
async fn basic_authentication_guards_everything() {
    let served =
        Served::with(r#"{"AuthenticationMethod": "basic", "HTTPAuthUser": "ann", "HTTPAuthPassword": "pw:1"}"#).await;
    // ann:pw:1, ann:wrong, nobody's empty password, and no base64 at all
    let right = [("authorization", "Basic YW5uOnB3OjE=")];
    for wrong in [
        vec![],
        vec![("authorization", "Basic YW5uOndyb25n")],
        vec![("authorization", "Basic Og==")],
        vec![("authorization", "Basic !!")],
    ] {
        let answered = served.get_with("/api/lb-check", &wrong).await;
        assert_eq!(answered.status, StatusCode::UNAUTHORIZED, "{wrong:?}");
        assert_eq!(answered.headers["www-authenticate"], r#"Basic realm="Authorization Required""#);
    }
    assert_eq!(served.get_with("/api/lb-check", &right).await.text, r#""OK""#);
    let acked = served.get_with("/api/ack-all-recoveries?comment=x", &right).await;
    assert_eq!(acked.status, StatusCode::OK);
    let shown = served.get_with("/api/headers", &right).await;
    assert!(!shown.text.contains("YW5u"), "{}", shown.text);
}

#[tokio::test]
async fn the_reader_of_multi_authentication_reads_only() {
    let served =
        Served::with(r#"{"AuthenticationMethod": "multi", "HTTPAuthUser": "ann", "HTTPAuthPassword": "pw"}"#).await;
    let reader = [("authorization", "Basic cmVhZG9ubHk6YW55")]; // readonly:any
    let writer = [("authorization", "Basic YW5uOnB3")]; // ann:pw
    assert_eq!(served.get_with("/api/clusters", &reader).await.status, StatusCode::OK);
    assert_eq!(served.get_with("/api/disable-global-recoveries", &reader).await.message(), "Unauthorized");
    assert_eq!(served.get_with("/api/disable-global-recoveries", &writer).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_proxy_names_the_user() {
    let served = Served::with(
        r#"{"AuthenticationMethod": "proxy", "AuthUserHeader": "x-forwarded-user", "PowerAuthUsers": ["ann"]}"#,
    )
    .await;
    let disable = "/api/disable-global-recoveries";
    assert_eq!(served.get(disable).await.message(), "Unauthorized");
    assert_eq!(served.get_with(disable, &[("X-Forwarded-User", "bob")]).await.message(), "Unauthorized");
    assert_eq!(served.get_with(disable, &[("X-Forwarded-User", "ann")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn everything_moves_below_the_prefix_but_a_status_check_elsewhere() {
    let served = Served::with(r#"{"URLPrefix": "/orch/", "StatusEndpoint": "/probe"}"#).await;
    assert_eq!(served.get("/orch/api/clusters").await.status, StatusCode::OK);
    assert_eq!(served.get("/api/clusters").await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/probe").await.json()["Details"]["Healthy"], true);
    assert_eq!(served.get("/orch/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn health_has_the_recorded_shape() {
    let served = Served::new().await;
    let ours = served.get("/api/status").await.json();
    let theirs = recorded("status.json");
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(ours["Message"], theirs["Message"]);
    assert_eq!(keys(&ours["Details"]), keys(&theirs["Details"]));
    assert_eq!(keys(&ours["Details"]["ActiveNode"]), keys(&theirs["Details"]["ActiveNode"]));
    assert_eq!(served.get("/api/leader-check/503").await.text, r#""OK""#);
}

#[tokio::test]
async fn an_explanation_names_every_candidate() {
    let served = Served::new().await;
    let explained = served.get("/api/v2/explain/alpha").await;
    assert_eq!(explained.status, StatusCode::OK, "{}", explained.text);
    let explained = explained.json();
    assert_eq!(explained["primary"], json!({"host": "127.0.1.1", "port": 21101}));
    let candidates = &explained["if_primary_died"]["choice"]["candidates"];
    assert_eq!(candidates.as_array().map(Vec::len), Some(3), "{explained}");
    insta::assert_snapshot!("explanation", explained["text"].as_str().expect("a text"));
    let unknown = served.get("/api/v2/explain/nosuch").await;
    assert_eq!((unknown.status, unknown.json()["code"].clone()), (StatusCode::NOT_FOUND, json!("unknown_cluster")));
}

#[tokio::test]
async fn clusters_show_what_would_become_of_them() {
    let served = Served::new().await;
    let shown = served.get("/api/v2/clusters").await.json();
    let all = shown.as_array().expect("a list");
    let alpha = all.iter().find(|cluster| cluster["alias"] == "alpha").expect("alpha");
    insta::assert_snapshot!("cluster", format!("{alpha:#}"));
    for hint in ["alpha", "127.0.1.3:21103"] {
        assert_eq!(&served.get(&format!("/api/v2/clusters/{hint}")).await.json(), alpha, "{hint}");
    }
    let unknown = served.get("/api/v2/clusters/nosuch").await;
    assert_eq!((unknown.status, unknown.json()["code"].clone()), (StatusCode::NOT_FOUND, json!("unknown_cluster")));
    assert_eq!(served.get("/api/v2/holds").await.json(), json!([]), "nothing is wrong");
}

#[tokio::test]
async fn policy_shows_in_what_would_be_done() {
    let served = Served::with(r#"{"RecoverMasterClusterFilters": ["*"], "DataLossPolicy": "refuse"}"#).await;
    let alpha = served.get("/api/v2/clusters/alpha").await.json();
    let readiness = &alpha["readiness"];
    assert_eq!((&readiness["ready"], &readiness["hold"]["kind"]), (&json!(false), &json!("may_lose")));
    assert_eq!(readiness["hold"]["remedy"], "orchestrator-client -c recover -i 127.0.1.1:21101");
    let explained = served.get("/api/v2/explain/alpha").await.json();
    let text = explained["text"].as_str().expect("a text");
    assert!(text.contains("nothing would be done: to promote 127.0.1.2:21102 may lose"), "{text}");
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let served = Served::new().await;
    served.get("/api/clusters").await;
    let answered = served.get("/metrics").await;
    assert!(answered.headers["content-type"].to_str().expect("text").starts_with("text/plain"));
    for line in [
        r#"orchestrator_instances{state="valid"} 9"#,
        r#"orchestrator_cluster_instances{cluster="alpha"} 4"#,
        r#"orchestrator_diagnoses{code="DeadMaster"} 0"#,
        "orchestrator_recoveries_disabled 0",
        r#"orchestrator_failover_ready{cluster="alpha"} 1"#,
        r#"orchestrator_failover_would_lose_nothing{cluster="alpha"} 0"#,
        r#"orchestrator_failover_transactions_at_risk{cluster="alpha"} 0"#,
    ] {
        assert!(answered.text.lines().any(|text| text == line), "{line} is not in\n{}", answered.text);
    }
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let served = Served::new().await;
    let answered = served.get_with("/api/all-instances", &[("accept-encoding", "gzip")]).await;
    assert_eq!(answered.headers["content-encoding"], "gzip");
}

#[tokio::test]
async fn the_client_finds_the_service_among_several_and_asks_it() {
    let served =
        Served::with(r#"{"AuthenticationMethod": "basic", "HTTPAuthUser": "ann", "HTTPAuthPassword": "pw"}"#).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let here = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, served.router).await });
    // Bound and dropped: nobody listens there.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let urls = [format!("http://{gone}"), format!("{here}/api/")];
    let known = |password: &str| cli::Credentials {
        basic: Some(("ann".to_owned(), password.to_owned())),
        ..cli::Credentials::default()
    };
    let service = cli::Http::leader_of(&urls, &known("pw")).await.expect("the second one");
    assert_eq!(service.url(), format!("{here}/api"));
    assert!(service.answers().await);
    let options = cli::Options { alias: "alpha".to_owned(), ..cli::Options::default() };
    let drawn = cli::run(cli::Program::Client, "topology", &options, &service).await.expect("a drawing");
    assert_eq!(drawn.stdout.trim_end(), recorded("topology-hint.json")["Details"].as_str().expect("a drawing"));
    let explained = cli::run(cli::Program::Client, "explain", &options, &service).await.expect("an explanation").stdout;
    assert!(explained.contains("nothing would be done: the cluster matches no entry of"), "{explained}");
    let nosuch = cli::Options { alias: "nosuch".to_owned(), ..cli::Options::default() };
    let unknown = cli::run(cli::Program::Client, "explain", &nosuch, &service).await.expect_err("no such cluster");
    assert!(unknown.to_string().contains("there is no cluster"), "{unknown}");

    let refused = cli::Http::leader_of(&urls, &known("wrong")).await.expect_err("a wrong password");
    assert!(matches!(refused, cli::TransportError::Unauthorised { .. }), "{refused}");
    assert!(!refused.to_string().contains("wrong"), "{refused}");
    let nobody = cli::Http::leader_of(&[urls[0].clone(), urls[0].clone()], &known("pw")).await;
    assert!(matches!(nobody, Err(cli::TransportError::NoLeader { .. })));
}

#[tokio::test]
async fn a_caller_in_this_process_needs_neither_prefix_nor_permission() {
    let known = manager(r#"{"URLPrefix": "/x", "ReadOnly": true, "AuthenticationMethod": "oauth"}"#).await;
    let router = router_for_this_process(known, Metrics::install());
    let (status, body) = get(&router, "/api/disable-global-recoveries").await.expect("an answer");
    assert_eq!((status, String::from_utf8_lossy(&body).contains(r#""Code":"OK""#)), (200, true));
    assert_eq!(get(&router, "/api/nosuch").await.expect("an answer").0, 404);
    assert!(get(&router, "no path").await.is_err());
}
