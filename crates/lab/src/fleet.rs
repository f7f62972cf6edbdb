//! A few servers in a replication tree.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use topology::InstanceKey;

use crate::address::{Block, FIRST_MANAGER, Range};
use crate::cluster::Place;
use crate::dialect;
use crate::manager::Site;
use crate::netns::{Network, Party};
use crate::paths::{create_dir, remove_dir};
use crate::product::Product;
use crate::server::{Blueprint, Server};
use crate::servers::{self, Installation};
use crate::sweep;

/// The port of every lab server. Not 3306: a server of the machine that listens on all addresses would be in the way.
const PORT: u16 = 13306;
/// How long replication may take to begin.
const REPLICATION_LIMIT: Duration = Duration::from_secs(30);
/// How long a server may take to replay the whole history of its fleet.
const REBUILD_LIMIT: Duration = Duration::from_secs(300);

/// Who replicates from whom: for each server the index of its source. Sources stand before their replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree(Vec<Option<usize>>);

impl Tree {
    /// One primary (index 0) with `replicas` directly below it.
    pub fn star(replicas: usize) -> Self {
        Self(std::iter::once(None).chain((0..replicas).map(|_| Some(0))).collect())
    }

    /// A chain of `length` servers; the primary is index 0.
    pub fn chain(length: usize) -> Self {
        Self((0..length).map(|index| index.checked_sub(1)).collect())
    }

    /// The tree of these sources, one per server.
    ///
    /// # Errors
    /// When it is empty, does not begin with a primary, or a source does not stand before its replica.
    pub fn of(sources: &[Option<usize>]) -> Result<Self> {
        if sources.first() != Some(&None) {
            bail!("a tree begins with a server that has no source");
        }
        for (index, source) in sources.iter().enumerate() {
            if source.is_some_and(|source| source >= index) {
                bail!("server {index} has a source that does not stand before it");
            }
        }
        Ok(Self(sources.to_vec()))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a fleet shall be.
#[derive(Clone, Debug)]
pub struct FleetBuilder {
    product: Product,
    tree: Tree,
    semi_sync: Option<u16>,
    namespaces: bool,
    port: u16,
    options: Vec<String>,
}

impl FleetBuilder {
    /// Sets the product; MySQL 9.7 without this.
    #[must_use]
    pub fn product(mut self, product: Product) -> Self {
        self.product = product;
        self
    }

    /// Sets a primary with so many replicas; 3 without this.
    #[must_use]
    pub fn primary_with_replicas(self, replicas: usize) -> Self {
        self.tree(Tree::star(replicas))
    }

    /// Sets any other tree.
    #[must_use]
    pub fn tree(mut self, tree: Tree) -> Self {
        self.tree = tree;
        self
    }

    /// Makes replication lossless semi-synchronous (`AFTER_SYNC`, no timeout that a test could reach): each commit on the
    /// primary waits for `wait_count` replicas. Replicas have all set to be a primary but for the switch itself.
    #[must_use]
    pub fn semi_sync(mut self, wait_count: u16) -> Self {
        self.semi_sync = Some(wait_count);
        self
    }

    /// Puts each server into a network namespace of its own, so that [`Fleet::cut`] works. Needs root.
    #[must_use]
    pub fn in_namespaces(mut self) -> Self {
        self.namespaces = true;
        self
    }

    /// Sets the port of all servers.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds a server option such as `--replica-net-timeout=5`, for all servers.
    #[must_use]
    pub fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Starts all servers, sets up replication, opens the primary to writes, and waits until all replicate. Fetches the
    /// servers first if need be.
    ///
    /// # Errors
    /// When a server cannot be fetched, started or set up. What was started is removed.
    pub async fn build(self) -> Result<Fleet> {
        self.check()?;
        let installation = servers::ensure(self.product).await?;
        sweep::sweep()?;
        let fleet = self.prepare(&installation)?;
        // More at a time than processors only makes them wait for each other.
        let at_once = std::thread::available_parallelism().map_or(2, usize::from);
        let starting = fleet.servers.clone().into_iter().map(|server| async move {
            let copying = server.clone();
            tokio::task::spawn_blocking(move || copying.fill()).await.context("the copying thread was cancelled")??;
            server.start().await.map(drop)
        });
        stream::iter(starting).buffer_unordered(at_once).try_collect::<()>().await?;
        fleet.connect(&self.tree).await?;
        fleet.wait_for_replicas(&fleet.servers[0]).await?;
        fleet.servers[0].set_writable(true).await?;
        Ok(fleet)
    }

    fn check(&self) -> Result<()> {
        let replicas = self.tree.0.iter().filter(|source| **source == Some(0)).count();
        match self.semi_sync {
            Some(0) => bail!("semi-sync waits for 1 replica at least"),
            Some(count) if usize::from(count) > replicas => {
                bail!(
                    "with semi-sync for {count} replicas and {replicas} below the primary, every commit would wait for ever"
                )
            }
            Some(count) if count > 1 && self.product.is_mariadb() => {
                bail!("MariaDB waits for 1 replica, never for {count}")
            }
            _ if self.tree.len() > usize::from(FIRST_MANAGER) => bail!("a fleet has room for {FIRST_MANAGER} servers"),
            _ => Ok(()),
        }
    }

    fn prepare(&self, installation: &Installation) -> Result<Fleet> {
        let block = Block::claim_any()?;
        sweep::clear(&block)?;
        let dir = sweep::fleet_dir(&block)?;
        create_dir(&dir)?;
        let network = if self.namespaces { Some(Network::create(block.number)?) } else { None };
        let mut fleet = Fleet { servers: Vec::new(), network, dir, block, semi_sync: self.semi_sync };
        for index in 0..self.tree.len() {
            let blueprint = self.blueprint(&fleet, installation, u8::try_from(index).context("too many servers")?)?;
            fleet.servers.push(Arc::new(Server::create(blueprint)?));
        }
        Ok(fleet)
    }

    fn blueprint(&self, fleet: &Fleet, installation: &Installation, index: u8) -> Result<Blueprint> {
        let range = if self.namespaces { Range::Namespaces } else { Range::Loopback };
        let address = fleet.block.address(range, index);
        let mut prefix = Vec::new();
        if let Some(network) = &fleet.network {
            network.add_host(index, &address)?;
            prefix = network.enter(index);
        }
        let mut options = self.options.clone();
        if self.semi_sync.is_some() {
            let semi_sync = dialect::semi_sync_options(self.product).iter().map(|option| (*option).to_owned());
            options.splice(0..0, semi_sync);
        }
        Ok(Blueprint {
            installation: installation.clone(),
            key: InstanceKey::new(address, self.port),
            dir: fleet.dir.join(format!("s{}", index + 1)),
            server_id: u32::from(fleet.block.number) * 1000 + u32::from(index) + 1,
            prefix,
            options,
        })
    }
}

/// Servers that run until this is dropped; then they are killed, and their files, addresses and namespaces removed.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<Arc<Server>>,
    network: Option<Network>,
    dir: std::path::PathBuf,
    block: Block,
    semi_sync: Option<u16>,
}

impl Fleet {
    /// Begins a fleet: MySQL 9.7, a primary with three replicas, on loopback addresses.
    pub fn builder() -> FleetBuilder {
        FleetBuilder {
            product: Product::MySql97,
            tree: Tree::star(3),
            semi_sync: None,
            namespaces: false,
            port: PORT,
            options: Vec::new(),
        }
    }

