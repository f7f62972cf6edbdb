//! What can be done to a server: one method per verb.

mod copying;
mod source;
mod threads;
mod writes;

pub use copying::Copied;
pub use source::{Account, SourceChange};
pub use threads::Waited;
