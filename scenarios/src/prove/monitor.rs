//! The monitors: what must hold at each step, from the ground truth.
//!
//! They alone know what the origin, the operators and the clients did when, and they alone compare positions.

use super::check::Check;
use super::entry::{Entry, Response};
use super::serve::{MAX_TRIES, SOFT_BOUND};
use super::url::{self, Key};
use super::world::{ProcId, Step, TaskId, World};
use edge::core::hop::Asked;
use edge::core::log::{Event, Position, Record, RecordId};
use edge::core::purge::{Fence, Mode, Selector};
use edge::core::reuse::PurgeMark;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which monitor has seen it.
    pub monitor: &'static str,
    /// What it has seen.
    pub what: String,
}

/// A purge by the ground truth.
#[derive(Debug)]
struct Issued {
    by: TaskId,
    id: RecordId,
    mode: Mode,
    selectors: Vec<Selector>,
    issued: Step,
    proven: Option<Step>,
    /// Where it was proven.
    at: Position,
    /// What of the world it met.
    met: Met,
}

#[derive(Debug, Default)]
struct Met {
    fill: bool,
    joiner: bool,
    lagging_shield: bool,
    soft_mark: bool,
    restart: bool,
    read: bool,
}

/// What the monitors have seen so far.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    pub(super) broken: Option<Violation>,
    purges: Vec<Issued>,
    /// What each position was applied as. Cleared when the home is restored from a backup: then a number may stand for
    /// another record, until an epoch begins.
    records: BTreeMap<Position, Record>,
    pub(super) was_restored: bool,
    /// Whether faults have ended, and since when.
    pub(super) calm_since: Option<Step>,
    joined: BTreeSet<(ProcId, TaskId)>,
    /// What unsafe requests have changed: through which process, what, when the answer came there and when it went on.
    writes: Vec<(ProcId, Key, Step, Step)>,
    /// What each process has applied last.
    applied: BTreeMap<ProcId, Position>,
}

/// An answer to a client.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) key: Key,
    pub(super) arrived: Step,
    pub(super) judged: Step,
    pub(super) is_stale: bool,
    pub(super) tries: u32,
}

impl Monitor {
    pub(super) fn joined(&mut self, proc: ProcId, fill: TaskId) {
        self.joined.insert((proc, fill));
    }

    fn breaks(&mut self, monitor: &'static str, what: String) {
        self.broken.get_or_insert(Violation { monitor, what });
    }

    /// Whether a purge is proven that nobody has applied who is up.
    pub(super) fn knows_unheard(&self, applied: Position) -> bool {
        self.purges.iter().any(|purge| purge.proven.is_some() && purge.at > applied)
    }

    /// The home is another one than it was.
    pub(super) fn restored(&mut self) {
        self.was_restored = true;
        self.records.clear();
    }

    /// Something is restarted while purges are under way.
    pub(super) fn restarted(&mut self) {
        self.purges.iter_mut().filter(|purge| purge.proven.is_none()).for_each(|purge| purge.met.restart = true);
    }

    /// Counts what the purges have met.
    pub(super) fn count(&self, cover: &mut super::coverage::Coverage) {
        for purge in &self.purges {
            cover.count(match (purge.mode, purge.proven) {
                (Mode::Hard, Some(_)) => "purges proven: hard",
                (Mode::Soft, Some(_)) => "purges proven: soft",
                (_, None) => "purges not proven",
            });
            let Met { fill, joiner, lagging_shield, soft_mark, restart, read } = purge.met;
            for (met, what) in [
                (fill, "purges that met a fill in flight"),
                (joiner, "purges that met a joiner"),
                (lagging_shield, "purges that met a lagging shield"),
                (soft_mark, "purges that met a soft mark"),
                (restart, "purges that met a restart"),
                (read, "purges that met a read"),
            ] {
                if met {
                    cover.count(what);
                }
            }
        }
    }
}

