//! Why a request was not answered with what it asked for, and how that is said.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use topology::InstanceKey;

use crate::answer::Reply;
use crate::forward;

/// Why a request was not answered with what it asked for. Every one of them is the envelope with code `ERROR`, and status
/// 500: clients know nothing else. Only where another try, or another node, may help it is 502, 503 or 504.
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
    /// Something would change, or be asked of a server, and there is only a snapshot.
    #[error("a snapshot cannot be changed, and knows no more than it shows: ask the running service")]
    OnlyAnswers,
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
    /// It did not reach the leader.
    #[error(transparent)]
    Forward(#[from] forward::Error),
    /// It was not decided among the nodes.
    #[error("{}{}", .0, advice(.0))]
    Consensus(#[from] consensus::Error),
    /// The manager did not do it.
    #[error("{}{}", .0, undecided(.0).map_or("", advice))]
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

/// Returns what kept the nodes from deciding, if that is what is wrong.
fn undecided(error: &manager::Error) -> Option<&consensus::Error> {
    match error {
        manager::Error::Consensus(error) => Some(error),
        _ => None,
    }
}

/// Returns what to do about what kept the nodes from deciding, as the end of a sentence.
fn advice(error: &consensus::Error) -> &'static str {
    match error {
        consensus::Error::NotLeader { .. } => ". Leadership moved: try again in a second",
        consensus::Error::NotConfirmed { .. } => ". Look before you repeat it; /api/v2/nodes tells which nodes answer",
        consensus::Error::Unavailable { .. } => ". Ask another node",
        consensus::Error::Store(_) | consensus::Error::Impossible(_) => "",
    }
}

fn status_of(error: &consensus::Error) -> StatusCode {
    match error {
        consensus::Error::NotLeader { .. }
        | consensus::Error::NotConfirmed { .. }
        | consensus::Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        consensus::Error::Store(_) | consensus::Error::Impossible(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Error {
    fn details(&self) -> Value {
        match self {
            Self::NotDone { details, .. } => details.clone(),
            _ => Value::Null,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Forward(error) => error.status(),
            Self::Consensus(error) => status_of(error),
            Self::Manager(error) => undecided(error).map_or(StatusCode::INTERNAL_SERVER_ERROR, status_of),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        Reply::error(status, self.to_string(), self.details()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_nodes_could_not_decide_is_503_and_says_what_to_do() {
        let not_confirmed = || consensus::Error::NotConfirmed { millis: 5000 };
        let unavailable = consensus::Error::Unavailable { why: "its disk is full".to_owned() };
        let unavailable_status = StatusCode::SERVICE_UNAVAILABLE;
        for (error, status, ending) in [
            (Error::from(consensus::Error::NotLeader { leader: None }), unavailable_status, "try again in a second"),
            (Error::from(not_confirmed()), unavailable_status, "tells which nodes answer"),
            (Error::from(manager::Error::from(not_confirmed())), unavailable_status, "tells which nodes answer"),
            (Error::from(unavailable), unavailable_status, "its disk is full. Ask another node"),
            (
                Error::from(consensus::Error::Impossible("there is no such voter".to_owned())),
                StatusCode::INTERNAL_SERVER_ERROR,
                "there is no such voter",
            ),
            (Error::NoPrimary, StatusCode::INTERNAL_SERVER_ERROR, "No masters found"),
        ] {
            assert_eq!(error.status(), status, "{error}");
            assert!(error.to_string().ends_with(ending), "{error}");
        }
    }
}
