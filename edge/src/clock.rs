//! Layer 3a: the one place where the node reads a clock. Everything else takes `now` as an argument or asks here.

use crate::core::boot_time::BootTime;
use crate::core::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime};

/// Wall-clock time: for lifetimes, ages and dates.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::from_system_time(SystemTime::now())
}

/// The time since the machine was started, while it slept too: for leases, which end whether anybody looks or not.
pub fn boot_time() -> BootTime {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    // Where there is no such clock, one that stands still in sleep has to do.
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let now = clock_gettime(CLOCK);
    let (secs, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0));
    BootTime::after_boot(Duration::new(secs, nanos.min(999_999_999)))
}

/// Monotonic time: for deadlines and durations.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
