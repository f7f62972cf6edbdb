//! The only crate that speaks to MySQL and MariaDB servers.
