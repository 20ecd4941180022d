//! The only place that reads a clock.

use edge::core::time::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest timeout. No purge is worth a longer wait.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// What the home's answer may take beyond the time for which the home waits.
pub const ANSWER: Duration = Duration::from_secs(5);

/// Longest wait for anything; longer ones are cut to it. It has room for the longest timeout and for what is sent before.
const MAX_WAIT: Duration = MAX_TIMEOUT.saturating_mul(2);

/// The monotonic clock: for durations.
#[expect(clippy::disallowed_methods, reason = "this module is where clocks are read")]
pub fn now() -> Instant {
    Instant::now()
}

/// The clock on the wall: for the dates of tokens.
#[expect(clippy::disallowed_methods, reason = "this module is where clocks are read")]
pub fn now_as_date() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A point in time by which something must be done, and how much time it was given.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    span: Duration,
}

impl Deadline {
    /// From now on, `span`, but at most twice [`MAX_TIMEOUT`].
    pub fn after(span: Duration) -> Self {
        let span = span.min(MAX_WAIT);
        Self { at: now() + span, span }
    }

    /// How much time was given in all.
    pub const fn span(self) -> Duration {
        self.span
    }

    /// How much of it is left.
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(now())
    }

    /// The point in time, for tokio's timers.
    pub(crate) fn at(self) -> tokio::time::Instant {
        self.at.into()
    }
}
