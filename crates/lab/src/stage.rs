//! A fleet with a manager, a writer and a watcher: what demo, benchmark and campaigns play on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use topology::InstanceKey;

use crate::cluster::{ManagerCluster, ManagerNode};
use crate::fleet::{Fleet, FleetBuilder};
use crate::journal::Journal;
use crate::product::Accounts;
use crate::server::Server;
use crate::watcher::{TwoWritable, Watcher};
use crate::writer::{Record, Writer, WriterOptions};

/// How long a healthy fleet may take until the manager sees it so.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// How often the manager is asked.
const LOOK: Duration = Duration::from_millis(50);

/// What is to be set up.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The servers.
    pub fleet: FleetBuilder,
    /// The manager's program.
    pub program: PathBuf,
    /// Its configuration, beyond accounts and recovery filters.
    pub settings: Map<String, Value>,
    /// How rows are written.
    pub writer: WriterOptions,
    /// How many managers there are; more than one decide together.
    pub managers: usize,
}

impl Plot {
    /// Returns the plot of a fleet and a manager with its defaults.
    pub fn new(fleet: FleetBuilder, program: PathBuf) -> Self {
        Self { fleet, program, settings: Map::new(), writer: WriterOptions::default(), managers: 1 }
    }

    /// Sets the number of managers.
    #[must_use]
    pub fn managers(mut self, count: usize) -> Self {
        self.managers = count;
        self
    }

    /// Adds a key to the manager's configuration.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    /// Returns the configuration of the manager: its defaults but for what a lab fleet makes necessary (accounts; all
    /// servers share one host name, so that they go by their addresses) and the filters that let it recover.
    fn configuration(&self) -> Map<String, Value> {
        let (user, password) = Accounts::MANAGER;
        let config = json!({
            "MySQLTopologyUser": user,
            "MySQLTopologyPassword": password,
            "HostnameResolveMethod": "none",
            "MySQLHostnameResolveMethod": "none",
            "RecoverMasterClusterFilters": ["*"],
            "RecoverIntermediateMasterClusterFilters": ["*"],
        });
        let mut config = config.as_object().cloned().unwrap_or_default();
        config.extend(self.settings.clone());
        config
    }
}

/// Everything that plays. Dropping it ends all of it and removes its files.
#[derive(Debug)]
pub struct Stage {
    managers: ManagerCluster,
    /// Commits rows.
    pub writer: Writer,
    /// Looks for two writable servers.
    pub watcher: Watcher,
    // Last, so that it is dropped last: the manager's files are in its folder.
    fleet: Fleet,
}

impl Stage {
    /// Starts servers and managers, lets them find the servers from the primary, and starts to write.
    ///
    /// # Errors
    /// When something does not start, or is not found.
    pub async fn set(plot: Plot) -> Result<Self> {
        let fleet = plot.fleet.clone().build().await?;
        let managers = ManagerCluster::prepare(&fleet, &plot.program, plot.managers, &plot.configuration())?;
        managers.start(SETTLE_LIMIT).await?;
        let (watcher, writer) = (Watcher::start(&fleet), Writer::start(&fleet, plot.writer.clone()));
        let stage = Self { managers, writer, watcher, fleet };
        let primary = stage.fleet.server(0).clone();
        stage.ask(&format!("/api/discover/{}/{}", primary.key().host, primary.key().port)).await?;
        stage.settled(&primary).await?;
        stage.writer.commits_again(Instant::now(), SETTLE_LIMIT).await?;
        Ok(stage)
    }

    /// Returns the servers.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Returns the managers.
    pub fn managers(&self) -> &ManagerCluster {
        &self.managers
    }

    /// Returns the manager, where there is one; else the first that runs.
    pub fn manager(&self) -> &ManagerNode {
        self.managers.running().next().unwrap_or_else(|| self.managers.node(0))
    }

