//! A fetch: from its fence to the store.

use super::check::Check;
use super::entry::{Entry, Response};
use super::monitor;
use super::origin::Exchange;
use super::serve::{Asker, Serve};
use super::url::Key;
use super::world::{Done, Kind, ProcId, Step, TaskId, World};
use edge::core::hop::{self, Answer, Asked};
use edge::core::log::Position;
use edge::core::purge::Fence;
use edge::core::rules::{self, Rule};
use std::sync::Arc;

/// How long a fetch waits for an answer, in steps.
const TIMEOUT: Step = 400;

/// What came back for a fetch.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) answer: Result<Response, ()>,
    /// Up to where a tier says that its answer is valid.
    pub(super) position: Option<Position>,
    pub(super) from_origin: bool,
    /// Whether a tier says that it held a lease, or has asked the origin.
    pub(super) is_vouched: bool,
}

impl Reply {
    /// The connection broke, or there is no answer.
    pub(super) const NONE: Self = Self { answer: Err(()), position: None, from_origin: false, is_vouched: false };
}

/// A fetch for some request, or in the background.
#[derive(Debug)]
pub(super) struct Fill {
    proc: ProcId,
    key: Key,
    /// What the request says that it is for, if a tier sent that.
    asked: Option<Asked>,
    /// For one request alone: nobody joins it.
    alone: bool,
    stores: bool,
    /// Whether the request that it is for had no lease.
    unleased: bool,
    /// What its response may freshen, if it is to a HEAD.
    freshens: Option<Arc<Entry>>,
    sent_at: Step,
    past_caches: bool,
    /// What is validated.
    stored: Option<Arc<Entry>>,
    attempt: u32,
    fence: Fence,
    sent: Asked,
    at: At,
}

#[derive(Debug)]
enum At {
    Fence,
    Send,
    Wait(Step),
    /// The fence is sampled when the answer is there: the wrong way round.
    LateFence(Reply),
    Merge(Check, Response, Fence),
    Head(Arc<Entry>),
    Body(Arc<Entry>, u64),
    Release,
}

impl Fill {
    pub(super) fn new(proc: ProcId, key: Key, stored: Option<Arc<Entry>>, asked: Option<Asked>, alone: bool) -> Self {
        let nothing = Asked { valid_to: Position::ZERO, past_caches: false };
        Self {
            proc,
            key,
            asked,
            alone,
            stores: !alone,
            unleased: false,
            freshens: None,
            sent_at: 0,
            past_caches: false,
            stored,
            attempt: 0,
            fence: Fence::ZERO,
            sent: nothing,
            at: At::Fence,
        }
    }

    /// For one request that has no lease: nobody joins it.
    pub(super) fn unleased(proc: ProcId, key: Key, asked: Option<Asked>, stores: bool) -> Self {
        Self { stores, unleased: true, ..Self::new(proc, key, None, asked, true) }
    }

    /// A HEAD for one request.
    pub(super) fn head(proc: ProcId, key: Key, stored: Arc<Entry>) -> Self {
        Self { freshens: Some(stored), ..Self::new(proc, key, None, None, true) }
    }

    pub(super) const fn key(&self) -> Key {
        self.key
    }

    pub(super) const fn proc(&self) -> ProcId {
        self.proc
    }

    /// Whether it is for one request alone.
    pub(super) const fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether it waits for another tier's process, or the origin.
    pub(super) const fn waits(&self) -> Option<u32> {
        match self.at {
            At::Wait(_) => Some(self.attempt),
            _ => None,
        }
    }

    /// Until when it waits for a reply, which is not there.
    pub(super) fn awaits(&self, id: TaskId, world: &World) -> Option<Step> {
        match self.at {
            At::Wait(since) if !self.ready(id, world) => Some(since + TIMEOUT + 1),
            _ => None,
        }
    }

    pub(super) fn ready(&self, id: TaskId, world: &World) -> bool {
        match self.at {
            At::Wait(since) => world.replies.contains_key(&(id, self.attempt)) || world.now > since + TIMEOUT,
            _ => true,
        }
    }

    pub(super) fn step(&mut self, id: TaskId, world: &mut World) -> Done {
        self.at = match std::mem::replace(&mut self.at, At::Release) {
            At::Fence => {
                self.fence = world.procs[self.proc].applied();
                At::Send
            }
            At::Send => self.send(id, world),
            At::Wait(_) => match world.replies.remove(&(id, self.attempt)) {
                Some(reply) if rules::on(Rule::FenceBeforeSend) => self.received(id, reply, world),
                Some(reply) => At::LateFence(reply),
                None => self.failed(id, world),
            },
            At::LateFence(reply) => {
                self.fence = world.procs[self.proc].applied();
                self.received(id, reply, world)
            }
            At::Merge(check, response, fence) => self.merge(id, check, response, fence, world),
            At::Head(entry) => {
                self.has_head(id, Ok(entry.clone()), world);
                At::Body(entry, world.roll(id, 6))
            }
            At::Body(entry, 0) => {
                self.store(id, entry, world);
                At::Release
            }
            At::Body(entry, left) => At::Body(entry, left - 1),
            At::Release => {
                if let Some(fetched) = world.procs[self.proc].fills.get_mut(&id) {
                    fetched.is_running = false;
                }
                let held = &mut world.procs[self.proc].held;
                if held.get(&self.key).is_some_and(|held| held.fill == id) {
                    held.remove(&self.key);
                }
                return Done::Yes;
            }
        };
        Done::No
    }