    /// Returns all servers; the first primary is at index 0.
    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// Returns the server at this index.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn server(&self, index: usize) -> &Arc<Server> {
        &self.servers[index]
    }

    /// Returns the server with this address.
    pub fn find(&self, key: &InstanceKey) -> Option<&Arc<Server>> {
        self.servers.iter().find(|server| server.key() == key)
    }

    /// Returns all addresses, in the order of [`Fleet::servers`].
    pub fn keys(&self) -> Vec<InstanceKey> {
        self.servers.iter().map(|server| server.key().clone()).collect()
    }

    /// Returns a folder for files that shall go away with the fleet.
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// Returns how many replicas a commit waits for; nothing without semi-sync.
    pub fn semi_sync(&self) -> Option<u16> {
        self.semi_sync
    }

    async fn connect(&self, tree: &Tree) -> Result<()> {
        let pairs = tree.0.iter().enumerate().filter_map(|(index, source)| Some((index, (*source)?)));
        let pairs = pairs.map(|(replica, source)| (self.servers[replica].clone(), self.servers[source].clone()));
        let connecting = pairs.map(|(replica, source)| async move {
            replica.replicate_from(source.key()).await?;
            replica.replicating_from(source.key(), REPLICATION_LIMIT).await
        });
        try_join_all(connecting).await.map(drop)
    }

    /// Waits until every other running server has executed all that `primary` has.
    ///
    /// # Errors
    /// When one has not within `limit`.
    pub async fn in_sync_with(&self, primary: &Server, limit: Duration) -> Result<()> {
        let executed = primary.executed().await?;
        for server in self.servers.iter().filter(|server| server.key() != primary.key() && server.is_running()) {
            server.has_executed(&executed, limit).await?;
        }
        Ok(())
    }

