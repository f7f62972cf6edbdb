//! Checks of the files of the tree. Each is a function from the tree to findings; its rules are data above it.

use std::fmt;

use crate::tree::Tree;

mod documents;
mod purity;
mod rules;
mod tests_of_ours;
mod words;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    path: String,
    /// From 1; none where the file as a whole is meant.
    line: Option<usize>,
    what: String,
}

impl Finding {
    /// Returns a finding about a whole file.
    pub fn of_file(path: &str, what: String) -> Self {
        Self { path: path.to_owned(), line: None, what }
    }

    /// Returns a finding about a line, counted from 0.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line + 1), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}: {}", self.path, self.what),
            None => write!(out, "{}: {}", self.path, self.what),
        }
    }
}

/// Runs every check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let checks: &[fn(&Tree) -> Vec<Finding>] =
        &[purity::check, words::check, rules::check, tests_of_ours::check, documents::check, sizes, unfinished];
    checks.iter().flat_map(|check| check(tree)).collect()
}

/// Lines of code that a file may have, tests left out.
const LONGEST_FILE: usize = 800;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];

fn sizes(tree: &Tree) -> Vec<Finding> {
    let too_long = tree.sources().filter(|(path, source)| {
        source.lines_of_code() > LONGEST_FILE && !LONG_FILES.iter().any(|(long, _)| long == path)
    });
    too_long
        .map(|(path, source)| {
            let lines = source.lines_of_code();
            Finding::of_file(path, format!("{lines} lines of code, more than {LONGEST_FILE}: split it"))
        })
        .collect()
}

/// Words of work that is not done, and why none may stay.
const UNFINISHED: &[(&str, &str)] = &[
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "a trace of debugging"),
    ("#[ignore", "a test that nobody runs proves nothing: let it assert what is so today"),
];

fn unfinished(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.sources() {
        for (line, code) in source.code.iter().enumerate() {
            for (word, why) in UNFINISHED.iter().filter(|(word, _)| has_word(code, word)) {
                findings.push(Finding::at(path, line, format!("{word}: {why}")));
            }
        }
    }
    findings
}

/// True when `word` stands in `line` and is not the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|l: char| l.is_alphanumeric() || l == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_not_grow_without_end() {
        let long = "fn one() {}\n".repeat(LONGEST_FILE + 1);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        let tree = Tree::of([("crates/a/src/long.rs", long), ("crates/a/src/tested.rs", tests)]);
        let found = sizes(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "crates/a/src/long.rs: 801 lines of code, more than 800: split it");
    }

    #[test]
    fn nothing_unfinished_stays() {
        let tree = Tree::of([(
            "a.rs",
            "fn one() { todo!() }\n// todo!\nfn two() { methodo!() }\n#[ignore = \"slow\"]\nfn three() {}\n",
        )]);
        let lines: Vec<Option<usize>> = unfinished(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [Some(1), Some(4)]);
    }
}
