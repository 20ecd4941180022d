//! Layer 3b: the purges that a node has applied.
//!
//! Its rules and verdicts are the core's; here are only the lock and the published positions.

use crate::core::log::Position;
use crate::core::purge::{Arrival, Fence, Hashed, Index, Mark, Mode, Selector, Subject};
use crate::core::reuse::PurgeMark;
use crate::core::time::Timestamp;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::watch;

/// The purges of a node.
#[derive(Debug, Default)]
pub struct PurgeLog {
    index: RwLock<Index>,
    /// The positions of what has been applied, each published once its rules are in: who sees the position sees them.
    log: AtomicU64,
    own: AtomicU64,
    sweeping: AtomicBool,
    changed: watch::Sender<()>,
}

impl PurgeLog {
    /// Nothing purged yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been applied.
    pub fn applied(&self) -> Fence {
        let position = |word: &AtomicU64| Position::unpack(word.load(Ordering::Acquire));
        Fence::new(position(&self.log), position(&self.own))
    }

    /// Applies the purges of the record at `at` as one: no request sees some of them without the others. `now` is when, for
    /// the bound of soft purges.
    pub fn apply(&self, at: Position, selectors: &[Selector], mode: Mode, now: Timestamp) {
        // Whoever asks for a verdict waits while the index is written, so that takes as little as can be.
        let hashed: Vec<_> = selectors.iter().map(Hashed::new).collect();
        let mut index = self.index.write();
        index.apply_hashed(at, &hashed, mode, now);
        self.publish(&index);
    }

    /// Goes to a position where nothing is purged.
    pub fn pass(&self, at: Position) {
        let mut index = self.index.write();
        index.apply(at, &[], Mode::Hard, Timestamp::from_millis(0));
        self.publish(&index);
    }

    /// Hides all that is not known to be valid beyond a position.
    pub fn hide_all(&self, upto: Position) {
        let mut index = self.index.write();
        index.hide_all(upto);
        self.publish(&index);
    }

    /// Changes with everything that is applied.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Applies an invalidation of the node's own: see [`Index::invalidate`].
    pub fn invalidate(&self, selectors: &[&Selector], fence: Fence) -> Option<Fence> {
        let mut index = self.index.write();
        let of_the_request = index.invalidate(selectors, fence);
        self.publish(&index);
        of_the_request
    }

    fn publish(&self, index: &Index) {
        let applied = index.applied();
        self.own.store(applied.own().packed(), Ordering::Release);
        self.log.store(applied.log().packed(), Ordering::Release);
        self.changed.send_replace(());
    }

    /// What the purges so far say of an entry: two loads if it was checked since the last purge.
    pub fn verdict(&self, subject: &Subject, mark: &Mark) -> PurgeMark {
        if mark.is_current(self.applied()) {
            return PurgeMark::Valid;
        }
        self.index.read().verdict(subject, mark)
    }

    /// Whether a purge after `fence` selects what is being fetched.
    pub fn selects_since(&self, subject: &Subject, fence: Fence) -> bool {
        self.index.read().selects_since(subject, fence)
    }

    /// What may be done with a response that was sent for with this fence: see [`Index::arrival`].
    pub fn arrival(&self, subject: &Subject, fence: Fence, asked_at: Fence) -> Arrival {
        self.index.read().arrival(subject, fence, asked_at)
    }

    /// Whether the caller is to [`PurgeLog::sweep`] the index now: it has many rules, and nobody does it already.
    pub fn begins_sweep(&self) -> bool {
        self.index.read().sweep_due() && !self.sweeping.swap(true, Ordering::AcqRel)
    }

    /// Sweeps the index: see [`Index::sweep_due`]. `check_all` asks for the verdict on every entry that is stored.
    pub fn sweep(&self, check_all: impl FnOnce()) {
        let upto = self.applied();
        check_all();
        self.index.write().retire(upto);
        self.end_sweep();
    }

    /// Ends a sweep, or one that could not begin.
    pub fn end_sweep(&self) {
        self.sweeping.store(false, Ordering::Release);
    }
}
