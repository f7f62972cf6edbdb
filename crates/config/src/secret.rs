//! A text that must not be printed.

use std::fmt;

use serde::{Serialize, Serializer};

/// What is shown instead of a secret.
const MASK: &str = "***";

/// A password or token. `Debug`, `Display` and `Serialize` show `***` (nothing when it is empty), so that logs, dumps
/// and error messages cannot leak it; [`Secret::reveal`] gives the value to the one place that needs it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the value itself. Every call is a place where the secret may leak: grep for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns whether there is no secret at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what may be shown.
    fn masked(&self) -> &'static str {
        if self.0.is_empty() { "" } else { MASK }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({})", self.masked())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.masked())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.masked())
    }
}
