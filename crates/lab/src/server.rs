//! One server process: its life, and `root` on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mysql::{Access, Row};
use topology::InstanceKey;

use crate::admin::AdminSession;
use crate::dialect;
use crate::paths::{create_dir, remove_dir};
use crate::process::{Process, Signal};
use crate::product::{Accounts, Product};
use crate::servers::Installation;
use crate::template;

/// How long a server may take until it answers: many times what it needs on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long an orderly shutdown may take.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(60);
/// How long one statement of `root` may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);
/// More than all servers of a machine have numbers: a server with new data gets its old number plus this.
const SERVER_ID_STEP: u32 = 1_000_000;
/// The longest path that the kernel takes for a Unix socket.
const SOCKET_PATH_LIMIT: usize = 107;

/// What a server is made of.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) installation: Installation,
    pub(crate) key: InstanceKey,
    pub(crate) dir: PathBuf,
    pub(crate) server_id: u32,
    /// Words before the program, such as those that enter a network namespace.
    pub(crate) prefix: Vec<String>,
    /// Options after all others.
    pub(crate) options: Vec<String>,
}

/// A server of a fleet, running or not. It starts closed to writes, also after a restart. Methods that change its life may
/// be called from several tasks.
#[derive(Debug)]
pub struct Server {
    blueprint: Blueprint,
    server_id: AtomicU32,
    process: Mutex<Option<Process>>,
}

impl Server {
    /// Prepares a folder; starts nothing.
    pub(crate) fn create(blueprint: Blueprint) -> Result<Self> {
        create_dir(&blueprint.dir)?;
        let server_id = AtomicU32::new(blueprint.server_id);
        let server = Self { blueprint, server_id, process: Mutex::new(None) };
        if server.socket().as_os_str().len() > SOCKET_PATH_LIMIT {
            let socket = server.socket();
            bail!("{} is too long for a Unix socket: set ORCHESTRATOR_LAB_DIR to a shorter path", socket.display());
        }
        Ok(server)
    }

    /// Makes the data of a new server.
    pub(crate) fn fill(&self) -> Result<()> {
        template::copy(&self.blueprint.installation, &self.data())
    }

    /// Returns the address.
    pub fn key(&self) -> &InstanceKey {
        &self.blueprint.key
    }

    /// Returns what kind of server this is.
    pub fn product(&self) -> Product {
        self.blueprint.installation.product
    }

    /// Returns the path of the Unix socket by which `root` enters.
    pub fn socket(&self) -> PathBuf {
        self.blueprint.dir.join("sock")
    }

    /// Returns the path of the server's log.
    pub fn log_path(&self) -> PathBuf {
        self.blueprint.dir.join("server.log")
    }

    fn data(&self) -> PathBuf {
        self.blueprint.dir.join("data")
    }

    /// Starts the process, waits until `root` can enter, and returns how long that took. The server is closed to writes;
    /// a replica goes on replicating by itself.
    ///
    /// # Errors
    /// When it runs already, or ends instead of answering: with the end of its log.
    pub async fn start(&self) -> Result<Duration> {
        let begun = Instant::now();
        self.launch()?;
        self.answering(START_LIMIT).await?;
        Ok(begun.elapsed())
    }

    /// Starts the process and does not wait.
    ///
    /// # Errors
    /// When it runs already or cannot be run.
    pub fn launch(&self) -> Result<()> {
        self.launch_with(&[])
    }

    /// As [`Server::launch`], open to writes from the first moment on: as a primary that nobody told otherwise.
    ///
    /// # Errors
    /// As [`Server::launch`].
    pub fn launch_writable(&self) -> Result<()> {
        self.launch_with(dialect::open_options(self.product()))
    }

    /// As [`Server::launch_writable`], with options that have the last word, such as another `--server-id`.
    ///
    /// # Errors
    /// As [`Server::launch`].
    pub fn launch_writable_with(&self, options: &[&str]) -> Result<()> {
        self.launch_with(&[dialect::open_options(self.product()), options].concat())
    }

    fn launch_with(&self, options: &[&str]) -> Result<()> {
        let mut process = self.lock();
        if let Some(process) = process.as_mut()
            && process.exited()?.is_none()
        {
            bail!("{} runs already", self.key());
        }
        // A socket file of the process before would be mistaken for an answer.
        drop(fs::remove_file(self.socket()));
        let few_arenas = [("MALLOC_ARENA_MAX", "2")];
        let mut command = self.command();
        command.extend(options.iter().map(|option| (*option).to_owned()));
        *process = Some(Process::start(&self.blueprint.prefix, &command, &self.log_path(), &few_arenas)?);
        Ok(())
    }

