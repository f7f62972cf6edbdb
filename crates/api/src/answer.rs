//! What handlers return.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use wire::{Envelope, to_json};

use crate::error::Error;

/// What a handler returns.
pub(crate) type Answer = Result<Reply, Error>;

/// A JSON answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reply {
    /// Returns `value` as it is.
    pub(crate) fn bare<T: Serialize + ?Sized>(value: &T) -> Answer {
        Self::with_status(StatusCode::OK, value)
    }

    /// Returns `list`, which is null when it has no items. Some lists always were like this.
    pub(crate) fn list_or_null<T: Serialize>(list: &[T]) -> Answer {
        Self::bare(&(!list.is_empty()).then_some(list))
    }

    /// Returns `value` with a status of its own.
    pub(crate) fn with_status<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Answer {
        Ok(Self { status, body: to_json(value)? })
    }

    /// Returns `value`, which is JSON already, with a status of its own.
    pub(crate) fn of(status: StatusCode, value: &serde_json::Value) -> Self {
        // Its keys are strings, so that writing it cannot fail.
        Self { status, body: to_json(value).unwrap_or_default() }
    }

    /// Returns a success in the envelope.
    pub(crate) fn ok<T: Serialize>(message: impl Into<String>, details: T) -> Answer {
        Self::bare(&Envelope::ok(message, serde_json::to_value(details)?))
    }

    /// Returns a failure in the envelope.
    pub(crate) fn error(status: StatusCode, message: impl Into<String>, details: serde_json::Value) -> Self {
        let envelope = Envelope::error(message, details);
        // An envelope has string keys only, so that writing it cannot fail.
        let body = to_json(&envelope).unwrap_or_default();
        Self { status, body }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"))];
        (self.status, json, self.body).into_response()
    }
}
