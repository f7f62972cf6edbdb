//! Source, replica and primary; the other words only where something outside of us is called by them.

use std::collections::BTreeSet;

use super::{Finding, purity};
use crate::tree::Tree;

/// Files that hold the names of others: every word in them is allowed everywhere in the core.
const NAMES_OF_OTHERS: &[(&str, &str)] = &[
    ("crates/config/src/table.rs", "the keys of Orchestrator's configuration"),
    ("crates/analysis/src/code.rs", "the codes of Orchestrator's diagnoses"),
];

/// Further names that are not ours to choose.
const ALLOWED: &[(&str, &str)] = &[
    ("slave_master_info", "a table of MySQL"),
    ("gtid_slave_pos", "a variable of MariaDB"),
    ("Slave_Pos", "a value of a column of MariaDB"),
    ("MASTER", "a word of MariaDB's statements, in the title of a page about them"),
    ("PostMasterFailover", "short for PostMasterFailoverProcesses"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut allowed: BTreeSet<&str> = ALLOWED.iter().map(|(word, _)| *word).collect();
    for (path, _) in NAMES_OF_OTHERS {
        allowed.extend(tree.get(path).into_iter().flat_map(words));
    }
    let mut findings = Vec::new();
    for (path, source) in tree.sources().filter(|(path, _)| purity::is_core(path)) {
        for (line, text) in source.text.iter().enumerate() {
            for word in words(text).filter(|word| !allowed.contains(word)) {
                findings.push(Finding::at(path, line, format!("{word}: say source, replica or primary")));
            }
        }
    }
    findings
}

/// Returns the words of `text` that have one of the other words in them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_other = |word: &&str| {
        let word = word.to_ascii_lowercase();
        word.contains("slave") || word.contains("master")
    };
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_allowed_and_nothing_else() {
        let tree = Tree::of([
            ("crates/config/src/table.rs", "key(\"RecoverMasterClusterFilters\")"),
            ("crates/planner/src/decide.rs", "/// `RecoverMasterClusterFilters`\nlet master = 1;\n"),
            ("crates/mysql/src/dialect/statements.rs", "let sql = \"start slave\";"),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "crates/planner/src/decide.rs:2: master: say source, replica or primary");
    }
}
