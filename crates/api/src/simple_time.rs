//! Spans of time as people write them: `10m`, `2h`.

use std::time::Duration;

use crate::error::Error;

/// The longest span that is accepted; longer ones are surely a slip, and sums with them must not overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a whole number and one of `s`, `m`, `h`, `d`, `w`.
///
/// # Errors
/// [`Error::BadParameter`] for anything else.
pub(crate) fn parse(text: &str) -> Result<Duration, Error> {
    let bad =
        || Error::BadParameter(format!("Cannot parse simple time: {}", text.chars().take(40).collect::<String>()));
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(bad()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    number.checked_mul(seconds).map(Duration::from_secs).filter(|span| *span <= LONGEST).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_a_unit_and_nothing_else() {
        for (text, seconds) in [("0s", 0), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("3w", 3 * 7 * 86_400)] {
            assert_eq!(parse(text).expect(text), Duration::from_secs(seconds));
        }
        for text in ["", "m", "10", "tenminutes", "-1m", "1.5h", "99999999999999999999w", "9999999999999w", "10µ"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
