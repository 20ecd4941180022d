//! The world: everything that there is, and the tasks that act in it one step at a time.

use super::beat::Beat;
use super::clock::Clock;
use super::coverage::Coverage;
use super::dice::mix;
use super::event::Event;
use super::fill::{Fill, Reply};
use super::follow::Follow;
use super::home::{Homekeeping, Host, Session};
use super::monitor::Monitor;
use super::operator::Operator;
use super::origin::{Exchange, Origin};
use super::plan::Plan;
use super::process::{Disk, Node, Process};
use super::schedule;
use super::serve::{Asker, Serve};
use super::sweep::Sweep;
use super::tasks::{Tasks, Waits};
use super::trace::Trace;
use super::write::Write;
use edge::core::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A step of some task; also the time, in milliseconds.
pub(super) type Step = u64;

/// A task. That of a planned event is the same whichever others there are; those that it begins follow from it.
pub(super) type TaskId = u64;

/// A process, by when it was started.
pub(super) type ProcId = usize;

/// Whether a task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Yes,
    No,
}

/// What tasks there are.
#[derive(Debug)]
pub(super) enum Kind {
    Event(Event),
    Home,
    Follow(ProcId, Follow),
    Beat(Beat),
    Serve(Serve),
    Fill(Fill),
    Exchange(Exchange),
    Operator(Operator),
    Sweep(Sweep),
    Write(Write),
}

impl Kind {
    /// The process that it lives in.
    fn proc(&self) -> Option<ProcId> {
        match self {
            Self::Follow(proc, _) => Some(*proc),
            Self::Beat(beat) => Some(beat.proc),
            Self::Serve(serve) => Some(serve.proc),
            Self::Fill(fill) => Some(fill.proc()),
            Self::Sweep(sweep) => Some(sweep.proc),
            Self::Write(write) => write.proc(),
            Self::Event(_) | Self::Home | Self::Exchange(_) | Self::Operator(_) => None,
        }
    }

    /// Whether it goes on for ever.
    const fn is_endless(&self) -> bool {
        matches!(self, Self::Home | Self::Follow(..) | Self::Beat(_))
    }

    fn ready(&self, id: TaskId, world: &World) -> bool {
        if self.proc().is_some_and(|proc| world.now < world.procs[proc].paused_until) {
            return false;
        }
        match self {
            Self::Event(event) => event.ready(world),
            Self::Home => Homekeeping::ready(world),
            Self::Follow(_, follow) => follow.ready(world),
            Self::Beat(beat) => beat.ready(world),
            Self::Serve(serve) => serve.ready(world),
            Self::Fill(fill) => fill.ready(id, world),
            Self::Operator(operator) => operator.ready(world),
            Self::Exchange(_) | Self::Sweep(_) | Self::Write(_) => true,
        }
    }

    /// What it waits for, if others do it.
    fn waits(&self, id: TaskId, world: &World) -> Option<Waits> {
        match self {
            Self::Serve(serve) => serve.awaits(world).map(Waits::Head),
            Self::Fill(fill) => fill.awaits(id, world).map(Waits::Reply),
            _ => None,
        }
    }

    fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        match self {
            Self::Event(event) => {
                event.clone().happen(id, world);
                Done::Yes
            }
            Self::Home => Homekeeping::step(id, world),
            Self::Follow(_, follow) => follow.step(id, world),
            Self::Beat(beat) => beat.step(id, world),
            Self::Serve(serve) => serve.step(id, world),
            Self::Fill(fill) => fill.step(id, world),
            Self::Exchange(exchange) => exchange.step(id, world),
            Self::Operator(operator) => operator.step(id, world),
            Self::Sweep(sweep) => sweep.step(id, world),
            Self::Write(write) => write.step(id, world),
        }
    }
}

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) now: Step,
    pub(super) keys: usize,
    pub(super) origin: Origin,
    pub(super) home: Host,
    /// Where the log was before it moved, for those who have not heard.
    pub(super) former: Option<Host>,
    pub(super) nodes: Vec<Node>,
    pub(super) procs: Vec<Process>,
    pub(super) replies: BTreeMap<(TaskId, u32), Reply>,
    pub(super) monitor: Monitor,
    pub(super) cover: Coverage,
    pub(super) trace: Trace,
    moves: u64,
    pub(super) tasks: Tasks,
    born: Vec<(TaskId, Box<Kind>)>,
    /// What will happen by itself, and when.
    planned: BTreeMap<(Step, TaskId), Event>,
    /// How many numbers each task has drawn, and how many it has begun.
    drawn: HashMap<TaskId, (u64, u64)>,
}

pub(super) const fn time(now: Step) -> Timestamp {
    Timestamp::from_millis(now)
}

