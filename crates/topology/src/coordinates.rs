//! Positions in a binary or relay log.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A file and an offset in bytes. Ordered by the file's *number*, then the offset: `binlog.1000000` comes after
/// `binlog.999999`, which a comparison of texts would get wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BinlogCoordinates {
    /// File name, such as `binlog.000042`; empty when unknown.
    pub file: String,
    /// Offset in bytes.
    pub pos: u64,
}

impl BinlogCoordinates {
    /// Returns the position `pos` in `file`.
    pub fn new(file: impl Into<String>, pos: u64) -> Self {
        Self { file: file.into(), pos }
    }

    /// True when no position is known.
    pub fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    fn file_number(&self) -> Option<u64> {
        self.file.rsplit_once('.')?.1.parse().ok()
    }
}

impl Ord for BinlogCoordinates {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.file_number(), &self.file, self.pos).cmp(&(other.file_number(), &other.file, other.pos))
    }
}

impl PartialOrd for BinlogCoordinates {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for BinlogCoordinates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.pos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_compare_by_number() {
        assert!(BinlogCoordinates::new("binlog.999999", 4) < BinlogCoordinates::new("binlog.1000000", 4));
        assert!(BinlogCoordinates::new("binlog.000002", 4) < BinlogCoordinates::new("binlog.000002", 5));
    }
}
