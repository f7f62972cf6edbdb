//! Why a request was not answered with what it asked for, and how that is said.

use axum::response::{IntoResponse, Response};
use serde_json::Value;
use topology::InstanceKey;

use crate::answer::Reply;

/// Why a request was not answered with what it asked for. Every one of them is status 500 and the envelope with code
/// `ERROR`: clients know nothing else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No port.
    #[error("Invalid port: {0}")]
    BadPort(String),
    /// No host.
    #[error("Invalid hostname: {0:?}")]
    BadHost(String),
    /// A parameter that cannot be read; the text says which.
    #[error("{0}")]
    BadParameter(String),
    /// No such instance.
    #[error("Cannot read instance: {0}")]
    UnknownInstance(InstanceKey),
    /// No such cluster.
    #[error("Unable to determine cluster name. clusterHint={0}")]
    UnknownCluster(String),
    /// No such cluster.
    #[error("No cluster found for alias {0}")]
    UnknownAlias(String),
    /// A cluster without anybody who could be its primary.
    #[error("No masters found")]
    NoPrimary,
    /// Replication of what is no replica.
    #[error("instance is not a replica: {0}")]
    NotAReplica(InstanceKey),
    /// The caller may not change anything.
    #[error("Unauthorized")]
    Unauthorised,
    /// A web page of somebody else made the browser ask.
    #[error("Refused: this changes something, and the browser says that a page of another site asked for it")]
    CrossSite,
    /// It was not done, for a reason that has details.
    #[error("{message}")]
    NotDone {
        /// Why.
        message: String,
        /// What a program should read.
        details: Value,
    },
    /// The manager did not do it.
    #[error(transparent)]
    Manager(#[from] manager::Error),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An answer could not be written as JSON; a defect of ours.
    #[error("cannot write the answer: {0}")]
    Json(#[from] serde_json::Error),
    /// A task of ours ended before its work; a defect of ours.
    #[error("cannot read the store: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl Error {
    fn details(&self) -> Value {
        match self {
            Self::NotDone { details, .. } => details.clone(),
            _ => Value::Null,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Reply::error(self.to_string(), self.details()).into_response()
    }
}