pub(super) fn issued(world: &mut World, by: TaskId, id: &RecordId, mode: Mode, selectors: &[Selector]) {
    let met =
        Met {
            soft_mark: world.procs.iter().filter(|process| process.alive).any(|process| {
                process.store.values().any(|entry| matches!(entry.mark.verdict(), PurgeMark::Soft { .. }))
            }),
            ..Met::default()
        };
    let (id, selectors) = (id.clone(), selectors.to_vec());
    let issued = Issued { by, id, mode, selectors, issued: world.now, proven: None, at: Position::ZERO, met };
    world.monitor.purges.push(issued);
}

/// A process has applied a record: what is in flight there meets it, and no position may stand for two records.
pub(super) fn applied(world: &mut World, proc: ProcId, record: &Record) {
    let process = &world.procs[proc];
    let (fills, joins) = (process.fills.iter().filter(|(_, fetched)| fetched.head.is_none()), &world.monitor.joined);
    let fills: Vec<TaskId> = fills.map(|(fill, _)| *fill).collect();
    let joined = fills.iter().any(|fill| joins.contains(&(proc, *fill)));
    let lags = !world.nodes[process.node].is_shield
        && world.nodes.iter().filter(|node| node.is_shield).any(|node| {
            let shield = &world.procs[node.proc];
            shield.alive && shield.applied().log() < record.position
        });
    let monitor = &mut world.monitor;
    if let Event::Purge(purge) = &record.event {
        for issued in monitor.purges.iter_mut().filter(|issued| issued.selectors == purge.selectors) {
            issued.met.fill |= !fills.is_empty();
            issued.met.joiner |= joined;
            issued.met.lagging_shield |= lags;
        }
    }
    let known = monitor.records.entry(record.position).or_insert_with(|| record.clone());
    if known != record && !monitor.was_restored {
        let what = format!("{} is {:?} and {:?}", record.position, known.event, record.event);
        monitor.breaks("a position never changes its record", what);
    }
    contiguous(world, proc, record.position);
}

/// A process is leased: it has applied whatever the home had recorded when it noted the grant.
pub(super) fn leased(world: &mut World, proc: ProcId, at_grant: Position) {
    let process = &world.procs[proc];
    let applied = process.applied().log();
    if applied < at_grant {
        let what = format!("{} has applied {applied}, the head was {at_grant}", process.name);
        world.monitor.breaks("who is leased has applied all", what);
    }
}

/// A request that may believe what is stored is taken up: what was proven before it arrived had been applied.
pub(super) fn believes(world: &mut World, proc: ProcId, arrived: Step, applied: Position) {
    if world.monitor.was_restored {
        return;
    }
    let unknown =
        world.monitor.purges.iter().find(|purge| purge.at > applied && purge.proven.is_some_and(|at| at < arrived));
    if let Some(purge) = unknown {
        let what = format!("{} had applied {applied}, {} was proven", world.procs[proc].name, purge.at);
        world.monitor.breaks("who believes knows what is proven", what);
    }
}

/// Faults have ended, and somebody gets no lease.
pub(super) fn unleased(world: &mut World) {
    world.monitor.breaks("leases come back", "somebody has none".to_owned());
}

/// A process acknowledges: what it says is durable, if it keeps anything.
pub(super) fn acknowledges(world: &mut World, proc: ProcId, at: Position) {
    let process = &world.procs[proc];
    let disk = world.nodes[process.node].disk.as_ref().filter(|_| process.has_disk);
    if disk.is_some_and(|disk| disk.applied.is_none_or(|(applied, _)| applied < at)) {
        let what = format!("{} acknowledges {at}", process.name);
        world.monitor.breaks("what is acknowledged is durable", what);
    }
}

/// The home goes on with a process: they agree on the log.
pub(super) fn continues(world: &mut World, proc: ProcId) {
    let process = &world.procs[proc];
    let (applied, chain) = (process.follower.applied(), process.follower.chain());
    let kept = world.home.disk.iter().find(|kept| kept.record.position == applied);
    if kept.is_some_and(|kept| kept.chain != chain) {
        let what = format!("{} knows another record at {applied}", process.name);
        world.monitor.breaks("who goes on knows this log", what);
    }
}

