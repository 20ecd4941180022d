//! The sweep: every entry is looked at, then old rules are retired into floors.

use super::check::Check;
use super::entry::Entry;
use super::monitor;
use super::world::{Done, ProcId, TaskId, World};
use edge::core::purge::Fence;
use std::sync::Arc;

/// A sweep of a process.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) proc: ProcId,
    at: At,
}

#[derive(Debug)]
enum At {
    Begin,
    Checks(Fence, Vec<Arc<Entry>>, Option<Check>),
    RaiseFloors(Fence),
    Drop,
}

impl Sweep {
    pub(super) const fn new(proc: ProcId) -> Self {
        Self { proc, at: At::Begin }
    }

    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        let process = &mut world.procs[self.proc];
        self.at = match std::mem::replace(&mut self.at, At::Begin) {
            At::Begin if !process.index.sweep_due() => return Done::Yes,
            At::Begin => {
                world.cover.count("sweeps");
                At::Checks(process.applied(), process.store.values().cloned().collect(), None)
            }
            At::Checks(upto, left, Some(mut check)) => {
                let check = check.step(self.proc, world).is_none().then_some(check);
                At::Checks(upto, left, check)
            }
            At::Checks(upto, mut left, None) => match left.pop() {
                Some(entry) => At::Checks(upto, left, Some(Check::new(entry))),
                None => {
                    // The floor is durable before anything is dropped.
                    if let Some(disk) = world.nodes[process.node].disk.as_mut().filter(|_| process.has_disk) {
                        disk.retire(upto.log());
                    }
                    At::RaiseFloors(upto)
                }
            },
            At::RaiseFloors(upto) => {
                process.index.raise_floors(upto);
                process.hides_upto = process.hides_upto.max(upto.log());
                process.own_hides_upto = process.own_hides_upto.max(upto.own());
                let name = process.name.clone();
                monitor::retired(world, self.proc, upto.log());
                world.note(id, &name, || format!("retires rules up to {}", upto.log()));
                At::Drop
            }
            At::Drop => {
                process.index.drop_retired();
                return Done::Yes;
            }
        };
        Done::No
    }
}
