//! Our values in our own shapes.

pub(crate) mod nodes;
pub(crate) mod overview;
pub(crate) mod recovery;
