//! `docs/failures.md`: its catalogue is made from the headers of the rules.
//!
//! `UPDATE_DOCS=1 cargo test -p orchestrator-analysis --test failures` writes it anew.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use analysis::{Code, Structure};

const BEGIN: &str = "<!-- catalogue: made from the rules in crates/analysis/src/rules -->\n";
const END: &str = "<!-- end of the catalogue -->\n";

/// What a header tells, in the order in which the page does.
const PARTS: [&str; 4] = ["Evidence", "Look-alikes", "Differs from Orchestrator", "Recovery"];

/// A rule, as its file tells it.
struct Rule {
    file: String,
    code: Code,
    priority: u32,
    summary: String,
    parts: BTreeMap<String, String>,
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules")
}

fn rules() -> Vec<Rule> {
    let files = std::fs::read_dir(sources()).unwrap().map(|entry| entry.unwrap().path());
    let mut rules: Vec<Rule> = files.filter_map(|path| read(&path)).collect();
    rules.sort_by_key(|rule| rule.priority);
    rules
}

/// Reads a rule; nothing from a file that holds none.
fn read(path: &Path) -> Option<Rule> {
    let text = std::fs::read_to_string(path).unwrap();
    let between = |before: &str, after: char| Some(text.split_once(before)?.1.split_once(after)?.0.trim().to_owned());
    let name = between("Rule { code: Code::", ',')?;
    let code = Code::ALL.iter().copied().find(|code| format!("{code:?}") == name).expect("a code of ours");
    let header: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let mut parts = BTreeMap::<String, String>::new();
    let mut present = String::new();
    for line in header {
        let heading = line.split_once(": ").filter(|(name, _)| PARTS.contains(name) || *name == "Compat code");
        let line = heading.map_or(line, |(_, rest)| rest);
        if let Some((name, _)) = heading {
            name.clone_into(&mut present);
        }
        let part = parts.entry(present.clone()).or_default();
        part.push_str(if part.is_empty() { "" } else { " " });
        part.push_str(line);
    }
    assert_eq!(parts.remove("Compat code"), Some(format!("`{}`.", code.compat())), "in {}", path.display());
    Some(Rule {
        file: path.file_stem()?.to_str()?.to_owned(),
        code,
        priority: between("priority: ", ',')?.parse().expect("a number"),
        summary: parts.remove("")?.trim().to_owned(),
        parts,
    })
}

#[test]
fn the_catalogue_is_that_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/failures.md");
    let page = std::fs::read_to_string(&path).expect("docs/failures.md is in the repository");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark where the catalogue begins");
    let (_, after) = rest.split_once(END).expect("the page has the mark where the catalogue ends");
    let fresh = format!("{before}{BEGIN}{}{END}{after}", catalogue(&rules()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, fresh).expect("docs/failures.md can be written");
        return;
    }
    assert!(
        page == fresh,
        "docs/failures.md is stale: UPDATE_DOCS=1 cargo test -p orchestrator-analysis --test failures"
    );
}

#[test]
fn every_rule_tells_its_evidence_and_what_is_done() {
    let rules = rules();
    assert_eq!(rules.len() + 1, Code::ALL.len(), "one file for each code but NoProblem");
    for rule in rules {
        for part in ["Evidence", "Recovery"] {
            assert!(rule.parts.contains_key(part), "{}.rs has no {part}", rule.file);
        }
    }
}

fn catalogue(rules: &[Rule]) -> String {
    let mut page = String::from("\n| code | ours | recovery | told without one |\n|---|---|---|---|\n");
    for rule in rules {
        let compat = rule.code.compat();
        let anchor = compat.to_lowercase();
        let recovery = rule.parts["Recovery"].split([';', '.']).next().unwrap_or_default();
        let told = if rule.code.is_told() { "yes" } else { "" };
        writeln!(page, "| [`{compat}`](#{anchor}) | `{:?}` | {recovery} | {told} |", rule.code).unwrap();
    }
    for rule in rules {
        let linked = |text: &str| linked(text, rule, rules);
        let (compat, description) = (rule.code.compat(), rule.code.description());
        write!(page, "\n### {compat}\n\n*{description}.*\n\n{}\n", linked(&rule.summary)).unwrap();
        for (name, text) in PARTS.iter().filter_map(|name| Some((name, rule.parts.get(*name)?))) {
            write!(page, "\n- **{name}:** {}", linked(text)).unwrap();
        }
        page.push('\n');
    }
    page + &remarks()
}

/// Makes links of the file names of other rules.
fn linked(text: &str, own: &Rule, rules: &[Rule]) -> String {
    rules.iter().filter(|rule| rule.file != own.file).fold(text.to_owned(), |text, rule| {
        let compat = rule.code.compat();
        text.replace(&format!("`{}`", rule.file), &format!("[`{compat}`](#{})", compat.to_lowercase()))
    })
}

fn remarks() -> String {
    let text = std::fs::read_to_string(sources().join("structure.rs")).unwrap();
    let header: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let joined = header.join(" ");
    let mut page = String::from("\n### Structural remarks\n\n| code | ours | when |\n|---|---|---|\n");
    for remark in Structure::ALL {
        let mark = format!("- `{remark:?}`: ");
        let (_, rest) = joined.split_once(&mark).unwrap_or_else(|| panic!("structure.rs tells nothing of {remark:?}"));
        let condition = rest.split(" - `").next().unwrap_or(rest);
        writeln!(page, "| `{}` | `{remark:?}` | {condition} |", remark.compat()).unwrap();
    }
    page
}
