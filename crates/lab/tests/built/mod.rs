//! The manager's program, built. A test of one package is not given the programs of another, so it asks cargo, which has
//! nothing to do when it is up to date.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the manager's program.
pub fn manager() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(own) = std::env::var_os("ORCHESTRATOR_BIN") {
            return own.into();
        }
        let built =
            Command::new(env!("CARGO")).args(["build", "--quiet", "-p", "orchestrator-server"]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        lab().parent().unwrap().join("orchestrator")
    })
}

/// Returns the lab's program.
pub fn lab() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lab"))
}
