//! Where the configuration comes from: files, environment, and what the two say together.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use config::{Config, Finding, Loaded, Problem, SourceFile, Surroundings};

/// Read in this order where no file is named; later ones override. (Orchestrator 3.2.6.)
const USUAL: [&str; 3] = ["/etc/orchestrator.conf.json", "conf/orchestrator.conf.json", "orchestrator.conf.json"];

/// The process environment and the file system.
struct Machine;

impl Surroundings for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read_file(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }
}

/// The files that the configuration is read from, at start and at every reload.
#[derive(Clone, Debug)]
pub struct Files {
    named: Option<PathBuf>,
    /// Look in the usual places where none is named.
    usual: bool,
}

impl Files {
    /// Returns the file that was named or, without one, the usual places.
    pub fn new(named: Option<PathBuf>) -> Self {
        Self { named, usual: true }
    }

    /// Returns the file that was named or, without one, none: what is said of a file must not depend on where it is said.
    pub fn only(named: Option<PathBuf>) -> Self {
        Self { named, usual: false }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// When a named file cannot be read, or with every problem of what was read, a line each.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        config::parse(&self.read(None)?, &Machine).map_err(|problems| anyhow::anyhow!(lines(&problems)))
    }

    /// Reads the configuration again over the `present` one, with one more file behind the others.
    ///
    /// # Errors
    /// Every problem, as a sentence; the present configuration then stays.
    pub fn reload(&self, present: &Config, extra: Option<&Path>) -> Result<(Config, Vec<Finding>), Vec<String>> {
        let files = self.read(extra).map_err(|error| vec![format!("{error:#}")])?;
        present.reload(&files, &Machine).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn read(&self, extra: Option<&Path>) -> anyhow::Result<Vec<SourceFile>> {
        let mut files = Vec::new();
        match &self.named {
            Some(path) => files.push(read(path)?),
            None => {
                let usual = USUAL.map(Path::new).into_iter().filter(|path| self.usual && path.exists());
                for path in usual {
                    files.push(read(path)?);
                }
            }
        }
        if let Some(extra) = extra {
            files.push(read(extra)?);
        }
        Ok(files)
    }
}

fn read(path: &Path) -> anyhow::Result<SourceFile> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration file {name}"))?;
    Ok(SourceFile { name, text })
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Returns the file of the embedded database: the configured one, else one in `RaftDataDir` where raft is enabled, else a
/// place of the user's own.
///
/// # Errors
/// When none is configured and the user has no home directory.
pub fn database_file(config: &Config) -> anyhow::Result<PathBuf> {
    if let Some(file) = &config.backend.sqlite_file {
        return Ok(file.clone());
    }
    if config.raft.enabled {
        let directory = &config.raft.data_dir;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {} (RaftDataDir)", directory.display()))?;
        return Ok(directory.join("orchestrator.sqlite3"));
    }
    // Empty or relative means unset: so says the XDG specification.
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|data| data.is_absolute());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let Some(base) = data.or(home).filter(|base| base.is_absolute()) else {
        bail!("no place for the database: set SQLite3DataFile in the configuration, or HOME");
    };
    let directory = base.join("orchestrator");
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory.join("orchestrator.sqlite3"))
}

/// Names what the files hold that has no effect, once each. Returns whether anything fails a check.
pub fn tell(findings: &[Finding]) -> bool {
    for finding in findings {
        if finding.fails_check() {
            tracing::warn!("{finding}");
        } else {
            tracing::info!("{finding}");
        }
    }
    findings.iter().any(Finding::fails_check)
}
