//! The managers under test: one that stands alone, or three or five that decide together.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::address::FIRST_MANAGER;
use crate::fleet::Fleet;
use crate::http::{Caller, Connection};
use crate::journal::Journal;
use crate::manager::{ManagerProcess, Site, complete, listen_address};
use crate::netns::Party;
use crate::paths::create_dir;
use crate::template::last_lines;

/// The ports of managers that have an address of their own: the usual ones.
const HTTP_PORT: u16 = 3000;
const RAFT_PORT: u16 = 10008;
/// The folder, in that of a manager, with all that it keeps; its log and configuration are beside it.
const DATA: &str = "data";
/// How long a healthy manager may take to answer whether it leads.
const QUICK: Duration = Duration::from_millis(500);
/// How often it is looked whether something has become so.
const LOOK: Duration = Duration::from_millis(10);

/// One manager of a cluster, running or not. Its files stay when it ends.
#[derive(Debug)]
pub struct ManagerNode {
    index: usize,
    program: PathBuf,
    config: Value,
    address: String,
    raft: String,
    dir: PathBuf,
    site: Site,
    party: Option<Party>,
    process: Mutex<Option<Arc<ManagerProcess>>>,
}

impl ManagerNode {
    /// Returns its number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the address of its API as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the address of its raft port as `host:port`; empty on a manager that stands alone.
    pub fn raft_address(&self) -> &str {
        &self.raft
    }

    /// Returns the URL of a path such as `/api/clusters`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns it as one who can be cut off; nothing when it has no network of its own.
    pub fn party(&self) -> Option<Party> {
        self.party
    }

    /// Returns the folder with everything of this manager.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the folder of what it keeps: its SQLite file, and its raft folder.
    pub fn data_dir(&self) -> PathBuf {
        self.store_file().parent().map_or_else(|| self.dir.clone(), Path::to_path_buf)
    }

    /// Returns where its output goes.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("orchestrator.log")
    }

    /// Returns all that it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Returns its SQLite file.
    pub fn store_file(&self) -> PathBuf {
        let named = self.config["SQLite3DataFile"].as_str().map(PathBuf::from);
        named.unwrap_or_else(|| self.dir.join("orchestrator.sqlite3"))
    }

    /// Returns its journal, which can be read also while it is dead.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn journal(&self) -> Result<Journal> {
        Journal::open(&self.store_file())
    }

    /// Starts the process and does not wait.
    ///
    /// # Errors
    /// When it runs already or cannot be run.
    pub fn launch(&self) -> Result<()> {
        if self.is_running() {
            bail!("manager {} runs already", self.index + 1);
        }
        let process = ManagerProcess::launch(&self.program, &self.config, &self.dir, &self.site)?;
        *self.lock() = Some(Arc::new(process));
        Ok(())
    }

    /// Starts the process and waits until it answers HTTP. It need not lead, nor know who does.
    ///
    /// # Errors
    /// When it ends instead of answering, or does not answer within 20 s: with the end of its log.
    pub async fn start(&self) -> Result<()> {
        self.launch()?;
        let process = self.process().context("it was launched")?;
        process.answers().await
    }

    /// True while the process exists, also when it is frozen.
    pub fn is_running(&self) -> bool {
        self.process().is_some_and(|process| process.is_running())
    }

    /// Returns the process id; nothing when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process().filter(|process| process.is_running()).map(|process| process.pid())
    }

    /// Kills it (SIGKILL) and waits until it is gone. One that does not run is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill9(&self) -> Result<()> {
        self.process().map_or(Ok(()), |process| process.kill9())
    }

    /// Freezes it (SIGSTOP): its connections stay open, and nothing is answered.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn freeze(&self) -> Result<()> {
        self.process().map_or(Ok(()), |process| process.freeze())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn thaw(&self) -> Result<()> {
        self.process().map_or(Ok(()), |process| process.thaw())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it still runs after 30 s.
    pub async fn stop(&self) -> Result<()> {
        match self.process() {
            Some(process) => process.ends_in_order().await,
            None => Ok(()),
        }
    }

    /// Deletes its SQLite file. It must not run.
    ///
    /// # Errors
    /// When it runs, or the file cannot be deleted.
    pub fn lose_store(&self) -> Result<()> {
        if self.is_running() {
            bail!("manager {} runs: stop it before its file is lost", self.index + 1);
        }
        let file = self.store_file();
        for suffix in ["", "-wal", "-shm"] {
            let part = PathBuf::from(format!("{}{suffix}", file.display()));
            if part.exists() {
                fs::remove_file(&part).with_context(|| format!("cannot delete {}", part.display()))?;
            }
        }
        Ok(())
    }

    /// Connects to its API, from where no cut between parties is in the way.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.address, self.site.vantage).await
    }

    /// Asks its API, within `limit`, and returns the status code with the body.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn get_within(&self, path: &str, limit: Duration) -> Result<(u16, String)> {
        Caller { from: self.site.vantage, limit }.get(&self.url(path)).await
    }

    /// Fetches a JSON document of its API.
    ///
    /// # Errors
    /// As [`Caller::get_json`].
    pub async fn get_json(&self, path: &str) -> Result<Value> {
        Caller { from: self.site.vantage, ..Caller::default() }.get_json(&self.url(path)).await
    }

    /// Asks it to do something, within `limit`, and returns what it answers when it was done.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn command(&self, path: &str, limit: Duration) -> Result<Value> {
        let (status, body) = self.get_within(path, limit).await?;
        let answer: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
        if status != 200 || answer["Code"].as_str().is_some_and(|code| code != "OK") {
            bail!("{} answers {status}: {answer}", self.url(path));
        }
        Ok(answer)
    }

    /// Returns the term that it knows; nothing when it does not say.
    pub async fn term(&self) -> Option<u64> {
        self.get_json("/api/raft-status").await.ok()?["Term"].as_u64()
    }

    /// True when it says that it leads (`/api/leader-check`).
    pub async fn leads(&self) -> bool {
        self.get_within("/api/leader-check", QUICK).await.is_ok_and(|(status, _)| status == 200)
    }

    fn process(&self) -> Option<Arc<ManagerProcess>> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<ManagerProcess>>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The managers of a fleet. Dropping it kills them.