/// Rules were retired, in memory and on the disk: up to what was applied, there as well as here.
pub(super) fn retired(world: &mut World, proc: ProcId, upto: Position) {
    let process = &world.procs[proc];
    let applied = process.applied().log();
    let disk = world.nodes[process.node].disk.as_ref().filter(|_| process.has_disk);
    let on_disk = disk.is_none_or(|disk| disk.applied.is_none_or(|(applied, _)| disk.floor <= applied));
    if upto > applied || !on_disk {
        let what = format!("{} retires up to {upto}, applied is {applied}", process.name);
        world.monitor.breaks("retired, floor, applied: in this order", what);
    }
}

/// What a process has applied is what the home has, record for record.
fn contiguous(world: &mut World, proc: ProcId, at: Position) {
    let last = world.monitor.applied.insert(proc, at);
    if let Some(last) = last.filter(|last| *last >= at) {
        let what = format!("{} applies {at} after {last}", world.procs[proc].name);
        world.monitor.breaks("applied only grows", what);
    }
    if world.monitor.was_restored {
        return;
    }
    let follower = &world.procs[proc].follower;
    let kept = world.home.disk.iter().find(|kept| kept.record.position == at);
    if kept.is_some_and(|kept| follower.applied() == at && follower.chain() != kept.chain) {
        let what = format!("{} has another chain than the home at {at}", world.procs[proc].name);
        world.monitor.breaks("applied is contiguous", what);
    }
}

/// The rules of a process's own records that select an entry, since a position.
fn selecting<'w>(world: &'w World, proc: ProcId, entry: &Entry, since: Position) -> Vec<(&'w Record, Mode)> {
    let tags = entry.all_tags();
    let records = world.procs[proc].history.iter().filter(|record| record.position > since);
    let selecting = records.filter_map(|record| match &record.event {
        Event::Purge(purge) if purge.selectors.iter().any(|one| url::selects(one, entry.key, &tags)) => {
            Some((record, purge.mode))
        }
        Event::Epoch { .. } => Some((record, Mode::Hard)),
        _ => None,
    });
    selecting.collect()
}

/// Whether a purge at a position selects an entry: by its own tags; and by those that it had before a 304, if the 304 may
/// have been on its way when the purge was applied. What the 304 says is a response of its own, and the purge may not
/// have selected the one that another tier has.
fn selects(selectors: &[Selector], entry: &Entry, at: Position) -> bool {
    let by = |tags| selectors.iter().any(|one| url::selects(one, entry.key, tags));
    by(&entry.tags) || (at > entry.fence.log() && by(&entry.old_tags))
}

/// A look at the index, by the full log without an index. What is only half applied may be found or not.
pub(super) fn looked(
    world: &mut World,
    proc: ProcId,
    entry: &Entry,
    (applied, valid): (Fence, Fence),
    is_hidden: bool,
) {
    let process = &world.procs[proc];
    let hard: Vec<Position> = selecting(world, proc, entry, valid.log())
        .iter()
        .filter(|(_, mode)| *mode == Mode::Hard)
        .map(|(record, _)| record.position)
        .collect();
    let own: Vec<u64> = (1..)
        .zip(&process.invalidated)
        .filter(|(at, key)| **key == entry.key && *at > valid.own().seq())
        .map(|(at, _)| at)
        .collect();
    let must = hard.iter().any(|at| *at <= applied.log()) || own.iter().any(|at| *at <= applied.own().seq());
    let is_below = valid.log() < process.hides_upto || valid.own() < process.own_hides_upto;
    if must && !is_hidden {
        let what = format!("{}: the log hides version {} of {}", process.name, entry.body.version, entry.key);
        world.monitor.breaks("hidden as the log says", what);
    } else if is_hidden && hard.is_empty() && own.is_empty() && !is_below {
        let what = format!("{}: nothing hides version {} of {}", process.name, entry.body.version, entry.key);
        world.monitor.breaks("hidden by what selects it alone", what);
    }
}

