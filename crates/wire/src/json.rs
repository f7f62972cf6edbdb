//! JSON as Go writes it.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

/// Writes compact JSON in which `<`, `>`, `&` and the two line separators of Unicode are escaped inside strings, so
/// that it may stand inside HTML and scripts.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let special = rest[at..].chars().next().unwrap_or_default();
            write!(writer, "\\u{:04x}", u32::from(special))?;
            rest = &rest[at + special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Returns `value` as it is sent.
///
/// # Errors
/// `value` has a map whose keys are no strings, or its own `Serialize` fails.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::with_capacity(1024);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Escaping))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_would_read_is_escaped() {
        let text = String::from_utf8(to_json("a<b>&\"c\"\u{2028}é\n").expect("a string")).expect("UTF-8");
        assert_eq!(text, r#""a\u003cb\u003e\u0026\"c\"\u2028é\n""#);
        assert_eq!(serde_json::from_str::<String>(&text).expect("reads back"), "a<b>&\"c\"\u{2028}é\n");
    }
}
