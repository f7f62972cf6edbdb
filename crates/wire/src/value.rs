//! Values that many answers are made of.

use serde::{Deserialize, Serialize};
use topology::{BinlogCoordinates, InstanceKey};

/// The address of an instance. "No instance" is an empty host and port 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Host name or address.
    #[serde(rename = "Hostname")]
    pub host: String,
    /// TCP port.
    #[serde(rename = "Port")]
    pub port: u16,
}

impl From<&InstanceKey> for Key {
    fn from(key: &InstanceKey) -> Self {
        Self { host: key.host.clone(), port: key.port }
    }
}

/// A position in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    /// File name.
    #[serde(rename = "LogFile")]
    pub file: String,
    /// Offset in bytes.
    #[serde(rename = "LogPos")]
    pub pos: u64,
    /// 0 for a binary log, 1 for a relay log.
    #[serde(rename = "Type")]
    pub kind: u8,
}

impl Coordinates {
    /// Returns a position in a binary log.
    pub fn binlog(at: &BinlogCoordinates) -> Self {
        Self { file: at.file.clone(), pos: at.pos, kind: 0 }
    }

    /// Returns a position in a relay log.
    pub fn relay(at: &BinlogCoordinates) -> Self {
        Self { kind: 1, ..Self::binlog(at) }
    }
}

/// A number or NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NullInt {
    /// The number; 0 for NULL.
    #[serde(rename = "Int64")]
    pub value: i64,
    /// False for NULL.
    #[serde(rename = "Valid")]
    pub valid: bool,
}

impl From<Option<u64>> for NullInt {
    fn from(number: Option<u64>) -> Self {
        number
            .map_or_else(Self::default, |number| Self { value: i64::try_from(number).unwrap_or(i64::MAX), valid: true })
    }
}

/// A truth value or NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NullBool {
    /// The value; false for NULL.
    #[serde(rename = "Bool")]
    pub value: bool,
    /// False for NULL.
    #[serde(rename = "Valid")]
    pub valid: bool,
}

impl From<Option<bool>> for NullBool {
    fn from(value: Option<bool>) -> Self {
        Self { value: value.unwrap_or_default(), valid: value.is_some() }
    }
}

/// An object without fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// What most answers are wrapped in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    /// `OK` or `ERROR`.
    pub code: String,
    /// What a person should read.
    pub message: String,
    /// What a program should read; null where there is nothing.
    pub details: serde_json::Value,
}

impl Envelope {
    /// Returns the envelope of a success.
    pub fn ok(message: impl Into<String>, details: serde_json::Value) -> Self {
        Self { code: "OK".to_owned(), message: message.into(), details }
    }

    /// Returns the envelope of a failure.
    pub fn error(message: impl Into<String>, details: serde_json::Value) -> Self {
        Self { code: "ERROR".to_owned(), message: message.into(), details }
    }

    /// True for a failure.
    pub fn is_error(&self) -> bool {
        self.code == "ERROR"
    }
}

/// Returns a replication error as instances show it: in double quotes, with everything but printable ASCII escaped.
/// Nothing for no error.
pub fn error_text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(character),
            _ if u32::from(character) < 0x80 => quoted.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ if u32::from(character) < 0x1_0000 => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns the text that [`error_text`] shows as `shown`; a text without its quotes is itself.
pub fn read_error_text(shown: &str) -> String {
    let Some(inner) = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return shown.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = rest[at + 1..].chars().next();
        let digits = match escape {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let coded = rest.get(at + 2..at + 2 + digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        let (character, length) = match (escape, coded.and_then(char::from_u32)) {
            (Some('n'), _) => ('\n', 1),
            (Some('r'), _) => ('\r', 1),
            (Some('t'), _) => ('\t', 1),
            (Some('x' | 'u' | 'U'), Some(character)) => (character, 1 + digits),
            (Some(other), _) => (other, other.len_utf8()),
            (None, _) => ('\\', 0),
        };
        text.push(character);
        rest = &rest[at + 1 + length..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_quoted_and_ascii() {
        assert_eq!(error_text(""), "");
        assert_eq!(error_text("can't \"x\"\\\n\u{7f}é🦀"), r#""can't \"x\"\\\n\x7f\u00e9\U0001f980""#);
    }

    #[test]
    fn errors_are_read_as_they_were() {
        for text in ["", "can't \"x\"\\\n\u{7f}é🦀\t", "plain", "\\", "a\\x4", "äö"] {
            assert_eq!(read_error_text(&error_text(text)), text);
        }
        assert_eq!(read_error_text("no quotes \\(111\\)"), "no quotes \\(111\\)");
        assert_eq!(read_error_text(r#""a\x"#), r#""a\x"#);
        assert_eq!(read_error_text(r#""a\x""#), "ax");
    }

    #[test]
    fn null_is_a_zero_that_is_not_valid() {
        assert_eq!(NullInt::from(None), NullInt { value: 0, valid: false });
        assert_eq!(NullInt::from(Some(u64::MAX)), NullInt { value: i64::MAX, valid: true });
        assert_eq!(NullBool::from(Some(false)), NullBool { value: false, valid: true });
    }
}