/// A mark has advanced, or an entry was stored: no rule up to there may select it, but those that are soft and recorded.
pub(super) fn settled(world: &mut World, proc: ProcId, entry: &Entry) {
    let valid = entry.mark.valid().log();
    let soft_since = match entry.mark.verdict() {
        PurgeMark::Soft { since } => Some(since.as_millis()),
        PurgeMark::Valid | PurgeMark::Hard => None,
    };
    let applied = world.procs[proc].applied().log();
    if valid > applied {
        let what = format!("{} has applied {applied}, {} is valid to {valid}", world.procs[proc].name, entry.key);
        world.monitor.breaks("an entry is valid up to what its node has applied", what);
    }
    if world.monitor.was_restored {
        return;
    }
    let broken = world.home.disk.iter().find_map(|kept| {
        let Event::Purge(purge) = &kept.record.event else { return None };
        let issued = world.monitor.purges.iter().find(|issued| issued.id == purge.id)?;
        let selects = selects(&purge.selectors, entry, kept.record.position);
        let missed = kept.record.position <= valid && entry.body.obtained < issued.issued && selects;
        // A soft rule is recorded, and from when it was applied, which was before it was proven.
        let is_recorded =
            purge.mode == Mode::Soft && soft_since.is_some_and(|since| since <= issued.proven.unwrap_or(since));
        (missed && !is_recorded).then_some(kept.record.position)
    });
    if let Some(at) = broken {
        let name = &world.procs[proc].name;
        let what =
            format!("{name}: version {} of {} is valid to {valid}, {at} selects it", entry.body.version, entry.key);
        world.monitor.breaks("no rule up to its mark selects an entry", what);
    }
}

/// A tier's answer was taken.
pub(super) fn accepted(world: &mut World, asked: Asked, replied: Option<Position>) {
    if replied.is_none_or(|replied| replied < asked.valid_to) {
        let what = format!("asked for {}, took {replied:?}", asked.valid_to);
        world.monitor.breaks("an accepted answer is what was asked for", what);
    }
}

/// A 304 is merged.
pub(super) fn merged(
    world: &mut World,
    proc: ProcId,
    check: &Check,
    validated: Option<&Arc<Entry>>,
    response: &Response,
) {
    let target = &check.entry;
    let purged = selecting(world, proc, target, target.mark.valid().log());
    if purged.iter().any(|(record, mode)| *mode == Mode::Hard && record.position <= check.applied.log()) {
        let what = format!("a 304 merged into version {} of {}", target.body.version, target.key);
        world.monitor.breaks("what is purged is dead", what);
    }
    if target.body.version != response.body.version || !validated.is_some_and(|one| Arc::ptr_eq(one, target)) {
        let what = format!("a 304 for version {} merged into {}", response.body.version, target.body.version);
        world.monitor.breaks("a 304 meets what was validated", what);
    }
}

pub(super) fn older_replaces(world: &mut World) {
    world.monitor.breaks("an older fill replaces no newer one", "it did".to_owned());
}

/// The command line has exited with 0.
pub(super) fn proven(world: &mut World, by: TaskId, at: Position) {
    let now = world.now;
    // Whoever has not heard of the last epoch may hold what another log found to be valid.
    let epoch = world.home.disk.iter().rfind(|kept| matches!(kept.record.event, Event::Epoch { .. }));
    let at_least = epoch.map_or(at, |kept| at.max(kept.record.position));
    // Who has no lease, by its own clock, serves nothing that it has stored.
    let serves = |proc: ProcId| {
        let process = &world.procs[proc];
        let is_strict = world.nodes[process.node].is_strict;
        process.alive && process.is_serving && (!is_strict || world.is_leased(proc))
    };
    let lacking = (0..world.procs.len()).find(|&proc| serves(proc) && world.procs[proc].applied().log() < at_least);
    let behind =
        world.procs.iter().any(|process| process.alive && process.is_serving && process.applied().log() < at_least);
    if behind {
        world.cover.count("purges proven by the end of a lease");
    }
    if let Some(process) = lacking.map(|proc| &world.procs[proc]) {
        let what = format!("{} has applied {}, {at} is proven", process.name, process.applied().log());
        world.monitor.breaks("a proof is of every live process", what);
    }
    if let Some(purge) = world.monitor.purges.iter_mut().find(|purge| purge.by == by) {
        (purge.proven, purge.at) = (Some(now), at);
    }
}

