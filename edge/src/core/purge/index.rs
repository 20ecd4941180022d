//! The index of purge rules, and the verdict on an entry.

use super::mark::Mark;
use super::selector::{Mode, Selector, SelectorId, Subject, prefix_id};
use crate::core::id::{PurgeSeq, SiteId};
use crate::core::reuse::PurgeMark;
use crate::core::time::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// From how many rules of one site on a sweep is due (see [`Index::sweep_due`]): some 5 MB.
pub const SWEEP_AT: usize = 50_000;

/// How many rules of one site the index remembers at most: some 25 MB. If purges come so fast that they reach it before a
/// sweep is through, all of them are retired at once into the site's floor, which hides every entry of the site that has
/// not been looked at since: safe, at the price of fetching it again. Each site has its own, so that one site's purges
/// never touch another's entries.
pub const MAX_RULES: usize = 250_000;

/// How many lengths of prefixes of one site the index remembers: a first look after a purge costs a look-up for each.
/// Past it the site's rules are retired.
pub const MAX_PREFIX_LENGTHS: usize = 64;

/// The last rules of one selector. Both modes are kept: a soft purge after a hard one must not uncover what the hard
/// one hid.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    hard: PurgeSeq,
    soft: PurgeSeq,
    soft_at: Option<Timestamp>,
    /// The length of the prefix, if they are a prefix's.
    prefix_bytes: Option<usize>,
}

impl Rules {
    fn last(&self) -> PurgeSeq {
        self.hard.max(self.soft)
    }

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

/// The rules of one site.
#[derive(Debug, Default)]
struct SiteRules {
    floor: PurgeSeq,
    by_selector: HashMap<SelectorId, Rules>,
    /// The lengths of all prefixes in `by_selector`: a path is looked up once per length.
    prefix_bytes: BTreeSet<usize>,
}

impl SiteRules {
    fn is_full_for(&self, id: &SelectorId, prefix: Option<usize>) -> bool {
        let new_rule = !self.by_selector.contains_key(id);
        let new_length = prefix.is_some_and(|bytes| !self.prefix_bytes.contains(&bytes));
        (new_rule && self.by_selector.len() >= MAX_RULES)
            || (new_length && self.prefix_bytes.len() >= MAX_PREFIX_LENGTHS)
    }

    /// Drops the rules up to a number; the floor takes their place.
    fn retire(&mut self, upto: PurgeSeq) {
        self.floor = self.floor.max(upto);
        self.by_selector.retain(|_, rules| rules.last() > upto);
        self.prefix_bytes = self.by_selector.values().filter_map(|rules| rules.prefix_bytes).collect();
    }
}

/// Every purge that may still hide something, by site and selector.
#[derive(Debug, Default)]
pub struct Index {
    applied: PurgeSeq,
    everything: Rules,
    sites: HashMap<SiteId, SiteRules>,
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

    /// Whether no purge has been applied since `seq`.
    pub fn is_at(&self, seq: PurgeSeq) -> bool {
        self.applied == seq
    }

    /// Applies the next purge and returns its number. `now` is when, for the bound of soft purges.
    pub fn apply(&mut self, selector: &Selector, mode: Mode, now: Timestamp) -> PurgeSeq {
        let seq = self.applied.next();
        match (selector.site(), selector.id()) {
            (Some(site), Some(id)) => {
                let prefix = match selector {
                    Selector::Prefix { path, .. } => Some(path.len()),
                    _ => None,
                };
                let rules = self.sites.entry(site.clone()).or_default();
                if rules.is_full_for(&id, prefix) {
                    rules.retire(self.applied);
                }
                rules.prefix_bytes.extend(prefix);
                let of_selector = rules.by_selector.entry(id).or_default();
                of_selector.prefix_bytes = prefix;
                of_selector.add(seq, mode, now);
            }
            _ => self.everything.add(seq, mode, now),
        }
        self.applied = seq;
        seq
    }

    /// Whether some site has so many rules that a sweep is due: take [`Index::applied`], ask for the [`Index::verdict`] on
    /// every entry that is stored, and retire the rules up to that number with [`Index::retire`].
    pub fn sweep_due(&self) -> bool {
        self.sites.values().any(|site| site.by_selector.len() >= SWEEP_AT)
    }

    /// Drops the rules up to `upto` of those sites that have many; their floor takes their place. Entries with a verdict
    /// at `upto` or later are none the worse for it. A fill in flight that began before is hidden by it.
    pub fn retire(&mut self, upto: PurgeSeq) {
        for site in self.sites.values_mut().filter(|site| site.by_selector.len() >= SWEEP_AT) {
            site.retire(upto);
        }
    }

    /// What the purges so far say of an entry. Advances the entry's mark when nothing hides it, so that the next look
    /// costs one load (see [`Index::is_current`]).
    pub fn verdict(&self, subject: &Subject, mark: &Mark) -> PurgeMark {
        let seen = mark.seen();
        if seen.valid < self.applied {
            let mut soft_since = None;
            if seen.valid < self.floor(subject) {
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
        fence < self.floor(subject) || self.rules_of(subject).any(|rules| rules.hard > fence || rules.soft > fence)
    }

    /// Whether a mark has been checked against every purge up to `applied` and is not soft: the one load of a hit.
    pub fn is_current(mark: &Mark, applied: PurgeSeq) -> bool {
        let seen = mark.seen();
        seen.valid >= applied && !seen.soft
    }

    fn floor(&self, subject: &Subject) -> PurgeSeq {
        self.sites.get(subject.site()).map_or(PurgeSeq::ZERO, |rules| rules.floor)
    }

    fn rules_of<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = &'a Rules> + 'a {
        let path = subject.path().as_bytes();
        let of_site = self.sites.get(subject.site()).into_iter().flat_map(move |site| {
            let by_prefix = site
                .prefix_bytes
                .iter()
                .map_while(move |&bytes| path.get(..bytes))
                .map(move |prefix| prefix_id(subject.site(), subject.host(), prefix))
                .filter_map(|id| site.by_selector.get(&id));
            let by_id = subject.ids().filter_map(|id| site.by_selector.get(id));
            by_id.chain(by_prefix)
        });
        std::iter::once(&self.everything).chain(of_site)
    }
}
