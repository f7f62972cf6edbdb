//! The server products that the lab knows, and the accounts that it creates on them.

use std::fmt;
use std::str::FromStr;

/// A server product in one release line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// MySQL 9.7 LTS, from Debian sid.
    MySql97,
    /// MariaDB 10.11 LTS, from Debian 12.
    MariaDb1011,
    /// MariaDB 11.8 LTS, from Debian 13.
    MariaDb118,
}

impl Product {
    /// All products, in the order in which tables show them.
    pub const ALL: [Self; 3] = [Self::MySql97, Self::MariaDb1011, Self::MariaDb118];

    /// Returns the short name that the command line and the cache directory use.
    pub fn name(self) -> &'static str {
        match self {
            Self::MySql97 => "mysql-9.7",
            Self::MariaDb1011 => "mariadb-10.11",
            Self::MariaDb118 => "mariadb-11.8",
        }
    }

    /// True for MariaDB.
    pub fn is_mariadb(self) -> bool {
        self != Self::MySql97
    }

    /// Returns the environment variable that names a server program of one's own.
    pub fn program_variable(self) -> &'static str {
        match self {
            Self::MySql97 => "ORCHESTRATOR_LAB_MYSQLD",
            Self::MariaDb1011 => "ORCHESTRATOR_LAB_MARIADBD_10_11",
            Self::MariaDb118 => "ORCHESTRATOR_LAB_MARIADBD_11_8",
        }
    }

    /// Returns the Debian suite that carries the product.
    pub(crate) fn suite(self) -> &'static str {
        match self {
            Self::MySql97 => "sid",
            Self::MariaDb1011 => "bookworm",
            Self::MariaDb118 => "trixie",
        }
    }

    /// Returns the packages to unpack, besides all that they depend on.
    pub(crate) fn packages(self) -> &'static [&'static str] {
        match self {
            Self::MySql97 => &["mysql-server-core", "mysql-client-core"],
            Self::MariaDb1011 | Self::MariaDb118 => &["mariadb-server-core"],
        }
    }

    /// Returns the file name of the server program.
    pub(crate) fn program(self) -> &'static str {
        if self.is_mariadb() { "mariadbd" } else { "mysqld" }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Product {
    type Err = anyhow::Error;

    /// Reads a name as [`Product::name`] gives it.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        Self::ALL
            .into_iter()
            .find(|product| product.name() == text)
            .ok_or_else(|| anyhow::anyhow!("no product {text:?}: there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Accounts that every lab server has, all reachable from any address. `root` has no password and can enter through the
/// server's Unix socket only.
#[derive(Clone, Copy, Debug)]
pub struct Accounts;

impl Accounts {
    /// The manager's account, with the least that it needs.
    pub const MANAGER: (&'static str, &'static str) = ("orchestrator", "orchestrator-lab");
    /// The account by which replicas replicate.
    pub const REPLICATION: (&'static str, &'static str) = ("repl", "repl-lab");
    /// An application's account: reads and writes the schema `app`, and is stopped by `read_only`.
    pub const APPLICATION: (&'static str, &'static str) = ("app", "app-lab");

    /// Returns the privileges on all schemas by which the manager can do all that it does: not one too many, none of
    /// them SUPER. Beside these it reads `performance_schema`, `meta` (the schema for labels of one's own) and, on
    /// MySQL, `mysql.slave_master_info` (credentials of replication).
    pub fn manager_privileges(product: Product) -> &'static [&'static str] {
        if product.is_mariadb() {
            &[
                "PROCESS",                  // who replicates from here, and whose sessions to end
                "RELOAD",                   // FLUSH, RESET MASTER, RESET SLAVE
                "BINLOG MONITOR",           // SHOW MASTER STATUS, SHOW BINARY LOGS
                "BINLOG ADMIN",             // PURGE BINARY LOGS, sync_binlog
                "REPLICATION SLAVE ADMIN",  // CHANGE MASTER, START and STOP SLAVE, gtid_slave_pos
                "REPLICATION MASTER ADMIN", // SHOW SLAVE HOSTS, semi-sync on a primary
                "SLAVE MONITOR",            // SHOW SLAVE STATUS, relay log events
                "READ_ONLY ADMIN",          // read_only
                "CONNECTION ADMIN",         // KILL, and one connection when all are taken
            ]
        } else {
            &[
                "PROCESS",                 // who replicates from here, and whose sessions to end
                "RELOAD",                  // FLUSH, RESET BINARY LOGS AND GTIDS, RESET REPLICA
                "REPLICATION CLIENT",      // SHOW REPLICA STATUS, SHOW BINARY LOG STATUS
                "REPLICATION SLAVE",       // SHOW REPLICAS, SHOW BINLOG EVENTS
                "REPLICATION_SLAVE_ADMIN", // CHANGE REPLICATION SOURCE, START and STOP REPLICA
                "SYSTEM_VARIABLES_ADMIN",  // read_only, super_read_only, semi-sync, gtid_purged, gtid_next
                "BINLOG_ADMIN",            // PURGE BINARY LOGS
                "CONNECTION_ADMIN",        // KILL, offline_mode, and one connection when all are taken
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for product in Product::ALL {
            assert_eq!(product.name().parse::<Product>().unwrap(), product);
        }
        assert!("mysql-5.5".parse::<Product>().unwrap_err().to_string().contains("mariadb-11.8"));
    }
}
