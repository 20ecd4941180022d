//! An operator: deploys, purges, and waits for the proof.

use super::home::Stage;
use super::monitor;
use super::url::Key;
use super::world::{Done, Step, TaskId, World};
use edge::core::id::TokenId;
use edge::core::key_rules::KeyRules;
use edge::core::log::{Event, Home, Offer, Position, Purge, Record, RecordId};
use edge::core::purge::{Mode, Selector};
use edge::core::rules::{self, Rule};
use std::cell::Cell;

/// How long a home that crashes in an append stays down, in steps.
const CRASHED_FOR: Step = 40;

/// How often it is looked whether leases have ended, in steps.
const LOOKS_EVERY: Step = 8;

/// A purge, from the deploy before it to its proof.
#[derive(Debug)]
pub(super) struct Operator {
    deploys: Option<Key>,
    id: RecordId,
    mode: Mode,
    selectors: Vec<Selector>,
    /// Nodes that the fleet file lacks.
    not_in_fleet: Option<usize>,
    issued: Step,
    /// The number that the home gave it first.
    numbered: Option<Position>,
    /// How often the home had crashed when the append began.
    crashes: u64,
    /// When it last found nothing to do, by what had changed at the home, and when leases were looked at.
    idle_at: Cell<Option<(u64, Step)>>,
    at: At,
}

#[derive(Debug)]
enum At {
    Deploy,
    Issue,
    Offer,
    Write(Box<Record>),
    Commit(Position),
    Answer(Position),
    Wait,
}

impl Operator {
    pub(super) fn new(
        number: u64,
        deploys: Option<Key>,
        mode: Mode,
        selectors: Vec<Selector>,
        not_in_fleet: Option<usize>,
    ) -> Self {
        let id = RecordId::new(&format!("purge{number}")).expect("a good id");
        Self {
            deploys,
            id,
            mode,
            selectors,
            not_in_fleet,
            issued: 0,
            numbered: None,
            crashes: 0,
            idle_at: Cell::new(None),
            at: At::Deploy,
        }
    }

    /// Whether it appends, and so has the home for itself.
    const fn appends(&self) -> bool {
        matches!(self.at, At::Write(_) | At::Commit(_) | At::Answer(_))
    }

    pub(super) fn ready(&self, world: &World) -> bool {
        match self.at {
            At::Offer => world.home.core.is_some() && !world.home.is_appending,
            At::Wait => self.has_news(world),
            _ => true,
        }
    }

