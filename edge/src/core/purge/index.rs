//! The index of purge rules, and the verdict on an entry.

use super::mark::Mark;
use super::selector::{Mode, Selector, SelectorId, Subject, prefix_id};
use crate::core::id::PurgeSeq;
use crate::core::reuse::PurgeMark;
use crate::core::time::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// How many selectors the index remembers: some 10 MB. Past it all of them are retired into the floor, which hides
/// every entry that has not been looked at since: safe, and rare at any purge rate that an origin survives.
pub const MAX_RULES: usize = 100_000;

/// The last rules of one selector. Both modes are kept: a soft purge after a hard one must not uncover what the hard
/// one hid.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    hard: PurgeSeq,
    soft: PurgeSeq,
    soft_at: Option<Timestamp>,
}

impl Rules {
    fn add(&mut self, seq: PurgeSeq, mode: Mode, now: Timestamp) {
        match mode {
            Mode::Hard => self.hard = self.hard.max(seq),
            Mode::Soft => {
                self.soft = self.soft.max(seq);
                self.soft_at = Some(now);
            }
        }
    }
}

/// Every purge that may still hide something, by selector.
#[derive(Debug, Default)]
pub struct Index {
    applied: PurgeSeq,
    floor: PurgeSeq,
    everything: Rules,
    by_selector: HashMap<SelectorId, Rules>,
    /// The lengths of all prefixes in `by_selector`: a path is looked up once per length.
    prefix_bytes: BTreeSet<usize>,
}

impl Index {
    /// An index that hides nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the last purge applied.
    pub const fn applied(&self) -> PurgeSeq {
        self.applied
    }

    /// Applies the next purge and returns its number. `now` is when, for the bound of soft purges.
    pub fn apply(&mut self, selector: &Selector, mode: Mode, now: Timestamp) -> PurgeSeq {
        let seq = self.applied.next();
        match selector.id() {
            None => self.everything.add(seq, mode, now),
            Some(id) => {
                if self.by_selector.len() >= MAX_RULES && !self.by_selector.contains_key(&id) {
                    self.retire_all();
                }
                if let Selector::Prefix { path, .. } = selector {
                    self.prefix_bytes.insert(path.len());
                }
                self.by_selector.entry(id).or_default().add(seq, mode, now);
            }
        }
        self.applied = seq;
        seq
    }

    /// Drops every rule; the floor takes their place.
    fn retire_all(&mut self) {
        self.floor = self.applied;
        self.by_selector.clear();
        self.prefix_bytes.clear();
    }

    /// What the purges so far say of an entry. Advances the entry's mark when nothing hides it, so that the next look
    /// costs one load (see [`Index::is_current`]).
    pub fn verdict(&self, subject: &Subject, mark: &Mark) -> PurgeMark {
        let seen = mark.seen();
        if seen.valid < self.applied {
            let mut soft_since = None;
            if seen.valid < self.floor {
                return PurgeMark::Hard;
            }
            for rules in self.rules_of(subject) {
                if rules.hard > seen.valid {
                    return PurgeMark::Hard;
                }
                if rules.soft > seen.valid {
                    soft_since = [soft_since, rules.soft_at].into_iter().flatten().min();
                }
            }
            mark.advance(self.applied, soft_since);
        }
        if mark.seen().soft { PurgeMark::Soft { since: mark.soft_since() } } else { PurgeMark::Valid }
    }

    /// Whether a rule after `fence`, hard or soft, selects what is being filled. For a fill in flight whose response
    /// head (and so whose tags) nobody has seen, `subject` has no tags: then any purge by tag of the site may select
    /// it, and is looked for again when the head is there.
    pub fn selects_since(&self, subject: &Subject, fence: PurgeSeq) -> bool {
        fence < self.floor || self.rules_of(subject).any(|rules| rules.hard > fence || rules.soft > fence)
    }

    /// Whether a mark has been checked against every purge up to `applied` and is not soft: the one load of a hit.
    pub fn is_current(mark: &Mark, applied: PurgeSeq) -> bool {
        let seen = mark.seen();
        seen.valid >= applied && !seen.soft
    }

    fn rules_of<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = &'a Rules> + 'a {
        let path = subject.path().as_bytes();
        let by_prefix = self
            .prefix_bytes
            .iter()
            .map_while(move |&bytes| path.get(..bytes))
            .map(move |prefix| prefix_id(subject.site(), subject.host(), prefix))
            .filter_map(|id| self.by_selector.get(&id));
        let by_id = subject.ids().filter_map(|id| self.by_selector.get(id));
        std::iter::once(&self.everything).chain(by_id).chain(by_prefix)
    }
}
