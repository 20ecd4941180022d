//! The tasks there are: those that may act, and those that wait for something that somebody else will do.
//!
//! Most wait, for a head or for a reply. They are put aside, so that nobody asks them at each step.

use super::world::{Kind, Step, TaskId};
use std::collections::{BTreeMap, BTreeSet};

/// What a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// The head of a fetch.
    Head(TaskId),
    /// A reply to itself, until then.
    Reply(Step),
}

/// All tasks, but for the one that acts.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    awake: BTreeMap<TaskId, Box<Kind>>,
    asleep: BTreeMap<TaskId, Box<Kind>>,
    /// Who waits for the head of which fetch.
    for_head: BTreeMap<TaskId, Vec<TaskId>>,
    alarms: BTreeSet<(Step, TaskId)>,
}

impl Tasks {
    pub(super) fn insert(&mut self, id: TaskId, kind: Box<Kind>) {
        self.awake.insert(id, kind);
    }

    /// Puts a task aside.
    pub(super) fn sleep(&mut self, id: TaskId, kind: Box<Kind>, waits: Waits) {
        self.asleep.insert(id, kind);
        match waits {
            Waits::Head(fill) => self.for_head.entry(fill).or_default().push(id),
            Waits::Reply(until) => drop(self.alarms.insert((until, id))),
        }
    }

    /// What a task has waited for is there.
    pub(super) fn wake(&mut self, id: TaskId) {
        if let Some(kind) = self.asleep.remove(&id) {
            self.awake.insert(id, kind);
        }
    }

    /// The head of a fetch is there.
    pub(super) fn wake_for_head(&mut self, fill: TaskId) {
        self.for_head.remove(&fill).into_iter().flatten().for_each(|id| self.wake(id));
    }

    /// Whoever has waited for long enough.
    pub(super) fn wake_late(&mut self, now: Step) {
        while let Some(&(at, id)) = self.alarms.first().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, id));
            self.wake(id);
        }
    }

    pub(super) fn remove(&mut self, id: TaskId) -> Option<Box<Kind>> {
        self.awake.remove(&id).or_else(|| self.asleep.remove(&id))
    }

    /// Those that may act.
    pub(super) fn awake(&self) -> impl Iterator<Item = (TaskId, &Kind)> {
        self.awake.iter().map(|(id, kind)| (*id, &**kind))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &Kind)> {
        self.awake().chain(self.asleep.iter().map(|(id, kind)| (*id, &**kind)))
    }
}
