//! The only place that reads a clock.

use std::time::{Instant, SystemTime};

/// The monotonic clock: for durations.
#[expect(clippy::disallowed_methods, reason = "this module is where clocks are read")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock: for dates that leave the process.
#[expect(clippy::disallowed_methods, reason = "this module is where clocks are read")]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}
