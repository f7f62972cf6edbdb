//! Moments as text, in the two notations that clients know and in an exact one of ours.

use topology::Timestamp;

/// Returns a moment as the columns of a row show it: `2026-11-22T17:53:17Z`.
pub fn row_time(moment: Timestamp) -> String {
    format(moment, "%Y-%m-%dT%H:%M:%SZ")
}

/// Returns a moment as computed columns show it (ends of downtimes and recoveries): `2026-11-22 17:53:17`, UTC.
pub fn computed_time(moment: Timestamp) -> String {
    format(moment, "%Y-%m-%d %H:%M:%S")
}

/// Returns a moment to the microsecond: `2026-11-22T17:53:17.000042Z`.
pub fn exact_time(moment: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(moment.0)
        .map_or_else(|_| String::new(), |moment| moment.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

/// Returns the moment that `text` means, in any of these notations or with an offset of its own; without one it is UTC. None
/// for anything else, the zero of moments that never were included.
pub fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let exact = text.parse::<jiff::Timestamp>().or_else(|_| format!("{}Z", text.replace(' ', "T")).parse());
    exact.ok().map(|moment| Timestamp(moment.as_microsecond())).filter(|moment| moment.0 > 0)
}

/// Returns the zero of moments that never were.
pub fn zero_time() -> String {
    "0001-01-01T00:00:00Z".to_owned()
}

fn format(moment: Timestamp, layout: &str) -> String {
    jiff::Timestamp::from_second(moment.secs())
        .map_or_else(|_| String::new(), |moment| moment.strftime(layout).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_and_out_of_range_ones_are_empty() {
        let moment = Timestamp(1_795_370_000_999_999);
        assert_eq!(row_time(moment), "2026-11-22T17:53:20Z");
        assert_eq!(computed_time(moment), "2026-11-22 17:53:20");
        assert_eq!(exact_time(moment), "2026-11-22T17:53:20.999999Z");
        assert_eq!(exact_time(Timestamp(1_795_370_000_000_042)), "2026-11-22T17:53:20.000042Z");
        assert_eq!(row_time(Timestamp(-1)), "1969-12-31T23:59:59Z");
        assert_eq!(row_time(Timestamp(i64::MAX)), "");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let moment = Timestamp::from_secs(1_795_370_000);
        for text in
            [row_time(moment), computed_time(moment), exact_time(moment), "2026-11-22T19:53:20+02:00".to_owned()]
        {
            assert_eq!(read_time(&text), Some(moment), "{text}");
        }
        for text in [zero_time().as_str(), "", "yesterday", "2026-13-01 00:00:00"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }
}