    /// To a shield that runs, if this is an edge and there is one; else to the origin.
    fn send(&mut self, id: TaskId, world: &mut World) -> At {
        self.attempt += 1;
        self.sent = hop::upward(self.fence.log(), self.asked, self.past_caches);
        let validator = self.stored.as_ref().map(|entry| entry.body.version);
        let reply_to = (id, self.attempt);
        let (key, sent) = (self.key, world.now);
        self.sent_at = sent;
        let (task, name) = match world.shield_for(id, self.proc) {
            Some(shield) => {
                let asker = Asker::Tier { reply_to, validator };
                (
                    Kind::Serve(Serve::new(shield, key, asker, Some(self.sent), world.now)),
                    world.procs[shield].name.clone(),
                )
            }
            None => {
                let exchange = Exchange { key, sent, validator, reply_to, answer: None };
                (Kind::Exchange(exchange), "origin".to_owned())
            }
        };
        world.spawn(id, task);
        let (fence, own) = (self.fence.log(), world.procs[self.proc].name.clone());
        world.note(id, &own, || format!("asks {name} for {key}, fence {fence}, validator {validator:?}"));
        At::Wait(world.now)
    }

    fn received(&mut self, id: TaskId, reply: Reply, world: &mut World) -> At {
        let Ok(response) = reply.answer else { return self.failed(id, world) };
        let answer = match reply.from_origin {
            true => Answer::Valid(hop::fence_of_origin(self.fence, self.asked)),
            false if self.unleased => {
                hop::answer_without_lease(self.sent, reply.position, reply.is_vouched, self.fence)
            }
            false => hop::answer(self.sent, reply.position, self.fence),
        };
        match answer {
            Answer::Useless => self.failed(id, world),
            Answer::AskAgain => {
                world.cover.count("tier: asked again past the caches");
                self.past_caches = true;
                At::Fence
            }
            Answer::Valid(fence) => {
                if !reply.from_origin {
                    monitor::accepted(world, self.sent, reply.position);
                }
                self.arrives(response, fence, world)
            }
        }
    }

    fn arrives(&self, response: Response, fence: Fence, world: &mut World) -> At {
        if !response.not_modified {
            let entry = Arc::new(Entry::new(self.key, &response, fence, self.sent_at));
            if let Some(stored) = &self.freshens {
                self.freshen(stored, &entry, world);
            }
            return At::Head(entry);
        }
        world.cover.count("304s");
        let old = match rules::on(Rule::ByIdentity) {
            true => self.stored.clone(),
            // Whatever is there by now.
            false => world.procs[self.proc].store.get(&self.key).cloned().or(self.stored.clone()),
        };
        match old {
            Some(old) => At::Merge(Check::new(old), response, fence),
            None => At::Fence,
        }
    }

    /// The response to a HEAD may speak of what is stored, as far as anybody can see: it has its length, say. So that is
    /// fresh again, if it is still there; but it is not known to be valid for longer than before.
    fn freshen(&self, stored: &Arc<Entry>, head: &Entry, world: &mut World) {
        let process = &mut world.procs[self.proc];
        let is_there = process.store.get(&self.key).is_some_and(|there| Arc::ptr_eq(there, stored));
        if is_there {
            let fence = if rules::on(Rule::HeadAdvancesNothing) { stored.fence } else { head.fence };
            process.store.insert(self.key, Arc::new(stored.freshened(head.freshness, fence)));
            world.cover.count("entries that a HEAD has freshened");
        }
    }

    /// The 304's target is looked at once more, under the tags that it had.
    fn merge(&mut self, id: TaskId, mut check: Check, response: Response, fence: Fence, world: &mut World) -> At {
        match check.step(self.proc, world) {
            None => At::Merge(check, response, fence),
            Some(mark) => {
                let Some(fence) = fence.of_validated(mark, check.applied) else {
                    world.cover.count("304s for what was purged meanwhile");
                    self.stored = None;
                    return At::Fence;
                };
                monitor::merged(world, self.proc, &check, self.stored.as_ref(), &response);
                let name = world.procs[self.proc].name.clone();
                world.note(id, &name, || format!("validates version {}, fence {}", response.body.version, fence.log()));
                At::Head(Arc::new(check.entry.validated(&response, fence, self.sent_at)))
            }
        }
    }

    fn store(&self, id: TaskId, entry: Arc<Entry>, world: &mut World) {
        if !self.stores {
            return;
        }
        let process = &mut world.procs[self.proc];
        let stored = process.store.get(&self.key);
        let is_older = stored.is_some_and(|stored| !entry.fence.reaches(stored.fence));
        if is_older {
            world.cover.count("fills that finish after a newer one");
            if rules::on(Rule::OlderNeverReplaces) {
                return;
            }
            monitor::older_replaces(world);
        }
        let process = &mut world.procs[self.proc];
        let name = process.name.clone();
        process.store.insert(self.key, entry.clone());
        world.note(id, &name, || {
            format!("stores version {} of {}, fence {}", entry.body.version, self.key, entry.fence.log())
        });
        monitor::settled(world, self.proc, &entry);
    }

    fn has_head(&self, id: TaskId, head: Result<Arc<Entry>, ()>, world: &mut World) {
        if let Some(fetched) = world.procs[self.proc].fills.get_mut(&id) {
            fetched.head = Some(head);
        }
        world.tasks.wake_for_head(id);
    }

    fn failed(&self, id: TaskId, world: &mut World) -> At {
        world.cover.count("fetches that fail");
        self.has_head(id, Err(()), world);
        At::Release
    }
}