    /// Brings a server back as a replica of `source`: starts it if it does not run, closed to writes, and replicates by
    /// GTID. A server that has transactions that `source` has not gets new data. Returns whether that was needed.
    ///
    /// # Errors
    /// When it does not replicate in the end.
    pub async fn rejoin(&self, server: &Server, source: &InstanceKey) -> Result<bool> {
        if !server.is_running() {
            server.start().await?;
        }
        server.set_writable(false).await?;
        let fits = !self.is_ahead(server, source).await?;
        if fits {
            server.stop_replication().await?;
            if let Some(sql) = dialect::adopt_own_binlog(server.product()) {
                server.sql(sql).await?;
            }
            self.resume_replica_role(server).await?;
            server.replicate_from(source).await?;
            if self.settles(server, source).await? {
                return Ok(false);
            }
        }
        self.rebuild(server, source).await?;
        Ok(true)
    }

    /// Replaces all data of a server, which becomes another one at the same address (server id and UUID are new), lets it
    /// replicate from `source` from the beginning, and waits until it has all that `source` has now.
    ///
    /// # Errors
    /// When it does not replicate or catch up in the end.
    pub async fn rebuild(&self, server: &Server, source: &InstanceKey) -> Result<()> {
        server.kill9()?;
        server.wipe()?;
        server.start().await?;
        // A long history: written to disk when the kernel likes, until it has caught up.
        let durable =
            server.value("SELECT CONCAT(@@GLOBAL.innodb_flush_log_at_trx_commit, ' ', @@GLOBAL.sync_binlog)").await?;
        let (redo, binlog) = durable.split_once(' ').context("two numbers")?;
        let durability = |redo: &str, binlog: &str| {
            format!("SET GLOBAL innodb_flush_log_at_trx_commit={redo}; SET GLOBAL sync_binlog={binlog}")
        };
        server.sql(&durability("0", "0")).await?;
        server.replicate_from(source).await?;
        server.replicating_from(source, REPLICATION_LIMIT).await?;
        if !self.applies(server, source, REBUILD_LIMIT).await? {
            bail!("{} stops to replicate from {source}: {:?}", server.key(), server.replica_state().await?);
        }
        server.sql(&durability(redo, binlog)).await.map(drop)
    }

