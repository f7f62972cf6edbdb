//! What a command is told.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Failure;

/// Which program runs a command. Their outputs differ where scripts rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `orchestrator -c`.
    Orchestrator,
    /// `orchestrator-client`.
    Client,
}

/// What a command is told, however it was written. Empty texts are not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The instance (`-i`).
    pub instance: String,
    /// The other instance (`-d`).
    pub destination: String,
    /// Name or alias of the cluster (`-alias`).
    pub alias: String,
    /// Who does it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// For how long.
    pub duration: String,
    /// A regular expression, or part of a name.
    pub pattern: String,
    /// A promotion rule.
    pub promotion_rule: String,
    /// Port of an instance that is named without one.
    pub default_port: u16,
    /// A node of ours: host name, raft address, or a part of one.
    pub hostname: String,
    /// Path below `/api`, for the command `api`.
    pub path: String,
    /// A pool.
    pub pool: String,
    /// A tag: `name`, `name=value`; several in a search.
    pub tag: String,
    /// What is supposed to fail, in its order: the name of the option, and what it names.
    pub faults: Vec<(&'static str, String)>,
    /// Show all of the answer as JSON.
    pub json: bool,
}

/// Options that name something that is supposed to fail.
pub(crate) const FAULTS: [&str; 3] = ["kill", "cut", "stop-replication"];

/// What stays as it is in a segment of a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// Returns `text` as one segment of a path, or as a value of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

impl Options {
    /// Returns the instance as `host/port`.
    ///
    /// # Errors
    /// [`Failure::Missing`] and [`Failure::BadOption`].
    pub(crate) fn instance_path(&self) -> Result<String, Failure> {
        self.host_and_port(required(&self.instance, "instance")?)
    }

    /// Returns the destination as `host/port`; nothing when none is given.
    ///
    /// # Errors
    /// [`Failure::BadOption`].
    pub(crate) fn destination_path(&self) -> Result<Option<String>, Failure> {
        if self.destination.is_empty() { Ok(None) } else { self.host_and_port(&self.destination).map(Some) }
    }

    /// Returns what names the cluster: the alias or, if there is none, the instance.
    ///
    /// # Errors
    /// [`Failure::Missing`].
    pub(crate) fn cluster_hint(&self) -> Result<String, Failure> {
        let hint = if self.alias.is_empty() { &self.instance } else { &self.alias };
        required(hint, "instance|alias").map(encoded)
    }

    fn host_and_port(&self, text: &str) -> Result<String, Failure> {
        let key = topology::InstanceKey::parse(text, self.default_port)
            .map_err(|error| Failure::BadOption(error.to_string()))?;
        Ok(format!("{}/{}", encoded(&key.host), key.port))
    }
}

/// Returns `text`, which must not be empty.
///
/// # Errors
/// [`Failure::Missing`] with `name`.
pub(crate) fn required<'a>(text: &'a str, name: &'static str) -> Result<&'a str, Failure> {
    if text.trim().is_empty() { Err(Failure::Missing(name)) } else { Ok(text) }
}
