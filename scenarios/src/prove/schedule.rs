//! Who acts next: a race between those that can, whose speeds differ much and change now and then.

use super::dice::{mix, unit};
use super::world::{Step, TaskId};

/// How long a task keeps its speed, in steps.
const CHANGES_EVERY: Step = 48;

/// The speeds of tasks.
const SPEEDS: [f64; 6] = [0.01, 0.1, 1.0, 1.0, 4.0, 20.0];

/// The one that acts next. Taking one out of the race leaves the others in their order.
pub(super) fn pick(seed: u64, now: Step, ready: impl Iterator<Item = TaskId>) -> Option<TaskId> {
    let time = |task: TaskId| {
        let speed = SPEEDS[(mix(&[seed, task, now / CHANGES_EVERY]) % SPEEDS.len() as u64) as usize];
        -unit(mix(&[seed, task, now, 1])).ln() / speed
    };
    ready.map(|task| (time(task), task)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, task)| task)
}
