//! Where an instance is reached: host and port.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The address of an instance. Ordered by host (byte order), then port. An address is an attribute, not an identity:
/// two addresses may lead to one server, and a server may move to another address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceKey {
    /// Host name or address. A detached source has the prefix `//`.
    pub host: String,
    /// TCP port; 0 where there is no instance.
    pub port: u16,
}

/// Why a text is not an instance key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The host part is missing.
    #[error("no host in {0:?}: write host:port, or [address]:port for IPv6")]
    NoHost(String),
    /// The port is not a number from 1 to 65535.
    #[error("port {port:?} in {text:?} is not a number from 1 to 65535")]
    BadPort {
        /// The whole text.
        text: String,
        /// The part read as a port.
        port: String,
    },
}

const DETACHED: &str = "//";

impl InstanceKey {
    /// Returns the key of `host` and `port`, as given.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads `host:port`, `host`, `[v6]:port`, `[v6]` or a bare IPv6 address; a missing port becomes `default_port`.
    ///
    /// # Errors
    /// [`KeyError`] when the host is empty or the port is not a port.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, KeyError> {
        let text = text.trim();
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            match rest.split_once(']') {
                Some((host, tail)) => (host, tail.strip_prefix(':')),
                None => return Err(KeyError::NoHost(text.to_owned())),
            }
        } else {
            // More than one colon, outside the detached mark, is a bare IPv6 address.
            match text.trim_start_matches(DETACHED).matches(':').count() {
                1 => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
                _ => (text, None),
            }
        };
        if host.is_empty() || host == DETACHED {
            return Err(KeyError::NoHost(text.to_owned()));
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse::<u16>() {
                Ok(number) if number > 0 => number,
                _ => return Err(KeyError::BadPort { text: text.to_owned(), port: port.to_owned() }),
            },
        };
        Ok(Self::new(host, port))
    }

    /// True when this names an instance that could be connected to: a host, a port, and not detached.
    pub fn is_valid(&self) -> bool {
        !self.host.is_empty() && self.host != "_" && !self.is_detached() && self.port > 0
    }

    /// True for the mark that replication was deliberately cut from this source (`//host`).
    pub fn is_detached(&self) -> bool {
        self.host.starts_with(DETACHED)
    }

    /// Returns the detached form (`//host`), which no resolver can reach.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.is_detached() { self.clone() } else { Self::new(format!("{DETACHED}{}", self.host), self.port) }
    }

    /// Returns the key without the detached mark.
    #[must_use]
    pub fn reattached(&self) -> Self {
        Self::new(self.host.trim_start_matches(DETACHED), self.port)
    }
}

impl fmt::Display for InstanceKey {
    /// Writes `host:port`; an IPv6 host stands in brackets so that the text reads back as the same key.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.trim_start_matches(DETACHED).contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for InstanceKey {
    type Err = KeyError;

    /// Reads a key whose missing port is MySQL's 3306.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text, 3306)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_form_that_people_write() {
        for (text, host, port) in [
            ("db1:3307", "db1", 3307),
            ("db1", "db1", 3306),
            ("[2001:db8::1]:3307", "2001:db8::1", 3307),
            ("[2001:db8::1]", "2001:db8::1", 3306),
            ("2001:db8::1", "2001:db8::1", 3306),
            ("//db1:3307", "//db1", 3307),
        ] {
            assert_eq!(InstanceKey::parse(text, 3306), Ok(InstanceKey::new(host, port)), "{text}");
        }
    }

    #[test]
    fn refuses_what_names_no_instance() {
        for text in ["", ":3306", "//:3306", "db1:0", "db1:port", "db1:70000", "[::1", "[]:3306"] {
            assert!(InstanceKey::parse(text, 3306).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(host in "[a-z0-9.-]{1,20}|([0-9a-f]{1,4}:){2,7}[0-9a-f]{1,4}", port in 1u16..) {
            let key = InstanceKey::new(host, port);
            prop_assert_eq!(InstanceKey::parse(&key.to_string(), 1), Ok(key.clone()));
            let detached = key.detached();
            prop_assert_eq!(InstanceKey::parse(&detached.to_string(), 1), Ok(detached.clone()));
            prop_assert_eq!(detached.reattached(), key);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            drop(InstanceKey::parse(&text, 3306));
        }
    }
}
