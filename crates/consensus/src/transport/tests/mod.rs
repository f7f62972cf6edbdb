//! The raft port over real sockets of this host.

mod calls;
mod certificates;
mod garbage;
mod strangers;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

use self::certificates::Authority;
use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Answers with the kind and the body; refuses what says so.
struct Echo;

impl Handler for Echo {
    fn handle(&self, kind: Kind, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        async move {
            match &body[..] {
                b"refuse" => Err("not today".to_owned()),
                b"panic" => panic!("the handler has a bug"),
                _ => Ok([kind.segment().as_bytes(), b":", &body].concat().into()),
            }
        }
        .boxed()
    }
}

/// A node that answers until it is dropped.
struct Node {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Node {
    async fn start(security: &Security) -> Self {
        Self::start_at("127.0.0.1:0", security, Arc::new(Echo)).await
    }

    async fn start_at(address: &str, security: &Security, handler: Arc<dyn Handler>) -> Self {
        Self::serve(Port::bind(address, security).await.expect("the port is free"), handler)
    }

    async fn start_impatient(security: &Security) -> Self {
        Self::serve(Port::bind("127.0.0.1:0", security).await.expect("the port is free").impatient(), Arc::new(Echo))
    }

    fn serve(port: Port, handler: Arc<dyn Handler>) -> Self {
        let (address, stop) = (port.address(), CancellationToken::new());
        let task = tokio::spawn(port.serve(handler, stop.clone()));
        Self { address, stop, task }
    }

    async fn stop(self) -> SocketAddr {
        self.stop.cancel();
        self.task.await.expect("the port ends well");
        self.address
    }
}

/// Calls `address` as a node with `security` would.
async fn call(dialer: &Dialer, address: SocketAddr, body: &str) -> Result<String, CallError> {
    let answer = dialer.call(&address.to_string(), Kind::Hello, Bytes::from(body.to_owned()), LONG).await?;
    Ok(String::from_utf8(answer.to_vec()).expect("an echo"))
}

fn dialer(security: &Security) -> Dialer {
    Dialer::new(security).expect("it serves")
}

fn secret() -> Security {
    Security::Secret(SECRET.to_owned())
}

/// Waits where the passing of time is what is tried: idle connections, slow answers. Nothing is hoped to have happened then.
async fn time_passes(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// What was logged since it began, on this thread.
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn begin() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(text.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    fn lines(&self) -> Vec<String> {
        let text = self.text.lock().expect("no panic").clone();
        String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
    }

    /// Waits until a line has `part` in it, and returns it.
    async fn wait_for(&self, part: &str) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(line) = self.lines().into_iter().find(|line| line.contains(part)) {
                return line;
            }
            assert!(Instant::now() < deadline, "no \"{part}\" in {:#?}", self.lines());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
