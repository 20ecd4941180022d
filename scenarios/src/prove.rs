//! The purge protocol under a seeded scheduler: a fleet in one thread, whose tasks act one step at a time in an order that
//! the seed makes, while monitors watch from the ground truth.
//!
//! Whatever decides is the core: the index and its marks, the home, the followers, what tiers ask and answer, and what may
//! be reused. Here are the shells around it, cut into steps at each load and store of what others change, and the world:
//! origin, clients, operators, faults. Only [`monitor`] compares positions.
//!
//! [`plan`] says what a seed makes happen, [`schedule`] who acts next, [`world`] holds everything. A request is [`serve`],
//! its fetch [`fill`], a verdict [`check`]; a process follows the log by [`follow`].

mod beat;
mod check;
mod clock;
mod coverage;
mod dice;
mod entry;
mod event;
mod fill;
mod follow;
mod home;
mod monitor;
mod operator;
mod origin;
mod plan;
mod process;
mod schedule;
mod serve;
mod shrink;
mod sweep;
mod tasks;
mod trace;
mod url;
mod world;
mod write;

#[cfg(test)]
mod tests;

pub use coverage::Coverage;
pub use monitor::Violation;

use event::Event;
use plan::Plan;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use world::{Step, World};

/// How many steps the world is used and disturbed for, unless somebody says otherwise.
pub const DEFAULT_STEPS: u64 = 600;

/// How long a world may take to come to rest once faults have ended, in steps.
const REST: Step = 40_000;

/// A run that broke something.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed that made it.
    pub seed: u64,
    /// At which step.
    pub step: u64,
    /// What was broken.
    pub violation: Violation,
}

/// A run.
#[derive(Debug)]
pub struct Run {
    /// What it met.
    pub coverage: Coverage,
    /// What it broke; nothing, one hopes.
    pub failure: Option<Failure>,
    /// What happened, if it was to be written down.
    pub trace: Vec<String>,
}

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Search {
    /// How many were run.
    pub seeds: u64,
    /// What they met.
    pub coverage: Coverage,
    /// The failure of the lowest seed that was seen to fail.
    pub failure: Option<Failure>,
}

/// Runs seeds on all processors until one fails; `ran` is told of each.
pub fn search(seeds: Range<u64>, steps: u64, ran: &(dyn Fn() + Sync)) -> Search {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(Search::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let run = run(seed, steps, false);
            ran();
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.seeds += 1;
            found.coverage.add(&run.coverage);
            if let Some(failure) = run.failure {
                next.store(seeds.end, Ordering::Relaxed);
                found.failure = match found.failure.take() {
                    Some(other) if other.seed < failure.seed => Some(other),
                    _ => Some(failure),
                };
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one seed.
pub fn run(seed: u64, steps: u64, with_trace: bool) -> Run {
    run_plan(&Plan::of(seed, steps), with_trace)
}

/// Runs a seed that fails, with as little in it as is needed to fail.
pub fn run_shrunk(seed: u64, steps: u64) -> Run {
    let plan = Plan::of(seed, steps);
    match run_plan(&plan, false).failure {
        Some(failure) => run_plan(&shrink::shrink(&plan, failure).0, true),
        None => run_plan(&plan, true),
    }
}

/// How often everybody is asked for everything until no soft mark is left. Twice will do, but where a lease is lost again
/// and again, since its heartbeats are slow: who has none may store nothing.
const MOST_ROUNDS: u64 = 8;

fn run_plan(plan: &Plan, with_trace: bool) -> Run {
    let mut world = World::new(plan, with_trace);
    while world.now < plan.steps && world.monitor.broken.is_none() {
        world.step();
    }
    if world.monitor.broken.is_none() {
        settle(&mut world);
    }
    let mut coverage = std::mem::take(&mut world.cover);
    world.monitor.count(&mut coverage);
    let violation = world.monitor.broken.take();
    let failure = violation.map(|violation| Failure { seed: plan.seed, step: world.now, violation });
    Run { coverage, failure, trace: std::mem::take(&mut world.trace).into_lines() }
}

/// Faults end, and the world comes to rest: whatever was begun ends, and after a few requests nothing is soft.
fn settle(world: &mut World) {
    // Twice: a fault that was planned may happen late.
    for _ in 0..2 {
        heal(world);
        rest(world);
    }
    lease(world);
    world.monitor.calm_since = Some(world.now);
    for round in 0..MOST_ROUNDS {
        if round > 1 && !monitor::has_soft(world) {
            break;
        }
        for node in 0..world.nodes.len() {
            for key in 0..world.keys {
                if !world.nodes[node].is_shield {
                    let id = dice::mix(&[round, node as u64, key as u64]);
                    Event::Request { node, key, form: serve::Form::Get }.happen(id, world);
                }
            }
            rest(world);
        }
        // As long as responses last, and soft purges may be served.
        world.now += 400;
        lease(world);
    }
    if world.monitor.broken.is_none() {
        monitor::at_rest(world);
    }
}

/// Who serves under leases has one again.
fn lease(world: &mut World) {
    let until = world.now + REST;
    while !world.all_leased() && world.monitor.broken.is_none() {
        world.step();
        if world.now > until {
            monitor::unleased(world);
        }
    }
}

fn heal(world: &mut World) {
    for process in &mut world.procs {
        process.paused_until = 0;
    }
    for node in &mut world.nodes {
        (node.home_cut_until, node.tier_cut_until) = (0, 0);
    }
    world.origin.down_until = 0;
    (world.home.crash_at, world.home.down_until) = (None, 0);
    world.former = None;
}

fn rest(world: &mut World) {
    let until = world.now + REST;
    while !world.is_quiet() && world.monitor.broken.is_none() {
        world.step();
        if world.now > until {
            monitor::restless(world);
        }
    }
}
