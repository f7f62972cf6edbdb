//! The statements of each family of versions.
//!
//! Chosen by comparing versions as numbers. What a server may or may not have whatever its version (plugins, variables)
//! is not decided here but asked for. Columns and variables that were renamed are looked up by all their names, so the
//! choice here matters only for words that a server would not parse.

mod statements;

pub(crate) use statements::{Position, Repoint};
use topology::Version;

/// A replication thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thread {
    /// Receives the source's log (I/O thread).
    Receiver,
    /// Applies what was received (SQL thread).
    Applier,
    /// Both.
    Both,
}

/// The words that one server understands.
#[derive(Clone, Debug)]
pub struct Dialect {
    version: Version,
}

impl Dialect {
    /// Returns the dialect of this version.
    pub fn of(version: &Version) -> Self {
        Self { version: version.clone() }
    }

    /// Returns the version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// True for MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.version.is_mariadb()
    }

    /// `SHOW REPLICA STATUS`, `START REPLICA`, `SHOW REPLICAS`: since 8.0.22; the old words are gone in 8.4.
    fn says_replica(&self) -> bool {
        self.version.is_mysql_at_least(8, 0, 22)
    }

    /// `CHANGE REPLICATION SOURCE TO`: one release later.
    fn says_source(&self) -> bool {
        self.version.is_mysql_at_least(8, 0, 23)
    }

    /// `FOR CHANNEL`.
    fn has_channels(&self) -> bool {
        self.version.is_mysql_at_least(5, 7, 6)
    }

    /// `super_read_only`.
    pub(crate) fn has_super_read_only(&self) -> bool {
        self.version.is_mysql_at_least(5, 7, 8)
    }
}
