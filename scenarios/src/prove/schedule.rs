//! Who acts next: a race between those that can, whose speeds differ much and change now and then.

use super::dice::{mix, stir};
use super::world::{Step, TaskId};

/// How long a task keeps its speed, in steps.
const CHANGES_EVERY: Step = 48;

/// How slow tasks are: some are two thousand times as slow as others.
const SLOWNESS: [u64; 6] = [2000, 200, 20, 20, 5, 1];

/// The one that acts next. Taking one out of the race leaves the others in their order.
pub(super) fn pick(seed: u64, now: Step, ready: impl Iterator<Item = TaskId>) -> Option<TaskId> {
    let (of_period, of_step) = (mix(&[seed, now / CHANGES_EVERY, 2]), mix(&[seed, now, 1]));
    let time = |task: TaskId| {
        let slowness = SLOWNESS[(stir(of_period, task) % SLOWNESS.len() as u64) as usize];
        waits(stir(of_step, task)) * slowness
    };
    ready.map(|task| (time(task), task)).min().map(|(_, task)| task)
}

/// How long something waits that comes at random: `-log2` of a number in (0, 1), straight between powers of two, in
/// units of 2^-32.
const fn waits(bits: u64) -> u64 {
    let bits = bits | 1;
    let zeros = bits.leading_zeros();
    let fraction = (bits << zeros << 1) >> 32;
    ((zeros as u64 + 1) << 32) - fraction
}
