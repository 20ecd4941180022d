//! The one place of this crate that reads the clock.

use tokio::time::Instant;

/// The monotonic time, as the timers of tokio see it.
pub fn now() -> Instant {
    Instant::now()
}
