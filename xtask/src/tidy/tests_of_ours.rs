//! Tests do not sleep and hope: they look again until a deadline.

use super::{Finding, has_word};
use crate::rust::Source;
use crate::tree::Tree;

/// What a function that looks again and again knows when to give up by.
const LIMITS: &[&str] = &["deadline", "limit", "timeout", "within"];

/// Functions in which the passing of time itself is the point: file, function, why.
const TIME_IS_THE_POINT: &[(&str, &str, &str)] = &[
    (
        "crates/manager/tests/stories.rs",
        "look_alikes_lead_to_no_failover",
        "how long the primary stalls is the fault that is tried",
    ),
    ("crates/manager/tests/simulation/schedule.rs", "pass", "simulated time passes"),
    ("crates/manager/tests/simulation/way.rs", "travel", "simulated packets take their time"),
    ("crates/manager/tests/simulation/node.rs", "on_the_way", "so do those between managers"),
    (
        "crates/consensus/src/transport/tests/mod.rs",
        "time_passes",
        "how long a connection lies idle and an answer takes is what is tried",
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.sources() {
        let is_test_file = path.contains("/tests/") && !path.starts_with("xtask/");
        for (line, code) in source.code.iter().enumerate() {
            let sleeps = (is_test_file || source.is_test(line)) && has_word(code, "sleep(");
            if sleeps && !polls(source, line) && !is_the_point(path, source, line) {
                findings.push(Finding::at(path, line, "a test sleeps: look again until a deadline (`eventually`)"));
            }
        }
    }
    findings
}

/// True when the line is in a function that looks again until a limit.
fn polls(source: &Source, line: usize) -> bool {
    let Some(function) = source.function_at(line) else { return false };
    let body = &source.code[function.first..=function.last];
    let has = |words: &[&str]| body.iter().any(|code| words.iter().any(|word| code.contains(word)));
    has(&["loop {", "while "]) && has(LIMITS)
}

fn is_the_point(path: &str, source: &Source, line: usize) -> bool {
    let name = source.function_at(line).map(|function| function.name.as_str());
    TIME_IS_THE_POINT.iter().any(|(file, function, _)| *file == path && Some(*function) == name)
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
