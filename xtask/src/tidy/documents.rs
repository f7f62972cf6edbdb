//! Documents stay short, and their links lead somewhere.

use super::Finding;
use crate::tree::Tree;

/// Lines that a document may have, and why.
const SHORT: &[(&str, usize, &str)] = &[("docs/architecture.md", 400, "a newcomer reads it in one go")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, most, why) in SHORT {
        match tree.get(path).map(|text| text.lines().count()) {
            None => findings.push(Finding::of_file(path, "is missing".to_owned())),
            Some(lines) if lines > *most => {
                findings.push(Finding::of_file(path, format!("{lines} lines, more than {most}: {why}")));
            }
            Some(_) => {}
        }
    }
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        for (line, text) in text.lines().enumerate() {
            for target in links(text).filter(|target| !tree.has(&beside(path, target))) {
                findings.push(Finding::at(path, line, format!("the link to {target} leads nowhere")));
            }
        }
    }
    findings
}

/// Returns the targets of links inside the repository, without their anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#']).next()?;
        (!target.is_empty() && !target.contains("://") && !target.contains(' ')).then_some(target)
    })
}

/// Returns the path that `target` means in the document at `path`.
fn beside(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(lines: usize, readme: &str) -> Tree {
        Tree::of([("docs/architecture.md", "line\n".repeat(lines)), ("docs/nested/README.md", readme.to_owned())])
    }

    #[test]
    fn the_architecture_stays_short() {
        assert_eq!(check(&tree(400, "")), []);
        assert_eq!(check(&tree(401, "")).len(), 1);
        assert_eq!(check(&Tree::of([("README.md", "")])).len(), 1);
    }

    #[test]
    fn links_lead_somewhere() {
        let good = "[one](../architecture.md), [two](../architecture.md#flow), [web](https://example.com), [here](#x)";
        assert_eq!(check(&tree(1, good)), []);
        let found = check(&tree(1, "\nsee [it](../no-such-page.md)"));
        assert_eq!(found[0].to_string(), "docs/nested/README.md:2: the link to ../no-such-page.md leads nowhere");
    }
}
