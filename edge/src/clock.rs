//! Layer 3a: the one place where the node reads a clock. Everything else takes `now` as an argument or asks here.

use crate::core::time::Timestamp;
use std::time::{Instant, SystemTime};

/// Wall-clock time: for lifetimes, ages and dates.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::from_system_time(SystemTime::now())
}

/// Monotonic time: for deadlines and durations.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
