//! Heartbeats: a process asks for its lease again and again, and what it asks and what it is told may be late or lost.

use super::home::Host;
use super::monitor;
use super::world::{Done, ProcId, Step, TaskId, World};
use edge::core::boot_time::BootTime;
use edge::core::log::Position;
use edge::core::rules::{self, Rule};
use std::time::Duration;

/// How long a process waits between heartbeats, in steps.
const EVERY: Step = 12;

/// One of so many messages is lost.
const LOST: u64 = 10;

/// The heartbeats of a process.
#[derive(Debug)]
pub(super) struct Beat {
    pub(super) proc: ProcId,
    sent: Sent,
    at: At,
}

/// A heartbeat: by which clock's time, on which stream.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    at: BootTime,
    session: u64,
}

#[derive(Debug, Clone, Copy)]
enum At {
    Waits(Step),
    Comes,
    /// The home has noted the grant, when its head was this.
    Granted(Duration, Position),
    /// The wrong way round.
    HeadRead(Position),
    Returns {
        duration: Duration,
        head: Position,
        at_grant: Position,
    },
}

impl Beat {
    pub(super) fn new(proc: ProcId) -> Self {
        Self { proc, sent: Sent::default(), at: At::Waits(0) }
    }

    pub(super) fn ready(&self, world: &World) -> bool {
        let process = &world.procs[self.proc];
        match self.at {
            At::Waits(until) => world.nodes[process.node].is_strict && process.session.is_some() && world.now >= until,
            At::Comes | At::Granted(..) | At::HeadRead(_) | At::Returns { .. } => true,
        }
    }

    /// Whether nothing is on its way.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.at, At::Waits(_))
    }

    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        self.at = self.next(id, world).unwrap_or(At::Waits(world.now + EVERY));
        Done::No
    }

    fn next(&mut self, id: TaskId, world: &mut World) -> Option<At> {
        match self.at {
            At::Waits(_) => {
                let node = world.procs[self.proc].node;
                self.sent =
                    Sent { at: world.nodes[node].clock.at(world.now), session: world.procs[self.proc].session? };
                let holds = world.procs[self.proc].lease.holds(self.sent.at);
                if std::mem::replace(&mut world.procs[self.proc].was_leased, holds) && !holds {
                    let name = world.procs[self.proc].name.clone();
                    world.note(id, &name, || "has no lease any more".to_owned());
                }
                Some(At::Comes)
            }
            _ if self.is_lost(id, world) => {
                world.cover.count("heartbeats lost");
                None
            }
            At::Comes if rules::on(Rule::GrantBeforeHead) => {
                let duration = self.grant(world)?;
                Some(At::Granted(duration, self.home(world)?.core.as_ref()?.head()))
            }
            At::Comes => Some(At::HeadRead(self.home(world)?.core.as_ref()?.head())),
            At::Granted(duration, at_grant) => {
                Some(At::Returns { duration, head: self.home(world)?.core.as_ref()?.head(), at_grant })
            }
            At::HeadRead(head) => {
                let duration = self.grant(world)?;
                Some(At::Returns { duration, head, at_grant: self.home(world)?.core.as_ref()?.head() })
            }
            At::Returns { duration, head, at_grant } => {
                self.renew(id, duration, head, at_grant, world);
                None
            }
        }
    }

    /// Now and then, and if the stream that it belongs to is gone.
    fn is_lost(&self, id: TaskId, world: &mut World) -> bool {
        let is_met = world.session(self.sent.session).is_some_and(|session| session.is_met);
        !is_met
            || world.procs[self.proc].session != Some(self.sent.session)
            || (!world.is_calm() && world.roll(id, LOST) == 0)
    }

    /// Whom it asks: the home, or the one before it while it has not heard that the log goes on elsewhere.
    fn home<'w>(&self, world: &'w mut World) -> Option<&'w mut Host> {
        let is_former = !world.home.sessions.contains_key(&self.sent.session);
        if is_former { world.former.as_mut() } else { Some(&mut world.home) }
    }

    fn grant(&self, world: &mut World) -> Option<Duration> {
        let (now, member) = (world.now, world.procs[self.proc].member.clone());
        let home = self.home(world)?;
        let now = home.clock.at(now);
        home.leases.as_mut()?.grant(home.core.as_ref()?, &member, now).ok()
    }

    fn renew(&self, id: TaskId, duration: Duration, head: Position, at_grant: Position, world: &mut World) {
        let process = &mut world.procs[self.proc];
        if !process.is_met {
            return;
        }
        let applied = process.applied().log();
        if process.lease.renew(self.sent.at, head, applied, duration) {
            let name = (!std::mem::replace(&mut process.was_leased, true)).then(|| process.name.clone());
            world.cover.count("leases renewed");
            if let Some(name) = name {
                world.note(id, &name, || format!("is leased, applied {applied}, head {head}"));
            }
            monitor::leased(world, self.proc, at_grant);
        } else {
            world.cover.count("leases not renewed: records are missing");
        }
    }
}
