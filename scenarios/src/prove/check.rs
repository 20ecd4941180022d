//! The verdict on an entry, taken apart: every load and store of what others change is a step of its own.

use super::entry::Entry;
use super::monitor;
use super::world::{ProcId, World};
use edge::core::purge::{Fence, Look};
use edge::core::reuse::PurgeMark;
use edge::core::rules::{self, Rule};
use std::sync::Arc;

/// A verdict in the making.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) entry: Arc<Entry>,
    /// What had been applied before the entry was looked at.
    pub(super) applied: Fence,
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    LoadApplied,
    LoadMark(Fence),
    /// The mark said `valid` when `applied` had been applied.
    Begin {
        applied: Fence,
        valid: Fence,
    },
    Floors {
        look: Look,
        applied: Fence,
        valid: Fence,
    },
    /// The wrong way round.
    RulesAfterFloors {
        applied: Fence,
        valid: Fence,
        hide: bool,
    },
    Settle(Look),
}

impl Check {
    pub(super) const fn new(entry: Arc<Entry>) -> Self {
        Self { entry, applied: Fence::ZERO, at: At::LoadApplied }
    }

    /// The next step on this process; the verdict once it is there.
    pub(super) fn step(&mut self, proc: ProcId, world: &mut World) -> Option<PurgeMark> {
        let index = &world.procs[proc].index;
        let (entry, subject) = (&self.entry, &self.entry.subject);
        self.at = match self.at {
            At::LoadApplied => {
                self.applied = index.applied();
                At::LoadMark(self.applied)
            }
            At::LoadMark(applied) if entry.mark.is_current(applied) => return Some(entry.mark.verdict()),
            At::LoadMark(applied) => At::Begin { applied, valid: entry.mark.valid() },
            At::Begin { applied, valid } if rules::on(Rule::FloorAfterIndex) => {
                At::Floors { look: index.look(subject, valid, applied), applied, valid }
            }
            At::Begin { applied, valid } => {
                At::RulesAfterFloors { applied, valid, hide: index.floors_hide(subject, valid) }
            }
            At::Floors { look, applied, valid } => {
                self.looked(look.or_hidden(index.floors_hide(subject, valid)), applied, valid, proc, world)
            }
            At::RulesAfterFloors { applied, valid, hide } => {
                self.looked(index.look(subject, valid, applied).or_hidden(hide), applied, valid, proc, world)
            }
            At::Settle(look) => {
                let verdict = index.settle(look, &entry.mark);
                monitor::settled(world, proc, entry);
                return Some(verdict);
            }
        };
        None
    }

    fn looked(&self, look: Look, applied: Fence, valid: Fence, proc: ProcId, world: &mut World) -> At {
        monitor::looked(world, proc, &self.entry, (applied, valid), look.is_hidden());
        At::Settle(look)
    }
}
