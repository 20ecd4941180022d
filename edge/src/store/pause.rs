//! How long refreshes in the background pause after one that came to nothing. What is stale is served without asking
//! anybody meanwhile: an origin that fails is not asked once more by each request that comes.

use crate::core::key::CacheKey;
use crate::core::purge::Fence;
use moka::sync::Cache;
use std::time::{Duration, Instant};

/// The pause after the first failure: as good as none to readers, and few requests to an origin in trouble.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// No pause is longer. Each is twice as long as the one before, but an origin that has recovered is noticed soon.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a failure counts for the length of the next pause.
pub const FAILURE_MEMORY: Duration = Duration::from_secs(60);

/// The pauses of all keys, as many as [`super::lock::MAX_REMEMBERED`].
#[derive(Debug)]
pub struct Pauses {
    by_key: Cache<CacheKey, Pause>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    lasts: Duration,
    until: Instant,
    fence: Fence,
    was_bare: bool,
}

impl Pauses {
    /// None.
    pub fn new(max: u64) -> Self {
        Self { by_key: Cache::builder().max_capacity(max).time_to_live(FAILURE_MEMORY).build() }
    }

    /// A refresh came to nothing. `fence` is the number of the purge that was applied last when it began; `was_bare` says
    /// that no client's fields can have been why.
    pub fn begin(&self, key: CacheKey, fence: Fence, was_bare: bool, now: Instant) {
        let lasts = self.by_key.get(&key).map_or(FIRST_PAUSE, |before| (before.lasts * 2).min(LONGEST_PAUSE));
        self.by_key.insert(key, Pause { lasts, until: now + lasts, fence, was_bare });
    }

    /// A response was stored: the next failure is the first one again.
    pub fn end(&self, key: &CacheKey) {
        if self.by_key.contains_key(key) {
            self.by_key.invalidate(key);
        }
    }

    /// Whether the last refresh failed, and may have done so by what it said of a client.
    pub fn is_next_bare(&self, key: &CacheKey) -> bool {
        self.by_key.get(key).is_some_and(|pause| !pause.was_bare)
    }

    /// Whether no refresh is to begin now. One that a purge asks for does not wait: `is_purged` says whether one selects
    /// what is stored since this number.
    pub fn holds(&self, key: &CacheKey, now: Instant, is_purged: impl FnOnce(Fence) -> bool) -> bool {
        let Some(pause) = self.by_key.get(key) else { return false };
        let is_over = now >= pause.until;
        !is_over && !is_purged(pause.fence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const FENCE: Fence = Fence::ZERO;

    fn key(byte: u8) -> CacheKey {
        CacheKey::from([byte; 16])
    }

    /// Checks how long the pause that begins now lasts.
    #[track_caller]
    fn check_pause(pauses: &Pauses, now: Instant, seconds: u64) {
        pauses.begin(key(1), FENCE, false, now);
        let end = now + Duration::from_secs(seconds);
        assert!(pauses.holds(&key(1), end - Duration::from_millis(1), |_| false), "less than {seconds} s");
        assert!(!pauses.holds(&key(1), end, |_| false), "more than {seconds} s");
    }

    #[test]
    fn a_pause_is_twice_as_long_as_the_one_before() {
        let (pauses, now) = (Pauses::new(10), clock::monotonic());
        assert!(!pauses.holds(&key(1), now, |_| false));
        for seconds in [1, 2, 4, 8, 10, 10] {
            check_pause(&pauses, now, seconds);
        }
        assert!(!pauses.holds(&key(2), now, |_| false), "each key has its own");
        pauses.end(&key(1));
        assert!(!pauses.holds(&key(1), now, |_| false));
        check_pause(&pauses, now, 1);
    }

    #[test]
    fn every_other_one_that_fails_is_bare() {
        let (pauses, now) = (Pauses::new(10), clock::monotonic());
        for is_bare in [false, true, false] {
            assert_eq!(pauses.is_next_bare(&key(1)), is_bare);
            pauses.begin(key(1), FENCE, is_bare, now);
        }
        pauses.end(&key(1));
        assert!(!pauses.is_next_bare(&key(1)));
    }

    #[test]
    fn a_purge_does_not_wait() {
        let (pauses, now) = (Pauses::new(10), clock::monotonic());
        pauses.begin(key(1), FENCE, false, now);
        assert!(!pauses.holds(&key(1), now, |fence| fence == FENCE));
    }
}
