//! The service: build, run, drain.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::tls_rustls::RustlsConfig;
use config::{Config, Loaded, RaftSecurity};
use consensus::{Card, Consensus, Dialer, Port, Security, Settings, Timing};
use manager::{Manager, Mode};
use store::Store;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use server::configuration::{self, Files};

/// How long a stop may take: running steps are finished or left to the journal.
const GRACE: Duration = Duration::from_secs(10);
/// How long a stop waits for clients: one that is slow, or connected and silent, must not keep the service from ending.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot start: a port in use, a database that cannot be opened, a configuration that cannot work.
pub async fn run(files: Files, loaded: Loaded, discovery: bool) -> anyhow::Result<()> {
    let Loaded { config, findings } = loaded;
    configuration::tell(&findings);
    // The port comes first: a second service must fail before it touches the database.
    let listener = Listener::bind(&config).await?;
    let (address, user) = (listener.describe(), config.topology_access.user.clone());
    let raft = RaftPort::bind(&config).await?;
    let mode = if discovery { Mode::Service } else { Mode::OneCommand };
    let manager = start(files, config, mode, raft).await?;
    if user.is_empty() {
        tracing::warn!("MySQLTopologyUser is not set: monitored servers will refuse us");
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, store = %manager.store().path().display(), "serving");
    let reloading = tokio::spawn(reload_on_hangup(manager.clone()));
    let served = listener.serve(manager.clone()).await;
    reloading.abort();
    tracing::info!("stopping");
    manager.stop(GRACE).await;
    // Last: until then what was in progress could be journaled. Another node takes over at once.
    manager.consensus().stop().await;
    served
}

/// Opens the store, joins the other nodes over `raft` if there are any, and starts the manager.
///
/// # Errors
/// When the database cannot be opened.
pub async fn start(files: Files, config: Config, mode: Mode, raft: Option<RaftPort>) -> anyhow::Result<Manager> {
    let path = configuration::database_file(&config)?;
    let consensus = match raft {
        Some(raft) => raft.join(&config, Store::open(&path, store::Mode::Own)?).await?,
        // One command beside the nodes may look, and must not change rows that are those of all.
        None if config.raft.enabled => Consensus::alone(Store::open(&path, store::Mode::Read)?),
        None => Consensus::alone(own_alone(&path)?),
    };
    let reload = move |present: &Config, extra: Option<&std::path::Path>| files.reload(present, extra);
    Ok(Manager::start(config, consensus, mode, Arc::new(reload)).await?)
}

/// Opens the database of a manager that stands alone.
fn own_alone(path: &Path) -> anyhow::Result<Store> {
    let store = Store::open(path, store::Mode::Own)?;
    if consensus::is_member(&store)? {
        anyhow::bail!(
            "{path} is the database of a raft node, and RaftEnabled is not set: alone, it would act beside the others. \
             Set RaftEnabled, or SQLite3DataFile to another path. To use it alone from now on, with the other nodes stopped \
             for good: sqlite3 {path} 'delete from raft_entry; delete from raft_fact'",
            path = path.display()
        );
    }
    Ok(store)
}

/// The raft port, bound before the database is touched.
pub struct RaftPort {
    port: Port,
    dialer: Dialer,
}

impl RaftPort {
    /// Listens, if the configuration says so.
    async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let raft = &config.raft;
        if !raft.enabled {
            return Ok(None);
        }
        let security = match &raft.security {
            RaftSecurity::Plain => Security::Plain,
            RaftSecurity::Secret(secret) => Security::Secret(secret.reveal().to_owned()),
            RaftSecurity::Certificates { certificate, key, authority } => Security::Certificates {
                certificate: certificate.clone(),
                key: key.clone(),
                authority: authority.clone(),
            },
        };
        let port = Port::bind(&raft.bind, &security).await?;
        tracing::info!(address = %port.address(), advertise = %raft.advertise, nodes = ?raft.nodes, "raft port");
        Ok(Some(Self { port, dialer: Dialer::new(&security)? }))
    }

    async fn join(self, config: &Config, store: Store) -> anyhow::Result<Consensus> {
        let raft = &config.raft;
        let card = Card {
            hostname: gethostname::gethostname().to_string_lossy().into_owned(),
            http: config.http_uri(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let settings = Settings {
            bind: raft.bind.clone(),
            advertise: raft.advertise.clone(),
            nodes: raft.nodes.clone(),
            card,
            timing: Timing::default(),
            seed: None,
        };
        Ok(Consensus::join(settings, store, self.port, self.dialer).await?)
    }
}

/// Where requests come in.
enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener, RustlsConfig),
    Socket(UnixListener, PathBuf),
}

