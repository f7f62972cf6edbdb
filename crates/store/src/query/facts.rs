//! Single facts and small tables: pairs, epochs, nodes, names.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension;

use crate::rows::{ActiveNode, NodeHealth};
use crate::sql::{all, one, text};
use crate::{Error, NodeId, Store, moment};

impl Store {
    /// Returns a value of the internal key-value store.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn kv(&self, key: &str) -> Result<Option<String>, Error> {
        let key = key.to_owned();
        self.query(move |db| one(db, "SELECT store_value FROM kv_store WHERE store_key = ?", [key]))
    }

    /// Returns the epoch of a cluster; 0 when it was never raised.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn epoch(&self, cluster: &str) -> Result<u64, Error> {
        let cluster = cluster.to_owned();
        self.query(move |db| {
            let epoch = one::<i64>(db, "SELECT epoch FROM cluster_epoch WHERE cluster_name = ?", [cluster])?;
            Ok(epoch.unwrap_or(0).unsigned_abs())
        })
    }

    /// Returns the nodes of ours that said something and were not expired, by host and token.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn nodes(&self) -> Result<Vec<NodeHealth>, Error> {
        self.query(|db| {
            all(db, "SELECT * FROM node_health ORDER BY hostname, token", [], |row| {
                Ok(NodeHealth {
                    node: NodeId { hostname: text(row, "hostname")?, token: text(row, "token")? },
                    mode: text(row, "extra_info")?,
                    command: text(row, "command")?,
                    version: text(row, "app_version")?,
                    backend: text(row, "db_backend")?,
                    first_seen: moment::read_coarse(row, "first_seen_active")?,
                    last_seen: moment::read_coarse(row, "last_seen_active")?,
                })
            })
        })
    }

    /// Returns the node that last said that it acts.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn active_node(&self) -> Result<Option<ActiveNode>, Error> {
        self.query(|db| {
            db.prepare_cached("SELECT * FROM active_node WHERE anchor = 1 AND hostname <> ''")?
                .query_row([], |row| {
                    Ok(ActiveNode {
                        node: NodeId { hostname: text(row, "hostname")?, token: text(row, "token")? },
                        first_seen: moment::read_coarse(row, "first_seen_active")?,
                        last_seen: moment::read_coarse(row, "last_seen_active")?,
                    })
                })
                .optional()
        })
    }

    /// Returns the aliases that servers said, by cluster name. What operators set is in
    /// [`topology::Declared::alias_overrides`].
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn cluster_aliases(&self) -> Result<BTreeMap<String, String>, Error> {
        self.pairs("SELECT cluster_name, alias FROM cluster_alias")
    }

    /// Returns the domains of clusters, by cluster name.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn cluster_domains(&self) -> Result<BTreeMap<String, String>, Error> {
        self.pairs("SELECT cluster_name, domain_name FROM cluster_domain_name")
    }

    /// Returns what host names resolved to.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read.
    pub fn hostname_resolves(&self) -> Result<BTreeMap<String, String>, Error> {
        self.pairs("SELECT hostname, resolved_hostname FROM hostname_resolve")
    }

    fn pairs(&self, sql: &'static str) -> Result<BTreeMap<String, String>, Error> {
        self.query(move |db| Ok(all(db, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect()))
    }
}
