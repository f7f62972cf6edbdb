//! The one clock of this process.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use topology::Timestamp;

/// Tells the time. It starts at the system's and then runs with the monotonic clock, so that a step of the system clock
/// neither ages evidence nor makes it younger.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// None on a clock that stands still.
    started: Option<Instant>,
    origin: Timestamp,
}

impl Clock {
    /// Returns a clock set by the system's.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::start_at(Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns a clock that shows `origin` now.
    pub fn start_at(origin: Timestamp) -> Self {
        Self { started: Some(Instant::now()), origin }
    }

    /// Returns a clock that always shows `moment`.
    pub(crate) fn still(moment: Timestamp) -> Self {
        Self { started: None, origin: moment }
    }

    /// Returns the present moment.
    pub fn now(&self) -> Timestamp {
        self.started.map_or(self.origin, |started| self.origin.plus(started.elapsed()))
    }
}
