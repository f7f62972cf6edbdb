//! Bytes of any kind on the port: it goes on answering.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime;

use super::*;

/// What somebody may send: bytes, a request with something broken in it, or the beginning of a TLS handshake.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    let line = prop::sample::select(vec![
        "POST /raft/v1/append HTTP/1.1\r\n",
        "POST /raft/v1/snapshot HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "host: x\r\n",
        "content-type: application/x-orchestrator-raft\r\n",
        "content-length: 10\r\n",
        "content-length: 99999999999999999999\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked\r\n",
        "expect: 100-continue\r\n",
        "upgrade: h2c\r\n",
        "\r\n",
        "ffffffffffffffff\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
    ]);
    let lines = prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat().into_bytes());
    let hello = (any::<[u8; 4]>(), bytes.clone())
        .prop_map(|(head, rest)| [&[0x16, 3, 1, head[0] & 1, head[1], 1, 0, head[2], head[3]][..], &rest].concat());
    prop_oneof![bytes, lines, hello]
}

async fn send(address: SocketAddr, bytes: Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.expect("the port is there");
    // It may be closed at any byte.
    if stream.write_all(&bytes).await.is_ok() && stream.shutdown().await.is_ok() {
        let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "it neither answers nor closes");
    }
}

#[test]
fn whatever_arrives_the_port_goes_on_answering() {
    for security in [Security::Plain, secret(), Authority::new().good()] {
        let log = Log::begin();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let node = runtime.block_on(Node::start_impatient(&security));
        let dialer = dialer(&security);
        let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&anything(), |bytes| {
            runtime.block_on(async {
                send(node.address, bytes).await;
                prop_assert_eq!(call(&dialer, node.address, "ping").await, Ok("hello:ping".to_owned()));
                Ok(())
            })
        });
        outcome.unwrap_or_else(|error| panic!("{security:?}: {error}"));
        runtime.block_on(node.stop());
        let bad: Vec<String> = log.lines().into_iter().filter(|line| line.contains("ERROR")).collect();
        assert!(bad.is_empty(), "a connection that panics is told as an error: {bad:#?}");
    }
}
