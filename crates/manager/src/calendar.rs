//! Moments as people write them.

use topology::Timestamp;

/// Returns `YYYY-MM-DD HH:MM:SS` in UTC.
pub(crate) fn date_time(moment: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(moment.0)
        .map_or_else(|_| moment.secs().to_string(), |moment| moment.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
