//! Layer 3b: the purges that a node has applied.
//!
//! This is the node's own order of purges, in memory. Its rules and verdicts are the core's; here are only the lock and
//! the published number.

use crate::clock;
use crate::core::id::PurgeSeq;
use crate::core::purge::{Index, Mark, Mode, Selector, Subject};
use crate::core::reuse::PurgeMark;
use crate::store::memory::MemoryStore;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The purges of a node.
#[derive(Debug, Default)]
pub struct PurgeLog {
    index: RwLock<Index>,
    applied: AtomicU64,
    sweeping: AtomicBool,
}

impl PurgeLog {
    /// Nothing purged yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the last purge applied.
    pub fn applied(&self) -> PurgeSeq {
        PurgeSeq::new(self.applied.load(Ordering::Acquire))
    }

    /// Applies purges as one: no request sees some of them without the others. Returns the last one's number.
    pub fn apply<'a>(&self, selectors: impl IntoIterator<Item = &'a Selector>, mode: Mode) -> PurgeSeq {
        let mut index = self.index.write();
        self.apply_to(&mut index, selectors, mode)
    }

    /// Applies purges. If they are the first since `fence`, returns the last one's number.
    pub fn apply_after<'a>(
        &self,
        fence: PurgeSeq,
        selectors: impl IntoIterator<Item = &'a Selector>,
        mode: Mode,
    ) -> Option<PurgeSeq> {
        let mut index = self.index.write();
        let first = index.is_at(fence);
        let applied = self.apply_to(&mut index, selectors, mode);
        first.then_some(applied)
    }

    fn apply_to<'a>(
        &self,
        index: &mut Index,
        selectors: impl IntoIterator<Item = &'a Selector>,
        mode: Mode,
    ) -> PurgeSeq {
        let now = clock::now();
        for selector in selectors {
            index.apply(selector, mode, now);
        }
        let applied = index.applied();
        // The rules are in before the number is out: who sees the number sees the rules.
        self.applied.store(applied.get(), Ordering::Release);
        applied
    }

    /// What the purges so far say of an entry: one load if it was checked since the last purge.
    pub fn verdict(&self, subject: &Subject, mark: &Mark) -> PurgeMark {
        if Index::is_current(mark, self.applied()) {
            return PurgeMark::Valid;
        }
        self.index.read().verdict(subject, mark)
    }

    /// Whether a purge after `fence` selects what is being fetched.
    pub fn selects_since(&self, subject: &Subject, fence: PurgeSeq) -> bool {
        self.index.read().selects_since(subject, fence)
    }
    /// Keeps the index small: see [`Index::sweep_due`]. Goes through the whole store, so it has a thread of its own, and
    /// there is one at a time.
    pub fn sweep_if_due(self: &Arc<Self>, store: &Arc<MemoryStore>) {
        if !self.index.read().sweep_due() || self.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let (log, store) = (self.clone(), store.clone());
        let started = std::thread::Builder::new().name("purge-sweep".into()).spawn(move || {
            log.sweep(&store);
            log.sweeping.store(false, Ordering::Release);
        });
        if let Err(error) = started {
            // The index's own bound holds without it.
            tracing::warn!(%error, "can't start a thread to sweep purge rules");
            self.sweeping.store(false, Ordering::Release);
        }
    }

    fn sweep(&self, store: &MemoryStore) {
        let upto = self.applied();
        let dropped = store.retain(|entry| self.verdict(&entry.subject, &entry.mark) != PurgeMark::Hard);
        self.index.write().retire(upto);
        tracing::info!(%upto, dropped, "swept purge rules");
    }
}
