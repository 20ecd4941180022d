//! The index of purge rules, and the verdict on an entry.

use super::fence::Fence;
use super::mark::Mark;
use super::order::{Limits, Order, Since};
use super::selector::{Hashed, Mode, Selector, Subject};
use crate::core::log::Position;
use crate::core::reuse::PurgeMark;
use crate::core::rules::{self, Rule};
use crate::core::time::Timestamp;

/// What may be done with a response that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing hides it.
    Valid,
    /// A purge that came meanwhile hides it: it answers this request, which is older, and is not stored as valid. So
    /// requests get an answer also where purges come faster than the origin's responses.
    AnswersOnly,
    /// A purge from before the request hides it.
    Hidden,
}

/// What a look at the index has found of an entry so far: see [`Index::look`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    applied: Fence,
    found: Since,
}

impl Look {
    /// Whether a hard rule or a floor hides the entry.
    pub fn is_hidden(&self) -> bool {
        self.found == Since::Hard
    }

    /// This look, with what the floors say.
    #[must_use]
    pub fn or_hidden(self, floors_hide: bool) -> Self {
        Self { found: if floors_hide { Since::Hard } else { self.found }, ..self }
    }
}

/// Every rule that may still hide something: those of the purge log, and the node's own invalidations.
#[derive(Debug, Default)]
pub struct Index {
    log: Order,
    own: Order,
}

impl Index {
    /// An index that hides nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with other bounds: those of production can't be met in a small world.
    pub fn with_limits(limits: Limits) -> Self {
        Self { log: Order::with_limits(limits), own: Order::with_limits(limits) }
    }

    /// What has been applied.
    pub const fn applied(&self) -> Fence {
        Fence { log: self.log.applied(), own: self.own.applied() }
    }

    /// Applies the purges of the log's record at `at`, all of them or none as far as anybody can see. `now` is when, for
    /// the bound of soft purges.
    pub fn apply(&mut self, at: Position, selectors: &[&Selector], mode: Mode, now: Timestamp) {
        self.insert(at, selectors, mode, now);
        self.publish(at);
    }

