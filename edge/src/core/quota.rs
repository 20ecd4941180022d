//! How much of something may be done in a minute: the generic cell rate algorithm (ITU-T I.371), which keeps one number.

use std::time::Duration;

/// Within so long, as much may be done at once as there is for it.
const WINDOW: Duration = Duration::from_secs(60);

/// A budget that fills up steadily, and is full at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// When it will be full again. Times are reckoned from any one point, which lies [`WINDOW`] ahead of them.
    full_at: Duration,
}

impl Budget {
    /// Takes `cost` of `per_minute`.
    ///
    /// # Errors
    /// After how long there will be enough; `None` if it is more than there ever is. Nothing is taken then.
    pub fn take(&mut self, cost: u64, per_minute: u64, now: Duration) -> Result<(), Option<Duration>> {
        if cost > per_minute {
            return Err(None);
        }
        let share = cost as f64 / per_minute.max(1) as f64;
        let full_at = self.full_at.max(now) + WINDOW.mul_f64(share);
        match full_at.checked_sub(now + WINDOW) {
            Some(wait) if !wait.is_zero() => Err(Some(wait)),
            _ => {
                self.full_at = full_at;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_at_once_and_then_as_it_fills() {
        let at = Duration::from_secs;
        let mut budget = Budget::default();
        for _ in 0..60 {
            assert_eq!(budget.take(1, 60, at(100)), Ok(()));
        }
        assert_eq!(budget.take(1, 60, at(100)), Err(Some(at(1))));
        assert_eq!(budget.take(10, 60, at(105)), Err(Some(at(5))));
        assert_eq!(budget.take(5, 60, at(105)), Ok(()), "what was refused took nothing");
        assert_eq!(budget.take(1, 60, at(105)), Err(Some(at(1))));
        assert_eq!(budget.take(60, 60, at(1000)), Ok(()), "it is full again, and no more than full");
        assert_eq!(budget.take(1, 60, at(1000)), Err(Some(at(1))));
    }

    #[test]
    fn what_never_fits_takes_nothing() {
        let mut budget = Budget::default();
        let now = Duration::from_secs(9);
        assert_eq!(budget.take(61, 60, now), Err(None));
        assert_eq!(budget.take(60, 60, now), Ok(()));
        assert_eq!(budget.take(1, 60, now), Err(Some(Duration::from_secs(1))));
        assert_eq!(budget.take(0, 60, now), Ok(()));
        assert_eq!(budget.take(1, 0, now), Err(None), "of nothing, nothing");
    }
}
