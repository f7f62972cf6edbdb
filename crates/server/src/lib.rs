//! What the two binaries share: where the configuration comes from, and a farm that is read from a file.
#![warn(missing_docs)]

pub mod configuration;
pub mod farm;