    /// Returns the journal of [`Stage::manager`], which can be read also while it is dead.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn journal(&self) -> Result<Journal> {
        self.manager().journal()
    }

    /// Asks the API of the managers that run, one after the other, until one answers: each can answer for all.
    ///
    /// # Errors
    /// When none does: with what the last one said.
    pub async fn ask(&self, path: &str) -> Result<Value> {
        let mut outcome = Err(anyhow::anyhow!("no manager runs"));
        for node in self.managers.running() {
            outcome = node.get_json(path).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Kills the manager (SIGKILL) and starts it again on the same store, port and configuration.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_manager(&mut self) -> Result<()> {
        let manager = self.managers.node(0);
        manager.kill9()?;
        manager.start().await
    }

    /// Returns the server that is open to writes, as `root` sees it; nothing when there is none.
    ///
    /// # Errors
    /// When there are two.
    pub async fn primary(&self) -> Result<Option<Arc<Server>>> {
        let mut found = None;
        for server in self.fleet.servers().iter().filter(|server| server.is_running()) {
            if server.is_writable().await.unwrap_or(false)
                && let Some(first) = found.replace(server.clone())
            {
                bail!("{} and {} are both open to writes", first.key(), server.key());
            }
        }
        Ok(found)
    }

    /// Waits until every manager that runs sees what is so: one cluster with `primary` at its head and open to writes, all
    /// other servers replicating from it, nobody in downtime.
    ///
    /// # Errors
    /// When one does not see that within a minute: with what it sees.
    pub async fn settled(&self, primary: &Server) -> Result<()> {
        let until = Instant::now() + SETTLE_LIMIT;
        let key = primary.key();
        for node in self.managers.running() {
            loop {
                let seen = node.get_json(&format!("/api/cluster/instance/{}/{}", key.host, key.port)).await;
                let wrong = match &seen {
                    Ok(members) => wrong(members, key, self.fleet.servers().len()),
                    Err(error) => Some(format!("{error:#}")),
                };
                let Some(wrong) = wrong else { break };
                if Instant::now() > until {
                    bail!("manager {} does not see a healthy fleet: {wrong}", node.index() + 1);
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Waits until every running server but `primary` replicates from it, and returns how long that took.
    ///
    /// # Errors
    /// When one does not within `limit`.
    pub async fn all_follow(&self, primary: &InstanceKey, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let others = self.fleet.servers().iter().filter(|server| server.key() != primary && server.is_running());
        futures::future::try_join_all(others.map(|server| server.replicating_from(primary, limit))).await?;
        Ok(begun.elapsed())
    }

    /// Returns what the managers say of something that did not come to pass with this server.
    pub async fn excuse(&self, key: &InstanceKey) -> String {
        let mut text = String::new();
        for node in self.managers.running() {
            let explained = match node.get_json(&format!("/api/v2/explain/{key}")).await {
                Ok(explained) => format!("{:#}\n{:#}", explained["diagnoses"], explained["decision"]),
                Err(error) => format!("{error:#}"),
            };
            text.push_str(&format!("manager {} explains: {explained}\n", node.index() + 1));
        }
        text + &self.managers.log_tails(60)
    }

    /// Acknowledges a recovery, so that it does not block the next one.
    ///
    /// # Errors
    /// When the manager refuses.
    pub async fn acknowledge(&self, uid: &str) -> Result<()> {
        self.ask(&format!("/api/ack-recovery/uid/{uid}?comment=lab")).await.map(drop)
    }

    /// Ends managers, writer and watcher, and returns the servers with what was seen.
    pub async fn end(self) -> (Fleet, Record, Vec<TwoWritable>) {
        let Self { managers, writer, watcher, fleet } = self;
        let record = writer.stop().await;
        let two_writable = watcher.stop().await;
        drop(managers);
        (fleet, record, two_writable)
    }

    /// Tells the manager that a server was brought back, as an operator does who has no time: it is read again at once, and
    /// its downtime ends. (By itself the manager does both within a minute or so.)
    ///
    /// # Errors
    /// When the manager refuses.
    pub async fn brought_back(&self, key: &InstanceKey) -> Result<()> {
        for what in ["discover", "end-downtime"] {
            self.ask(&format!("/api/{what}/{}/{}", key.host, key.port)).await?;
        }
        Ok(())
    }
}

/// Returns what is wrong with a cluster as the API shows it; nothing when all is well.
fn wrong(members: &Value, primary: &InstanceKey, count: usize) -> Option<String> {
    let members = members.as_array().map(Vec::as_slice).unwrap_or_default();
    if members.len() != count {
        return Some(format!("{} of {count} servers are in the cluster of {primary}", members.len()));
    }
    members.iter().find_map(|member| {
        let key = key_of(&member["Key"]);
        let flag = |name: &str| member[name].as_bool().unwrap_or(false);
        let what = if !flag("IsLastCheckValid") {
            "does not answer"
        } else if flag("IsDowntimed") {
            "is in downtime"
        } else if key == *primary {
            return flag("ReadOnly").then(|| format!("{key} is read-only"));
        } else if key_of(&member["MasterKey"]) != *primary {
            "replicates from another server"
        } else if !(flag("Slave_SQL_Running") && flag("Slave_IO_Running")) {
            "does not replicate"
        } else {
            return None;
        };
        Some(format!("{key} {what}"))
    })
}

/// Returns the address in a JSON object of the API.
pub(crate) fn key_of(value: &Value) -> InstanceKey {
    let port = value["Port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    InstanceKey::new(value["Hostname"].as_str().unwrap_or_default(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, source: &str, replicates: bool) -> Value {
        json!({
            "Key": {"Hostname": name, "Port": 1}, "MasterKey": {"Hostname": source, "Port": 1},
            "IsLastCheckValid": true, "Slave_SQL_Running": replicates, "Slave_IO_Running": replicates,
        })
    }

    #[test]
    fn a_healthy_cluster_has_nothing_wrong() {
        let members = json!([member("a", "", false), member("b", "a", true)]);
        assert_eq!(wrong(&members, &InstanceKey::new("a", 1), 2), None);
    }

    #[test]
    fn what_is_wrong_names_the_server() {
        let primary = InstanceKey::new("a", 1);
        let stopped = json!([member("a", "", false), member("b", "a", false)]);
        assert_eq!(wrong(&stopped, &primary, 2).unwrap(), "b:1 does not replicate");
        let elsewhere = json!([member("a", "", false), member("b", "c", true)]);
        assert_eq!(wrong(&elsewhere, &primary, 2).unwrap(), "b:1 replicates from another server");
        assert!(wrong(&json!([member("a", "", false)]), &primary, 2).unwrap().starts_with("1 of 2 servers"));
        assert!(wrong(&json!("nonsense"), &primary, 1).is_some());
    }
}
