//! Why a command did not work.

use serde_json::Value;

/// Why a command did not work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// An option that the command needs is not given.
    #[error("{0} must be provided")]
    Missing(&'static str),
    /// There is no such command.
    #[error("Unsupported command {0}")]
    Unsupported(String),
    /// An option has a value that cannot be used.
    #[error("{0}")]
    BadOption(String),
    /// The API refused, or failed.
    #[error("{message}")]
    Refused {
        /// What it said.
        message: String,
        /// What a program should read; null where there is nothing.
        details: Value,
    },
    /// The API was not reached, or answered something else than JSON.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The answer is not what this program knows.
    #[error("the answer has no {0}: is this the API of orchestrator?")]
    OddAnswer(&'static str),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody answers.
    #[error("cannot reach {url}: {why}")]
    Unreachable {
        /// Where, without credentials.
        url: String,
        /// Why not.
        why: String,
    },
    /// The answer is no JSON.
    #[error("{url} answered {status} and no JSON: {text}")]
    NotJson {
        /// Where, without credentials.
        url: String,
        /// Status of the answer.
        status: u16,
        /// How the answer begins.
        text: String,
    },
    /// User or password are wrong, or missing.
    #[error("{url} does not accept these credentials")]
    Unauthorised {
        /// Where, without credentials.
        url: String,
    },
    /// None of several addresses leads to the node that acts.
    #[error("cannot determine leader: {answers}")]
    NoLeader {
        /// What each address answered.
        answers: String,
    },
    /// An address that is none.
    #[error("{url:?} is no address of an API: {why}")]
    BadUrl {
        /// The text.
        url: String,
        /// Why not.
        why: String,
    },
}

impl TransportError {
    /// True when the same request may get an answer in a moment.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::NotJson { status, .. } => *status >= 500,
            _ => false,
        }
    }
}
