//! The one clock of this process.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use topology::Timestamp;

/// Tells the time. It starts at the system's and then runs with the monotonic clock, so that a step of the system clock
/// neither ages evidence nor makes it younger.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
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
        Self { started: Instant::now(), origin }
    }

    /// Returns the present moment.
    pub fn now(&self) -> Timestamp {
        self.origin.plus(self.started.elapsed())
    }
}