/// The answer to an unsafe request has passed a process.
pub(super) fn wrote(world: &mut World, proc: ProcId, key: Key, came: Step) {
    let now = world.now;
    world.monitor.writes.push((proc, key, came, now));
}

/// What a process had asked for before an unsafe request's answer came answers nobody there who asks after that.
fn invalidated(world: &mut World, answer: &Answer, proc: ProcId, entry: &Entry) {
    let broken = world.monitor.writes.iter().any(|&(by, key, came, answered)| {
        by == proc && key == answer.key && entry.sent < came && answered < answer.arrived
    });
    if broken {
        let what = format!("{}: version {} of {}", world.procs[proc].name, entry.body.version, answer.key);
        world.monitor.breaks("what was made invalid answers nobody", what);
    }
}

/// The promise itself.
pub(super) fn answered(world: &mut World, answer: &Answer, proc: ProcId, entry: &Entry) {
    world.cover.count("answers");
    invalidated(world, answer, proc, entry);
    let mut broken = None;
    for purge in &mut world.monitor.purges {
        if !selects(&purge.selectors, entry, purge.at) {
            continue;
        }
        purge.met.read |= answer.arrived <= purge.proven.unwrap_or(Step::MAX) && purge.issued <= world.now;
        let is_older = entry.body.obtained < purge.issued;
        let Some(proven) = purge.proven.filter(|proven| is_older && *proven < answer.arrived) else { continue };
        let late = answer.judged.saturating_sub(proven) > SOFT_BOUND.as_millis() as u64;
        let breach = match purge.mode {
            Mode::Hard => "after a hard purge",
            Mode::Soft if !answer.is_stale => "after a soft purge, as fresh",
            Mode::Soft if late => "after a soft purge, past its bound",
            Mode::Soft => continue,
        };
        broken = Some(format!(
            "version {} of {}, obtained at {}, answers at {} a request of {} {breach} that was issued at {} and proven at {proven}",
            entry.body.version, answer.key, entry.body.obtained, world.now, answer.arrived, purge.issued
        ));
    }
    if let Some(what) = broken {
        world.monitor.breaks("the promise", what);
    }
    if world.monitor.calm_since.is_some_and(|calm| answer.arrived > calm) && answer.tries > MAX_TRIES {
        world.monitor.breaks("three tries will do", format!("it took {}", answer.tries));
    }
}

/// A request has no answer. That is a fault's doing, or nobody's.
pub(super) fn unanswered(world: &mut World, arrived: Step) {
    if world.monitor.calm_since.is_some_and(|calm| arrived > calm) {
        world.monitor.breaks("each request is answered", format!("that of {arrived} is not"));
    }
}

/// Faults have ended, and something goes on and on.
pub(super) fn restless(world: &mut World) {
    let what = format!("{} tasks have not ended", world.unfinished());
    world.monitor.breaks("all that is begun ends", what);
}

/// Everybody was asked for everything, a few times over: nothing that edges hold is marked by a soft purge.
pub(super) fn at_rest(world: &mut World) {
    if let Some(what) = soft(world) {
        world.monitor.breaks("soft marks clear", what);
    }
}

/// Whether an edge holds something that a soft purge has marked.
pub(super) fn has_soft(world: &World) -> bool {
    soft(world).is_some()
}

fn soft(world: &World) -> Option<String> {
    let edges = world.nodes.iter().filter(|node| !node.is_shield).map(|node| &world.procs[node.proc]);
    edges.filter(|process| process.alive).find_map(|process| {
        let soft = process.store.values().find(|entry| matches!(entry.mark.verdict(), PurgeMark::Soft { .. }))?;
        Some(format!("{}: version {} of {}", process.name, soft.body.version, soft.key))
    })
}
