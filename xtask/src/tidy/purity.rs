//! The core thinks; it does not act.

use super::Finding;
use crate::tree::Tree;

/// Crates whose code is a function from values to values.
pub(super) const CORE: &[&str] = &["topology", "config", "analysis", "planner"];

/// What the core may not name, and what to do instead. Cargo keeps out what is not in a manifest; this keeps out the
/// parts of the standard library that reach the outside, and says it in one place for both.
const BANNED: &[(&str, &str)] = &[
    ("tokio", "the shell waits, the core does not"),
    ("tracing", "return what you found; the shell logs"),
    ("std::net::", "no sockets; addresses of `std::net` that are mere values are allowed"),
    ("std::fs", "the shell reads files and hands over their text"),
    ("std::env", "the shell asks the environment"),
    ("std::process", "the shell runs processes"),
    ("std::thread", "the core has no threads"),
    ("SystemTime", "now is a field of the input"),
    ("Instant::now", "now is a field of the input"),
    ("HashMap", "its order differs from run to run: BTreeMap"),
    ("HashSet", "its order differs from run to run: BTreeSet"),
    ("rand", "the same input gives the same answer"),
];

/// Values of `std::net` that open nothing.
const ADDRESSES: &[&str] = &["std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.sources().filter(|(path, _)| is_core(path)) {
        for (line, code) in source.code.iter().enumerate() {
            let code = ADDRESSES.iter().fold(code.clone(), |code, address| code.replace(address, ""));
            for (word, instead) in BANNED.iter().filter(|(word, _)| names(&code, word)) {
                findings.push(Finding::at(path, line, format!("{word} in the core: {instead}")));
            }
        }
    }
    findings
}

pub(super) fn is_core(path: &str) -> bool {
    CORE.iter().any(|name| path.starts_with(&format!("crates/{name}/src/")))
}

/// True when the code names `word` as a word of its own: `rand`, not `operand` nor `random`.
fn names(code: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        let ends = word.ends_with(':') || !code[at + word.len()..].starts_with(is_part);
        ends && !code[..at].ends_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, code: &str) -> usize {
        check(&Tree::of([(path, code)])).len()
    }

    #[test]
    fn the_core_reaches_nothing_outside() {
        for code in [
            "use tokio::sync::Notify;",
            "use std::net::TcpStream;",
            "let now = std::time::SystemTime::now();",
            "let map: HashMap<u8, u8> = HashMap::new();",
            "let dice: u8 = rand::random();",
        ] {
            assert_eq!(findings("crates/planner/src/plan.rs", code), 1, "{code}");
            assert_eq!(findings("crates/manager/src/hub.rs", code), 0, "{code}");
        }
    }

    #[test]
    fn words_about_it_are_no_use_of_it() {
        for code in ["// tokio", "let text = \"std::fs\";", "let operand = strand(random);", "use std::net::IpAddr;"] {
            assert_eq!(findings("crates/config/src/filters.rs", code), 0, "{code}");
        }
    }
}
