//! Sets of global transaction identifiers. (Placeholder: parse and algebra follow.)

use serde::{Deserialize, Serialize};
use std::fmt;

/// A set of transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GtidSet(String);

impl GtidSet {
    /// Returns what is in this or in `other`.
    #[must_use]
    pub fn union(&self, _other: &Self) -> Self {
        self.clone()
    }
}
impl fmt::Display for GtidSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
