//! Time by a machine's clock since its boot, suspended time included: `CLOCK_BOOTTIME`. For deadlines that must not wait
//! while the machine sleeps.

use std::time::Duration;

/// A moment by one machine's clock since its boot. Those of two machines have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(Duration);

impl BootTime {
    /// When the machine was started.
    pub const BOOT: Self = Self(Duration::ZERO);

    /// So long after the machine was started.
    pub const fn after_boot(uptime: Duration) -> Self {
        Self(uptime)
    }

    /// So many nanoseconds after the machine was started.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }

    /// Nanoseconds since the machine was started, in one word: for 584 years.
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// This much later; at the end of time, that.
    #[must_use]
    pub const fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long from here to `later`; zero if that is past.
    pub const fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_nowhere() {
        let at = |secs| BootTime::after_boot(Duration::from_secs(secs));
        assert_eq!(BootTime::BOOT.after(Duration::from_secs(3)), at(3));
        assert_eq!(at(3).until(at(5)), Duration::from_secs(2));
        assert_eq!(at(5).until(at(3)), Duration::ZERO);
        let last = BootTime::after_boot(Duration::MAX);
        assert_eq!(last.after(Duration::from_secs(1)), last);
    }
}
