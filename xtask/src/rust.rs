//! As much of Rust's grammar as the checks need: what is code, where functions begin and end, where tests begin.
//!
//! Not a parser. It knows comments, literals and braces, which is enough for code that rustfmt formatted and rustc
//! accepted.

/// A Rust file.
#[derive(Debug, Default)]
pub struct Source {
    /// Its lines, as they are.
    pub text: Vec<String>,
    /// The same lines with comments and the insides of literals replaced by nothing.
    pub code: Vec<String>,
    /// Its functions with a body, in order of their first lines.
    pub functions: Vec<Function>,
    /// Lines of its `#[cfg(test)]` modules: first and last, from 0.
    tests: Vec<(usize, usize)>,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first line, from 0.
    pub first: usize,
    /// Its last line.
    pub last: usize,
}

impl Function {
    /// Returns how many lines it has.
    pub fn lines(&self) -> usize {
        self.last - self.first + 1
    }
}

impl Source {
    /// Reads `text`.
    pub fn of(text: &str) -> Self {
        let code: Vec<String> = strip(text).lines().map(str::to_owned).collect();
        let functions = functions(&code);
        let tests = test_modules(&code);
        Self { text: text.lines().map(str::to_owned).collect(), code, functions, tests }
    }

    /// True when the line is in a module of tests.
    pub fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Returns the lines that hold code, outside of modules of tests.
    pub fn lines_of_code(&self) -> usize {
        (0..self.code.len()).filter(|line| !self.is_test(*line) && !self.code[*line].trim().is_empty()).count()
    }

    /// Returns the lines that hold code, inside of modules of tests.
    pub fn lines_of_tests(&self) -> usize {
        (0..self.code.len()).filter(|line| self.is_test(*line) && !self.code[*line].trim().is_empty()).count()
    }

    /// Returns the innermost function that the line is in.
    pub fn function_at(&self, line: usize) -> Option<&Function> {
        self.functions.iter().rfind(|function| (function.first..=function.last).contains(&line))
    }
}

/// Returns `text` without comments and without the insides of literals; lines stay where they are.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (length, keeps) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), "")
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), " ")
        } else if let Some(length) = raw_string(rest, &out) {
            (length, "\"\"")
        } else if next == '"' {
            (quoted(rest), "\"\"")
        } else if let Some(length) = character(rest) {
            (length, "' '")
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        out.push_str(keeps);
        out.extend(rest[..length].chars().filter(|letter| *letter == '\n'));
        rest = &rest[length..];
    }
    out
}

/// Returns the length of the raw string that `text` begins with.
fn raw_string(text: &str, before: &str) -> Option<usize> {
    if before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
        return None;
    }
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = text.len() - after.len() + hashes + 1;
    Some(text[begin..].find(&end).map_or(text.len(), |at| begin + at + end.len()))
}

/// Returns the length of the string that `text` begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of the character that `text` begins with; none for a lifetime.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        return Some(escape.char_indices().skip(1).find(|(_, letter)| *letter == '\'')?.0 + 3);
    }
    let letter = inside.chars().next()?;
    inside[letter.len_utf8()..].starts_with('\'').then(|| letter.len_utf8() + 2)
}

/// Returns the functions with a body in stripped code.
fn functions(code: &[String]) -> Vec<Function> {
    let mut found = Vec::new();
    for (first, line) in code.iter().enumerate() {
        let Some(name) = name_after(line, "fn ") else { continue };
        let column = line.find("fn ").unwrap_or_default();
        if let Some(last) = end_of_body(code, first, column) {
            found.push(Function { name, first, last });
        }
    }
    found
}

/// Returns the identifier that follows `keyword` where that is a word of its own.
fn name_after(line: &str, keyword: &str) -> Option<String> {
    let at = line.find(keyword)?;
    if line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
        return None;
    }
    let name: String = line[at + keyword.len()..].chars().take_while(|l| l.is_alphanumeric() || *l == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Returns the last line of the braces that open after `column` of line `first`; none where a semicolon comes first.
fn end_of_body(code: &[String], first: usize, column: usize) -> Option<usize> {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (number, line) in code.iter().enumerate().skip(first) {
        let from = if number == first { column } else { 0 };
        for letter in line[from..].chars() {
            match letter {
                '{' => braces += 1,
                '}' if braces == 1 => return Some(number),
                '}' => braces = braces.checked_sub(1)?,
                '(' | '[' => others += 1,
                ')' | ']' => others = others.saturating_sub(1),
                ';' if braces == 0 && others == 0 => return None,
                _ => {}
            }
        }
    }
    None
}

/// Returns first and last line of each `#[cfg(test)]` module in stripped code.
fn test_modules(code: &[String]) -> Vec<(usize, usize)> {
    let marked = code.iter().enumerate().filter(|(_, line)| line.trim() == "#[cfg(test)]");
    marked
        .filter_map(|(line, _)| {
            let at = code.iter().skip(line + 1).position(|next| !next.trim().is_empty())? + line + 1;
            name_after(&code[at], "mod ")?;
            Some((line, end_of_body(code, at, 0)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text =
            "let one = \"sleep( \\\" {\"; // sleep(\nlet two = r#\"tokio \"{\" \"#; /* HashMap\n */ let c = '{';";
        assert_eq!(strip(text), "let one = \"\"; \nlet two = \"\";  \n let c = ' ';");
    }

    #[test]
    fn a_lifetime_is_no_character() {
        assert_eq!(
            strip("fn of<'a>(text: &'a str) -> &'a str { text }"),
            "fn of<'a>(text: &'a str) -> &'a str { text }"
        );
        assert_eq!(strip(r"let (one, two) = ('\'', '\u{1F}');"), "let (one, two) = (' ', ' ');");
    }

    #[test]
    fn functions_end_where_their_braces_do() {
        let source = Source::of(
            "trait Reads {\n    fn read(&self) -> u8;\n}\n\npub async fn outer(of: [u8; 3]) -> u8 {\n    fn inner() {}\n    of[0]\n}\n",
        );
        let names: Vec<(&str, usize)> =
            source.functions.iter().map(|function| (function.name.as_str(), function.lines())).collect();
        assert_eq!(names, [("outer", 4), ("inner", 1)]);
        assert_eq!(source.function_at(5).map(|function| function.name.as_str()), Some("inner"));
        assert_eq!(source.function_at(6).map(|function| function.name.as_str()), Some("outer"));
        assert_eq!(source.function_at(0), None);
    }

    #[test]
    fn tests_are_told_from_code() {
        let source = Source::of("//! Says.\nfn code() {}\n\n#[cfg(test)]\nmod tests {\n    fn test() {}\n}\n");
        assert_eq!((source.lines_of_code(), source.lines_of_tests()), (1, 4));
        assert!(source.is_test(5) && !source.is_test(1));
        let apart = Source::of("#[cfg(test)]\nmod tests;\nfn code() {}\n");
        assert!(!apart.is_test(2));
    }
}
