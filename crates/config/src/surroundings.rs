//! What comes from outside the files: environment variables and credentials files.

use crate::findings;
use crate::ini;
use crate::report::{Finding, Problem};
use crate::settings::{Settings, Value};
use crate::table::Id;

/// The world outside the configuration's text, given by the caller so that this crate reads nothing by itself.
pub trait Surroundings {
    /// Returns the environment variable `name`.
    fn variable(&self, name: &str) -> Option<String>;

    /// Returns the text of the file at `path`, or why it cannot be read.
    ///
    /// # Errors
    /// One line for people, as an I/O error prints.
    fn read_file(&self, path: &str) -> Result<String, String>;
}

/// No environment and no files: for tests, and for values that need neither.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSurroundings;

impl Surroundings for NoSurroundings {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn read_file(&self, _path: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }
}

/// What was found on the way.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) problems: Vec<Problem>,
    pub(crate) findings: Vec<Finding>,
}

/// The shortest text that may prove who is a raft node, in characters.
const SHORTEST_SECRET: usize = 16;

/// Puts passwords in place: the credentials file wins over the configuration, and then a password with `${NAME}` in it
/// becomes the variable's content as a whole.
pub(crate) fn apply(settings: &mut Settings, surroundings: &dyn Surroundings) -> Outside {
    let mut outside = Outside::default();
    read_credentials(settings, surroundings, &mut outside);
    expand_password(settings, surroundings, &mut outside);
    if settings.bool(Id::RaftEnabled) {
        raft_secret(settings, surroundings, &mut outside);
    }
    outside
}

fn read_credentials(settings: &mut Settings, surroundings: &dyn Surroundings, outside: &mut Outside) {
    let id = Id::MySQLTopologyCredentialsConfigFile;
    let path = settings.text(id).to_owned();
    if path.is_empty() {
        return;
    }
    let text = surroundings.read_file(&path).map_err(|error| format!("cannot read {path}: {error}"));
    let parsed = text.and_then(|text| ini::client(&text).map_err(|error| format!("{path}:{error}")));
    match parsed {
        Err(error) => outside.problems.push(Problem::new(settings.place(id), format!("{}: {error}", id.name()))),
        Ok(client) => {
            if client.user.is_none() && client.password.is_none() {
                let message = format!("{}: {path} has no user or password in a section [client]", id.name());
                outside.findings.push(findings::doubtful(settings, id, message));
            }
            if let Some(user) = client.user {
                settings.adjust(Id::MySQLTopologyUser, Value::Text(user));
            }
            if let Some(password) = client.password {
                settings.adjust(Id::MySQLTopologyPassword, Value::Text(password));
            }
        }
    }
}

fn expand_password(settings: &mut Settings, surroundings: &dyn Surroundings, outside: &mut Outside) {
    let id = Id::MySQLTopologyPassword;
    let Some(name) = variable_name(settings.text(id)).map(str::to_owned) else { return };
    let content = surroundings.variable(&name);
    if content.as_deref().is_none_or(str::is_empty) {
        let message = format!("{}: the environment variable {name} is not set or empty, so is the password", id.name());
        outside.findings.push(findings::doubtful(settings, id, message));
    }
    settings.adjust(id, Value::Text(content.unwrap_or_default()));
}

/// The secret of the raft nodes. One that is asked for and not there must not become a port that is open to everybody.
fn raft_secret(settings: &mut Settings, surroundings: &dyn Surroundings, outside: &mut Outside) {
    let id = Id::RaftSharedSecret;
    if settings.text(id).is_empty() {
        return;
    }
    let variable = variable_name(settings.text(id)).map(str::to_owned);
    let text = match &variable {
        Some(name) => surroundings.variable(name).unwrap_or_default(),
        None => settings.text(id).to_owned(),
    };
    // Variables are often filled from files that end with a line feed on one host and not on another.
    let text = text.trim().to_owned();
    let length = text.chars().count();
    let advice = "make one with: openssl rand -hex 32, and give it to every node";
    let problem = match variable {
        Some(name) if text.is_empty() => Some(format!("the environment variable {name} is not set or empty: {advice}")),
        _ if length < SHORTEST_SECRET => {
            Some(format!("{length} characters can be guessed, {SHORTEST_SECRET} is the least: {advice}"))
        }
        _ => None,
    };
    if let Some(problem) = problem {
        outside.problems.push(Problem::new(settings.place(id), format!("{}: {problem}", id.name())));
    }
    settings.adjust(id, Value::Text(text));
}

/// Returns NAME of a text with `${NAME}` in it.
fn variable_name(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("${")?;
    let (name, _) = after.rsplit_once('}')?;
    Some(name)
}
