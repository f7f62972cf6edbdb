//! Servers that are none, or not well: what a session and a probe make of them.

use std::time::{Duration, Instant};

use mysql::{
    Access, ErrorKind, FenceLine, Fenced, ProbeSettings, Prober, PulseEvent, Rhythm, Server, Session, SourceChange,
    fence, pulse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use topology::{InstanceKey, Timestamp, Unreachable};

/// Listens on a free port and treats every connection as `behave` does.
async fn server<F>(behave: impl Fn(TcpStream) -> F + Send + 'static) -> InstanceKey
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream));
        }
    });
    InstanceKey::new("127.0.0.1", port)
}

fn access() -> Access {
    Access::new("orchestrator", "top-secret").with_timeouts(Duration::from_millis(300), Duration::from_millis(300))
}

async fn verdict(key: &InstanceKey) -> Unreachable {
    let error = Session::connect(key, &access()).await.expect_err("no server");
    let text = error.to_string();
    assert!(text.contains(&key.to_string()) && !text.contains("top-secret"), "{text}");
    error.unreachable()
}

/// A packet with its header.
fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small packet").to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

/// An error packet as sent before a handshake: without SQLSTATE.
fn early_error(number: u16, text: &str) -> Vec<u8> {
    packet(0, &[&[0xff], &number.to_le_bytes()[..], text.as_bytes()].concat())
}

