//! Nodes that belong together.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::Barrier;

use super::*;

#[tokio::test]
async fn every_security_carries_every_kind_of_call() {
    let authority = Authority::new();
    for security in [Security::Plain, secret(), authority.good()] {
        let node = Node::start(&security).await;
        let dialer = dialer(&security);
        for kind in Kind::ALL {
            let answer = dialer.call(&node.address.to_string(), kind, Bytes::from_static(b"ping"), LONG).await;
            assert_eq!(answer, Ok(Bytes::from(format!("{kind}:ping"))), "{security:?}");
        }
        node.stop().await;
    }
}

#[tokio::test]
async fn a_peer_is_called_by_its_name_and_by_its_address() {
    let authority = Authority::new();
    for security in [Security::Plain, secret(), authority.sign("both", &["127.0.0.1", "localhost"], |_| {})] {
        let node = Node::start(&security).await;
        for host in ["127.0.0.1", "localhost"] {
            let address = format!("{host}:{}", node.address.port());
            let answer = dialer(&security).call(&address, Kind::Vote, Bytes::new(), LONG).await;
            assert_eq!(answer, Ok(Bytes::from("vote:")), "{security:?} {host}");
        }
    }
}

#[tokio::test]
async fn a_peer_over_ip_version_6_is_called_in_brackets() {
    let authority = Authority::new();
    for security in [Security::Plain, secret(), authority.sign("six", &["::1"], |_| {})] {
        let Ok(port) = Port::bind("[::1]:0", &security).await else {
            return; // This host has none.
        };
        let node = Node::serve(port, Arc::new(Echo));
        assert_eq!(call(&dialer(&security), node.address, "six").await, Ok("hello:six".to_owned()), "{security:?}");
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole_and_one_above_the_bound_does_not_leave() {
    for security in [Security::Plain, secret()] {
        let node = Node::start(&security).await;
        let dialer = dialer(&security);
        let address = node.address.to_string();
        let body: Bytes = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<u8>>().into();
        let answer = dialer.call(&address, Kind::Append, body.clone(), LONG).await.expect("it arrives");
        assert!(answer == [b"append:", &body[..]].concat(), "{security:?}: not what was sent");
        let refused = dialer.call(&address, Kind::Vote, body, LONG).await;
        assert!(matches!(&refused, Err(CallError::Refused(why)) if why.contains("5000000 bytes")), "{refused:?}");
    }
}

/// Answers when as many calls are here as it waits for.
struct Together(Arc<Barrier>);

impl Handler for Together {
    fn handle(&self, _kind: Kind, _body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let barrier = self.0.clone();
        async move {
            barrier.wait().await;
            Ok(Bytes::new())
        }
        .boxed()
    }
}

#[tokio::test]
async fn calls_to_one_peer_run_side_by_side() {
    let together = Arc::new(Together(Arc::new(Barrier::new(20))));
    let node = Node::start_at("127.0.0.1:0", &secret(), together).await;
    let dialer = dialer(&secret());
    let address = node.address.to_string();
    for round in 0..3 {
        let answers = join_all((0..20).map(|_| dialer.call(&address, Kind::Append, Bytes::new(), LONG))).await;
        assert!(answers.iter().all(Result::is_ok), "round {round}: {answers:?}");
    }
}

#[tokio::test]
async fn a_refusal_reaches_the_caller_and_the_log_and_a_bug_of_the_handler_only_costs_its_call() {
    let log = Log::begin();
    let node = Node::start(&secret()).await;
    let dialer = dialer(&secret());
    assert_eq!(call(&dialer, node.address, "refuse").await, Err(CallError::Refused("409: not today".to_owned())));
    let line = log.wait_for("hello was refused: not today").await;
    assert!(line.contains("127.0.0.1"), "{line}");
    let failed = call(&dialer, node.address, "panic").await;
    assert!(matches!(&failed, Err(CallError::Refused(why)) if why.starts_with("500: ")), "{failed:?}");
    assert_eq!(call(&dialer, node.address, "ping").await, Ok("hello:ping".to_owned()));
}

#[tokio::test]
async fn a_peer_that_restarts_is_reached_by_the_next_call() {
    let authority = Authority::new();
    for security in [Security::Plain, secret(), authority.good()] {
        let dialer = dialer(&security);
        let mut node = Node::start(&security).await;
        for round in 0..10 {
            assert_eq!(call(&dialer, node.address, "ping").await, Ok("hello:ping".to_owned()), "round {round}");
            let address = node.stop().await;
            node = Node::start_at(&address.to_string(), &security, Arc::new(Echo)).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_as_idle_costs_no_call() {
    let node = Node::start_impatient(&secret()).await;
    let dialer = dialer(&secret());
    for pause in [0, 100, 1200, 1200] {
        time_passes(pause).await;
        assert_eq!(call(&dialer, node.address, "ping").await, Ok("hello:ping".to_owned()), "after {pause} ms");
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_or_says_nothing_is_told_apart() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent_address = silent.local_addr().expect("bound");
    let gone_address = {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        gone.local_addr().expect("bound")
    };
    for security in [Security::Plain, secret()] {
        let dialer = dialer(&security);
        let gone = call(&dialer, gone_address, "ping").await;
        assert!(matches!(&gone, Err(CallError::Unreachable(why)) if why.contains("refused")), "{gone:?}");
        let limit = Duration::from_millis(50);
        let mute = dialer.call(&silent_address.to_string(), Kind::Hello, Bytes::new(), limit).await;
        assert_eq!(mute, Err(CallError::TimedOut), "{security:?}");
        let nonsense = dialer.call("no such/host", Kind::Hello, Bytes::new(), LONG).await;
        assert!(matches!(nonsense, Err(CallError::Unreachable(_))), "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_request_is_carried_out_even_when_the_caller_went_away() {
    struct Slow(Arc<Barrier>);
    impl Handler for Slow {
        fn handle(&self, _kind: Kind, _body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
            let (began, ended) = (self.0.clone(), self.0.clone());
            async move {
                began.wait().await;
                // The caller leaves now.
                time_passes(100).await;
                ended.wait().await;
                Ok(Bytes::new())
            }
            .boxed()
        }
    }
    let barrier = Arc::new(Barrier::new(2));
    let node = Node::start_at("127.0.0.1:0", &Security::Plain, Arc::new(Slow(barrier.clone()))).await;
    let dialer = dialer(&Security::Plain);
    let call = tokio::spawn(dialer.call(&node.address.to_string(), Kind::Declare, Bytes::new(), LONG));
    barrier.wait().await;
    call.abort();
    tokio::time::timeout(LONG, barrier.wait()).await.expect("it ran to its end");
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_strangers_are_waited_for_arrives() {
    struct Pensive;
    impl Handler for Pensive {
        fn handle(&self, _kind: Kind, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
            async move {
                time_passes(700).await;
                Ok(body)
            }
            .boxed()
        }
    }
    for security in [Security::Plain, secret()] {
        let port = Port::bind("127.0.0.1:0", &security).await.expect("the port is free").impatient();
        let node = Node::serve(port, Arc::new(Pensive));
        let answer = dialer(&security).call(&node.address.to_string(), Kind::Declare, Bytes::from("x"), LONG).await;
        assert_eq!(answer, Ok(Bytes::from("x")), "{security:?}");
    }
}

/// Answers looks only when it is told to; notes how many wait.
#[derive(Default)]
struct Gate {
    open: CancellationToken,
    waiting: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Handler for Gate {
    fn handle(&self, kind: Kind, _body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let (open, waiting, most) = (self.open.clone(), self.waiting.clone(), self.most.clone());
        async move {
            if kind == Kind::Look {
                most.fetch_max(waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                open.cancelled().await;
                waiting.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(Bytes::new())
        }
        .boxed()
    }
}

#[tokio::test]
async fn any_number_of_looks_leaves_connections_for_heartbeats() {
    let gate = Arc::new(Gate::default());
    let node = Node::start_at("127.0.0.1:0", &secret(), gate.clone()).await;
    let dialer = dialer(&secret());
    let address = node.address.to_string();
    let looks: Vec<_> = (0..500).map(|_| tokio::spawn(dialer.call(&address, Kind::Look, Bytes::new(), LONG))).collect();
    let deadline = Instant::now() + LONG;
    while gate.waiting.load(Ordering::SeqCst) < 10 {
        assert!(Instant::now() < deadline, "the looks do not arrive");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..20 {
        assert_eq!(dialer.call(&address, Kind::Append, Bytes::new(), LONG).await, Ok(Bytes::new()));
    }
    gate.open.cancel();
    for look in looks {
        assert_eq!(look.await.expect("no panic"), Ok(Bytes::new()));
    }
    let most = gate.most.load(Ordering::SeqCst);
    assert!(most <= 24, "they take turns, but {most} came at once");
}

/// Stands between, and forwards until it is cut: what is connected then stays open and mute, as behind a cut cable. What
/// connects later is forwarded.
async fn between(to: SocketAddr, cut: CancellationToken) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let cut = if cut.is_cancelled() { CancellationToken::new() } else { cut.clone() };
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(to).await.expect("the node is there");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = cut.cancelled() => std::future::pending().await,
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn after_a_cut_the_dead_connections_cost_one_call_not_one_each() {
    for security in [Security::Plain, secret()] {
        let together = Arc::new(Together(Arc::new(Barrier::new(6))));
        let node = Node::start_at("127.0.0.1:0", &security, together).await;
        let cut = CancellationToken::new();
        let address = between(node.address, cut.clone()).await.to_string();
        let dialer = dialer(&security);
        let six = || join_all((0..6).map(|_| dialer.call(&address, Kind::Append, Bytes::new(), LONG)));
        assert!(six().await.iter().all(Result::is_ok), "six connections are kept now");
        cut.cancel();
        let lost = dialer.call(&address, Kind::Append, Bytes::new(), Duration::from_millis(50)).await;
        assert_eq!(lost, Err(CallError::TimedOut), "{security:?}");
        assert!(six().await.iter().all(Result::is_ok), "on new connections");
    }
}