    /// [`Index::apply`] of selectors that are hashed already; `None` stands for everything.
    pub fn apply_hashed(&mut self, at: Position, selectors: &[Option<Hashed<'_>>], mode: Mode, now: Timestamp) {
        self.log.insert(at, selectors, mode, now);
        self.publish(at);
    }

    /// The first half of [`Index::apply`]: the rules count from now on, though nothing says yet that they are in.
    pub fn insert(&mut self, at: Position, selectors: &[&Selector], mode: Mode, now: Timestamp) {
        self.log.insert(at, &hashed(selectors), mode, now);
    }

    /// The second half: everything up to `at` has been applied.
    pub fn publish(&mut self, at: Position) {
        self.log.publish(at);
    }

    /// Hides whatever is not known to be valid beyond `upto`, and takes that for applied: an epoch begins, or records are
    /// missing.
    pub fn hide_all(&mut self, upto: Position) {
        self.log.hide_all(upto);
    }

    /// Applies an invalidation of the node's own. Returns the fence of what the request that made it brings, if nothing
    /// else was applied since `fence`, which was sampled when that request was sent.
    pub fn invalidate(&mut self, selectors: &[&Selector], fence: Fence) -> Option<Fence> {
        let is_first = self.applied() == fence;
        if !selectors.is_empty() {
            // Hard rules alone, which know no time.
            let at = self.own.applied().next();
            self.own.insert(at, &hashed(selectors), Mode::Hard, Timestamp::from_millis(0));
            self.own.publish(at);
        }
        is_first.then_some(self.applied())
    }

    /// Whether some site has so many rules that a sweep is due: take [`Index::applied`], ask for the [`Index::verdict`] on
    /// every entry that is stored, and retire the rules up to there with [`Index::retire`].
    pub fn sweep_due(&self) -> bool {
        self.log.sweep_due() || self.own.sweep_due()
    }

    /// Drops the rules up to `upto` of those sites that have many; their floor takes their place. Entries with a verdict
    /// at `upto` or later are none the worse for it. A fill in flight that began before is hidden by it.
    pub fn retire(&mut self, upto: Fence) {
        self.raise_floors(upto);
        self.drop_retired();
    }

    /// The first half of [`Index::retire`]: the floors of those sites.
    pub fn raise_floors(&mut self, upto: Fence) {
        self.log.raise_floors(upto.log);
        self.own.raise_floors(upto.own);
    }

    /// The second half: rules below their site's floor say nothing that it doesn't.
    pub fn drop_retired(&mut self) {
        self.log.drop_retired();
        self.own.drop_retired();
    }

    /// What the purges so far say of an entry. Advances the entry's mark when nothing hides it, so that the next look
    /// costs two loads (see [`Mark::is_current`]).
    pub fn verdict(&self, subject: &Subject, mark: &Mark) -> PurgeMark {
        let applied = self.applied();
        let valid = mark.valid();
        if valid.reaches(applied) {
            return mark.verdict();
        }
        let look = self.look(subject, valid, applied);
        self.settle(look.or_hidden(self.floors_hide(subject, valid)), mark)
    }

    /// The steps of [`Index::verdict`], for whoever takes them apart: `applied` is [`Index::applied`] as it was before, and
    /// `valid` what the entry's mark said. First what the rules say.
    pub fn look(&self, subject: &Subject, valid: Fence, applied: Fence) -> Look {
        let own = match rules::on(Rule::InvalidationsHide) {
            true => self.own.rules_since(subject, valid.own, applied.own),
            false => Since::Nothing,
        };
        let found = match own {
            Since::Nothing => self.log.rules_since(subject, valid.log, applied.log),
            Since::Hard | Since::Soft(_) => Since::Hard,
        };
        Look { applied, found }
    }

    /// Then what the floors say: after the rules, since a rule that was retired meanwhile is below them.
    pub fn floors_hide(&self, subject: &Subject, valid: Fence) -> bool {
        self.log.is_below_floor(subject, valid.log) || self.own.is_below_floor(subject, valid.own)
    }

    /// Last, the mark advances to what had been applied before the look, if nothing hides the entry.
    pub fn settle(&self, look: Look, mark: &Mark) -> PurgeMark {
        let applied = if rules::on(Rule::AppliedBeforeCheck) { look.applied } else { self.applied() };
        match look.found {
            Since::Hard => return PurgeMark::Hard,
            Since::Soft(first) => mark.advance(applied, Some(first.unwrap_or(Timestamp::from_millis(0)))),
            Since::Nothing => mark.advance(applied, None),
        }
        mark.verdict()
    }

    /// What may be done with a response whose head, and so whose tags, have just arrived. `asked_at` is what had been
    /// applied when the head of the request had arrived that it is to answer; where the site asks for a lease, as looked
    /// at after that (see [`crate::core::log::Lease::holds`]).
    pub fn arrival(&self, subject: &Subject, fence: Fence, asked_at: Fence) -> Arrival {
        match () {
            () if !self.selects_since(subject, fence) => Arrival::Valid,
            () if fence.reaches(asked_at) => Arrival::AnswersOnly,
            () => Arrival::Hidden,
        }
    }

    /// Whether a rule after `fence`, hard or soft, selects what is being filled. For a fill in flight whose response
    /// head (and so whose tags) nobody has seen, `subject` has no tags: then any purge by tag of the site may select
    /// it, and is looked for again when the head is there.
    pub fn selects_since(&self, subject: &Subject, fence: Fence) -> bool {
        self.log.since(subject, fence.log) != Since::Nothing || self.own.since(subject, fence.own) != Since::Nothing
    }
}

fn hashed<'s>(selectors: &[&'s Selector]) -> Vec<Option<Hashed<'s>>> {
    selectors.iter().map(|selector| Hashed::new(selector)).collect()
}
