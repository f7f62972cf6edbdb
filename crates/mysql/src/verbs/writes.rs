//! Whether a server accepts writes, and what it waits for before it acknowledges them.

use topology::WritePolicy;

use crate::error::{Error, ErrorKind};
use crate::read::Variables;
use crate::server::Server;

impl Server {
    /// Returns whether the server accepts writes now.
    ///
    /// # Errors
    /// Any failure of the connection.
    pub async fn write_policy(&mut self) -> Result<WritePolicy, Error> {
        Ok(self.variables(&["read_only", "super_read_only"]).await?.writes())
    }

    /// Makes the server accept writes as `policy` says. A server without `super_read_only` takes `read_only` for it. On
    /// the way between the two read-only policies it is never writable.
    ///
    /// The server waits for commits under way, also for those that wait for a semi-synchronous replica: the deadline may
    /// end first, and the wish is fulfilled later nevertheless.
    ///
    /// # Errors
    /// Any failure of the connection or the server.
    pub async fn set_write_policy(&mut self, policy: WritePolicy) -> Result<(), Error> {
        let doing = if policy.is_writable() { "make it writable" } else { "make it read-only" };
        let sql = self.dialect().accept_writes(policy);
        self.run(doing, sql, &[]).await
    }

    /// Makes the server read-only, also for privileged accounts where `use_super` is set and the server can.
    ///
    /// # Errors
    /// As [`Server::set_write_policy`].
    pub async fn set_read_only(&mut self, use_super: bool) -> Result<(), Error> {
        self.set_write_policy(if use_super { WritePolicy::SuperReadOnly } else { WritePolicy::ReadOnly }).await
    }

    /// Makes the server writable.
    ///
    /// # Errors
    /// As [`Server::set_write_policy`].
    pub async fn set_writable(&mut self) -> Result<(), Error> {
        self.set_write_policy(WritePolicy::Writable).await
    }

    /// Switches the source's side of semi-synchronous replication.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when it is to be switched on and the server has no such plugin.
    pub async fn set_semi_sync_source(&mut self, on: bool) -> Result<(), Error> {
        let names = ["rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled"];
        self.set_semi_sync("switch semi-sync on the source's side", &names, on).await
    }

    /// Switches the replica's side of semi-synchronous replication. It takes effect when the receiver is restarted.
    ///
    /// # Errors
    /// As [`Server::set_semi_sync_source`].
    pub async fn set_semi_sync_replica(&mut self, on: bool) -> Result<(), Error> {
        let names = ["rpl_semi_sync_replica_enabled", "rpl_semi_sync_slave_enabled"];
        self.set_semi_sync("switch semi-sync on the replica's side", &names, on).await
    }

    /// Which of `names` exists tells which plugin is loaded; its version does not.
    async fn set_semi_sync(&mut self, doing: &str, names: &[&str], on: bool) -> Result<(), Error> {
        let variables: Variables = self.variables(names).await?;
        match names.iter().find(|name| variables.has(name)) {
            Some(name) => self.run(doing, &format!("set global {name}={}", u8::from(on)), &[]).await,
            None if on => Err(self.error(doing, ErrorKind::Unsupported("the plugin is not loaded".to_owned()))),
            None => Ok(()),
        }
    }
}
