//! What one probe saw.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Instance, InstanceKey, Timestamp};

/// What one probe of one address saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The address that was probed.
    pub key: InstanceKey,
    /// When the probe began: everything it saw is at least this new.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What it saw.
    pub outcome: Result<Instance, ProbeFailure>,
}

impl Observation {
    /// Returns how long the probe took.
    pub fn took(&self) -> Duration {
        self.ended.since(self.began)
    }
}

/// Why a probe brought no instance, as a kind that decisions rest on and a text for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeFailure {
    /// The kind.
    pub kind: Unreachable,
    /// What a person should read. Never holds a password.
    pub message: String,
    /// True when the server answered some queries before the failure.
    pub partial: bool,
}

/// How an instance could not be read. The verdicts are kept apart: only some of them speak of a dead server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unreachable {
    /// Nothing listens on the port (`ECONNREFUSED`), or an open connection was reset: the host lives, mysqld does not.
    Refused,
    /// The host does not answer (connect timeout, no route): dead host, or cut network.
    NoAnswer,
    /// The host accepts connections and the server says nothing: hung, or stopped.
    Hung,
    /// The host name does not resolve.
    UnknownHost,
    /// The server refuses the account (1045, 1044 and the like): it lives.
    AccessDenied,
    /// The server has no free connection (1040, 1203, 1226): it lives and is saturated.
    TooManyConnections,
    /// The server refuses this host (1129, 1130): it lives.
    HostBlocked,
    /// The server is starting or shutting down (1053, 3032, "starting up").
    ShuttingDown,
    /// What answers is not a MySQL server.
    NotMySql,
    /// TLS could not be agreed.
    Tls,
    /// Anything else that the server answered.
    Other,
}

/// What one of our nodes saw of a server when another node asked it to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// The node, by its address.
    pub node: String,
    /// When it looked, by its own clock.
    pub at: Timestamp,
    /// Why it could not read the server; none when it could.
    pub failure: Option<ProbeFailure>,
}

/// What came of asking another of our nodes to look at a server. Times are those of the node that asked: clocks of
/// nodes differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// The node that was asked, by its address.
    pub node: String,
    /// When it was asked: what it saw is at least this new.
    pub asked: Timestamp,
    /// When its answer was here, or was waited for no longer.
    pub answered: Timestamp,
    /// What it says.
    pub says: NodeSays,
}

/// What another of our nodes says of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeSays {
    /// It read the server.
    Reached,
    /// It could not read it.
    Failed(ProbeFailure),
    /// The node itself did not answer, for this reason.
    Nothing(String),
}

impl fmt::Display for NodeView {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, says, .. } = self;
        match says {
            NodeSays::Reached => write!(out, "node {node} reaches it"),
            NodeSays::Failed(failure) => write!(out, "it fails at node {node} ({})", failure.kind),
            NodeSays::Nothing(why) => write!(out, "no word from node {node} ({why})"),
        }
    }
}

impl Unreachable {
    /// True when the failure itself shows that a server process lives and answers.
    pub fn shows_life(self) -> bool {
        matches!(self, Self::AccessDenied | Self::TooManyConnections | Self::HostBlocked | Self::Tls | Self::Other)
    }

    /// True when the failure is what a dead or cut-off server looks like from here.
    pub fn looks_dead(self) -> bool {
        matches!(self, Self::Refused | Self::NoAnswer | Self::Hung | Self::ShuttingDown)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Refused => "connection refused",
            Self::NoAnswer => "no answer",
            Self::Hung => "accepts connections but does not answer",
            Self::UnknownHost => "unknown host",
            Self::AccessDenied => "access denied",
            Self::TooManyConnections => "too many connections",
            Self::HostBlocked => "this host is not allowed to connect",
            Self::ShuttingDown => "shutting down or starting",
            Self::NotMySql => "not a MySQL server",
            Self::Tls => "TLS failed",
            Self::Other => "error",
        })
    }
}
