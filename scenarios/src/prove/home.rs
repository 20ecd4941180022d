//! The home of the log: the core's state machine, a disk that survives it, and a stream for each node that follows.

use super::clock::Clock;
use super::process::Stream;
use super::world::{Done, ProcId, Step, TaskId, World};
use edge::core::log::{Chain, Event, Home, Leases, Leaving, Ledger, Meeting, Member, Position, Record};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A record as the home keeps it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) record: Arc<Record>,
    pub(super) bytes: Arc<[u8]>,
    pub(super) chain: Chain,
}

/// Where an append can be cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Write,
    Commit,
    Answer,
}

/// What the home says on a stream.
#[derive(Debug, Clone)]
pub(super) enum Incoming {
    /// It is this log, and this is its head.
    Continues(Position),
    /// Hide all, and go on from here.
    StartsAt(Position, Chain),
    Record(Arc<Record>, Arc<[u8]>),
    /// The same, from the operator, out of order: whoever can't use it yet waits for the stream.
    Hint(Arc<Record>, Arc<[u8]>),
    Refused,
}

/// What a node says.
#[derive(Debug, Clone)]
pub(super) enum Outgoing {
    Hello { applied: Position, chain: Chain },
    Acknowledges(Position),
}

/// A connection of a process with the home.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) proc: ProcId,
    pub(super) member: Member,
    pub(super) is_met: bool,
    pub(super) down: Stream,
    pub(super) up: VecDeque<Outgoing>,
}

/// The home and its disk.
#[derive(Debug)]
pub(super) struct Host {
    /// `None` while it is down.
    pub(super) core: Option<Home>,
    pub(super) base: Ledger,
    pub(super) disk: Vec<Kept>,
    pub(super) is_appending: bool,
    pub(super) crash_at: Option<Stage>,
    pub(super) down_until: Step,
    pub(super) sessions: BTreeMap<u64, Session>,
    pub(super) opened: u64,
    /// How often it has crashed.
    pub(super) crashes: u64,
    /// Grows with whatever a proof may depend on.
    pub(super) changes: u64,
    /// What it grants; `None` while it is down.
    pub(super) leases: Option<Leases>,
    pub(super) clock: Clock,
    lease_for: Duration,
    /// Whether it is to come back from a backup, and begin an epoch.
    pub(super) is_restored: bool,
    epochs: u64,
}

pub(super) fn encode(record: &Record) -> Arc<[u8]> {
    format!("{record:?}").into_bytes().into()
}

impl Host {
    pub(super) fn new(clock: Clock, lease_for: Duration) -> Self {
        let mut host = Self {
            leases: Some(Leases::new(clock.at(0), lease_for, lease_for)),
            clock,
            lease_for,
            is_restored: false,
            core: Some(Home::new(Ledger::default())),
            base: Ledger::default(),
            disk: Vec::new(),
            is_appending: false,
            crash_at: None,
            down_until: 0,
            sessions: BTreeMap::new(),
            opened: 0,
            crashes: 0,
            changes: 0,
            epochs: 0,
        };
        host.open_epoch(0, 0);
        host
    }

    /// Writes a record down.
    pub(super) fn write(&mut self, record: Record) {
        let bytes = encode(&record);
        let before = self.disk.last().map_or(self.base.chain, |kept| kept.chain);
        let chain = before.with(record.position, &bytes);
        self.disk.push(Kept { record: Arc::new(record), bytes, chain });
    }

    /// Tells the state machine of what has been written last, and then all who follow.
    pub(super) fn commit(&mut self) {
        self.changes += 1;
        let (Some(core), Some(kept)) = (&mut self.core, self.disk.last()) else { return };
        core.committed(&kept.record, &kept.bytes).expect("the home numbers what follows");
        let message = Incoming::Record(kept.record.clone(), kept.bytes.clone());
        self.tell(&message);
    }

    pub(super) fn tell(&mut self, message: &Incoming) {
        for session in self.sessions.values_mut().filter(|session| session.is_met) {
            session.down.push_back(message.clone());
        }
    }

    /// The operator tells a node of what was recorded last.
    pub(super) fn hint(&mut self, session: u64) {
        let Some(kept) = self.disk.last() else { return };
        let hint = Incoming::Hint(kept.record.clone(), kept.bytes.clone());
        if let Some(session) = self.sessions.get_mut(&session).filter(|session| session.is_met) {
            session.down.push_front(hint);
        }
    }

