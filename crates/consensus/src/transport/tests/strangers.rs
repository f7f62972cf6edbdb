//! Who does not belong here: turned away, named in the log with what to do, and a burden to nobody else.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::certificates::expired;
use super::*;

/// Returns what the caller is told.
async fn insecure(security: &Security, address: SocketAddr) -> String {
    match call(&dialer(security), address, "let me in").await {
        Err(CallError::Insecure(what)) => what,
        other => panic!("{security:?} got {other:?}"),
    }
}

#[tokio::test]
async fn another_secret_is_no_proof() {
    let log = Log::begin();
    let node = Node::start(&secret()).await;
    let told = insecure(&Security::Secret("another text of some length".to_owned()), node.address).await;
    assert_eq!(told, "its RaftSharedSecret is another one than ours: they must be the same");
    let line = log.wait_for("RaftSharedSecret must be the same on both").await;
    assert!(line.contains("remote=127.0.0.1"), "{line}");
    assert_eq!(call(&dialer(&secret()), node.address, "ping").await, Ok("hello:ping".to_owned()));
}

#[tokio::test]
async fn a_node_without_any_proof_is_told_and_so_is_one_with_too_much() {
    let log = Log::begin();
    let authority = Authority::new();
    for security in [secret(), authority.good()] {
        let node = Node::start(&security).await;
        let told = insecure(&Security::Plain, node.address).await;
        assert!(told.contains("give this node the raft secret or certificates of the others"), "{told}");
    }
    log.wait_for("it does not speak TLS: if it is a raft node, give it the same raft secret").await;

    let in_the_clear = Node::start(&Security::Plain).await;
    for security in [secret(), authority.good()] {
        let told = insecure(&security, in_the_clear.address).await;
        assert!(told.contains("it answers in the clear: give it the same raft secret or certificates"), "{told}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_no_proof() {
    let log = Log::begin();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let node = Node::start(&ours.good()).await;
    let told = insecure(&theirs.good(), node.address).await;
    assert!(told.contains("its certificate must be signed by RaftTLSCAFile"), "{told}");
    log.wait_for("signed by the RaftTLSCAFile of the other side").await;
}

/// A caller that believes the node but shows `shown`.
async fn knock(address: SocketAddr, root: &std::path::Path, shown: Option<&Security>) -> io::Result<usize> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match shown {
        Some(Security::Certificates { certificate, key, .. }) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(certificate).expect("a certificate")],
                PrivateKeyDer::from_pem_file(key).expect("a key"),
            )
            .expect("they belong together"),
        _ => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().expect("a name");
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let request = format!(
        "POST /raft/v1/hello HTTP/1.1\r\nhost: x\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: 4\r\nconnection: close\r\n\r\nping"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await
}

#[tokio::test]
async fn an_expired_certificate_and_none_at_all_are_no_proof() {
    let authority = Authority::new();
    let good = authority.good();
    let Security::Certificates { authority: root, .. } = &good else { unreachable!() };
    let node = Node::start(&good).await;
    knock(node.address, root, Some(&good)).await.expect("a good one is served");

    for (shown, told, logged) in [
        (Some(authority.sign("old", &["localhost"], expired)), "CertificateExpired", "renew its certificate"),
        (None, "CertificateRequired", "it shows no certificate"),
    ] {
        // Each has a log of its own: an address is named once a minute.
        let log = Log::begin();
        let node = Node::start(&good).await;
        let error = knock(node.address, root, shown.as_ref()).await.expect_err("turned away").to_string();
        assert!(error.contains(told), "{error}");
        log.wait_for(logged).await;
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_told_by_the_caller() {
    let authority = Authority::new();
    let node = Node::start(&authority.sign("other", &["db1.example.com"], |_| {})).await;
    let told = insecure(&authority.good(), node.address).await;
    assert!(told.contains("must be good for the host by which RaftNodes names it"), "{told}");
}

#[tokio::test]
async fn a_stranger_is_named_once_however_often_it_comes() {
    let log = Log::begin();
    let node = Node::start(&secret()).await;
    for _ in 0..20 {
        insecure(&Security::Plain, node.address).await;
    }
    log.wait_for("it does not speak TLS").await;
    assert_eq!(log.lines().len(), 1, "{:#?}", log.lines());
}

/// Sends `text` as it is, and returns the answer up to the end of the connection.
async fn raw(address: SocketAddr, text: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let mut answer = Vec::new();
    // The other side may close before it has read all: what matters is what it said and that it ended.
    if stream.write_all(text.as_ref()).await.is_ok() {
        tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it ends").ok();
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn in_the_clear_too_only_what_a_node_would_send_is_carried_out() {
    let node = Node::start(&Security::Plain).await;
    let ours = format!("content-type: {MEDIA_TYPE}\r\ncontent-length: 4\r\n");
    let good = raw(node.address, request("POST", "/raft/v1/vote", &ours, "ping")).await;
    assert!(good.starts_with("HTTP/1.1 200 ") && good.ends_with("vote:ping"), "{good}");

    let upgrade = format!("{ours}upgrade: websocket\r\nconnection: upgrade\r\n");
    let good = raw(node.address, request("POST", "/raft/v1/vote", &upgrade, "ping")).await;
    assert!(good.starts_with("HTTP/1.1 200 "), "the upgrade is not followed: {good}");

    let from_a_page = "content-type: text/plain\r\ncontent-length: 4\r\n";
    for (method, path, headers) in [
        ("GET", "/raft/v1/vote", ours.as_str()),
        ("POST", "/raft/v1/", &ours),
        ("POST", "/raft/v1/votes", &ours),
        ("POST", "/raft/v2/vote", &ours),
        ("POST", "/", &ours),
        ("CONNECT", "x:80", ""),
        ("OPTIONS", "*", ""),
        ("POST", "/raft/v1/vote", from_a_page),
    ] {
        let answer = raw(node.address, request(method, path, headers, "ping")).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{method} {path}: {answer}");
    }
    // The preface of HTTP/2.
    let answer = raw(node.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_body_above_the_bound_is_refused_whatever_was_announced() {
    let log = Log::begin();
    let node = Node::start(&Security::Plain).await;
    let announced = format!("content-type: {MEDIA_TYPE}\r\ncontent-length: 70000\r\n");
    let answer = raw(node.address, request("POST", "/raft/v1/vote", &announced, "")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let chunked = format!("content-type: {MEDIA_TYPE}\r\ntransfer-encoding: chunked\r\n");
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let answer = raw(node.address, request("POST", "/raft/v1/vote", &chunked, &chunk.repeat(3))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    log.wait_for("vote was refused: the body is larger than this kind of call may have").await;
    let absurd = format!("content-type: {MEDIA_TYPE}\r\ncontent-length: 18446744073709551615\r\n");
    let answer = raw(node.address, request("POST", "/raft/v1/snapshot", &absurd, "")).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn who_says_nothing_or_only_half_is_not_waited_for() {
    let halves = ["", "PO", "POST /raft/v1/vote HTTP/1.1\r\nhost: x\r\n", "\u{16}\u{3}\u{1}\u{2}"];
    for security in [Security::Plain, secret()] {
        for half in halves {
            let log = Log::begin();
            let node = Node::start_impatient(&security).await;
            let answer = raw(node.address, half).await;
            assert!(!answer.contains("200"), "{answer}");
            log.wait_for("remote=127.0.0.1").await;
            assert_eq!(call(&dialer(&security), node.address, "ping").await, Ok("hello:ping".to_owned()));
        }
    }
}

#[tokio::test]
async fn who_sends_a_byte_now_and_then_is_not_waited_for_either() {
    let log = Log::begin();
    let node = Node::start_impatient(&Security::Plain).await;
    let mut stream = TcpStream::connect(node.address).await.expect("connected");
    let head =
        request("POST", "/raft/v1/vote", &format!("content-type: {MEDIA_TYPE}\r\ncontent-length: 60000\r\n"), "");
    let deadline = Instant::now() + LONG;
    let mut bytes = head.bytes().chain(std::iter::repeat(b'x'));
    loop {
        let byte = bytes.next().unwrap_or(b'x');
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        assert!(Instant::now() < deadline, "it is still being listened to");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    log.wait_for("it sent no request of a node in time").await;
}

#[tokio::test]
async fn three_hundred_connections_at_once_do_not_keep_a_node_from_being_served() {
    for security in [Security::Plain, secret()] {
        let log = Log::begin();
        let node = Node::start(&security).await;
        let dialer = dialer(&security);
        assert_eq!(call(&dialer, node.address, "before").await, Ok("hello:before".to_owned()));
        let mut crowd = Vec::new();
        for _ in 0..300 {
            crowd.push(TcpStream::connect(node.address).await.expect("connected"));
            assert_eq!(call(&dialer, node.address, "amid").await, Ok("hello:amid".to_owned()));
        }
        // A node that comes only now, from the same address, finds a place too.
        let newcomer = super::dialer(&security);
        assert_eq!(call(&newcomer, node.address, "after").await, Ok("hello:after".to_owned()));
        log.wait_for("it proved nothing, and others came").await;
        let mut first = crowd.swap_remove(0);
        let end = tokio::time::timeout(LONG, first.read(&mut [0; 64])).await.expect("the first was sent away");
        assert!(!matches!(end, Ok(read) if read > 0), "{end:?}");
    }
}
