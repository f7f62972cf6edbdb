//! A JSON object with the place of each member.
//!
//! The grammar is `serde_json`'s. It hands out each value as a slice of the text ([`RawValue`]), and where a slice lies
//! in its text is plain arithmetic, so places need no second parser. Duplicates are kept, in order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A member of the top-level object.
pub(crate) struct Member<'a> {
    pub(crate) key: String,
    /// Line of the key, counted from 1.
    pub(crate) line: usize,
    pub(crate) value: &'a RawValue,
}

/// The members of the top-level object, and the line at which text goes on after it.
pub(crate) struct Object<'a> {
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) trailing: Option<usize>,
}

/// Why a text is not a JSON object.
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// A text and the start of each of its lines.
pub(crate) struct Source<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Self { text, line_starts: std::iter::once(0).chain(starts).collect() }
    }

    /// Returns the line, counted from 1, of the byte at `offset`.
    fn line_at(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Returns where `slice`, a part of the text, begins in it.
    fn offset_of(&self, slice: &str) -> usize {
        (slice.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    /// Returns the line at which `value`, a part of the text, begins.
    pub(crate) fn line_of(&self, value: &RawValue) -> usize {
        self.line_at(self.offset_of(value.get()))
    }

    /// Reads the text's first value, which must be an object.
    pub(crate) fn object(&self) -> Result<Object<'a>, SyntaxError> {
        // Editors on Windows leave this mark; nothing is lost by passing over it.
        let start = if self.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let text = &self.text[start..];
        if text.trim().is_empty() {
            return Err(SyntaxError { line: 1, message: "the file is empty: write at least {}".to_owned() });
        }
        if !text.trim_start().starts_with('{') {
            let line = self.line_at(self.text.len() - text.trim_start().len());
            return Err(SyntaxError { line, message: "expected a JSON object: { \"Key\": value, … }".to_owned() });
        }
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Members<'a>>();
        let members = match stream.next() {
            Some(Ok(Members(members))) => members,
            Some(Err(error)) => return Err(self.syntax_error(text, &error)),
            None => return Err(SyntaxError { line: 1, message: "the file is empty: write at least {}".to_owned() }),
        };
        let end = start + stream.byte_offset();
        let rest = &self.text[end..];
        let skipped = rest.len() - rest.trim_start().len();
        let trailing = (skipped < rest.len()).then(|| self.line_at(end + skipped));
        Ok(Object { members: self.place(start, members), trailing })
    }

    /// Finds each key: between two members lie only blanks and a comma, as the grammar has already checked.
    fn place(&self, start: usize, members: Vec<(String, &'a RawValue)>) -> Vec<Member<'a>> {
        let mut end_of_last = start;
        let place = |(key, value): (String, &'a RawValue)| {
            let between = &self.text[end_of_last..];
            let skipped =
                between.len() - between.trim_start_matches(|c: char| c.is_whitespace() || ",{".contains(c)).len();
            let line = self.line_at(end_of_last + skipped);
            end_of_last = self.offset_of(value.get()) + value.get().len();
            Member { key, line, value }
        };
        members.into_iter().map(place).collect()
    }

    fn syntax_error(&self, text: &str, error: &serde_json::Error) -> SyntaxError {
        let full = error.to_string();
        // The line goes into the place; the column helps to find the character.
        let reason = match full.split(" at line ").next().unwrap_or_default() {
            "expected ident" => "expected true, false or null",
            reason if error.is_eof() && !reason.is_empty() => "the text ends too early",
            reason => reason,
        };
        let line = error.line().max(1);
        let hint = syntax_hint(text.lines().nth(line - 1).unwrap_or_default(), reason);
        SyntaxError { line, message: format!("not valid JSON: {reason} (column {}){hint}", error.column()) }
    }
}

/// Says what to change for the mistakes that people make by hand.
fn syntax_hint(line: &str, reason: &str) -> &'static str {
    let line = line.trim_start();
    if line.starts_with("//") || line.starts_with("/*") || line.starts_with('#') {
        ": write comments as a member, \"#\": \"text\""
    } else if reason == "trailing comma" {
        ": remove the comma before the closing bracket"
    } else if reason == "the text ends too early" {
        ": is a closing bracket or quote missing?"
    } else if reason.starts_with("expected `,`") {
        ": is there a comma missing at the end of the line before?"
    } else {
        ""
    }
}

/// The members of an object in the order of the text, duplicates included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    members.push((key.into_owned(), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Reads `raw` as an object with text values, in order.
pub(crate) fn members(raw: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    serde_json::from_str::<Members<'_>>(raw.get()).ok().map(|members| members.0)
}
