//! What changes something, asked of a node that does not lead.

use std::sync::Mutex;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use consensus::Status;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::raft::{AMONG_OTHERS, Chosen, node};
use super::*;
use crate::fixture::nodes;
use crate::forward::Limits;

const CHANGE: &str = "/api/begin-downtime/127.0.1.3/21103/gopher/raft%20test/5m";

/// Short enough for a test to wait for, long enough for a busy machine.
const SHORT: Limits = Limits {
    connect: Duration::from_millis(500),
    answer: Duration::from_millis(300),
    catch_up: Duration::from_millis(300),
};

/// Another node's service, as this one sees it: it notes what it is asked, and says what it is told to.
#[derive(Clone)]
struct Leader {
    asked: Arc<Mutex<Vec<(axum::http::request::Parts, String)>>>,
    /// Tells each request that arrived.
    arrived: mpsc::UnboundedSender<()>,
    /// A permit for each answer that may go out.
    may_answer: Arc<Semaphore>,
    /// The last entry of its log, as it says.
    logged: u64,
}

impl Leader {
    /// Returns the service, its address, and what tells of arrivals.
    async fn start(answers: usize) -> (Self, String, mpsc::UnboundedReceiver<()>) {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let may_answer = Arc::new(Semaphore::new(answers));
        let leader = Self { asked: Arc::default(), arrived, may_answer, logged: 200 };
        let router = Router::new().fallback(answer).with_state(leader.clone());
        (leader, serve(router).await, arrivals)
    }

    fn asked(&self) -> Vec<(axum::http::request::Parts, String)> {
        std::mem::take(&mut *self.asked.lock().expect("no panic"))
    }
}

