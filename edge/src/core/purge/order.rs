//! One order of rules: for each selector the last ones, and floors for what was retired.

use super::selector::{Hashed, Mode, SelectorId, Subject, prefix_id};
use crate::core::id::SiteId;
use crate::core::log::Position;
use crate::core::rules::{self, Rule};
use crate::core::time::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// From how many rules of one site on a sweep is due (see [`super::Index::sweep_due`]): some 5 MB.
pub const SWEEP_AT: usize = 50_000;

/// How many rules of one site are remembered at most: some 25 MB. If purges come so fast that they reach it before a sweep
/// is through, all of them are retired at once into the site's floor, which hides every entry of the site that has not
/// been looked at since: safe, at the price of fetching it again. Each site has its own, so that one site's purges never
/// touch another's entries.
pub const MAX_RULES: usize = 250_000;

/// How many lengths of prefixes of one site are remembered: a first look after a purge costs a look-up for each. Past it
/// the site's rules are retired.
pub const MAX_PREFIX_LENGTHS: usize = 64;

/// How many rules of one site there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From how many on a sweep is due.
    pub sweep_at: usize,
    /// How many there are at most.
    pub max_rules: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sweep_at: SWEEP_AT, max_rules: MAX_RULES }
    }
}

/// The last rules of one selector. Both modes are kept: a soft purge after a hard one must not uncover what the hard
/// one hid.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    pub(super) hard: Position,
    pub(super) soft: Position,
    pub(super) soft_at: Option<Timestamp>,
    /// The soft rule before that one, and when the first of all of them was applied: what none of them had marked yet has
    /// been stale for longer than the last one says.
    soft_before: Position,
    first_soft_at: Option<Timestamp>,
    /// The length of the prefix, if they are a prefix's.
    prefix_bytes: Option<usize>,
}

impl Rules {
    fn last(&self) -> Position {
        self.hard.max(self.soft)
    }

    /// Since when what was valid up to a position is stale, if the soft rules select it; never later than it is.
    fn soft_since(&self, valid: Position) -> Option<Timestamp> {
        let reaches_back = rules::on(Rule::FirstSoftCounts) && self.soft_before > valid;
        if reaches_back { self.first_soft_at } else { self.soft_at }
    }

    fn add(&mut self, at: Position, mode: Mode, now: Timestamp) {
        match mode {
            Mode::Hard => self.hard = self.hard.max(at),
            Mode::Soft => {
                if self.soft < at {
                    self.first_soft_at = self.first_soft_at.or(self.soft_at);
                    self.soft_before = self.soft;
                }
                self.soft = self.soft.max(at);
                self.soft_at = Some(now);
                if !rules::on(Rule::SoftAndHardKept) {
                    self.hard = Position::ZERO;
                }
            }
        }
    }
}

/// The rules of one site.
#[derive(Debug, Default)]
struct SiteRules {
    floor: Position,
    by_selector: HashMap<SelectorId, Rules>,
    /// The lengths of all prefixes in `by_selector`: a path is looked up once per length.
    prefix_bytes: BTreeSet<usize>,
}

impl SiteRules {
    fn is_full_for(&self, id: &SelectorId, prefix: Option<usize>, max_rules: usize) -> bool {
        let new_rule = !self.by_selector.contains_key(id);
        let new_length = prefix.is_some_and(|bytes| !self.prefix_bytes.contains(&bytes));
        (new_rule && self.by_selector.len() >= max_rules)
            || (new_length && self.prefix_bytes.len() >= MAX_PREFIX_LENGTHS)
    }

    /// Drops the rules that the floor has taken the place of.
    fn drop_retired(&mut self) {
        self.by_selector.retain(|_, rules| rules.last() > self.floor);
        self.prefix_bytes = self.by_selector.values().filter_map(|rules| rules.prefix_bytes).collect();
    }
}

