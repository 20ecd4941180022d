//! An unsafe request: it changes the origin, and what it makes invalid is hidden at each node that it passes.

use super::monitor;
use super::url::{self, Key};
use super::world::{Done, ProcId, Step, TaskId, World};
use edge::core::purge::Fence;

/// A request that changes something, on its way up and back.
#[derive(Debug)]
pub(super) struct Write {
    key: Key,
    /// The processes that it passes, the edge first; those that its answer has yet to pass.
    path: Vec<ProcId>,
    /// When the answer came to the process that it is at.
    came: Step,
    at: At,
}

#[derive(Debug)]
enum At {
    GoesUp,
    Changes,
    Comes,
    Invalidates { is_there: bool },
    Answers,
}

impl Write {
    pub(super) fn new(edge: ProcId, key: Key) -> Self {
        Self { key, path: vec![edge], came: 0, at: At::GoesUp }
    }

    /// Where it is: nobody's while it is at the origin.
    pub(super) fn proc(&self) -> Option<ProcId> {
        match self.at {
            At::Changes => None,
            _ => self.path.last().copied(),
        }
    }

    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        let Some(&proc) = self.path.last() else { return Done::Yes };
        self.at = match self.at {
            At::GoesUp => {
                self.path.extend(world.shield_for(id, proc));
                At::Changes
            }
            At::Changes => {
                world.origin.versions[self.key] += 1;
                world.note(id, "origin", || format!("is told to change {}", self.key));
                At::Comes
            }
            // Whoever it passed may have ended meanwhile, and with it the connection.
            _ if !world.procs[proc].alive => return Done::Yes,
            At::Comes => {
                self.came = world.now;
                let process = &world.procs[proc];
                let is_there = process.store.contains_key(&self.key) || process.fetches(self.key);
                At::Invalidates { is_there }
            }
            At::Invalidates { is_there } => {
                if is_there {
                    self.invalidates(id, proc, world);
                }
                At::Answers
            }
            At::Answers => {
                self.path.pop();
                monitor::wrote(world, proc, self.key, self.came);
                At::Comes
            }
        };
        match self.path.is_empty() {
            true => Done::Yes,
            false => Done::No,
        }
    }

    /// Hides what is there, and makes that durable: an entry may outlive the process.
    fn invalidates(&self, id: TaskId, proc: ProcId, world: &mut World) {
        world.cover.count("own invalidations");
        let process = &mut world.procs[proc];
        process.index.invalidate(&[&url::of(self.key)], Fence::ZERO);
        process.invalidated.push(self.key);
        let (own, name) = (process.applied().own(), process.name.clone());
        if let Some(disk) = world.nodes[process.node].disk.as_mut().filter(|_| process.has_disk) {
            disk.invalidated.push(self.key);
        }
        world.note(id, &name, || format!("makes {} invalid, as its own {own}", self.key));
    }
}
