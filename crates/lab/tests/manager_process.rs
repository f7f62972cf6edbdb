//! A manager that does not come up is reported with what it said.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Result;
use lab::{ManagerProcess, paths};
use serde_json::json;

/// A folder of this test alone, with a program that is not the manager.
fn impostor(name: &str, script: &str) -> Result<(PathBuf, PathBuf)> {
    let dir = paths::lab_dir()?.join(format!("test-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let program = dir.join("orchestrator");
    fs::write(&program, format!("#!/bin/sh\n{script}\n"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok((dir, program))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_at_once_is_quoted() -> Result<()> {
    let (dir, program) = impostor("ends", r#"echo "cannot read $2 for $3"; exit 3"#)?;
    let error = ManagerProcess::start(&program, &json!({}), &dir).await.unwrap_err().to_string();
    let config = fs::read_to_string(dir.join("orchestrator.conf.json"))?;
    fs::remove_dir_all(&dir)?;
    assert!(error.contains("ended instead of answering"), "{error}");
    assert!(error.contains("orchestrator.conf.json for http"), "{error}");
    assert!(config.contains("\"SQLite3DataFile\"") && config.contains("\"ListenAddress\""), "{config}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_no_object_is_refused() -> Result<()> {
    let (dir, program) = impostor("config", "exit 0")?;
    let error = ManagerProcess::start(&program, &json!("text"), &dir).await.unwrap_err().to_string();
    fs::remove_dir_all(&dir)?;
    assert!(error.contains("JSON object"), "{error}");
    Ok(())
}
