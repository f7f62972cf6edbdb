//! `root` on a server, through its Unix socket: works when the network is cut and when every connection is taken.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use mysql::{Access, Session};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio_util::task::AbortOnDropHandle;
use topology::InstanceKey;

/// A session of `root`.
#[derive(Debug)]
pub struct AdminSession {
    session: Session,
    // Declared after the session: carries its bytes.
    _bridge: AbortOnDropHandle<()>,
}

impl AdminSession {
    /// Connects through the Unix socket. [`Session`] speaks TCP only, as it should, so a port of this host that accepts
    /// exactly one connection stands between.
    pub(crate) async fn connect(socket: &Path, limit: Duration) -> Result<Self> {
        let mut server =
            UnixStream::connect(socket).await.with_context(|| format!("cannot connect to {}", socket.display()))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no free port on 127.0.0.1")?;
        let port = listener.local_addr().context("a bound socket has an address")?.port();
        let bridge = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Ok((mut client, _)) = listener.accept().await {
                drop(listener);
                // The session reports whatever ends the connection.
                drop(copy_bidirectional(&mut client, &mut server).await);
            }
        }));
        let access = Access::new("root", "").with_timeouts(limit, limit);
        let connected = Session::connect(&InstanceKey::new("127.0.0.1", port), &access).await;
        // The address of the bridge would tell nobody anything.
        let session = connected.map_err(|error| anyhow!("{}", error.kind))?;
        Ok(Self { session, _bridge: bridge })
    }

    /// Says goodbye. Dropping ends the connection too, which the server then counts as aborted.
    pub async fn close(self) {
        self.session.close().await;
    }
}

impl Deref for AdminSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for AdminSession {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
