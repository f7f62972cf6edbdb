//! What can be done to a server: one method per verb.

mod acks;
pub(crate) mod brake;
mod copying;
mod freeze;
mod source;
mod threads;
mod writes;

pub use acks::AckPolicy;
pub use copying::Copied;
pub use freeze::Frozen;
pub use source::{Account, SourceChange};
pub use threads::Waited;