    fn append(&mut self, now: Step, event: Event) {
        let Some(Ok(position)) = self.core.as_ref().map(Home::next) else { return };
        self.write(Record { position, issued_at: super::world::time(now), event });
        self.commit();
    }

    /// A process has ended for good.
    pub(super) fn leaves(&mut self, member: &Member, now: Step) {
        if let Some(event) = self.core.as_ref().and_then(|core| core.drained(member)) {
            self.append(now, event);
        }
    }

    /// The log as it goes on elsewhere: all that is on the disk, and an epoch after it.
    pub(super) fn moved(&self, clock: Clock, now: Step) -> Self {
        let mut host = Self {
            core: None,
            leases: None,
            base: self.base.clone(),
            disk: self.disk.clone(),
            sessions: BTreeMap::new(),
            is_appending: false,
            crash_at: None,
            down_until: 0,
            crashes: self.crashes + 1,
            changes: self.changes + 1,
            clock,
            ..*self
        };
        host.start(now);
        host.begin_epoch(0, true, now);
        host
    }

    /// The log ends here.
    pub(super) fn seal(&mut self, now: Step) {
        self.append(now, Event::Seal);
    }

    /// An operator wants these to be members no longer. They are granted nothing more, and go when they hold nothing.
    pub(super) fn stop(&mut self, node: &str) -> Vec<Member> {
        let (Some(core), Some(leases)) = (&self.core, &mut self.leases) else { return Vec::new() };
        let members = core.ledger().members.keys().filter(|member| member.node.as_str() == node);
        let members: Vec<Member> = members.cloned().collect();
        members.iter().for_each(|member| leases.stop(member));
        members
    }

    /// Whether a member's removal may be recorded.
    pub(super) fn is_over(&self, member: &Member, now: Step) -> bool {
        let now = self.clock.at(now);
        // Else it was removed already, and may have come again.
        self.leases.as_ref().is_some_and(|leases| leases.may_leave(member, now) || !leases.is_stopped(member))
    }

    /// It is one no longer, and its streams end.
    pub(super) fn forgets(&mut self, member: &Member, now: Step) {
        let (Some(core), Some(leases)) = (&self.core, &mut self.leases) else { return };
        if !leases.is_stopped(member) {
            return;
        }
        leases.forget(member);
        if core.ledger().members.contains_key(member) {
            self.append(now, Event::Leave { member: member.clone(), why: Leaving::Forgotten });
        }
        self.sessions.retain(|_, session| session.member != *member);
    }

    fn open_epoch(&mut self, seen: u16, now: Step) {
        self.begin_epoch(seen, false, now);
    }

    fn begin_epoch(&mut self, seen: u16, is_lifted: bool, now: Step) {
        let Some(Ok(position)) = self.core.as_ref().map(|core| core.next_epoch(seen, is_lifted)) else { return };
        self.epochs += 1;
        let event = Event::Epoch { name: format!("epoch{}", self.epochs) };
        self.write(Record { position, issued_at: super::world::time(now), event });
        self.commit();
    }

    /// It is gone, with all that it had in memory and all its streams.
    pub(super) fn crash(&mut self, until: Step) {
        self.core = None;
        self.leases = None;
        self.crashes += 1;
        self.changes += 1;
        self.is_appending = false;
        self.crash_at = None;
        self.down_until = until;
        self.sessions.clear();
    }

    fn start(&mut self, now: Step) {
        let mut core = Home::new(self.base.clone());
        for kept in &self.disk {
            core.committed(&kept.record, &kept.bytes).expect("what it has written follows");
        }
        self.core = Some(core);
        self.leases = Some(Leases::new(self.clock.at(now), self.lease_for, self.lease_for));
        self.changes += 1;
        if self.disk.is_empty() && self.base == Ledger::default() {
            self.open_epoch(0, 0);
        } else if std::mem::take(&mut self.is_restored) {
            self.open_epoch(0, now);
        }
    }

    /// Drops the oldest records.
    pub(super) fn truncate(&mut self, records: usize) {
        let Some(core) = &mut self.core else { return };
        for kept in self.disk.drain(..records.min(self.disk.len())) {
            self.base.add(&kept.record, &kept.bytes).expect("what it has written follows");
        }
        core.dropped(self.base.position, self.base.chain);
        self.changes += 1;
    }