/// Every rule of one order that may still hide something, by site and selector.
#[derive(Debug, Default)]
pub(super) struct Order {
    limits: Limits,
    applied: Position,
    /// Of all sites.
    floor: Position,
    everything: Rules,
    sites: HashMap<SiteId, SiteRules>,
}

/// What an order says of something that was valid up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing selects it.
    Nothing,
    /// A hard rule, or a floor.
    Hard,
    /// Soft rules alone, the first of those remembered at this time.
    Soft(Option<Timestamp>),
}

impl Order {
    pub(super) fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(super) const fn applied(&self) -> Position {
        self.applied
    }

    /// Puts the rules of the next position in; `None` stands for everything.
    pub(super) fn insert(&mut self, at: Position, selectors: &[Option<Hashed<'_>>], mode: Mode, now: Timestamp) {
        for selector in selectors {
            let Some(Hashed { site, id, prefix_bytes: prefix }) = *selector else {
                self.everything.add(at, mode, now);
                continue;
            };
            let rules = match self.sites.get_mut(site) {
                Some(rules) => rules,
                None => self.sites.entry(site.clone()).or_default(),
            };
            if rules.is_full_for(&id, prefix, self.limits.max_rules) {
                // What this very record has brought so far as well.
                rules.floor = rules.floor.max(at);
                rules.drop_retired();
            }
            rules.prefix_bytes.extend(prefix);
            let of_selector = rules.by_selector.entry(id).or_default();
            of_selector.prefix_bytes = prefix;
            of_selector.add(at, mode, now);
        }
    }

    /// Everything up to a position has been applied.
    pub(super) fn publish(&mut self, at: Position) {
        self.applied = self.applied.max(at);
    }

    /// Hides everything up to a position, and takes that for applied.
    pub(super) fn hide_all(&mut self, upto: Position) {
        // A floor, as those that it takes the place of: who has looked at the rules by now looks at the floors yet.
        self.floor = self.floor.max(upto);
        self.sites.clear();
        self.applied = self.applied.max(upto);
    }

    pub(super) fn sweep_due(&self) -> bool {
        self.sites.values().any(|site| site.by_selector.len() >= self.limits.sweep_at)
    }

    /// Raises the floors of those sites that have many rules.
    pub(super) fn raise_floors(&mut self, upto: Position) {
        for site in self.sites.values_mut().filter(|site| site.by_selector.len() >= self.limits.sweep_at) {
            site.floor = site.floor.max(upto);
        }
    }

    /// Drops the rules that floors have taken the place of.
    pub(super) fn drop_retired(&mut self) {
        self.sites.values_mut().for_each(SiteRules::drop_retired);
    }

    /// What selects `subject` since `valid`, floors included.
    pub(super) fn since(&self, subject: &Subject, valid: Position) -> Since {
        let since = self.rules_since(subject, valid, self.applied);
        if self.is_below_floor(subject, valid) { Since::Hard } else { since }
    }

    /// What rule selects `subject` since `valid`. There is no upper bound: a rule that was put in a moment ago counts,
    /// whatever had been `applied` when the question was asked, since it may have taken the place of an earlier one.
    pub(super) fn rules_since(&self, subject: &Subject, valid: Position, applied: Position) -> Since {
        let counts = |at: Position| at > valid && (rules::on(Rule::NoUpperBound) || at <= applied);
        let mut since = Since::Nothing;
        for rules in self.rules_of(subject) {
            if counts(rules.hard) {
                return Since::Hard;
            }
            if counts(rules.soft) {
                let first = match since {
                    Since::Soft(first) => [first, rules.soft_since(valid)].into_iter().flatten().min(),
                    Since::Nothing | Since::Hard => rules.soft_since(valid),
                };
                since = Since::Soft(first);
            }
        }
        since
    }

    /// Whether what was valid up to a position may have been hidden by a rule that was retired.
    pub(super) fn is_below_floor(&self, subject: &Subject, valid: Position) -> bool {
        valid < self.floor || self.sites.get(subject.site()).is_some_and(|rules| valid < rules.floor)
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
