//! A request at a process: a client's at an edge, or a tier's at a shield.

use super::check::Check;
use super::entry::{Entry, Response};
use super::fill::{Fill, Reply};
use super::monitor;
use super::process::{Fetched, Held};
use super::url::{self, Key};
use super::world::{Done, Kind, ProcId, Step, TaskId, World};
use edge::core::cache_control::RequestDirectives;
use edge::core::hop::{self, Asked, Turn};
use edge::core::log::Position;
use edge::core::purge::{Arrival, Fence};
use edge::core::reuse::{
    Lease, PurgeMark, Reuse, ReusePolicy, StaleIfError, UpstreamFailure, for_tier, reuse, stale_if_error,
};
use edge::core::rules::{self, Rule};
use std::sync::Arc;
use std::time::Duration;

/// How long a tier waits for the records that it lacks, in steps.
const CATCH_UP: Step = 40;

/// How often a request is tried upstream.
pub(super) const MAX_TRIES: u32 = 3;

/// How long after a soft purge what it marked is served, in steps.
pub(super) const SOFT_BOUND: Duration = Duration::from_millis(100);

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Get,
    Head,
    /// Whether it has changed since: the client has what is stored now.
    Conditional,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asker {
    Client(Form),
    /// The fetch of a tier below, and the version whose validator it has sent.
    Tier {
        reply_to: (TaskId, u32),
        validator: Option<u64>,
    },
}

/// A request.
#[derive(Debug)]
pub(super) struct Serve {
    pub(super) proc: ProcId,
    key: Key,
    pub(super) asker: Asker,
    asked: Option<Asked>,
    /// When its head had arrived.
    arrived: Step,
    /// What had been applied then.
    asked_at: Fence,
    /// Whether what is stored may be believed.
    is_leased: bool,
    /// Whether it has asked the origin for this request.
    went_past: bool,
    tries: u32,
    found: Option<Arc<Entry>>,
    at: At,
}

#[derive(Debug)]
enum At {
    Arrives,
    LooksAtLease,
    LooksAtApplied,
    Waits(Step),
    LooksUp,
    Checks(Check),
    Joins { validate: bool },
    FetchesAlone,
    Awaits(TaskId),
    HasHead(Arc<Entry>),
    ChecksStandIn(Check),
    Answers(Said),
}

/// An answer.
#[derive(Debug, Clone)]
struct Said {
    entry: Arc<Entry>,
    is_stale: bool,
    position: Position,
    /// When it was found to be good.
    judged: Step,
}

impl Serve {
    pub(super) const fn new(proc: ProcId, key: Key, asker: Asker, asked: Option<Asked>, now: Step) -> Self {
        Self {
            proc,
            key,
            asker,
            asked,
            arrived: now,
            asked_at: Fence::ZERO,
            is_leased: true,
            went_past: false,
            tries: 0,
            found: None,
            at: At::Arrives,
        }
    }

    pub(super) fn ready(&self, world: &World) -> bool {
        let process = &world.procs[self.proc];
        match &self.at {
            At::Waits(until) => world.now >= *until || process.applied() != self.asked_at,
            At::Awaits(fill) => process.fills.get(fill).is_some_and(|fetched| fetched.head.is_some()),
            _ => true,
        }
    }

    /// The fetch whose head it waits for, which is not there.
    pub(super) fn awaits(&self, world: &World) -> Option<TaskId> {
        match self.at {
            At::Awaits(fill) if !self.ready(world) => Some(fill),
            _ => None,
        }
    }

