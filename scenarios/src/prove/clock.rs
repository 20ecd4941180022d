//! Each machine's own clock: it began at some time, and runs at a rate of its own.

use super::dice::mix;
use super::world::Step;
use edge::core::boot_time::BootTime;
use std::time::Duration;

/// By how much rates differ from the true one, in thousandths: two of these clocks drift by just less than the part of a
/// lease that is given up.
const DRIFT: u64 = 50;

/// A machine's clock since its boot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: u64,
    per_mille: u64,
}

impl Clock {
    /// That of a machine, by its number.
    pub(super) fn of(seed: u64, machine: u64) -> Self {
        let drawn = mix(&[seed, machine, 0xc10c]);
        Self { started: drawn % 100_000, per_mille: 1000 - DRIFT + (drawn >> 32) % (2 * DRIFT + 1) }
    }

    /// What it shows at a step.
    pub(super) const fn at(self, now: Step) -> BootTime {
        BootTime::after_boot(Duration::from_micros(self.started * 1000 + now * self.per_mille))
    }
}