async fn answer(State(leader): State<Leader>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    leader.asked.lock().expect("no panic").push((parts, String::from_utf8_lossy(&body).into_owned()));
    leader.arrived.send(()).ok();
    leader.may_answer.acquire().await.expect("open").forget();
    let headers = [
        ("content-type", "application/json; charset=UTF-8".to_owned()),
        ("set-cookie", "seen=1".to_owned()),
        ("keep-alive", "timeout=5".to_owned()),
        ("x-orchestrator-logged", leader.logged.to_string()),
    ];
    (StatusCode::IM_A_TEAPOT, headers, r#"{"Code":"ERROR","Message":"as the leader says","Details":null}"#)
        .into_response()
}

/// Serves `router` on a port of its own. Returns the address.
pub(super) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Returns an address where nobody listens: a port below those that tests get, which a test beside could take.
pub(super) fn nowhere() -> String {
    "http://127.0.0.1:1".to_owned()
}

/// Returns what a follower sees whose leader's API is at `url`.
pub(super) fn following(url: &str) -> Status {
    let mut status = nodes::seen_by_follower();
    if let Some(card) = &mut status.leader_card {
        url.clone_into(&mut card.http);
    }
    status
}

async fn follower(url: &str, limits: Limits) -> (Served, Arc<Chosen>) {
    node(AMONG_OTHERS, following(url), limits).await
}

fn merged(text: &str) -> String {
    format!("{}, {}", AMONG_OTHERS.trim_end_matches('}'), text.trim_start_matches('{'))
}

#[tokio::test]
async fn the_leader_gets_the_request_whole_and_its_answer_comes_back() {
    let (leader, url, _arrivals) = Leader::start(1).await;
    let text = merged(r#"{"URLPrefix": "/orch", "AuthenticationMethod": "proxy", "PowerAuthUsers": ["ann"]}"#);
    let (served, _) = node(&text, following(&url), SHORT).await;
    let path = format!("/orch{CHANGE}/?note=a%2Bb&empty=");
    let request = Request::get(&path)
        .header("host", "orch2.example.com:3000")
        .header("origin", "http://orch2.example.com:3000")
        .header("authorization", "Basic YW5uOnB3")
        .header("cookie", "access-token=a:b")
        .header("x-forwarded-user", "ann")
        .header("x-forwarded-for", "10.1.2.3")
        .header("accept-encoding", "gzip")
        .header("connection", "close, x-of-this-connection")
        .header("x-of-this-connection", "1")
        .header("te", "trailers")
        .body(Body::from("a body"))
        .expect("a request");
    let answered = served.send(request).await;

    assert_eq!(
        (answered.status, &answered.headers["set-cookie"]),
        (StatusCode::IM_A_TEAPOT, &"seen=1".parse().expect("text"))
    );
    assert_eq!(answered.headers["content-encoding"], "gzip", "it is packed here");
    for dropped in ["keep-alive", "x-orchestrator-logged"] {
        assert!(!answered.headers.contains_key(dropped), "{dropped}");
    }
    let asked = leader.asked();
    let [(parts, body)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((parts.method.as_str(), parts.uri.to_string(), body.as_str()), ("GET", path, "a body"));
    for (name, value) in [
        ("authorization", "Basic YW5uOnB3"),
        ("cookie", "access-token=a:b"),
        ("x-forwarded-user", "ann"),
        ("x-forwarded-for", "10.1.2.3"),
        ("x-orchestrator-forwarded-by", "127.0.0.12:10108"),
        ("host", url.trim_start_matches("http://")),
    ] {
        assert_eq!(parts.headers[name], value, "{name}");
    }
    for dropped in ["origin", "accept-encoding", "connection", "x-of-this-connection", "te"] {
        assert!(!parts.headers.contains_key(dropped), "{dropped}");
    }
}

#[tokio::test]
async fn the_table_says_what_goes_to_the_leader_and_the_rest_stays_here() {
    let (leader, url, _arrivals) = Leader::start(1000).await;
    let (served, _) = follower(&url, Limits { catch_up: Duration::ZERO, ..Limits::default() }).await;
    for route in routes().into_iter().filter(|route| route.verb == Verb::Get && !route.path.ends_with("/events")) {
        served.get(&route.path.replace(['{', '}'], "")).await;
        assert_eq!(!leader.asked().is_empty(), route.place == Place::Leader, "{}", route.path);
    }
}

#[tokio::test]
async fn who_may_not_change_anything_is_refused_before_the_leader_hears_of_it() {
    let (leader, url, _arrivals) = Leader::start(0).await;
    let text = merged(r#"{"AuthenticationMethod": "multi", "HTTPAuthUser": "ann", "HTTPAuthPassword": "pw"}"#);
    let (served, _) = node(&text, following(&url), SHORT).await;
    let reader = ("authorization", "Basic cmVhZG9ubHk6YW55"); // readonly:any
    let writer = ("authorization", "Basic YW5uOnB3"); // ann:pw
    assert_eq!(served.get_with(CHANGE, &[reader]).await.message(), "Unauthorized");
    let foreign = served.get_with(CHANGE, &[writer, ("sec-fetch-site", "cross-site")]).await;
    assert!(foreign.message().contains("another site"), "{}", foreign.text);
    let head = Request::head(CHANGE).header(writer.0, writer.1).body(Body::empty()).expect("a request");
    assert_eq!(served.send(head).await.status, StatusCode::OK);
    assert_eq!(leader.asked().len(), 0);
}

#[tokio::test]
async fn nodes_that_take_each_other_for_the_leader_do_not_play_ball() {
    let (served, outlook) = follower(&nowhere(), SHORT).await;
    let here = serve(served.router.clone()).await;
    let (other, _) = follower(&here, SHORT).await;
    *outlook.status.lock().expect("no panic") = following(&serve(other.router.clone()).await);
    for served in [&served, &other] {
        let refused = served.get(CHANGE).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
        let shown = refused.json();
        assert_eq!((&shown["Code"], &shown["Details"]), (&json!("ERROR"), &json!(null)));
        let message = refused.message();
        assert!(message.starts_with("127.0.0.12:10108 handed this on, but this node does not lead"), "{message}");
    }
}

#[tokio::test]
async fn without_a_leader_the_answer_says_so_and_what_to_do() {
    let down = consensus::Standing::Down { why: "its file is lost".to_owned() };
    let mut elected = nodes::seen_by_follower();
    elected.node = elected.leader.clone().expect("a leader");
    let unknown_address = following("");
    for (status, said) in [
        (nodes::seen_without_leader(), "no node leads now"),
        (Status { standing: down, ..nodes::seen_without_leader() }, "this node takes no part now: its file is lost"),
        (elected, "this node was elected a moment ago and does not lead yet"),
        (unknown_address, "the leader 127.0.0.11:10108 has not told yet where its API is"),
    ] {
        let (served, _) = node(AMONG_OTHERS, status, SHORT).await;
        let refused = served.get(CHANGE).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
        assert!(refused.message().starts_with(said), "{}", refused.text);
        assert!(refused.message().contains("nothing was changed"), "{}", refused.text);
        assert_eq!(served.get("/api/clusters").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_leader_that_is_gone_or_goes_away_is_told_apart() {
    let (served, _) = follower(&nowhere(), SHORT).await;
    let gone = served.get(CHANGE).await;
    assert_eq!(gone.status, StatusCode::BAD_GATEWAY, "{}", gone.text);
    assert!(gone.message().contains("cannot be reached from this node"), "{}", gone.text);

    let dying = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", dying.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut connection, _) = dying.accept().await.expect("a connection");
        tokio::io::AsyncReadExt::read(&mut connection, &mut [0; 64]).await.expect("a request");
    });
    let (served, _) = follower(&url, Limits::default()).await;
    let broken = served.get(CHANGE).await;
    assert_eq!(broken.status, StatusCode::BAD_GATEWAY, "{}", broken.text);
    assert!(broken.message().contains("It may have been done"), "{}", broken.text);

    let (_leader, url, _arrivals) = Leader::start(0).await;
    let (served, _) = follower(&url, SHORT).await;
    let silent = served.get(CHANGE).await;
    assert_eq!(silent.status, StatusCode::GATEWAY_TIMEOUT, "{}", silent.text);
    assert!(silent.message().contains("It may still be doing it"), "{}", silent.text);
}

#[tokio::test]
async fn a_leader_that_works_for_minutes_is_waited_for() {
    let (leader, url, mut arrivals) = Leader::start(0).await;
    let (served, _) = follower(&url, Limits::default()).await;
    let asking = tokio::spawn(async move { served.get(CHANGE).await });
    arrivals.recv().await.expect("a request");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5 * 60)).await;
    tokio::time::resume();
    leader.may_answer.add_permits(1);
    assert_eq!(asking.await.expect("no panic").message(), "as the leader says");
}

#[tokio::test]
async fn who_changed_something_sees_it_in_the_next_answer_here() {
    let (_leader, url, mut arrivals) = Leader::start(1).await;
    let (served, outlook) = follower(&url, Limits { catch_up: Duration::from_secs(60), ..Limits::default() }).await;
    assert_eq!(outlook.status.lock().expect("no panic").applied, 118);
    let copying = Arc::clone(&outlook);
    tokio::spawn(async move {
        arrivals.recv().await.expect("a request");
        copying.status.lock().expect("no panic").applied = 200;
    });
    served.get(CHANGE).await;
    assert_eq!(outlook.status.lock().expect("no panic").applied, 200);
}

#[tokio::test]
async fn the_leader_tells_a_node_how_far_it_is_and_nobody_else() {
    let (leader, _) = node(AMONG_OTHERS, nodes::seen_by_leader(), SHORT).await;
    let begun = leader.get_with(CHANGE, &[("x-orchestrator-forwarded-by", "127.0.0.12:10108")]).await;
    assert_eq!(
        (begun.status, &begun.headers["x-orchestrator-logged"]),
        (StatusCode::OK, &"120".parse().expect("text"))
    );
    assert!(!leader.get(CHANGE).await.headers.contains_key("x-orchestrator-logged"));
}

#[tokio::test]
async fn a_routed_check_tells_whether_the_way_to_the_leader_is_open() {
    let (leader, _) = node(AMONG_OTHERS, nodes::seen_by_leader(), SHORT).await;
    let (served, _) = follower(&serve(leader.router).await, SHORT).await;
    assert_eq!(served.get("/api/routed-leader-check").await.text, r#""OK""#);
    assert_eq!(served.get("/api/leader-check").await.text, r#""Not leader""#);
    let (cut_off, _) = follower(&nowhere(), SHORT).await;
    assert_eq!(cut_off.get("/api/routed-leader-check").await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named() {
    let text = merged(r#"{"SSLCAFile": "/nowhere/ca.pem"}"#);
    let (served, _) = node(&text, following("https://127.0.0.1:1"), SHORT).await;
    let refused = served.get(CHANGE).await;
    assert_eq!(refused.status, StatusCode::BAD_GATEWAY);
    assert!(refused.message().contains("/nowhere/ca.pem (SSLCAFile)"), "{}", refused.text);
}