    fn chain_at(&self, at: Position) -> Option<Chain> {
        self.disk.iter().find(|kept| kept.record.position == at).map(|kept| kept.chain)
    }

    /// A node comes, and says how far it is.
    fn greet(&mut self, id: u64, applied: Position, chain: Chain, now: Step) -> Option<Meeting> {
        let core = self.core.as_ref()?;
        let session = self.sessions.get(&id)?;
        // Whom it can't take, and whom it would have to begin an epoch for, once the log goes on elsewhere.
        let is_sealed = core.next().is_err();
        let is_heard =
            |other: &Member| self.sessions.values().any(|session| session.is_met && session.member == *other);
        let joining = core.join(&session.member, is_heard);
        let Some(joining) = joining.ok().filter(|joining| joining.is_empty() || !is_sealed) else {
            self.sessions.get_mut(&id)?.down.push_back(Incoming::Refused);
            return None;
        };
        for event in joining {
            self.append(now, event);
        }
        let kept = self.chain_at(applied);
        let meeting = self.core.as_ref()?.meets(applied, chain, kept);
        if let Meeting::MustOpenAbove(seen) = meeting {
            self.open_epoch(seen, now);
        }
        let ledger = self.core.as_ref()?.ledger();
        let mut down = Stream::new();
        if meeting == Meeting::Continues {
            down.push_back(Incoming::Continues(ledger.position));
            let known = self.disk.iter().position(|kept| kept.record.position == applied).map_or(0, |at| at + 1);
            down.extend(
                self.disk[known..].iter().map(|kept| Incoming::Record(kept.record.clone(), kept.bytes.clone())),
            );
        } else {
            down.push_back(Incoming::StartsAt(ledger.position, ledger.chain));
        }
        let session = self.sessions.get_mut(&id)?;
        session.is_met = true;
        session.down = down;
        Some(meeting)
    }
}

/// The home's process.
#[derive(Debug)]
pub(super) struct Homekeeping;

impl Homekeeping {
    pub(super) fn ready(world: &World) -> bool {
        let home = &world.home;
        match home.core {
            None => world.now >= home.down_until,
            Some(_) => home.sessions.values().any(|session| Self::can_read(home, session)),
        }
    }

    fn can_read(home: &Host, session: &Session) -> bool {
        match session.up.front() {
            None => false,
            // A join is an append; one at a time.
            Some(Outgoing::Hello { .. }) => !home.is_appending,
            Some(Outgoing::Acknowledges(_)) => true,
        }
    }

    pub(super) fn step(id: TaskId, world: &mut World) -> Done {
        if world.home.core.is_none() {
            let now = world.now;
            world.home.start(now);
            world.note(id, "home", || "starts".to_owned());
            return Done::No;
        }
        let home = &world.home;
        let ready: Vec<u64> =
            home.sessions.iter().filter(|(_, session)| Self::can_read(home, session)).map(|(&id, _)| id).collect();
        let session = ready[world.roll(id, ready.len() as u64) as usize];
        Self::read(id, session, world);
        Done::No
    }

    fn read(id: TaskId, session: u64, world: &mut World) {
        let now = world.now;
        let Some(of) = world.home.sessions.get_mut(&session) else { return };
        let name = world.procs[of.proc].name.clone();
        match of.up.pop_front() {
            Some(Outgoing::Hello { applied, chain }) => {
                let met = world.home.greet(session, applied, chain, now);
                world.cover.count(match met {
                    Some(Meeting::Continues) => "home: continues",
                    Some(Meeting::StartsAtHead) => "home: starts at head",
                    Some(Meeting::MustOpenAbove(_)) => "home: opens an epoch",
                    None => "home: refuses a process",
                });
                world.note(id, "home", || format!("meets {name} at {applied}: {met:?}"));
            }
            Some(Outgoing::Acknowledges(applied)) => {
                let member = of.member.clone();
                if let Some(core) = &mut world.home.core {
                    core.acknowledged(&member, applied);
                }
                world.home.changes += 1;
                world.note(id, "home", || format!("hears that {name} has applied {applied}"));
            }
            None => {}
        }
    }
}
