//! The manager under test, as a process.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::http::Caller;
use crate::paths::create_dir;
use crate::process::{Process, Signal};
use crate::template::last_lines;

const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Returns the manager's program: `$ORCHESTRATOR_BIN`, or `orchestrator` beside the running program (also when that is a
/// test, which is one folder deeper).
///
/// # Errors
/// When there is none: with what to build.
pub fn manager_binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ORCHESTRATOR_BIN").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() { Ok(path) } else { bail!("ORCHESTRATOR_BIN={} is not a file", path.display()) };
    }
    let own = env::current_exe().context("this program has no path")?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("orchestrator"));
    beside.into_iter().find(|path| path.is_file()).context(
        "no program `orchestrator` beside this one: build it with `cargo build -p orchestrator-server`, or set ORCHESTRATOR_BIN",
    )
}

/// Returns the manager's program of a build profile, `debug` or `release`, in the folder of this program's build; as
/// [`manager_binary`] without one.
///
/// # Errors
/// When there is none: with what to build.
pub fn manager_binary_of(profile: Option<&str>) -> Result<PathBuf> {
    let Some(profile) = profile else { return manager_binary() };
    let own = env::current_exe().context("this program has no path")?;
    let mut builds = own.ancestors().skip(2).take(2).map(|folder| folder.join(profile).join("orchestrator"));
    builds.find(|path| path.is_file()).with_context(|| {
        let flag = if profile == "release" { " --release" } else { "" };
        format!("no {profile} build of `orchestrator`: run `cargo build{flag} -p orchestrator-server`")
    })
}

/// A running manager. Dropping it kills it.
#[derive(Debug)]
pub struct ManagerProcess {
    address: String,
    log: PathBuf,
    vantage: Option<Ipv4Addr>,
    process: Mutex<Process>,
}

/// Where a manager runs, and from where it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    /// Words before the program, such as those that enter a network namespace.
    pub(crate) prefix: Vec<String>,
    /// The lab's address that always reaches it; nothing for whichever the system chooses.
    pub(crate) vantage: Option<Ipv4Addr>,
}

impl ManagerProcess {
    /// Writes `config` to a file in `dir`, runs `program --config FILE http`, and waits until it answers HTTP. `config`
    /// is completed by a `ListenAddress` on a free port of 127.0.0.1 and a SQLite file in `dir`, unless it names its own.
    /// A second start with the same `dir` goes on with the same store.
    ///
    /// # Errors
    /// When it ends instead of answering, or does not answer within 20 s: with the end of its log.
    pub async fn start(program: &Path, config: &serde_json::Value, dir: &Path) -> Result<Self> {
        let manager = Self::launch(program, config, dir, &Site::default())?;
        manager.answers().await?;
        Ok(manager)
    }

    /// As [`ManagerProcess::start`], on its own site, and without waiting.
    pub(crate) fn launch(program: &Path, config: &serde_json::Value, dir: &Path, site: &Site) -> Result<Self> {
        create_dir(dir)?;
        let config = complete(config, dir)?;
        let address = listen_address(&config)?;
        let file = dir.join("orchestrator.conf.json");
        fs::write(&file, format!("{config:#}")).with_context(|| format!("cannot write {}", file.display()))?;
        let log = dir.join("orchestrator.log");
        let words = [program, Path::new("--config"), &file, Path::new("http")];
        let command = words.map(|word| word.display().to_string());
        let process = Mutex::new(Process::start(&site.prefix, &command, &log, &[])?);
        Ok(Self { address, log, vantage: site.vantage, process })
    }

    /// Waits until it answers HTTP.
    pub(crate) async fn answers(&self) -> Result<()> {
        self.answering(START_LIMIT).await
    }

    /// Returns the URL of a path such as `/api/clusters`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Fetches a JSON document of the API.
    ///
    /// # Errors
    /// As [`Caller::get_json`].
    pub async fn get_json(&self, path: &str) -> Result<serde_json::Value> {
        Caller { from: self.vantage, ..Caller::default() }.get_json(&self.url(path)).await
    }