    /// Whether what it waits for has come, or can't come any more.
    fn has_news(&self, world: &World) -> bool {
        let now = Some((world.home.changes, world.now / LOOKS_EVERY));
        if self.idle_at.get() == now {
            return false;
        }
        let (Some(core), Some(at)) = (&world.home.core, self.numbered) else { return false };
        let has_news = self.is_proven(core, at, world) || self.is_lost(core, at, world);
        self.idle_at.set(now.filter(|_| !has_news));
        has_news
    }

    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        if self.appends() && world.home.crashes != self.crashes {
            // The connection broke; what became of the purge is unknown. It is sent again, under the same id.
            world.cover.count("purges sent again");
            self.at = At::Offer;
            return Done::No;
        }
        self.at = match std::mem::replace(&mut self.at, At::Offer) {
            At::Deploy => {
                if let Some(key) = self.deploys {
                    world.origin.versions[key] += 1;
                    world.note(id, "operator", || format!("deploys {key}"));
                }
                At::Issue
            }
            At::Issue => {
                self.issued = world.now;
                monitor::issued(world, id, &self.id, self.mode, &self.selectors);
                world.note(id, "operator", || self.text());
                At::Offer
            }
            At::Offer => self.offer(world),
            At::Write(record) => self.write(*record, world),
            At::Commit(at) => {
                if crashes(world, Stage::Commit) {
                    return Done::No;
                }
                world.home.commit();
                At::Answer(at)
            }
            At::Answer(at) => {
                if crashes(world, Stage::Answer) {
                    return Done::No;
                }
                world.home.is_appending = false;
                let sessions: Vec<u64> = world.home.sessions.keys().copied().collect();
                for session in sessions {
                    if world.roll(id, 4) == 0 {
                        world.home.hint(session);
                    }
                }
                self.numbered = Some(at);
                world.note(id, "operator", || format!("{} is numbered {at}", self.text()));
                At::Wait
            }
            At::Wait => return self.wait(id, world),
        };
        Done::No
    }

    fn text(&self) -> String {
        let selectors: Vec<String> = self.selectors.iter().map(ToString::to_string).collect();
        format!("{} purge of {}", self.mode.as_str(), selectors.join(", "))
    }

    fn offer(&mut self, world: &mut World) -> At {
        let now = world.time();
        self.crashes = world.home.crashes;
        let Some(core) = &world.home.core else { return At::Offer };
        match core.offer(&token(), &self.id, [0; 16], now) {
            Ok(Offer::Number(position)) => {
                world.home.is_appending = true;
                let purge = Purge {
                    id: self.id.clone(),
                    digest: [0; 16],
                    by: token(),
                    mode: self.mode,
                    selectors: self.selectors.clone(),
                    rules: KeyRules::default(),
                };
                let record = Record { position, issued_at: now, event: Event::Purge(purge) };
                if !rules::on(Rule::DurableBeforeTold) {
                    let bytes = super::home::encode(&record);
                    world.home.tell(&super::home::Incoming::Record(record.clone().into(), bytes));
                }
                At::Write(Box::new(record))
            }
            Ok(Offer::Same(numbered)) => {
                world.cover.count("purges that were recorded already");
                self.numbered = Some(numbered.position);
                At::Wait
            }
            Err(_) => At::Offer,
        }
    }

    fn write(&self, record: Record, world: &mut World) -> At {
        if crashes(world, Stage::Write) {
            return At::Offer;
        }
        let position = record.position;
        world.home.write(record);
        At::Commit(position)
    }

    /// Whether all members have applied it, and all nodes of the fleet file are members.
    fn is_proven(&self, core: &Home, at: Position, world: &World) -> bool {
        let unproven = match &world.home.leases {
            Some(leases) => leases.unproven(core, at, world.home.clock.at(world.now)),
            None => core.unproven(at),
        };
        let proven = match rules::on(Rule::EveryMemberCounts) {
            true => unproven.is_empty(),
            false => unproven.len() <= 1,
        };
        let members = &core.ledger().members;
        let nodes = world.nodes.iter().enumerate();
        let mut fleet = nodes.filter(|(number, node)| Some(*number) != self.not_in_fleet && !node.is_forgotten);
        proven && fleet.all(|(_, node)| members.keys().any(|member| member.node.as_str() == node.name))
    }

    /// Whether the home does not know it any more: it was restored from a backup.
    fn is_lost(&self, core: &Home, at: Position, world: &World) -> bool {
        let known = core.offer(&token(), &self.id, [0; 16], world.time());
        rules::on(Rule::ProofNamesPurge) && !matches!(known, Ok(Offer::Same(numbered)) if numbered.position == at)
    }

    fn wait(&mut self, id: TaskId, world: &mut World) -> Done {
        let (Some(core), Some(at)) = (&world.home.core, self.numbered) else {
            self.at = At::Wait;
            return Done::No;
        };
        if self.is_lost(core, at, world) {
            world.cover.count("purges that the home has lost");
            self.at = At::Offer;
            return Done::No;
        }
        world.note(id, "operator", || format!("exit 0: {} is proven", self.text()));
        monitor::proven(world, id, at);
        Done::Yes
    }
}

/// The home crashes here if it was to.
fn crashes(world: &mut World, stage: Stage) -> bool {
    let crashes = world.home.crash_at == Some(stage);
    if crashes {
        world.cover.count("home: crashes in an append");
        let until = world.now + CRASHED_FOR;
        world.crash_home(until);
    }
    crashes
}

/// The token of all purges.
fn token() -> TokenId {
    TokenId::new("deploy").expect("a good name")
}