/// The greeting of a MySQL 8 server with `mysql_native_password`.
fn greeting() -> Vec<u8> {
    let mut payload = vec![10];
    payload.extend_from_slice(b"8.0.36\0");
    payload.extend_from_slice(&7_u32.to_le_bytes());
    payload.extend_from_slice(b"abcdefgh\0");
    payload.extend_from_slice(&[0xff, 0xf7, 45, 2, 0, 0xff, 0x81, 21]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
    packet(0, &payload)
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

/// Lets a client in and answers its first `answered` statements with OK.
async fn let_in(mut stream: TcpStream, answered: usize) {
    let mut buffer = [0; 4096];
    stream.write_all(&greeting()).await.expect("a client");
    let _read = stream.read(&mut buffer).await;
    let _sent = stream.write_all(&packet(2, OK)).await;
    for _ in 0..answered {
        if !matches!(stream.read(&mut buffer).await, Ok(length) if length > 0) {
            return;
        }
        let _sent = stream.write_all(&packet(1, OK)).await;
    }
    // Reads, and says nothing any more.
    while matches!(stream.read(&mut buffer).await, Ok(length) if length > 0) {}
}

#[tokio::test]
async fn nothing_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let key = InstanceKey::new("127.0.0.1", listener.local_addr().expect("an address").port());
    drop(listener);
    assert_eq!(verdict(&key).await, Unreachable::Refused);
}

#[tokio::test]
async fn closes_at_once() {
    let key = server(|stream| async { drop(stream) }).await;
    assert_eq!(verdict(&key).await, Unreachable::Refused);
}

#[tokio::test]
async fn other_protocols_are_not_mysql() {
    for banner in
        ["SSH-2.0-OpenSSH_9.2p1\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x05\0\0\0\0\0\0\0\0", "\x01\0\0\0\x0a"]
    {
        let key = server(move |mut stream| async move {
            let _sent = stream.write_all(banner.as_bytes()).await;
            let _read = stream.read(&mut [0; 64]).await;
        })
        .await;
        assert_eq!(verdict(&key).await, Unreachable::NotMySql, "{banner:?}");
    }
}

#[tokio::test]
async fn accepts_and_says_nothing() {
    let key = server(|mut stream| async move {
        let _read = stream.read(&mut [0; 64]).await;
    })
    .await;
    let begun = Instant::now();
    assert_eq!(verdict(&key).await, Unreachable::Hung);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn greets_and_says_nothing_more() {
    let key = server(|mut stream| async move {
        let _sent = stream.write_all(&greeting()).await;
        while matches!(stream.read(&mut [0; 64]).await, Ok(length) if length > 0) {}
    })
    .await;
    assert_eq!(verdict(&key).await, Unreachable::Hung);
}

#[tokio::test]
async fn errors_before_the_greeting_are_told_by_number() {
    for (number, meaning) in [
        (1040, Unreachable::TooManyConnections),
        (1129, Unreachable::HostBlocked),
        (1130, Unreachable::HostBlocked),
        (1053, Unreachable::ShuttingDown),
    ] {
        let key = server(move |mut stream| async move {
            let _sent = stream.write_all(&early_error(number, "Access denied for user")).await;
            let _read = stream.read(&mut [0; 64]).await;
        })
        .await;
        assert_eq!(verdict(&key).await, meaning, "{number}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    assert_eq!(verdict(&InstanceKey::new("no-such-host.invalid", 3306)).await, Unreachable::UnknownHost);
    assert_eq!(verdict(&InstanceKey::new("//db1", 3306)).await, Unreachable::UnknownHost);
}

#[tokio::test]
async fn a_session_that_timed_out_refuses_further_use() {
    // The first statement is the session's own.
    let key = server(|stream| let_in(stream, 2)).await;
    let mut session = Session::connect(&key, &access()).await.expect("let in");
    session.execute("do 0").await.expect("answered");
    let error = session.rows("select 1").await.expect_err("not answered");
    assert_eq!(error.unreachable(), Unreachable::Hung);
    assert!(session.is_broken());
    let error = session.rows("select 2").await.expect_err("broken");
    assert!(matches!(error.kind, ErrorKind::Broken), "{error}");
}

#[tokio::test]
async fn a_probe_of_a_server_that_hangs_ends_with_its_deadline() {
    let key = server(|stream| let_in(stream, 1)).await;
    let settings = ProbeSettings { deadline: Duration::from_millis(400), ..ProbeSettings::default() };
    let mut prober = Prober::new(key.clone(), access(), settings);
    let begun = Instant::now();
    let probe = prober.probe(|| Timestamp(7)).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    let failure = probe.observation.outcome.expect_err("hung");
    assert_eq!((failure.kind, failure.partial, probe.fresh), (Unreachable::Hung, false, true));
    assert_eq!((probe.observation.key, probe.observation.began), (key, Timestamp(7)));
}

#[tokio::test]
async fn a_pulse_that_stops_is_told_once() {
    let key = server(|stream| let_in(stream, 6)).await;
    let rhythm = Rhythm {
        every: Duration::from_millis(10),
        slack: Duration::from_millis(100),
        retry: Duration::from_millis(10),
    };
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |event| sender.send(event).expect("somebody listens");
    let line = FenceLine::default();
    let watch = tokio::spawn(pulse(key, access(), rhythm, line.clone(), || Timestamp(3), tell));
    assert_eq!(events.recv().await, Some(PulseEvent::Up { at: Timestamp(3) }));
    let Some(PulseEvent::Lost { how, at, message }) = events.recv().await else { panic!("not lost") };
    assert_eq!((how, at), (Unreachable::Hung, Timestamp(3)));
    assert!(message.contains("feel the pulse"), "{message}");
    watch.abort();
}

#[tokio::test]
async fn a_server_that_is_gone_cannot_be_fenced() {
    let key = server(|stream| async { drop(stream) }).await;
    let Fenced::Unreachable(how, error) = fence(None, &key, &access()).await else { panic!("fenced nobody") };
    assert_eq!(how, Unreachable::Refused, "{error}");
}

/// The shell runs these as tasks.
#[test]
fn all_work_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let key = InstanceKey::new("db1", 3306);
    let mut prober = Prober::new(key.clone(), access(), ProbeSettings::default());
    is_send(prober.probe(|| Timestamp(0)));
    is_send(pulse(key.clone(), access(), Rhythm::default(), FenceLine::default(), || Timestamp(0), |_| {}));
    is_send(fence(None, &key, &access()));
    let mut server = Server::new(key.clone(), access(), &topology::Version::parse("8.4.0", ""));
    is_send(server.change_source(&SourceChange::to(key)));
    is_send(server.apply_received("", Duration::from_secs(1)));
}