    const fn is_client(&self) -> bool {
        matches!(self.asker, Asker::Client(_))
    }

    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        let next = match std::mem::replace(&mut self.at, At::LooksUp) {
            At::Arrives => self.arrives(id, world),
            At::LooksAtLease => {
                self.is_leased = world.is_leased(self.proc);
                Some(At::LooksAtApplied)
            }
            At::LooksAtApplied => {
                if rules::on(Rule::AppliedAfterLease) {
                    self.asked_at = world.procs[self.proc].applied();
                }
                if self.is_leased {
                    monitor::believes(world, self.proc, self.arrived, self.asked_at.log());
                }
                self.turn(false, world)
            }
            At::Waits(until) => self.turn(world.now >= until, world),
            At::LooksUp => self.looks_up(world),
            At::Checks(check) => self.checks(id, check, world),
            At::Joins { validate } => Some(self.joins(id, validate, world)),
            At::FetchesAlone => {
                self.tries += 1;
                self.went_past = true;
                let fill = Fill::new(self.proc, self.key, None, self.asked, true);
                Some(At::Awaits(self.begin(id, fill, world)))
            }
            At::Awaits(fill) => self.awaited(fill, world),
            At::HasHead(entry) => self.has_head(entry, world),
            At::ChecksStandIn(check) => self.checks_stand_in(check, world),
            At::Answers(said) => {
                self.answers(id, &said, world);
                return Done::Yes;
            }
        };
        match next {
            Some(next) => {
                self.at = next;
                Done::No
            }
            None => {
                self.fails(id, world);
                Done::Yes
            }
        }
    }

    fn arrives(&mut self, id: TaskId, world: &mut World) -> Option<At> {
        let process = &world.procs[self.proc];
        if !process.is_serving {
            world.cover.count("requests refused before catching up");
            return None;
        }
        if self.is_client() {
            self.arrived = world.now;
            world.cover.count("requests");
        }
        self.asked_at = process.applied();
        let (name, key, asked) = (process.name.clone(), self.key, self.asked);
        world.note(id, &name, || match asked {
            None => format!("a client asks for {key}"),
            Some(asked) => format!("a tier asks for {key}, valid to {}", asked.valid_to),
        });
        if rules::on(Rule::LeaseReadPerRequest) {
            return Some(At::LooksAtLease);
        }
        let process = &world.procs[self.proc];
        self.is_leased = !world.nodes[process.node].is_strict || process.was_leased;
        self.turn(false, world)
    }

    const fn policy(&self) -> ReusePolicy {
        let lease = if self.is_leased { Lease::Held } else { Lease::Absent };
        ReusePolicy { soft_purge_bound: Some(SOFT_BOUND), lease }
    }

    fn turn(&mut self, has_waited: bool, world: &mut World) -> Option<At> {
        let Some(asked) = self.asked else { return Some(At::LooksUp) };
        self.asked_at = world.procs[self.proc].applied();
        if !self.is_leased && rules::on(Rule::NoLeaseNoReuse) {
            world.cover.count("tier: has no lease, goes past its cache");
            return Some(At::FetchesAlone);
        }
        Some(match hop::turn(asked, self.asked_at.log(), has_waited) {
            Turn::Serve => At::LooksUp,
            Turn::CatchUp => {
                world.cover.count("tier: waits for records");
                At::Waits(world.now + CATCH_UP)
            }
            Turn::GoPast => {
                world.cover.count("tier: goes past its cache");
                At::FetchesAlone
            }
        })
    }

    fn looks_up(&mut self, world: &World) -> Option<At> {
        self.found = world.procs[self.proc].store.get(&self.key).cloned();
        let compares =
            matches!(self.asker, Asker::Client(Form::Conditional)) && !rules::on(Rule::PurgesBeforeConditions);
        Some(match &self.found {
            Some(entry) if compares && entry.freshness.fresh_at(world.time()) => {
                At::Answers(self.hit(entry.clone(), false, world))
            }
            Some(entry) => At::Checks(Check::new(entry.clone())),
            None => At::Joins { validate: false },
        })
    }

    fn checks(&mut self, id: TaskId, mut check: Check, world: &mut World) -> Option<At> {
        let Some(mark) = check.step(self.proc, world) else { return Some(At::Checks(check)) };
        let verdict = reuse(&RequestDirectives::NONE, &check.entry.freshness, mark, world.time(), &self.policy());
        let verdict = if self.is_client() || !rules::on(Rule::SoftNotToTiers) { verdict } else { for_tier(verdict) };
        world.cover.count(match (mark, verdict) {
            (PurgeMark::Hard, _) => "verdict: hidden",
            (PurgeMark::Soft { .. }, Reuse::StaleWhileRevalidate(_)) => "verdict: soft, served",
            (PurgeMark::Soft { .. }, _) => "verdict: soft, validated",
            (PurgeMark::Valid, Reuse::Fresh) => "verdict: fresh",
            (PurgeMark::Valid, _) => "verdict: expired",
        });
        Some(match verdict {
            Reuse::Fresh => At::Answers(self.hit(check.entry, false, world)),
            Reuse::StaleWhileRevalidate(_) => {
                self.refreshes(id, &check.entry, world);
                At::Answers(self.hit(check.entry, true, world))
            }
            Reuse::MustRevalidate(_) if self.is_leased && matches!(self.asker, Asker::Client(Form::Head)) => {
                self.tries += 1;
                let fill = Fill::head(self.proc, self.key, check.entry);
                At::Awaits(self.begin(id, fill, world))
            }
            Reuse::MustRevalidate(_) => At::Joins { validate: true },
            Reuse::MustRefetch(_) => At::Joins { validate: !rules::on(Rule::HiddenIsDead) },
        })
    }

    fn hit(&self, entry: Arc<Entry>, is_stale: bool, world: &World) -> Said {
        Said { is_stale, position: entry.mark.valid().log(), entry, judged: world.now }
    }

    /// Whether a fetch that runs will do: a rule that hides it already makes it worthless.
    fn will_do(&self, held: Held, world: &World) -> bool {
        let index = &world.procs[self.proc].index;
        let hidden = index.selects_since(&url::subject(self.key, []), held.fence)
            || self.found.as_ref().is_some_and(|found| index.selects_since(&found.subject, held.fence));
        !hidden || !rules::on(Rule::JoinRefused)
    }

    fn refreshes(&self, id: TaskId, entry: &Arc<Entry>, world: &mut World) {
        let held = world.procs[self.proc].held.get(&self.key).copied();
        if held.is_none_or(|held| !self.will_do(held, world)) {
            world.cover.count("background refreshes");
            let fill = Fill::new(self.proc, self.key, Some(entry.clone()), None, false);
            self.begin(id, fill, world);
        }
    }

    fn joins(&mut self, id: TaskId, validate: bool, world: &mut World) -> At {
        if !self.is_leased && rules::on(Rule::NoLeaseNoJoin) {
            world.cover.count("fetches without a lease");
            self.tries += 1;
            // End to end, as a node passes it: what is stored has no say in it, its validator neither. A 304 would tell of
            // what the tier above has stored; a purge that this node has missed may select the one here, by other tags.
            let stores = world.roll(id, 2) == 0;
            let fill = Fill::unleased(self.proc, self.key, self.asked, stores);
            return At::Awaits(self.begin(id, fill, world));
        }
        if let Some(held) = world.procs[self.proc].held.get(&self.key).copied() {
            if self.will_do(held, world) {
                world.cover.count("joiners");
                world.monitor.joined(self.proc, held.fill);
                return At::Awaits(held.fill);
            }
            world.cover.count("joins refused");
        }
        self.tries += 1;
        let stored = self.found.clone().filter(|_| validate);
        let fill = Fill::new(self.proc, self.key, stored, self.asked, false);
        At::Awaits(self.begin(id, fill, world))
    }

    fn begin(&self, id: TaskId, fill: Fill, world: &mut World) -> TaskId {
        let process = &world.procs[self.proc];
        let (is_alone, fence, key) = (fill.is_alone(), process.applied(), fill.key());
        let task = world.spawn(id, Kind::Fill(fill));
        let process = &mut world.procs[self.proc];
        process.fills.insert(task, Fetched::new(key));
        if !is_alone {
            process.held.insert(self.key, Held { fill: task, fence });
        }
        task
    }

    fn awaited(&mut self, fill: TaskId, world: &World) -> Option<At> {
        match world.procs[self.proc].fills.get(&fill)?.head.as_ref()? {
            Ok(entry) => Some(At::HasHead(entry.clone())),
            Err(()) => match &self.found {
                Some(found) => Some(At::ChecksStandIn(Check::new(found.clone()))),
                None => self.again(),
            },
        }
    }

    /// The head is there, and with it the tags.
    fn has_head(&mut self, entry: Arc<Entry>, world: &mut World) -> Option<At> {
        let arrival = match rules::on(Rule::CheckAtHead) {
            true => world.procs[self.proc].index.arrival(&entry.subject, entry.fence, self.asked_at),
            false => Arrival::Valid,
        };
        match arrival {
            Arrival::Valid => {}
            Arrival::AnswersOnly => world.cover.count("arrivals that answer only"),
            Arrival::Hidden => {
                world.cover.count("arrivals that are hidden");
                return self.again();
            }
        }
        let position = entry.fence.log();
        Some(At::Answers(Said { entry, is_stale: false, position, judged: world.now }))
    }

    /// Once more, by the way that it went: who went past the cache has not got what it would need to use it.
    fn again(&self) -> Option<At> {
        (self.tries < MAX_TRIES).then_some(if self.went_past { At::FetchesAlone } else { At::LooksUp })
    }

    /// What was found may stand in for a fetch that failed.
    fn checks_stand_in(&self, mut check: Check, world: &mut World) -> Option<At> {
        let Some(mark) = check.step(self.proc, world) else { return Some(At::ChecksStandIn(check)) };
        if !self.is_client() && matches!(mark, PurgeMark::Soft { .. }) {
            return self.again();
        }
        let (freshness, now) = (&check.entry.freshness, world.time());
        let cause = UpstreamFailure::Connect;
        match stale_if_error(&RequestDirectives::NONE, freshness, mark, now, &self.policy(), cause) {
            StaleIfError::Allowed => {
                world.cover.count("stale answers instead of errors");
                Some(At::Answers(self.hit(check.entry, true, world)))
            }
            StaleIfError::Refused(_) => self.again(),
        }
    }

    fn answers(&self, id: TaskId, said: &Said, world: &mut World) {
        let (entry, name) = (&said.entry, world.procs[self.proc].name.clone());
        let (version, position) = (entry.body.version, said.position);
        world.note(id, &name, || {
            let stale = if said.is_stale { ", marked stale" } else { "" };
            format!("answers with version {version} of {}, valid to {position}{stale}", self.key)
        });
        match self.asker {
            Asker::Client(_) => {
                let answer = monitor::Answer {
                    key: self.key,
                    arrived: self.arrived,
                    judged: said.judged,
                    is_stale: said.is_stale,
                    tries: self.tries,
                };
                monitor::answered(world, &answer, self.proc, entry);
                if matches!(self.asker, Asker::Client(Form::Conditional))
                    && self.found.as_ref().is_some_and(|found| Arc::ptr_eq(found, entry))
                {
                    world.cover.count("304s to clients");
                }
            }
            Asker::Tier { reply_to, validator } => {
                let response = Response {
                    body: entry.body,
                    tags: entry.tags.clone(),
                    freshness: entry.freshness,
                    not_modified: validator == Some(version),
                };
                let is_strict = world.nodes[world.procs[self.proc].node].is_strict;
                let is_vouched = self.went_past || (is_strict && self.is_leased);
                if !is_vouched {
                    world.cover.count("tier: vouches for nothing");
                }
                let reply = Reply { answer: Ok(response), position: Some(position), from_origin: false, is_vouched };
                world.reply(reply_to, reply);
            }
        }
    }

    fn fails(&self, id: TaskId, world: &mut World) {
        let name = world.procs[self.proc].name.clone();
        world.note(id, &name, || format!("has no answer for {}", self.key));
        match self.asker {
            Asker::Client(_) => {
                world.cover.count("requests without an answer");
                monitor::unanswered(world, self.arrived);
            }
            Asker::Tier { reply_to, .. } => {
                world.reply(reply_to, Reply::NONE);
            }
        }
    }
}
