//! What a seed makes of a world: its nodes, and all that will happen to it.

use super::event::Event;
use super::home::Stage;
use super::serve::Form;
use super::url;
use super::world::Step;
use edge::core::purge::{Mode, Selector};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A world to be. Events can be taken out of it: the others stay what they are.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) steps: Step,
    pub(super) keys: usize,
    pub(super) shields: usize,
    pub(super) edges: usize,
    /// Which nodes keep something on a disk.
    pub(super) with_disk: Vec<bool>,
    /// Which nodes serve under leases alone, and how long those last.
    pub(super) strict: Vec<bool>,
    pub(super) lease_for: Step,
    /// When, its number, and what.
    pub(super) events: Vec<(Step, u64, Event)>,
}

/// Draws a plan.
struct Draw {
    rng: ChaCha8Rng,
    plan: Plan,
    may_restore: bool,
    /// The selector of the last purge, for another one of it.
    last: Option<Vec<Selector>>,
}

impl Plan {
    pub(super) fn of(seed: u64, steps: Step) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let may_restore = rng.random_bool(0.25);
        // In a small world a restored home is found out less soon.
        let (shields, edges) = match may_restore && rng.random_bool(0.7) {
            true => (1, rng.random_range(1..=2)),
            false => (rng.random_range(1..=2), rng.random_range(1..=4)),
        };
        let has_disks = rng.random_bool(0.5);
        let (is_strict, strict_shields) = (rng.random_bool(0.5), rng.random_bool(0.75));
        let plan = Self {
            seed,
            steps,
            keys: rng.random_range(1..=3),
            shields,
            edges,
            with_disk: (0..shields + edges).map(|_| has_disks && rng.random_bool(0.7)).collect(),
            strict: (0..shields + edges).map(|node| is_strict && (strict_shields || node >= shields)).collect(),
            lease_for: if may_restore { rng.random_range(100..160) } else { rng.random_range(120..400) },
            events: Vec::new(),
        };
        let mut draw = Draw { rng, plan, may_restore, last: None };
        draw.all();
        draw.plan
    }
}

impl Draw {
    fn all(&mut self) {
        for _ in 0..self.rng.random_range(15..60) {
            let event = self.request();
            self.add(event);
        }
        for number in 0..self.rng.random_range(2..=12) {
            let event = self.purge(number);
            self.add(event);
        }
        for _ in 0..self.rng.random_range(0..30) {
            let event = self.upkeep();
            self.add(event);
        }
        if self.may_restore {
            self.restore();
        } else if self.rng.random_bool(0.15) {
            let (moves_after, lasts) = (self.rng.random_range(1..60), self.rng.random_range(1..250));
            self.add(Event::HomeSealed { moves_after, lasts });
        }
        if self.plan.strict.contains(&true) && !self.may_restore && self.rng.random_bool(0.4) {
            self.hear_late();
        }
        // Some worlds are calm: a fault hides the faults of others.
        for _ in 0..self.rng.random_range(0_u32..12).saturating_sub(3) {
            let event = self.fault();
            self.add(event);
        }
    }

    /// The home comes back from a backup while some nodes can't reach it, and goes on at once: what they know of the log
    /// and what it numbers now differ.
    fn restore(&mut self) {
        let at = self.rng.random_range(self.plan.steps / 4..self.plan.steps * 2 / 3);
        let (lacks, lasts) = (self.rng.random_range(1..5), self.rng.random_range(1..20));
        self.add_at(at, Event::HomeRestored { lacks, lasts });
        if self.lose_unheard(at) {
            return;
        }
        // One has not heard of what is lost; the others have, and are slow to say so.
        let (behind, most) = (self.edge(), self.rng.random_bool(0.5));
        if self.rng.random_bool(0.6) {
            self.add_at(at - 90, Event::CutHome { node: behind, lasts: 90 });
        } else {
            // Or all have, and some end before that is durable.
            for node in 0..self.plan.shields + self.plan.edges {
                let (early, late) = (self.rng.random_range(5..80), self.rng.random_range(0..10));
                self.add_at(at - early, Event::Keep { node, key: 0 });
                if self.rng.random_bool(0.4) {
                    self.add_at(at - late, Event::Crash { node, lasts: late, loses_disk: false });
                }
            }
        }
        for node in 0..self.plan.shields + self.plan.edges {
            if node != behind && (most || self.rng.random_bool(0.5)) {
                let lasts = self.rng.random_range(50..200);
                self.add_at(at, Event::CutHome { node, lasts });
            }
        }
        if self.rng.random_bool(0.3) {
            let after = self.rng.random_range(40..180);
            self.add_at(at + after, Event::LogTruncated { records: 12 });
        }
        for number in 0..self.rng.random_range(3..8) {
            let event = self.purge(100 + number);
            let at = at + self.rng.random_range(0..180) - 80;
            self.add_at(at, event);
        }
        for _ in 0..10 {
            let event = Event::Request { node: behind, key: self.key(), form: Form::Get };
            let at = at + self.rng.random_range(0..200);
            self.add_at(at, event);
        }
    }

