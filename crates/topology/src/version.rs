//! Server versions and flavours.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose server it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Flavor {
    /// Oracle's MySQL, and what claims to be it.
    #[default]
    MySql,
    /// Percona Server: `version_comment` names Percona.
    Percona,
    /// MariaDB: the version text names it.
    MariaDb,
    /// MaxScale as a binlog server: the version text names it. It relays binary logs and holds no data.
    MaxScale,
}

impl fmt::Display for Flavor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::MySql => "MySQL",
            Self::Percona => "Percona",
            Self::MariaDb => "MariaDB",
            Self::MaxScale => "MaxScale",
        })
    }
}

/// A server's version: numbers that compare as numbers, and the text as the server gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Whose server it is.
    pub flavor: Flavor,
    /// First three numbers, such as `(8, 0, 36)`.
    pub number: (u16, u16, u16),
    /// `@@version`, such as `10.11.19-MariaDB-log`.
    pub text: String,
}

impl Version {
    /// Reads `@@version` and `@@version_comment`. Numbers that are missing or not numbers are 0.
    pub fn parse(version: &str, comment: &str) -> Self {
        let flavor = if version.to_ascii_lowercase().contains("maxscale") {
            Flavor::MaxScale
        } else if version.contains("MariaDB") {
            Flavor::MariaDb
        } else if comment.contains("Percona") {
            Flavor::Percona
        } else {
            Flavor::MySql
        };
        // Very old MariaDB prefixed its version with "5.5.5-" to please replication peers.
        let bare = if flavor == Flavor::MariaDb { version.strip_prefix("5.5.5-").unwrap_or(version) } else { version };
        let mut numbers = bare.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { flavor, number: (next(), next(), next()), text: version.to_owned() }
    }

    /// True for MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.flavor == Flavor::MariaDb
    }

    /// True for a server that only relays binary logs.
    pub fn is_binlog_server(&self) -> bool {
        self.flavor == Flavor::MaxScale
    }

    /// True when this is MySQL or Percona Server of at least the given version.
    pub fn is_mysql_at_least(&self, major: u16, minor: u16, patch: u16) -> bool {
        !self.is_mariadb() && !self.is_binlog_server() && self.number >= (major, minor, patch)
    }

    /// Returns `(major, minor)`, the release line that decides who may replicate from whom.
    pub fn line(&self) -> (u16, u16) {
        (self.number.0, self.number.1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_numbers() {
        assert!(!Version::parse("8.0.9", "").is_mysql_at_least(8, 0, 14));
        assert!(Version::parse("8.0.36-28", "Percona Server").is_mysql_at_least(8, 0, 22));
        assert!(Version::parse("10.0.1", "").is_mysql_at_least(8, 4, 0));
        assert!(!Version::parse("10.11.19-MariaDB", "").is_mysql_at_least(8, 0, 0));
        assert_eq!(Version::parse("5.5.5-10.1.48-MariaDB", "").number, (10, 1, 48));
        assert_eq!(Version::parse("9.7.4-2", "(Debian)").number, (9, 7, 4));
        assert_eq!(Version::parse("", "").number, (0, 0, 0));
        assert!(Version::parse("10.2.1-maxscale", "").is_binlog_server());
    }
}