impl Listener {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        if let Some(path) = &config.listen.socket {
            remove_stale_socket(path).await?;
            let listener = UnixListener::bind(path)
                .with_context(|| format!("cannot listen on the socket {} (ListenSocket)", path.display()))?;
            return Ok(Self::Socket(listener, path.clone()));
        }
        let address = &config.listen.address;
        let bound = match address.strip_prefix(':') {
            // Every interface, of both protocols where the machine has IPv6.
            Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
                Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                    TcpListener::bind(format!("0.0.0.0:{port}")).await
                }
                bound => bound,
            },
            None => TcpListener::bind(address).await,
        };
        let bound = bound.map_err(|error| {
            let hint = remedy(&error);
            anyhow::Error::new(error).context(format!("cannot listen on {address} (ListenAddress): {hint}"))
        })?;
        if !config.tls.enabled {
            return Ok(Self::Tcp(bound));
        }
        Ok(Self::Tls(bound, tls(config).await?))
    }

    fn describe(&self) -> String {
        match self {
            Self::Tcp(listener) => url("http", listener),
            Self::Tls(listener, _) => url("https", listener),
            Self::Socket(_, path) => path.display().to_string(),
        }
    }

    /// Serves until told to stop; requests that are running then are given [`DRAIN`].
    async fn serve(self, manager: Manager) -> anyhow::Result<()> {
        let router = api::router(manager, api::Metrics::install());
        let stopping = CancellationToken::new();
        let told = stopping.clone();
        let stop = async move {
            told_to_stop().await;
            // Pages that watch would keep their connections open for ever.
            api::end_streams();
            told.cancel();
        };
        let drained = async {
            stopping.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let serving = async {
            match self {
                Self::Tcp(listener) => axum::serve(listener, router).with_graceful_shutdown(stop).await,
                Self::Tls(listener, tls) => serve_tls(listener, tls, router, stop).await,
                Self::Socket(listener, _) => axum::serve(listener, router).with_graceful_shutdown(stop).await,
            }
        };
        tokio::select! {
            served = serving => served?,
            () = drained => tracing::info!("connections that are still open are cut"),
        }
        Ok(())
    }
}

fn url(scheme: &str, listener: &TcpListener) -> String {
    listener.local_addr().map_or_else(|error| error.to_string(), |at| format!("{scheme}://{at}"))
}

async fn serve_tls(
    listener: TcpListener,
    tls: RustlsConfig,
    router: axum::Router,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let handle = axum_server::Handle::new();
    let server = axum_server::from_tcp_rustls(listener.into_std()?, tls)?;
    let serving = server.handle(handle.clone()).serve(router.into_make_service());
    let stop = async move {
        stop.await;
        handle.graceful_shutdown(Some(DRAIN));
    };
    tokio::join!(serving, stop).0
}

/// Reads certificate and key.
async fn tls(config: &Config) -> anyhow::Result<RustlsConfig> {
    // An error means that a provider is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let files = &config.tls.files;
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else {
        anyhow::bail!("UseSSL needs SSLCertFile and SSLPrivateKeyFile");
    };
    RustlsConfig::from_pem_file(certificate, key).await.with_context(|| {
        format!("cannot use {} (SSLCertFile) with {} (SSLPrivateKeyFile)", certificate.display(), key.display())
    })
}

/// Returns what to do when an address cannot be listened on.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "is another orchestrator running? Stop it, or set another port",
        ErrorKind::AddrNotAvailable => "this machine has no such address: set one that it has, or \":3000\" for all",
        ErrorKind::PermissionDenied => "this user may not: set a port above 1023, or give the right to",
        _ => "set it to host:port, or to \":3000\" for all addresses of this machine",
    }
}

/// Removes a socket that a process left behind when it died; one that answers is somebody's.
async fn remove_stale_socket(path: &PathBuf) -> anyhow::Result<()> {
    if path.exists() && tokio::net::UnixStream::connect(path).await.is_err() {
        std::fs::remove_file(path).with_context(|| format!("cannot remove the stale socket {}", path.display()))?;
    }
    Ok(())
}

async fn told_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Reads the configuration again at each SIGHUP; a bad file is reported and changes nothing.
async fn reload_on_hangup(manager: Manager) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
    while hangups.recv().await.is_some() {
        match manager.reload(None).await {
            Ok(findings) => {
                configuration::tell(&findings);
                tracing::info!("the configuration was read again");
            }
            Err(error) => tracing::error!("{error}"),
        }
    }
}
