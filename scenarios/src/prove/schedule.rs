//! Who acts next: a race between those that can, whose speeds differ much and change now and then.

use super::dice::{mix, stir};
use super::world::{Step, TaskId};

/// How long a task keeps its speed, in steps.
const CHANGES_EVERY: Step = 48;

/// The speeds of tasks.
const SPEEDS: [f64; 6] = [0.01, 0.1, 1.0, 1.0, 4.0, 20.0];

/// The one that acts next. Taking one out of the race leaves the others in their order.
pub(super) fn pick(seed: u64, now: Step, ready: impl Iterator<Item = TaskId>) -> Option<TaskId> {
    let (of_period, of_step) = (mix(&[seed, now / CHANGES_EVERY, 2]), mix(&[seed, now, 1]));
    let time = |task: TaskId| {
        let speed = SPEEDS[(stir(of_period, task) % SPEEDS.len() as u64) as usize];
        waits(stir(of_step, task)) / speed
    };
    ready.map(|task| (time(task), task)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, task)| task)
}

/// How long something waits that comes at random: `-log2` of a number in (0, 1), straight between powers of two.
fn waits(bits: u64) -> f64 {
    let bits = bits | 1;
    let zeros = bits.leading_zeros();
    let fraction = (bits << zeros << 1) as f64 / 2_f64.powi(64);
    f64::from(zeros) + 1.0 - fraction
}