impl World {
    pub(super) fn new(plan: &Plan, is_read: bool) -> Self {
        let mut world = Self {
            seed: plan.seed,
            now: 1,
            keys: plan.keys,
            origin: Origin::default(),
            former: None,
            home: Host::new(Clock::of(plan.seed, 0), Duration::from_millis(plan.lease_for)),
            nodes: Vec::new(),
            procs: Vec::new(),
            replies: BTreeMap::new(),
            monitor: Monitor::default(),
            cover: Coverage::default(),
            trace: Trace::new(is_read),
            moves: 0,
            tasks: Tasks::default(),
            born: vec![(1, Box::new(Kind::Home))],
            planned: BTreeMap::new(),
            drawn: HashMap::new(),
        };
        for n in 0..plan.shields + plan.edges {
            world.nodes.push(Node {
                name: if n < plan.shields { format!("shield{n}") } else { format!("edge{}", n - plan.shields) },
                is_shield: n < plan.shields,
                disk: plan.with_disk[n].then(Disk::default),
                boots: 0,
                proc: 0,
                home_cut_until: 0,
                tier_cut_until: 0,
                clock: Clock::of(plan.seed, 1 + n as u64),
                is_strict: plan.strict[n],
                is_forgotten: false,
            });
            world.boot(n, "disk");
        }
        for (at, n, event) in &plan.events {
            world.planned.insert((*at, (*n + 1) << 32), event.clone());
        }
        world
    }

    pub(super) fn time(&self) -> Timestamp {
        time(self.now)
    }

    /// A number below `below`, of a task's own.
    pub(super) fn roll(&mut self, task: TaskId, below: u64) -> u64 {
        let drawn = &mut self.drawn.entry(task).or_default().0;
        *drawn += 1;
        mix(&[self.seed, task, *drawn]) % below
    }

    /// Begins a task of another one.
    pub(super) fn spawn(&mut self, parent: TaskId, kind: Kind) -> TaskId {
        let begun = &mut self.drawn.entry(parent).or_default().1;
        *begun += 1;
        let id = mix(&[parent, *begun, 0x7a5]);
        self.born.push((id, Box::new(kind)));
        id
    }

    /// Something happens later, by a task.
    pub(super) fn plan(&mut self, parent: TaskId, at: Step, event: Event) {
        let begun = &mut self.drawn.entry(parent).or_default().1;
        *begun += 1;
        self.planned.insert((at, mix(&[parent, *begun, 0x7a5])), event);
    }

    pub(super) fn note(&mut self, task: TaskId, who: &str, what: impl FnOnce() -> String) {
        self.trace.note(self.now, task, who, what);
    }

    /// Starts a process on a node.
    pub(super) fn boot(&mut self, node: usize, folder: &str) {
        let proc = self.procs.len();
        let process = Process::start(node, &mut self.nodes[node], folder);
        self.nodes[node].proc = proc;
        let id = mix(&[node as u64, self.nodes[node].boots, 0xb007]);
        self.born.push((id, Box::new(Kind::Follow(proc, Follow::new(proc)))));
        if self.nodes[node].is_strict {
            self.born.push((mix(&[id, 0xbea7]), Box::new(Kind::Beat(Beat::new(proc)))));
        }
        self.note(0, &process.name.clone(), || "starts".to_owned());
        self.procs.push(process);
    }

    /// A process ends, with all that happens in it. Who waits for its answers hears that the connection broke.
    pub(super) fn crash(&mut self, proc: ProcId) {
        self.procs[proc].alive = false;
        self.procs[proc].store.clear();
        if let Some(session) = self.procs[proc].session.take() {
            self.close(session);
        }
        let name = self.procs[proc].name.clone();
        self.note(0, &name, || "crashes".to_owned());
        self.monitor.restarted();
        self.bear();
        let gone: Vec<TaskId> =
            self.tasks.iter().filter(|(_, kind)| kind.proc() == Some(proc)).map(|(id, _)| id).collect();
        for id in gone {
            let kind = self.tasks.remove(id).map(|kind| *kind);
            if let Some(Kind::Serve(Serve { asker: Asker::Tier { reply_to, .. }, .. })) = kind {
                self.reply(reply_to, Reply::NONE);
            }
        }
    }

    /// A stream, wherever it leads.
    pub(super) fn session(&self, id: u64) -> Option<&Session> {
        let of_former = || self.former.as_ref().and_then(|former| former.sessions.get(&id));
        self.home.sessions.get(&id).or_else(of_former)
    }

    pub(super) fn session_mut(&mut self, id: u64) -> Option<&mut Session> {
        let former = self.former.as_mut().and_then(|former| former.sessions.get_mut(&id));
        self.home.sessions.get_mut(&id).or(former)
    }

    /// A stream ends.
    pub(super) fn close(&mut self, id: u64) {
        self.home.sessions.remove(&id);
        if let Some(former) = &mut self.former {
            former.sessions.remove(&id);
        }
    }