    /// Waits until `root` can enter.
    ///
    /// # Errors
    /// When the process ends first, or `limit` is over.
    pub async fn answering(&self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            let attempt = AdminSession::connect(&self.socket(), limit).await;
            let Err(error) = attempt else { return Ok(()) };
            if !self.is_running() {
                bail!("{} ended instead of answering; its log ends with:\n{}", self.key(), self.log_tail());
            }
            if Instant::now() > until {
                return Err(error.context(format!("{} does not answer within {limit:?}", self.key())));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn command(&self) -> Vec<String> {
        let Blueprint { installation, key, dir, options, .. } = &self.blueprint;
        let product = installation.product;
        let mut words = installation.command.clone();
        words.push("--no-defaults".to_owned());
        words.extend(installation.options.iter().cloned());
        words.extend(template::storage_options(product).into_iter().map(str::to_owned));
        words.extend(dialect::options(product).into_iter().map(str::to_owned));
        if rustix::process::geteuid().is_root() {
            words.push("--user=root".to_owned());
        }
        words.extend([
            format!("--datadir={}", self.data().display()),
            format!("--socket={}", self.socket().display()),
            format!("--pid-file={}", dir.join("pid").display()),
            format!("--server-id={}", self.server_id.load(Ordering::Relaxed)),
            format!("--bind-address={}", key.host),
            format!("--port={}", key.port),
            format!("--report-host={}", key.host),
            format!("--report-port={}", key.port),
        ]);
        words.extend(options.iter().cloned());
        words
    }

    /// Returns the process id; nothing when the server does not run.
    pub fn pid(&self) -> Option<u32> {
        let mut process = self.lock();
        let process = process.as_mut()?;
        matches!(process.exited(), Ok(None)).then(|| process.pid())
    }

    /// True while the process exists, also when it is frozen.
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Sends a signal. A server that does not run is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.lock().as_mut().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill9(&self) -> Result<()> {
        self.lock().as_mut().map_or(Ok(()), Process::kill)
    }

    /// Freezes the process (SIGSTOP): its connections stay open, and nothing is answered.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::Stop)
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::Continue)
    }

    /// Shuts the server down in order and waits for its end.
    ///
    /// # Errors
    /// When it still runs after a minute.
    pub async fn shutdown(&self) -> Result<()> {
        // Out of its slot while we wait: no lock may be held across an await.
        let Some(mut process) = self.lock().take() else { return Ok(()) };
        process.signal(Signal::Terminate)?;
        process.ended(SHUTDOWN_LIMIT).await.with_context(|| format!("{} does not shut down", self.key())).map(drop)
    }

    /// Replaces all data by those of a new server, with an identity of its own. The server must not run.
    pub(crate) fn wipe(&self) -> Result<()> {
        if self.is_running() {
            bail!("{} runs: stop it before its data are replaced", self.key());
        }
        remove_dir(&self.data())?;
        // A replica skips what has its own number: with the old one it would never get back what it once wrote itself.
        self.server_id.fetch_add(SERVER_ID_STEP, Ordering::Relaxed);
        self.fill()
    }

    /// Opens a session of `root`, which works also when the network is cut.
    ///
    /// # Errors
    /// When the server does not run or does not answer.
    pub async fn admin(&self) -> Result<AdminSession> {
        let session = AdminSession::connect(&self.socket(), STATEMENT_LIMIT).await;
        session.with_context(|| format!("cannot enter {} as root", self.key()))
    }

    /// Runs statements as `root` and returns the rows of the last that returned any.
    ///
    /// # Errors
    /// When the server does not answer, or answers with an error.
    pub async fn sql(&self, sql: &str) -> Result<Vec<Row>> {
        let mut session = self.admin().await?;
        let results = session.results(sql).await;
        let results = results.map_err(|error| anyhow::anyhow!("{}: {} (in {sql:?})", self.key(), error.kind))?;
        session.close().await;
        Ok(results.into_iter().rev().find(|rows| !rows.is_empty()).unwrap_or_default())
    }

    /// Returns the first value of the first row of a query by `root`, empty for NULL.
    ///
    /// # Errors
    /// As [`Server::sql`], and when there is no row.
    pub async fn value(&self, sql: &str) -> Result<String> {
        let rows = self.sql(sql).await?;
        let row = rows.first().with_context(|| format!("{}: {sql:?} has no row", self.key()))?;
        Ok(row.get(0).unwrap_or_default().to_owned())
    }

    /// True when nothing closes the server to writes, as `root` sees it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn is_writable(&self) -> Result<bool> {
        Ok(self.value(dialect::closed_query(self.product())).await? == "0")
    }

    /// Opens the server to writes, or closes it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn set_writable(&self, writable: bool) -> Result<()> {
        let product = self.product();
        self.sql(if writable { dialect::writable(product) } else { dialect::read_only(product) }).await.map(drop)
    }

    /// Returns the memory in use (resident set), in bytes.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn memory_bytes(&self) -> Result<u64> {
        let pid = self.pid().with_context(|| format!("{} does not run", self.key()))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("cannot read the process status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.context("the process status has no VmRSS")? * 1024)
    }

    /// Returns the last lines of the server's log.
    pub fn log_tail(&self) -> String {
        template::last_lines(&fs::read_to_string(self.log_path()).unwrap_or_default(), 12)
    }

    /// Returns the folder with everything of this server.
    pub fn dir(&self) -> &Path {
        &self.blueprint.dir
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns access by one of the lab's [`Accounts`], with these limits to connect and to answer.
pub(crate) fn access(account: (&str, &str), limit: Duration) -> Access {
    Access::new(account.0, account.1).with_timeouts(limit, limit)
}

impl Accounts {
    /// Returns access to any lab server by one of these accounts, with 2 s to connect and to answer.
    pub fn access(account: (&str, &str)) -> Access {
        access(account, Duration::from_secs(2))
    }
}
