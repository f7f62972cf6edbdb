//! What can go wrong before the first call.

use std::path::PathBuf;

/// Why there is no raft port, or no way to others'. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address} for the other raft nodes: is RaftBind an address of this host, and is the port free?"
    )]
    Bind {
        /// The address as configured.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {key} {}: it must be a PEM file that this process may read", path.display())]
    File {
        /// The configuration key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificates or the secret do not serve.
    #[error("{0}")]
    Unusable(String),
}
