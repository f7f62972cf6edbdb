//! What the reader of a configuration is told: problems that refuse it, findings that do not.

use std::fmt;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name as it was given in [`SourceFile`](crate::SourceFile).
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// Why a configuration is refused. Prints as `file:line: message`; the message says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", prefix(.place))]
pub struct Problem {
    /// Where it is, if it is in a file at all (a rule may be broken by a default).
    pub place: Option<Place>,
    /// What is wrong and what would be right. Never holds a secret.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(place: Option<Place>, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the file asks for nothing that it does not get.
    Note,
    /// The file asks for something that it does not get.
    Warning,
}

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// No such key.
    UnknownKey,
    /// The key is known but what it asks for is not built yet.
    NotYet,
    /// The key is obsolete: it will never do anything.
    NoEffect,
    /// The same key more than once in one file.
    Duplicate,
    /// Text after the JSON object.
    TrailingData,
    /// Two keys, or a key and a rule, disagree; the message says which one counts.
    Overridden,
    /// The value is accepted but probably not what was meant.
    Doubtful,
    /// A reload cannot change this key; the message says what stays.
    NeedsRestart,
}

/// Something to tell about an accepted configuration. Prints as `file:line: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it is, if it is in a file.
    pub place: Option<Place>,
    /// The key it is about, as the file spells it.
    pub key: Option<String>,
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// The sentence to show. Never holds a secret.
    pub message: String,
}

impl Finding {
    /// Returns whether `config-check` fails because of this finding: unknown keys, keys that ask for something that is
    /// not built yet, and everything else that the file asks for in vain.
    pub fn fails_check(&self) -> bool {
        self.severity == Severity::Warning
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", prefix(&self.place), self.message)
    }
}

fn prefix(place: &Option<Place>) -> String {
    place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
}
