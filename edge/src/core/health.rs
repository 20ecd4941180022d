//! The health of an upstream, from consecutive results: so many failures in a row make it down, so many successes in a
//! row bring it back. While it is down it is asked only when nothing better is up, or when a probe is due.

use super::time::Timestamp;
use std::time::Duration;

/// When an upstream changes its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// So many failures in a row make it down.
    pub failures_to_down: u32,
    /// So many successes in a row bring it back.
    pub successes_to_up: u32,
    /// How long a node that is down is left alone before a request may try it.
    pub retry_after: Duration,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self { failures_to_down: 3, successes_to_up: 1, retry_after: Duration::from_secs(2) }
    }
}

/// What a result changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    None,
    /// The upstream was up and is down now.
    WentDown,
    /// The upstream was down and is up now.
    CameUp,
}

/// The state of one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    failures: u32,
    successes: u32,
    /// When it went down or was last tried since; `None` while it is up.
    down: Option<Timestamp>,
}

impl Health {
    /// Whether it is up.
    pub const fn is_up(&self) -> bool {
        self.down.is_none()
    }

    /// Whether a request may be sent to it: it is up, or a probe is due.
    pub fn may_try(&self, policy: &HealthPolicy, now: Timestamp) -> bool {
        self.down.is_none_or(|since| now >= since.saturating_add(policy.retry_after))
    }

    /// Takes the result of a request or an active check.
    pub fn record(&mut self, ok: bool, policy: &HealthPolicy, now: Timestamp) -> Transition {
        if ok {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            if self.down.is_some() && self.successes >= policy.successes_to_up {
                self.down = None;
                return Transition::CameUp;
            }
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            if self.down.is_some() {
                self.down = Some(now);
            } else if self.failures >= policy.failures_to_down {
                self.down = Some(now);
                return Transition::WentDown;
            }
        }
        Transition::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_take_it_down_and_one_success_brings_it_back() {
        let policy = HealthPolicy::default();
        let at = Timestamp::from_millis;
        let mut health = Health::default();
        assert_eq!(health.record(false, &policy, at(1)), Transition::None);
        assert_eq!(health.record(false, &policy, at(2)), Transition::None);
        assert_eq!(health.record(true, &policy, at(3)), Transition::None);
        for ms in 4..6 {
            assert_eq!(health.record(false, &policy, at(ms)), Transition::None);
        }
        assert_eq!(health.record(false, &policy, at(6)), Transition::WentDown);
        assert!(!health.is_up());
        assert!(!health.may_try(&policy, at(2005)));
        assert!(health.may_try(&policy, at(2006)));
        assert_eq!(health.record(false, &policy, at(2006)), Transition::None);
        assert!(!health.may_try(&policy, at(2007)), "a failed probe starts the wait anew");
        assert_eq!(health.record(true, &policy, at(5000)), Transition::CameUp);
        assert!(health.is_up());
    }
}