#[derive(Debug)]
pub struct ManagerCluster {
    nodes: Vec<Arc<ManagerNode>>,
}

impl ManagerCluster {
    /// Prepares `count` managers of a fleet; starts none. One alone listens on 127.0.0.1. Several have an address each, in
    /// network namespaces of their own if the fleet's servers have that, and a configuration as operators write it.
    ///
    /// # Errors
    /// When there is no room for so many, or a folder or namespace cannot be made.
    pub fn prepare(fleet: &Fleet, program: &Path, count: usize, settings: &Map<String, Value>) -> Result<Self> {
        if count <= 1 {
            let dir = fleet.dir().join("manager");
            let config = complete(&Value::Object(settings.clone()), &dir)?;
            let address = listen_address(&config)?;
            let node = node(0, program, config, (address, String::new()), dir, (Site::default(), None))?;
            return Ok(Self { nodes: vec![node] });
        }
        let places = (0..count).map(|index| fleet.add_manager(place(index)?)).collect::<Result<Vec<_>>>()?;
        let addresses: Vec<String> = places.iter().map(|place| place.address.clone()).collect();
        let nodes = places.into_iter().enumerate().map(|(index, place)| {
            let dir = fleet.dir().join(format!("manager{}", index + 1));
            let mut config = settings.clone();
            config.extend(raft_settings(&place.address, &addresses, &dir));
            let config = complete(&Value::Object(config), &dir)?;
            let (http, raft) = (listen_address(&config)?, format!("{}:{RAFT_PORT}", place.address));
            node(index, program, config, (http, raft), dir, (place.site, place.party))
        });
        Ok(Self { nodes: nodes.collect::<Result<_>>()? })
    }

    /// Returns the managers, running or not.
    pub fn nodes(&self) -> &[Arc<ManagerNode>] {
        &self.nodes
    }

