//! What can go wrong, by what it means to the caller.

use crate::Peer;

/// Why a command was not carried out, or a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused, or failed on this node. See [`store::Error::is_deterministic`].
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Another node leads, or none does.
    #[error("this node does not lead{}", leader.as_ref().map_or_else(
        || "; no leader is known: a majority of the nodes must be up and see each other".to_owned(),
        |leader| format!("; {} does", leader.address)
    ))]
    NotLeader {
        /// Who leads, where that is known.
        leader: Option<Peer>,
    },
    /// A majority did not confirm in time. The command may still be carried out.
    #[error("a majority of the nodes did not confirm within {millis} ms: it may still be carried out")]
    NotConfirmed {
        /// How long it was waited for.
        millis: u64,
    },
    /// This node takes part in nothing now.
    #[error("this node takes no part now: {why}")]
    Unavailable {
        /// Why not.
        why: String,
    },
    /// What was asked for cannot be, whoever asks.
    #[error("{0}")]
    Impossible(String),
}

impl Error {
    /// Returns the same error for somebody else who waited for the same thing.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::NotLeader { leader } => Self::NotLeader { leader: leader.clone() },
            Self::NotConfirmed { millis } => Self::NotConfirmed { millis: *millis },
            Self::Impossible(why) => Self::Impossible(why.clone()),
            Self::Unavailable { why } => Self::Unavailable { why: why.clone() },
            Self::Store(error) => Self::Unavailable { why: error.to_string() },
        }
    }

    /// Returns why the store refused the command, if it did.
    pub fn refusal(&self) -> Option<&store::Refusal> {
        match self {
            Self::Store(error) => error.refusal(),
            _ => None,
        }
    }
}
