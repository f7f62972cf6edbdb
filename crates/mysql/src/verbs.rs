//! What can be done to a server: one method per verb.

mod source;
mod threads;
mod writes;

pub use source::{Account, SourceChange};
pub use threads::Waited;
