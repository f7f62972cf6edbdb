//! A failure mode is a file, and its header says what it rests on.

use super::Finding;
use crate::tree::Tree;

const FOLDER: &str = "crates/analysis/src/rules/";
const TABLE: &str = "crates/analysis/src/code.rs";

/// Files of the folder that are no failure mode, and why.
const NO_RULES: &[(&str, &str)] =
    &[("mod.rs", "the table of all rules"), ("structure.rs", "remarks, of which several apply at once")];

/// What a header must have.
const PARTS: &[&str] = &["Evidence:", "Compat code:"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let table = tree.get(TABLE).unwrap_or_default();
    for (path, source) in tree.sources() {
        let Some(name) = path.strip_prefix(FOLDER) else { continue };
        if NO_RULES.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let header: Vec<&str> = source.text.iter().map_while(|line| line.strip_prefix("//!")).collect();
        for part in PARTS.iter().filter(|part| !header.iter().any(|line| line.trim_start().starts_with(*part))) {
            findings.push(Finding::of_file(path, format!("its header has no line `{part} …`")));
        }
        let code = header.iter().find_map(|line| line.split_once("Compat code:")?.1.split('`').nth(1));
        if code.is_some_and(|code| !table.contains(&format!("\"{code}\""))) {
            findings.push(Finding::of_file(path, format!("its compat code is not in {TABLE}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(header: &str) -> Vec<String> {
        let table = "DeadPrimary => \"DeadMaster\", \"…\";";
        let tree = Tree::of([(TABLE, table), ("crates/analysis/src/rules/dead_primary.rs", header)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_tells_its_evidence_and_its_code() {
        assert_eq!(found("//! Dead.\n//!\n//! Evidence: none.\n//! Compat code: `DeadMaster`.\n"), [""; 0]);
        assert_eq!(found("//! Dead.\n\nfn examine() {}\n").len(), 2);
        assert!(found("//! Evidence: none.\n//! Compat code: `DeadMster`.\n")[0].contains("not in"));
    }
}
