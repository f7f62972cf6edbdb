//! Who may talk on the raft port.

use std::path::PathBuf;

/// How nodes prove to each other who they are. The same on every node.
#[derive(Clone)]
pub enum Security {
    /// Not at all: whoever reaches the port is believed, and whoever is in between can read and change everything.
    Plain,
    /// By a text that all of them know. It never travels, and everything is encrypted.
    Secret(String),
    /// By certificates that one authority signed. Everything is encrypted.
    Certificates {
        /// This node's certificate, and those between it and the authority, in PEM.
        certificate: PathBuf,
        /// Its private key, in PEM.
        key: PathBuf,
        /// The authority that must have signed every node's certificate, in PEM.
        authority: PathBuf,
    },
}
