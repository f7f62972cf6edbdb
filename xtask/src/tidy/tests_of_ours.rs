//! Tests do not sleep and hope: they look again until a deadline.

use super::{Finding, has_word};
use crate::rust::{Function, Source};
use crate::tree::Tree;

/// What functions that may sleep between two looks are called.
const POLLERS: &[&str] = &["eventually", "poll", "wait", "until", "again"];

/// What such a function knows when to give up by.
const LIMITS: &[&str] = &["deadline", "limit", "timeout", "within"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.sources() {
        let is_test_file = path.contains("/tests/") && !path.starts_with("xtask/");
        for (line, code) in source.code.iter().enumerate() {
            if (is_test_file || source.is_test(line)) && has_word(code, "sleep(") && !polls(source, line) {
                findings.push(Finding::at(path, line, "a test sleeps: look again until a deadline (`eventually`)"));
            }
        }
    }
    findings
}

fn polls(source: &Source, line: usize) -> bool {
    source
        .function_at(line)
        .is_some_and(|function| POLLERS.iter().any(|name| function.name.contains(name)) && has_limit(source, function))
}

fn has_limit(source: &Source, function: &Function) -> bool {
    source.code[function.first..=function.last].iter().any(|code| LIMITS.iter().any(|word| code.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> usize {
        check(&Tree::of([(path, code)])).len()
    }

    const SLEEPS: &str = "async fn story() {\n    tokio::time::sleep(SECOND).await;\n}\n";

    #[test]
    fn a_story_does_not_sleep() {
        assert_eq!(found("crates/manager/tests/stories.rs", SLEEPS), 1);
        assert_eq!(found("crates/manager/src/cycle.rs", SLEEPS), 0);
        assert_eq!(found("crates/manager/src/cycle.rs", &format!("#[cfg(test)]\nmod tests {{\n{SLEEPS}}}\n")), 1);
    }

    #[test]
    fn looking_again_until_a_deadline_is_no_sleep() {
        let polls = "async fn eventually(deadline: Instant) {\n    loop {\n        sleep(BRIEFLY).await;\n    }\n}\n";
        assert_eq!(found("crates/manager/tests/stories.rs", polls), 0);
        assert_eq!(found("crates/manager/tests/stories.rs", &polls.replace("deadline", "forever")), 1);
    }

    #[test]
    fn a_command_that_sleeps_is_a_text() {
        assert_eq!(found("crates/manager/tests/hooks.rs", "fn hook() { run(\"sleep(600)\"); }"), 0);
    }
}
