//! The index of purge rules, and the verdict on an entry.

use super::fence::Fence;
use super::mark::Mark;
use super::order::{Order, Since};
use super::selector::{Mode, Selector, Subject};
use crate::core::log::Position;
use crate::core::reuse::PurgeMark;
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

    /// What has been applied.
    pub const fn applied(&self) -> Fence {
        Fence { log: self.log.applied(), own: self.own.applied() }
    }

    /// Applies the purges of the log's record at `at`, all of them or none as far as anybody can see. `now` is when, for
    /// the bound of soft purges.
    pub fn apply(&mut self, at: Position, selectors: &[&Selector], mode: Mode, now: Timestamp) {
        self.log.apply(at, selectors, mode, now);
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
            self.own.apply(self.own.applied().next(), selectors, Mode::Hard, Timestamp::from_millis(0));
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
        self.log.retire(upto.log);
        self.own.retire(upto.own);
    }

    /// What the purges so far say of an entry. Advances the entry's mark when nothing hides it, so that the next look
    /// costs two loads (see [`Mark::is_current`]).
    pub fn verdict(&self, subject: &Subject, mark: &Mark) -> PurgeMark {
        let applied = self.applied();
        let valid = mark.valid();
        if !valid.reaches(applied) {
            if self.own.since(subject, valid.own) != Since::Nothing {
                return PurgeMark::Hard;
            }
            match self.log.since(subject, valid.log) {
                Since::Hard => return PurgeMark::Hard,
                Since::Soft(first) => mark.advance(applied, Some(first.unwrap_or(Timestamp::from_millis(0)))),
                Since::Nothing => mark.advance(applied, None),
            }
        }
        if mark.seen().soft { PurgeMark::Soft { since: mark.soft_since() } } else { PurgeMark::Valid }
    }

    /// What may be done with a response whose head, and so whose tags, have just arrived. `asked_at` is what had been
    /// applied when the head of the request arrived that it is to answer.
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