    /// Returns the manager with this number, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn node(&self, index: usize) -> &Arc<ManagerNode> {
        &self.nodes[index]
    }

    /// Returns those that run, also when they are frozen.
    pub fn running(&self) -> impl Iterator<Item = &Arc<ManagerNode>> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    /// Returns all but one, by its number.
    pub fn others(&self, than: usize) -> impl Iterator<Item = &Arc<ManagerNode>> {
        self.nodes.iter().filter(move |node| node.index != than)
    }

    /// Starts all that do not run, at one time, and waits until one leads.
    ///
    /// # Errors
    /// When one does not start, or none leads within `limit`.
    pub async fn start(&self, limit: Duration) -> Result<Arc<ManagerNode>> {
        let idle = self.nodes.iter().filter(|node| !node.is_running());
        futures::future::try_join_all(idle.map(|node| node.start())).await?;
        self.wait_for_leader(limit).await
    }

    /// Returns the manager that says that it leads; nothing when none does.
    pub async fn leader(&self) -> Option<Arc<ManagerNode>> {
        let asked = self.running().map(|node| async move { node.leads().await.then(|| Arc::clone(node)) });
        futures::future::join_all(asked).await.into_iter().flatten().next()
    }

    /// Waits until a manager leads, and returns it.
    ///
    /// # Errors
    /// When none does within `limit`: with the ends of their logs.
    pub async fn wait_for_leader(&self, limit: Duration) -> Result<Arc<ManagerNode>> {
        self.wait_for_leader_among(limit, |_| true).await
    }

    /// Waits until a manager leads of those that `is_meant` says, and returns it.
    ///
    /// # Errors
    /// When none does within `limit`: with the ends of their logs.
    pub async fn wait_for_leader_among(
        &self,
        limit: Duration,
        is_meant: impl Fn(&ManagerNode) -> bool,
    ) -> Result<Arc<ManagerNode>> {
        let until = Instant::now() + limit;
        loop {
            if let Some(leader) = self.leader().await.filter(|leader| is_meant(leader)) {
                return Ok(leader);
            }
            if Instant::now() > until {
                bail!("no manager leads within {limit:?}\n{}", self.log_tails(25));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until every running manager says that it is well (`/api/status`) and knows who leads (`/api/raft-health`).
    ///
    /// # Errors
    /// When one does not within `limit`: with what it answers.
    pub async fn healthy(&self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        for node in self.running() {
            for path in ["/api/status", "/api/raft-health"] {
                if self.nodes.len() == 1 && path == "/api/raft-health" {
                    continue;
                }
                loop {
                    let answer = node.get_within(path, QUICK).await;
                    if matches!(answer, Ok((200, _))) {
                        break;
                    }
                    if Instant::now() > until {
                        bail!("{path} of manager {}: {answer:?}\n{}", node.index + 1, self.log_tails(25));
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
        Ok(())
    }

    /// Asks all that run, again and again and at the same time, to do something that may be done twice, until one has done
    /// it. Returns who, and when.
    ///
    /// # Errors
    /// When none has within `limit`.
    pub async fn served(&self, path: &str, limit: Duration) -> Result<(usize, Instant)> {
        const PATIENCE: Duration = Duration::from_millis(250);
        let attempts = self.running().map(|node| {
            Box::pin(async move {
                while node.command(path, PATIENCE).await.is_err() {
                    tokio::time::sleep(LOOK).await;
                }
                (node.index, Instant::now())
            })
        });
        let first = tokio::time::timeout(limit, futures::future::select_all(attempts)).await;
        let (first, ..) =
            first.with_context(|| format!("no manager does {path} within {limit:?}\n{}", self.log_tails(25)))?;
        Ok(first)
    }

    /// Returns the last lines of each manager's log.
    pub fn log_tails(&self, lines: usize) -> String {
        let tail = |node: &Arc<ManagerNode>| {
            format!("--- log of manager {} ends with:\n{}", node.index + 1, last_lines(&node.log(), lines))
        };
        self.nodes.iter().map(tail).collect::<Vec<_>>().join("\n")
    }
}

/// Where a manager stands.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) site: Site,
    pub(crate) party: Option<Party>,
}

fn place(index: usize) -> Result<u8> {
    let index = u8::try_from(index).ok().filter(|index| *index < 20);
    index.map(|index| FIRST_MANAGER + index).context("a fleet has room for 20 managers")
}

fn node(
    index: usize,
    program: &Path,
    config: Value,
    (address, raft): (String, String),
    dir: PathBuf,
    (site, party): (Site, Option<Party>),
) -> Result<Arc<ManagerNode>> {
    let (program, process) = (program.to_owned(), Mutex::new(None));
    let node = ManagerNode { index, program, config, address, raft, dir, site, party, process };
    create_dir(&node.data_dir())?;
    Ok(Arc::new(node))
}

/// What the guides for three nodes say, and nothing more.
fn raft_settings(own: &str, all: &[String], dir: &Path) -> Map<String, Value> {
    let settings = json!({
        "RaftEnabled": true,
        "SQLite3DataFile": dir.join(DATA).join("orchestrator.sqlite3"),
        "RaftDataDir": dir.join(DATA).join("raft"),
        "RaftBind": own,
        "RaftAdvertise": own,
        "DefaultRaftPort": RAFT_PORT,
        "RaftNodes": all,
        "HTTPAdvertise": format!("http://{own}:{HTTP_PORT}"),
        "ListenAddress": format!("{own}:{HTTP_PORT}"),
    });
    match settings {
        Value::Object(settings) => settings,
        _ => Map::new(),
    }
}
