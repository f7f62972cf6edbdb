//! Reads the characters of a GTID set one token at a time, and knows where it is when something is wrong.

use super::GtidError;

/// How much of the text an error quotes, in characters.
const QUOTE_CHARS: usize = 24;

/// A cursor over a text. It only steps over ASCII, so that its offset is always between two characters.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the offset in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns the bytes ahead.
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Steps over spaces, tabs and line breaks; the server breaks its lines behind each UUID's numbers.
    pub(super) fn skip_space(&mut self) {
        self.at += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// Steps over `byte` and the space behind it, if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.skip_space();
        }
        found
    }

    /// Like [`Self::eat`], and an error when `byte` is not next.
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), GtidError> {
        if self.eat(byte) { Ok(()) } else { Err(self.error(expected)) }
    }

    /// Takes the longest run of bytes that `belongs`; may be empty.
    pub(super) fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let length = self.rest().iter().take_while(|&&byte| byte.is_ascii() && belongs(byte)).count();
        let taken = self.text.get(self.at..self.at + length).unwrap_or_default();
        self.at += length;
        taken
    }

    /// Takes a decimal number of at most `max` and the space behind it.
    pub(super) fn number(&mut self, max: u64, expected: &'static str) -> Result<u64, GtidError> {
        let start = self.at;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        match digits.parse::<u64>() {
            Ok(number) if number <= max => {
                self.skip_space();
                Ok(number)
            }
            _ => Err(self.error_at(start, expected)),
        }
    }

    /// Returns the error that `expected` is not what comes next.
    pub(super) fn error(&self, expected: &'static str) -> GtidError {
        self.error_at(self.at, expected)
    }

    /// Returns the error that `expected` is not what stands at the offset `at`.
    pub(super) fn error_at(&self, at: usize, expected: &'static str) -> GtidError {
        let found = self.text.get(at..).unwrap_or_default().chars().take(QUOTE_CHARS).collect();
        GtidError { at, expected, found }
    }
}
