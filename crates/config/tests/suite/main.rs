//! The configuration as its users meet it: files in, values and sentences out.

mod docs;
mod filters;
mod keys;
mod merging;
mod messages;
mod properties;
mod raft;
mod reload;
mod rules;
mod sample;
mod secrets;

use config::{Loaded, NoSurroundings, Problem, SourceFile};

/// A file as messages will name it.
pub fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { name: name.to_owned(), text: text.to_owned() }
}

/// Reads one file called `orc.json`, without environment or other files.
pub fn read(text: &str) -> Result<Loaded, Vec<Problem>> {
    config::parse(&[file("orc.json", text)], &NoSurroundings)
}

/// Reads one file that must be accepted.
pub fn accept(text: &str) -> Loaded {
    read(text).unwrap_or_else(|problems| panic!("{text} is refused: {problems:#?}"))
}

/// Reads one file that must be refused, and returns the messages, one a line.
pub fn refuse(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("{text} is accepted"),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

/// Reads one file that must be accepted, and returns its findings, one a line: `!` for those that fail config-check.
pub fn findings(text: &str) -> String {
    let show = |finding: &config::Finding| format!("{}{finding}", if finding.fails_check() { "! " } else { "  " });
    accept(text).findings.iter().map(show).collect::<Vec<_>>().join("\n")
}