    /// An edge is cut off until its lease has ended, and with it what stood in the way of a purge; it hears of that, and is
    /// leased again, while it is asked for what is purged.
    fn hear_late(&mut self) {
        self.plan.lease_for = self.rng.random_range(100..150);
        let (node, lease) = (self.edge(), self.plan.lease_for);
        let at = self.rng.random_range(30..self.plan.steps.saturating_sub(lease + 60).max(31));
        let lasts = lease - 20 + self.rng.random_range(0..30);
        self.add_at(at, Event::CutHome { node, lasts });
        let ends = at + lease - lease / 10;
        self.add_at(ends - 40, Event::Evict { node, key: 0, from_disk: true });
        let (selectors, early) = (vec![url::tag_of(0)], self.rng.random_range(0..30));
        let mode = if self.rng.random_bool(0.5) { Mode::Soft } else { Mode::Hard };
        let purge = Event::Purge { number: 300, deploys: Some(0), mode, selectors, not_in_fleet: None };
        self.add_at(ends - early, purge);
        for _ in 0..12 {
            let asked = ends - 40 + self.rng.random_range(0..90);
            self.add_at(asked, Event::Request { node, key: 0, form: Form::Get });
        }
    }

    /// Nobody has heard of what is lost: all were cut off for longer than leases last.
    fn lose_unheard(&mut self, at: Step) -> bool {
        let ended = self.plan.lease_for * 5 / 4 + 80;
        if !self.plan.strict.contains(&true) || at < ended + 70 || self.rng.random_bool(0.2) {
            return false;
        }
        for node in 0..self.plan.shields + self.plan.edges {
            self.add_at(at - ended, Event::CutHome { node, lasts: ended });
        }
        for node in self.plan.shields..self.plan.shields + self.plan.edges {
            for _ in 0..3 {
                let (before, after) = (self.rng.random_range(10..60), self.rng.random_range(40..200));
                self.add_at(at - ended - before, Event::Request { node, key: 0, form: Form::Get });
                self.add_at(at + after, Event::Request { node, key: 0, form: Form::Get });
            }
        }
        let (selectors, early) = (vec![url::of(0)], self.rng.random_range(0..20));
        let purge = Event::Purge { number: 200, deploys: Some(0), mode: Mode::Hard, selectors, not_in_fleet: None };
        self.add_at(at - ended + early, purge);
        true
    }

    fn add(&mut self, event: Event) {
        let at = self.rng.random_range(30..self.plan.steps.max(31));
        self.add_at(at, event);
    }

    fn add_at(&mut self, at: Step, event: Event) {
        let number = self.plan.events.len() as u64;
        self.plan.events.push((at, number, event));
    }

    fn key(&mut self) -> usize {
        // One is hotter than the others.
        if self.rng.random_bool(0.6) { 0 } else { self.rng.random_range(0..self.plan.keys) }
    }

    fn node(&mut self) -> usize {
        self.rng.random_range(0..self.plan.shields + self.plan.edges)
    }

    fn edge(&mut self) -> usize {
        self.plan.shields + self.rng.random_range(0..self.plan.edges)
    }

    fn request(&mut self) -> Event {
        let (node, key) = (self.edge(), self.key());
        match self.rng.random_range(0..20) {
            0 => Event::Write { node, key },
            1 | 2 => Event::Request { node, key, form: Form::Head },
            3..=5 => Event::Request { node, key, form: Form::Conditional },
            _ => Event::Request { node, key, form: Form::Get },
        }
    }

    fn purge(&mut self, number: u64) -> Event {
        let key = self.key();
        let mut selectors = vec![url::selector(key, self.rng.random())];
        if self.rng.random_bool(0.2) {
            selectors.push(url::selector(key, self.rng.random()));
        }
        if let Some(last) = self.last.take().filter(|_| self.rng.random_bool(0.3)) {
            selectors = last;
        }
        self.last = Some(selectors.clone());
        let mode = if self.rng.random_bool(0.4) { Mode::Soft } else { Mode::Hard };
        let deploys = self.rng.random_bool(0.8).then_some(key);
        let lacks = !self.may_restore && self.rng.random_bool(0.1);
        let not_in_fleet = lacks.then(|| self.node());
        Event::Purge { number, deploys, mode, selectors, not_in_fleet }
    }

    fn upkeep(&mut self) -> Event {
        let (node, key) = (self.node(), self.key());
        match self.rng.random_range(0..10) {
            0 | 1 => Event::Retag { key },
            2 | 3 => Event::Evict { node, key, from_disk: self.rng.random_bool(0.5) },
            4..=7 => Event::Keep { node, key },
            _ => Event::Sweep { node },
        }
    }

    fn fault(&mut self) -> Event {
        let node = self.node();
        let is_strict = self.plan.strict.contains(&true);
        let lasts = self.rng.random_range(5..if is_strict { 450 } else { 150 });
        if is_strict && !self.may_restore && self.plan.strict[node] && self.rng.random_bool(0.1) {
            let at = self.rng.random_range(30..self.plan.steps.max(31));
            self.add_at(at.saturating_sub(5), Event::CutHome { node, lasts: lasts + 100 });
            return Event::Forget { node };
        }
        match self.rng.random_range(0..16) {
            0..=3 => Event::Crash { node, lasts, loses_disk: self.rng.random_bool(0.1) },
            4 | 5 => Event::Pause { node, lasts },
            6 | 7 => Event::CutHome { node, lasts },
            8 => Event::CutTier { node, lasts },
            9 => Event::OriginFails { lasts: lasts / 2 },
            // Two processes of a node, and a home that knows neither: it takes the one that comes first.
            10 if !self.may_restore => Event::SecondBoot { node, lasts },
            10 | 11 => Event::HomeCrashes { lasts: lasts / 2 },
            12 | 13 => Event::HomeCrashesInAppend {
                at: [Stage::Write, Stage::Commit, Stage::Answer][self.rng.random_range(0..3)],
            },
            14 if self.may_restore => Event::HomeRestored { lacks: self.rng.random_range(1..6), lasts: lasts / 2 },
            _ => Event::LogTruncated { records: self.rng.random_range(1..8) },
        }
    }
}