    /// Returns where the manager's output goes.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    async fn answering(&self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        // Any answer will do: a manager that is not healthy yet is up all the same.
        let caller = Caller { from: self.vantage, ..Caller::default() };
        while caller.get(&self.url("/api/status")).await.is_err() {
            let ended = self.lock().exited()?;
            if ended.is_some() || Instant::now() > until {
                let tail = last_lines(&fs::read_to_string(&self.log).unwrap_or_default(), 20);
                let what = if ended.is_some() { "ended instead of answering" } else { "does not answer" };
                bail!("the manager {what}; its log ends with:\n{tail}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.lock().pid()
    }

    /// True while the process exists, also when it is frozen.
    pub fn is_running(&self) -> bool {
        matches!(self.lock().exited(), Ok(None))
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill9(&self) -> Result<()> {
        self.lock().kill()
    }

    /// Freezes it (SIGSTOP).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn freeze(&self) -> Result<()> {
        self.lock().signal(Signal::Stop)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn thaw(&self) -> Result<()> {
        self.lock().signal(Signal::Continue)
    }

    /// Asks it to end (SIGTERM) and returns its exit code; nothing when a signal ended it.
    ///
    /// # Errors
    /// When it still runs after 30 s.
    pub async fn terminate(self) -> Result<Option<i32>> {
        let mut process = self.process.into_inner().unwrap_or_else(PoisonError::into_inner);
        process.signal(Signal::Terminate)?;
        Ok(process.ended(STOP_LIMIT).await?.code())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it still runs after 30 s.
    pub(crate) async fn ends_in_order(&self) -> Result<()> {
        self.lock().signal(Signal::Terminate)?;
        let until = Instant::now() + STOP_LIMIT;
        while self.is_running() {
            if Instant::now() > until {
                bail!("the manager still runs {STOP_LIMIT:?} after it was asked to end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has(config: &serde_json::Map<String, serde_json::Value>, name: &str) -> bool {
    config.keys().any(|key| key.eq_ignore_ascii_case(name))
}

pub(crate) fn complete(config: &serde_json::Value, dir: &Path) -> Result<serde_json::Value> {
    let mut config = config.as_object().context("a configuration is a JSON object")?.clone();
    if !has(&config, "ListenAddress") {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
        let address = listener.local_addr().context("a bound socket has an address")?;
        config.insert("ListenAddress".to_owned(), address.to_string().into());
    }
    if !has(&config, "SQLite3DataFile") {
        config.insert("SQLite3DataFile".to_owned(), dir.join("orchestrator.sqlite3").display().to_string().into());
    }
    if !has(&config, "BackendDB") {
        config.insert("BackendDB".to_owned(), "sqlite".into());
    }
    Ok(config.into())
}

pub(crate) fn listen_address(config: &serde_json::Value) -> Result<String> {
    let mut entries = config.as_object().into_iter().flatten();
    let address =
        entries.find(|(key, _)| key.eq_ignore_ascii_case("ListenAddress")).and_then(|(_, value)| value.as_str());
    let address = address.context("ListenAddress is a text")?;
    // ":3000" listens on all addresses.
    Ok(if address.starts_with(':') { format!("127.0.0.1{address}") } else { address.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_configuration_names_stays() {
        let config = complete(&json!({"listenaddress": ":3999", "BackendDB": "mysql"}), Path::new("/lab")).unwrap();
        assert_eq!(listen_address(&config).unwrap(), "127.0.0.1:3999");
        assert_eq!(config["BackendDB"], "mysql");
        assert_eq!(config["SQLite3DataFile"], "/lab/orchestrator.sqlite3");
    }

    #[test]
    fn a_missing_address_is_a_free_port() {
        let config = complete(&json!({}), Path::new("/lab")).unwrap();
        assert!(listen_address(&config).unwrap().starts_with("127.0.0.1:"));
        assert!(complete(&json!([]), Path::new("/lab")).is_err());
    }
}
