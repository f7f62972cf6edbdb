//! A mirror to look into: how long files and functions are, and how much is tested and documented.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::rust::Source;
use crate::tree::Tree;

/// A function above this is worth a second look; one that reads well may stay.
const LONG_FUNCTION: usize = 70;
/// The same for files without their tests.
const LONG_FILE: usize = 500;

/// What one crate looks like.
#[derive(Debug, Default)]
struct Measure {
    files: Vec<usize>,
    functions: Vec<usize>,
    tests: usize,
    public: usize,
    documented: usize,
}

/// Returns the table, and below it what is above the marks.
pub fn table(tree: &Tree) -> String {
    let mut crates: BTreeMap<String, Measure> = BTreeMap::new();
    for (path, source) in tree.sources() {
        crates.entry(crate_of(path)).or_default().add(path, source);
    }
    let mut text = format!(
        "{:<10} {:>7}  {:>21}  {:>21} {:>5}  {:>10}  {:>8}\n",
        "crate", "lines", "file med / p95 / max", "fn med / p95 / max", "> 70", "test:code", "pub docs"
    );
    let mut total = Measure::default();
    for (name, measure) in &crates {
        text.push_str(&measure.row(name));
        total.join(measure);
    }
    text.push_str(&total.row("total"));
    text.push_str(&above_the_marks(tree));
    text
}

/// Returns the folder below `crates/`, or the first folder.
fn crate_of(path: &str) -> String {
    let inner = path.strip_prefix("crates/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).to_owned()
}

fn is_product(path: &str) -> bool {
    path.contains("src/") && !path.contains("/tests/") && !path.ends_with("/tests.rs")
}

impl Measure {
    fn add(&mut self, path: &str, source: &Source) {
        if !is_product(path) {
            self.tests += source.lines_of_code() + source.lines_of_tests();
            return;
        }
        self.tests += source.lines_of_tests();
        self.files.push(source.lines_of_code());
        let product = source.functions.iter().filter(|function| !source.is_test(function.first));
        self.functions.extend(product.map(crate::rust::Function::lines));
        for (line, text) in source.text.iter().enumerate().filter(|(line, _)| !source.is_test(*line)) {
            if is_public_item(text) {
                self.public += 1;
                self.documented += usize::from(is_documented(source, line));
            }
        }
    }

    fn join(&mut self, other: &Self) {
        self.files.extend(&other.files);
        self.functions.extend(&other.functions);
        self.tests += other.tests;
        self.public += other.public;
        self.documented += other.documented;
    }

    fn row(&self, name: &str) -> String {
        let lines: usize = self.files.iter().sum();
        let spread =
            |sizes: &[usize]| format!("{} / {} / {}", quantile(sizes, 50), quantile(sizes, 95), quantile(sizes, 100));
        let long = self.functions.iter().filter(|lines| **lines > LONG_FUNCTION).count();
        let hundredths = |part: usize, whole: usize| (part * 100).checked_div(whole).unwrap_or_default();
        let ratio = hundredths(self.tests, lines);
        format!(
            "{name:<10} {lines:>7}  {:>21}  {:>21} {long:>5}  {:>10}  {:>7}%\n",
            spread(&self.files),
            spread(&self.functions),
            format!("{}.{:02}", ratio / 100, ratio % 100),
            hundredths(self.documented, self.public),
        )
    }
}

/// Returns the value that `percent` of the sizes do not exceed; 0 where there are none.
fn quantile(sizes: &[usize], percent: usize) -> usize {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn is_public_item(line: &str) -> bool {
    const KINDS: [&str; 8] = ["fn ", "async fn ", "const fn ", "struct ", "enum ", "trait ", "type ", "const "];
    line.trim_start().strip_prefix("pub ").is_some_and(|rest| KINDS.iter().any(|kind| rest.starts_with(kind)))
}

fn is_documented(source: &Source, line: usize) -> bool {
    let above = source.text[..line].iter().rev().map(|text| text.trim_start());
    above.take_while(|text| text.starts_with("///") || text.starts_with("#[")).any(|text| text.starts_with("///"))
}

fn above_the_marks(tree: &Tree) -> String {
    let (mut files, mut functions) = (Vec::new(), Vec::new());
    for (path, source) in tree.sources().filter(|(path, _)| is_product(path)) {
        files.push((source.lines_of_code(), path.to_owned()));
        for function in source.functions.iter().filter(|function| !source.is_test(function.first)) {
            functions.push((function.lines(), format!("{path}:{} {}", function.first + 1, function.name)));
        }
    }
    let mut text = String::new();
    for (mark, mut sizes) in [(LONG_FILE, files), (LONG_FUNCTION, functions)] {
        sizes.retain(|(lines, _)| *lines > mark);
        sizes.sort_by(|one, two| two.cmp(one));
        for (lines, what) in sizes {
            // Writing to a String cannot fail.
            writeln!(text, "look again: {lines:>4} lines (mark: {mark})  {what}").expect("a String takes all");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occur() {
        assert_eq!((quantile(&[], 50), quantile(&[7], 50), quantile(&[9, 1, 5], 50)), (0, 7, 5));
        assert_eq!((quantile(&[1, 2, 3, 4], 95), quantile(&[1, 2, 3, 4], 100)), (4, 4));
    }

    #[test]
    fn tests_are_counted_apart_and_documents_are_seen() {
        let code = "/// Says.\n#[must_use]\npub fn one() -> u8 {\n    1\n}\n\npub struct Two;\n\n#[cfg(test)]\nmod tests {\n    fn test() {}\n}\n";
        let text = table(&Tree::of([("crates/a/src/lib.rs", code), ("crates/a/tests/story.rs", "fn story() {}\n")]));
        let row: Vec<&str> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        // Lines; file; function; long ones; tests to code; documented.
        assert_eq!(row, ["a", "5", "5", "/", "5", "/", "5", "3", "/", "3", "/", "3", "0", "1.00", "50%"]);
    }

    #[test]
    fn what_is_long_is_named() {
        let long = format!("fn long() {{\n{}}}\n", "    one();\n".repeat(LONG_FUNCTION));
        assert!(
            table(&Tree::of([("crates/a/src/lib.rs", long)]))
                .contains("72 lines (mark: 70)  crates/a/src/lib.rs:1 long")
        );
    }
}
