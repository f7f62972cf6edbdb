//! What can be done to a server: one method per verb.

mod acks;
mod freeze;
mod source;
mod threads;
mod writes;

pub use acks::AckPolicy;
pub use freeze::Frozen;
pub use source::{Account, SourceChange};
pub use threads::Waited;