    /// The log goes on elsewhere. Some nodes hear of it later.
    pub(super) fn move_home(&mut self, lingers: impl Fn(usize) -> Option<Step>) {
        self.moves += 1;
        let clock = Clock::of(self.seed, 1000 + self.moves);
        let mut former = self.home.moved(clock, self.now);
        std::mem::swap(&mut self.home, &mut former);
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let until = lingers(number).map(|lasts| self.now + lasts);
            node.home_cut_until = node.home_cut_until.max(until.unwrap_or(0));
        }
        former.sessions.retain(|_, session| lingers(self.procs[session.proc].node).is_some());
        self.former = Some(former);
    }

    pub(super) fn crash_home(&mut self, until: Step) {
        self.home.crash(until);
        self.monitor.restarted();
        self.note(0, "home", || "crashes".to_owned());
    }

    /// Connections between tiers break: what was asked for on them has no answer.
    pub(super) fn cut_tier(&mut self, node: usize, until: Step) {
        self.nodes[node].tier_cut_until = until;
        let proc = self.nodes[node].proc;
        let waiting: Vec<(TaskId, u32)> = self
            .tasks
            .iter()
            .filter_map(|(id, kind)| match kind {
                Kind::Fill(fill) if fill.proc() == proc => fill.waits().map(|attempt| (id, attempt)),
                _ => None,
            })
            .collect();
        for reply_to in waiting {
            if !self.replies.contains_key(&reply_to) {
                self.reply(reply_to, Reply::NONE);
            }
        }
    }

    /// One step of one task; `false` if nothing could happen now.
    pub(super) fn step(&mut self) -> bool {
        self.bear();
        self.tasks.wake_late(self.now);
        while let Some(due) = self.planned.first_entry().filter(|due| due.key().0 <= self.now) {
            let ((_, id), event) = due.remove_entry();
            self.tasks.insert(id, Box::new(Kind::Event(event)));
        }
        let ready = self.tasks.awake().filter(|(id, kind)| kind.ready(*id, self)).map(|(id, _)| id);
        let Some(id) = schedule::pick(self.seed, self.now, ready) else {
            self.now += 1;
            return false;
        };
        let Some(mut kind) = self.tasks.remove(id) else { return false };
        let done = kind.step(id, self);
        self.now += 1;
        let lives = kind.proc().is_none_or(|proc| self.procs[proc].alive);
        if done == Done::No && lives {
            match kind.waits(id, self) {
                None => self.tasks.insert(id, kind),
                Some(waits) => self.tasks.sleep(id, kind, waits),
            }
        }
        true
    }

    /// What was begun is there from now on.
    fn bear(&mut self) {
        for (id, kind) in self.born.drain(..) {
            self.tasks.insert(id, kind);
        }
    }

    /// Something comes back for a fetch.
    pub(super) fn reply(&mut self, to: (TaskId, u32), reply: Reply) {
        self.replies.insert(to, reply);
        self.tasks.wake(to.0);
    }

    /// Whether all that was begun has ended, and nothing is left to be heard.
    pub(super) fn is_quiet(&self) -> bool {
        let is_over = |(id, kind): (TaskId, &Kind)| match kind {
            Kind::Beat(beat) => beat.is_idle(),
            kind => kind.is_endless() && !kind.ready(id, self),
        };
        self.born.is_empty() && self.planned.is_empty() && self.tasks.iter().all(is_over)
    }

    /// The shield that a process asks: one that runs, if it is an edge's and can reach one.
    pub(super) fn shield_for(&mut self, task: TaskId, proc: ProcId) -> Option<ProcId> {
        let own = &self.nodes[self.procs[proc].node];
        if own.is_shield || self.now < own.tier_cut_until {
            return None;
        }
        let shields = self.nodes.iter().filter(|node| node.is_shield).map(|node| node.proc);
        let running: Vec<ProcId> = shields.filter(|&proc| self.procs[proc].alive).collect();
        (!running.is_empty()).then(|| running[self.roll(task, running.len() as u64) as usize])
    }

    /// Whether faults have ended.
    pub(super) fn is_calm(&self) -> bool {
        self.monitor.calm_since.is_some()
    }

    /// Whether a process may believe what it has stored, by the ground truth.
    pub(super) fn is_leased(&self, proc: ProcId) -> bool {
        let (process, node) = (&self.procs[proc], &self.nodes[self.procs[proc].node]);
        !node.is_strict || process.lease.holds(node.clock.at(self.now))
    }

    /// Whether all who run are.
    pub(super) fn all_leased(&self) -> bool {
        let mut running = self.nodes.iter().map(|node| node.proc).filter(|&proc| self.procs[proc].alive);
        running.all(|proc| self.is_leased(proc))
    }

    /// The requests and purges that have not ended.
    pub(super) fn unfinished(&self) -> usize {
        self.born.len() + self.planned.len() + self.tasks.iter().filter(|(_, kind)| !kind.is_endless()).count()
    }
}
