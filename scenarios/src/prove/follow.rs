//! A process follows the log: it connects, applies what it hears record by record, makes that durable, acknowledges.

use super::home::{Incoming, Outgoing, Session};
use super::monitor;
use super::process::Stream;
use super::world::{Done, ProcId, TaskId, World};
use edge::core::log::{Event, Position, Record, Step};
use edge::core::rules::{self, Rule};
use std::collections::VecDeque;
use std::sync::Arc;

/// The task of a process that follows.
#[derive(Debug)]
pub(super) struct Follow {
    proc: ProcId,
    at: At,
}

#[derive(Debug)]
enum At {
    Idle,
    /// The record's selectors from this one on are to be put in.
    Insert(Arc<Record>, usize),
    Publish(Arc<Record>),
    HideAll(Position, Option<Arc<Record>>),
    Persist,
    Acknowledge,
}

impl Follow {
    pub(super) const fn new(proc: ProcId) -> Self {
        Self { proc, at: At::Idle }
    }

    pub(super) fn ready(&self, world: &World) -> bool {
        if !matches!(self.at, At::Idle) {
            return true;
        }
        let process = &world.procs[self.proc];
        match process.session.map(|id| world.session(id)) {
            None => world.home.core.is_some() && world.now >= world.nodes[process.node].home_cut_until,
            Some(None) => true,
            Some(Some(session)) => !session.down.is_empty(),
        }
    }

    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        self.at = match std::mem::replace(&mut self.at, At::Idle) {
            At::Idle => self.idle(id, world),
            At::Insert(record, n) => self.insert(id, record, n, world),
            At::Publish(record) => {
                let process = &mut world.procs[self.proc];
                process.index.publish(record.position);
                process.unsaved.push((*record).clone());
                monitor::applied(world, self.proc, &record);
                At::Persist
            }
            At::HideAll(upto, record) => self.hide_all(id, upto, record, world),
            At::Persist => self.persist(id, world),
            At::Acknowledge => self.acknowledge(id, world),
        };
        Done::No
    }

    fn idle(&mut self, id: TaskId, world: &mut World) -> At {
        let process = &mut world.procs[self.proc];
        let Some(session) = process.session else {
            self.connect(world);
            return At::Idle;
        };
        let message = world.session_mut(session).map(|session| session.down.pop_front());
        let process = &mut world.procs[self.proc];
        let Some(Some(message)) = message else {
            process.forget_session();
            return At::Idle;
        };
        match message {
            Incoming::Continues(head) => {
                process.follower.told(head);
                process.is_met = true;
                monitor::continues(world, self.proc);
                At::Acknowledge
            }
            Incoming::StartsAt(head, chain) => match process.follower.restart(head, chain) {
                Step::HideAll(upto) => At::HideAll(upto, None),
                Step::Purge(_) | Step::Pass(_) => At::Idle,
            },
            Incoming::Record(record, bytes) => self.record(id, record, &bytes, false, world),
            Incoming::Hint(record, bytes) => self.record(id, record, &bytes, true, world),
            Incoming::Refused => {
                // Serving needs membership.
                process.is_serving = false;
                process.lease.give_up();
                process.forget_session();
                let node = process.node;
                world.close(session);
                world.nodes[node].home_cut_until = world.now + 40;
                At::Idle
            }
        }
    }

    fn connect(&self, world: &mut World) {
        let process = &mut world.procs[self.proc];
        let hello = Outgoing::Hello { applied: process.follower.applied(), chain: process.follower.chain() };
        let session = Session {
            proc: self.proc,
            member: process.member.clone(),
            is_met: false,
            down: Stream::new(),
            up: VecDeque::from([hello]),
        };
        world.home.opened += 1;
        process.session = Some(world.home.opened);
        world.home.sessions.insert(world.home.opened, session);
    }

    fn record(&self, id: TaskId, record: Arc<Record>, bytes: &[u8], is_hint: bool, world: &mut World) -> At {
        let process = &mut world.procs[self.proc];
        let next = match process.follower.record(&record, bytes) {
            Ok(Step::Purge(_)) => At::Insert(record.clone(), 0),
            Ok(Step::Pass(_)) => At::Publish(record.clone()),
            Ok(Step::HideAll(upto)) => At::HideAll(upto, Some(record.clone())),
            Err(_) if is_hint => {
                world.cover.count("follower: a hint that is no use");
                return At::Idle;
            }
            // A hint has brought it already.
            Err(_) if process.history.contains(&record) => return At::Idle,
            Err(_) => {
                if let Some(session) = process.session {
                    world.close(session);
                }
                world.cover.count("follower: not next");
                return At::Idle;
            }
        };
        if matches!(record.event, Event::Epoch { .. }) {
            process.history.push((*record).clone());
        }
        if is_hint {
            world.cover.count("follower: a hint that is applied");
        }
        if !rules::on(Rule::AckAfterApply) {
            self.say(world, record.position);
        }
        let name = world.procs[self.proc].name.clone();
        world.note(id, &name, || format!("reads {}", record.position));
        next
    }

    fn insert(&self, id: TaskId, record: Arc<Record>, n: usize, world: &mut World) -> At {
        // What a soft purge marks is stale since the home numbered it: this process may hear of it late.
        let now = record.issued_at.min(world.time());
        let process = &mut world.procs[self.proc];
        let Event::Purge(purge) = &record.event else { return At::Publish(record) };
        if n == 0 {
            process.history.push((*record).clone());
        }
        let Some(selector) = purge.selectors.get(n) else { return At::Publish(record) };
        process.index.insert(record.position, &[selector], purge.mode, now);
        let name = process.name.clone();
        world.note(id, &name, || format!("puts in {} {selector} at {}", purge.mode.as_str(), record.position));
        At::Insert(record, n + 1)
    }

    fn hide_all(&self, id: TaskId, upto: Position, record: Option<Arc<Record>>, world: &mut World) -> At {
        let process = &mut world.procs[self.proc];
        process.index.hide_all(upto);
        process.is_met = true;
        process.hides_upto = upto;
        process.unsaved.clear();
        let (applied, chain) = (process.follower.applied(), process.follower.chain());
        if let Some(disk) = world.nodes[process.node].disk.as_mut().filter(|_| process.has_disk) {
            disk.applied = Some((applied, chain));
            disk.floor = upto;
            disk.journal.clear();
        }
        if let Some(record) = record {
            monitor::applied(world, self.proc, &record);
        }
        let name = world.procs[self.proc].name.clone();
        world.note(id, &name, || format!("hides all up to {upto}"));
        At::Acknowledge
    }

    /// What has been applied is durable before anybody relies on it.
    fn persist(&self, id: TaskId, world: &mut World) -> At {
        if !rules::on(Rule::DurableBeforeAck) && world.roll(id, 4) > 0 {
            return At::Acknowledge;
        }
        let process = &mut world.procs[self.proc];
        if let Some(disk) = world.nodes[process.node].disk.as_mut().filter(|_| process.has_disk) {
            disk.applied = Some((process.follower.applied(), process.follower.chain()));
            disk.journal.append(&mut process.unsaved);
        }
        At::Acknowledge
    }

    fn acknowledge(&self, id: TaskId, world: &mut World) -> At {
        let process = &mut world.procs[self.proc];
        let applied = process.applied().log();
        if process.follower.caught_up() && !process.is_serving {
            process.is_serving = true;
            let name = process.name.clone();
            world.note(id, &name, || "serves".to_owned());
        }
        monitor::acknowledges(world, self.proc, applied);
        self.say(world, applied);
        At::Idle
    }

    fn say(&self, world: &mut World, applied: Position) {
        let session = world.procs[self.proc].session;
        if let Some(session) = session.and_then(|id| world.session_mut(id)) {
            session.up.push_back(Outgoing::Acknowledges(applied));
        }
    }
}
