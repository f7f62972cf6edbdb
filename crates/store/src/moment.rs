//! Timestamps as people read them: `YYYY-MM-DD HH:MM:SS`, UTC.

use rusqlite::Row;
use topology::Timestamp;

/// First and last second that the text form can show: years 0000 to 9999.
const RANGE: (i64, i64) = (-62_167_219_200, 253_402_300_799);

/// Returns `at` as text, to the second. What lies outside the years 0 to 9999 becomes their first or last second.
pub(crate) fn text(at: Timestamp) -> String {
    let seconds = at.secs().clamp(RANGE.0, RANGE.1);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Reads a timestamp as SQLite, MySQL and Go's drivers write it: date, space or `T`, time, then perhaps a fraction and
/// an offset, which is taken into account. Nothing else is one.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        part.iter()
            .all(u8::is_ascii_digit)
            .then(|| part.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let mark = |at: usize, marks: &[u8]| bytes.get(at).is_some_and(|byte| marks.contains(byte));
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b" T") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, offset) = fraction_and_offset(text.get(19..)?)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp(seconds * 1_000_000 + micros))
}

/// Reads `.123456`, then `Z`, `+02:00` or nothing. Returns microseconds, and seconds east of Greenwich.
fn fraction_and_offset(tail: &str) -> Option<(i64, i64)> {
    let (digits, zone) = match tail.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", tail),
    };
    let micros = digits.chars().chain("000000".chars()).take(6).collect::<String>().parse().ok()?;
    let zone = zone.trim();
    let sign = match zone.chars().next() {
        None | Some('Z') => return Some((micros, 0)),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return None,
    };
    let (hours, minutes) = zone.get(1..6)?.split_once(':')?;
    Some((micros, sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)))
}

/// Reads the timestamp in `column` of `row`, refined by `<column>_us`: the text counts, the other column only adds
/// what is below a second. None when the text is empty, NULL or no timestamp.
pub(crate) fn read(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let text: Option<String> = row.get(column)?;
    let fine: Option<i64> = row.get(format!("{column}_us").as_str())?;
    Ok(refine(text.as_deref(), fine))
}

/// Reads the timestamp in `column` of `row`, which has no finer twin; the epoch's start when there is none.
pub(crate) fn read_coarse(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    let text: Option<String> = row.get(column)?;
    Ok(refine(text.as_deref(), None).unwrap_or_default())
}

fn refine(words: Option<&str>, fine: Option<i64>) -> Option<Timestamp> {
    let words = words?;
    match fine.map(Timestamp) {
        Some(fine) if words == text(fine) => Some(fine),
        _ => parse(words),
    }
}

/// Returns year, month and day of the day that many days after 1970-01-01 (proleptic Gregorian calendar). Counts in
/// years that begin in March, so that the leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The way back from [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        for (seconds, words) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_370_563, "2026-11-22 18:02:43"),
            (-1, "1969-12-31 23:59:59"),
            (i64::MAX / 1_000_000, "9999-12-31 23:59:59"),
            (i64::MIN / 1_000_000, "0000-01-01 00:00:00"),
        ] {
            assert_eq!(text(Timestamp::from_secs(seconds)), words);
        }
    }

    #[test]
    fn reads_what_other_programs_wrote() {
        let noon = Some(Timestamp::from_secs(1_795_348_800));
        for words in
            ["2026-11-22 12:00:00", "2026-11-22T12:00:00Z", "2026-11-22 12:00:00.000000", "2026-11-22 14:00:00+02:00"]
        {
            assert_eq!(parse(words), noon, "{words}");
        }
        assert_eq!(parse("1970-01-01 00:00:01.5"), Some(Timestamp(1_500_000)));
        for words in ["", "0000-00-00 00:00:00", "now", "2026-13-01 00:00:00", "2026-11-22", "2026-11-22 12:00:00 CET"]
        {
            assert_eq!(parse(words), None, "{words}");
        }
    }

    #[test]
    fn the_text_counts_when_somebody_edited_it() {
        let at = Timestamp(1_500_000);
        assert_eq!(refine(Some(&text(at)), Some(at.0)), Some(at));
        assert_eq!(refine(Some("1970-01-01 00:01:00"), Some(at.0)), Some(Timestamp::from_secs(60)));
        assert_eq!(refine(None, Some(at.0)), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in RANGE.0..=RANGE.1) {
            let at = Timestamp::from_secs(seconds);
            prop_assert_eq!(parse(&text(at)), Some(at));
        }

        #[test]
        fn no_text_panics(words in ".*") {
            prop_assert!(parse(&words).is_none_or(|at| at <= Timestamp::from_secs(RANGE.1 + 100_000 * 3600)));
        }
    }
}
