//! The files of the repository, as text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::rust::Source;

/// Text files by their path from the root, with `/` between its parts. Rust files are read for their structure once.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
    sources: BTreeMap<String, Source>,
}

/// Folders that hold nothing of ours.
const PASSED_OVER: &[&str] = &["target", ".git", "node_modules"];

/// What is read.
const ENDINGS: &[&str] = &[".rs", ".md", ".toml"];

impl Tree {
    /// Reads the repository that this program was built in.
    ///
    /// # Errors
    /// When a folder or a file cannot be read.
    pub fn read() -> Result<Self> {
        let mut files = Vec::new();
        collect(&root(), "", &mut files)?;
        Ok(Self::of(files))
    }

    /// Returns the tree of these files: path and text.
    pub fn of<P: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        let files: BTreeMap<String, String> =
            files.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
        let rust = files.iter().filter(|(path, _)| path.ends_with(".rs"));
        let sources = rust.map(|(path, text)| (path.clone(), Source::of(text))).collect();
        Self { files, sources }
    }

    /// Returns all files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Returns all Rust files, sorted by path.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(path, source)| (path.as_str(), source))
    }

    /// Returns the text of one file.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// True when the file is there, whether or not it is one that is read.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || root().join(path).exists()
    }
}

/// Returns the root of the repository.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or_else(|| own.to_owned(), Path::to_owned)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !PASSED_OVER.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            let text = std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {path}"))?;
            files.push((path, text));
        }
    }
    Ok(())
}