    /// Makes each commit on a server wait for as many replicas as the fleet was built for: what a new primary needs. Does
    /// nothing in a fleet without semi-sync.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn wait_for_replicas(&self, primary: &Server) -> Result<()> {
        let Some(count) = self.semi_sync else { return Ok(()) };
        primary.sql(&dialect::require_acknowledgements(primary.product(), count)).await.map(drop)
    }

    /// Ends the waiting for replicas on a server that was a primary.
    async fn resume_replica_role(&self, server: &Server) -> Result<()> {
        if self.semi_sync.is_none() {
            return Ok(());
        }
        let name =
            if server.product().is_mariadb() { "rpl_semi_sync_master_enabled" } else { "rpl_semi_sync_source_enabled" };
        server.sql(&format!("SET GLOBAL {name}=OFF")).await.map(drop)
    }

    /// True when a server surely has transactions that `source` has not. MariaDB compares positions only; what it cannot
    /// tell shows when replication starts.
    async fn is_ahead(&self, server: &Server, source: &InstanceKey) -> Result<bool> {
        if server.product().is_mariadb() {
            return Ok(false);
        }
        let Some(source) = self.find(source) else { bail!("{source} is not in this fleet") };
        let (ours, theirs) = (mysql::literal(&server.executed().await?), mysql::literal(&source.executed().await?));
        Ok(server.value(&format!("SELECT GTID_SUBSET({ours}, {theirs})")).await? == "0")
    }

    /// Waits until replication runs, or has failed for good.
    async fn settles(&self, server: &Server, source: &InstanceKey) -> Result<bool> {
        let until = Instant::now() + REPLICATION_LIMIT;
        loop {
            let state = server.replica_state().await?.context("a replica has a source")?;
            // 1236: the source does not have what the replica asks for. 1950: the same, seen by the applier.
            let refused = state.receiver_error == 1236 || (state.applier_error != 0 && !state.applying);
            if refused || state.is_replicating() {
                let caught_up = state.is_replicating() && self.applies(server, source, REPLICATION_LIMIT).await?;
                return Ok(caught_up);
            }
            if Instant::now() > until {
                bail!("{} does not replicate from {source} again: {state:?}", server.key());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// True when the server gets over what the source had at this moment: a conflict with a row of its own shows only
    /// when it is applied.
    async fn applies(&self, server: &Server, source: &InstanceKey, limit: Duration) -> Result<bool> {
        let Some(source) = self.find(source) else { bail!("{source} is not in this fleet") };
        let executed = source.executed().await?;
        let until = Instant::now() + limit;
        while server.has_executed(&executed, Duration::from_millis(500)).await.is_err() {
            if server.replica_state().await?.is_none_or(|state| !state.is_replicating()) {
                return Ok(false);
            }
            if Instant::now() > until {
                bail!("{} does not catch up with {} within {limit:?}", server.key(), source.key());
            }
        }
        Ok(true)
    }

    /// Cuts a server off the network: from now on packets from and to it vanish, without a reset.
    ///
    /// # Errors
    /// When the fleet was not built [`FleetBuilder::in_namespaces`].
    pub fn cut(&self, server: &Server) -> Result<()> {
        self.set_cut(server, true)
    }

    /// Undoes [`Fleet::cut`].
    ///
    /// # Errors
    /// As [`Fleet::cut`].
    pub fn heal(&self, server: &Server) -> Result<()> {
        self.set_cut(server, false)
    }

    fn set_cut(&self, server: &Server, cut: bool) -> Result<()> {
        self.network()?.set_cut(self.index(server)?, cut)
    }

    /// Returns a server as one who can be cut off from some of the others.
    ///
    /// # Errors
    /// When it is not in this fleet.
    pub fn party(&self, server: &Server) -> Result<Party> {
        self.index(server).map(Party::host)
    }

    /// Cuts every one of `some` off from every one of `others`, in both directions: packets between them vanish, without a
    /// reset. All else passes as before.
    ///
    /// # Errors
    /// As [`Fleet::cut`].
    pub fn cut_apart(&self, some: &[Party], others: &[Party]) -> Result<()> {
        let network = self.network()?;
        network.cut_one_way(some, others)?;
        network.cut_one_way(others, some)
    }

    /// Lets what one of `from` sends to one of `to` vanish; the other direction stays.
    ///
    /// # Errors
    /// As [`Fleet::cut`].
    pub fn cut_one_way(&self, from: &[Party], to: &[Party]) -> Result<()> {
        self.network()?.cut_one_way(from, to)
    }

    /// Undoes every cut.
    ///
    /// # Errors
    /// As [`Fleet::cut`].
    pub fn heal_all(&self) -> Result<()> {
        self.network()?.heal()
    }

    /// Makes room for a manager: an address, and a network namespace if the servers have theirs.
    pub(crate) fn add_manager(&self, place: u8) -> Result<Place> {
        let Some(network) = &self.network else {
            let address = self.block.address(Range::Loopback, place);
            return Ok(Place { address, site: Site::default(), party: None });
        };
        let address = self.block.address(Range::Namespaces, place);
        network.add_host(place, &address)?;
        let site = Site { prefix: network.enter(place), vantage: Some(network.vantage()) };
        Ok(Place { address, site, party: Some(Party::host(place)) })
    }

    fn index(&self, server: &Server) -> Result<u8> {
        let index = self.servers.iter().position(|known| known.key() == server.key()).context("not in this fleet")?;
        u8::try_from(index).context("too many servers")
    }

    fn network(&self) -> Result<&Network> {
        self.network.as_ref().context("only a fleet that was built in_namespaces() can be cut")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for server in &self.servers {
            if let Err(error) = server.kill9() {
                tracing::warn!(server = %server.key(), %error, "a server may be left over: run `lab clean`");
            }
        }
        if std::env::var_os("ORCHESTRATOR_LAB_KEEP").is_some() {
            tracing::info!(dir = %self.dir.display(), "keeping the files of this fleet");
        } else if let Err(error) = remove_dir(&self.dir) {
            tracing::warn!(%error, "files of a fleet are left over");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_have_the_primary_first() {
        assert_eq!(Tree::star(2), Tree::of(&[None, Some(0), Some(0)]).unwrap());
        assert_eq!(Tree::chain(3), Tree::of(&[None, Some(0), Some(1)]).unwrap());
    }

    #[test]
    fn a_tree_without_a_head_or_with_a_ring_is_refused() {
        for sources in [&[][..], &[Some(0)], &[None, Some(1)], &[None, Some(2), Some(0)]] {
            assert!(Tree::of(sources).is_err(), "{sources:?}");
        }
    }

    #[test]
    fn a_semi_sync_that_could_never_commit_is_refused() {
        assert!(Fleet::builder().primary_with_replicas(1).semi_sync(2).check().is_err());
        assert!(Fleet::builder().semi_sync(0).check().is_err());
        assert!(Fleet::builder().product(Product::MariaDb1011).semi_sync(2).check().is_err());
        assert!(Fleet::builder().semi_sync(1).check().is_ok());
    }
}
