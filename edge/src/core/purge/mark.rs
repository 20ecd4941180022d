//! The mark of an entry: up to where it has been found valid, and since when it is soft-purged.

use super::fence::Fence;
use crate::core::log::Position;
use crate::core::reuse::PurgeMark;
use crate::core::rules::{self, Rule};
use crate::core::time::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// `valid_seq` of an entry in both orders. That of the purge log shares one atomic word with the soft flag, so that neither
/// is ever seen without the other.
///
/// Positions only grow. The flag, once set, stays: a soft purge ends when the entry is replaced.
#[derive(Debug)]
pub struct Mark {
    /// Bit 0: soft-purged. The others: up to where in the purge log no hard rule hides the entry.
    log: AtomicU64,
    /// The same in the node's own order, which knows no soft rules.
    own: AtomicU64,
    /// When the first soft purge was applied, in milliseconds since the Unix epoch; `u64::MAX` for never. Written
    /// before the flag is set.
    soft_since_ms: AtomicU64,
}

/// What a [`Mark`] says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) valid: Position,
    pub(super) soft: bool,
}

impl Seen {
    const fn unpack(word: u64) -> Self {
        Self { valid: Position::unpack(word >> 1), soft: word & 1 == 1 }
    }

    const fn pack(self) -> u64 {
        self.valid.packed() << 1 | self.soft as u64
    }
}

impl Mark {
    /// The mark of a fresh fill.
    pub const fn new(fence: Fence) -> Self {
        Self {
            log: AtomicU64::new(Seen { valid: fence.log, soft: false }.pack()),
            own: AtomicU64::new(fence.own.packed()),
            soft_since_ms: AtomicU64::new(u64::MAX),
        }
    }

    /// The mark of an entry that comes back from where it was kept: it was valid up to `valid`, and soft-purged or not.
    pub fn restored(valid: Fence, soft_since: Option<Timestamp>) -> Self {
        let mark = Self::new(valid);
        if soft_since.is_some() {
            mark.advance(valid, soft_since);
        }
        mark
    }

    /// Up to where no hard rule hides the entry.
    pub fn valid(&self) -> Fence {
        Fence { log: self.seen().valid, own: self.own() }
    }

    /// Whether the entry has been checked against all that `applied` names, and is not soft: what a hit has to ask.
    pub fn is_current(&self, applied: Fence) -> bool {
        let seen = self.seen();
        seen.valid >= applied.log && !seen.soft && self.own() >= applied.own
    }

    pub(super) fn seen(&self) -> Seen {
        Seen::unpack(self.log.load(Ordering::Acquire))
    }

    /// What the mark says of an entry that nothing else hides.
    pub fn verdict(&self) -> PurgeMark {
        if self.seen().soft { PurgeMark::Soft { since: self.soft_since() } } else { PurgeMark::Valid }
    }

    pub(super) fn own(&self) -> Position {
        Position::unpack(self.own.load(Ordering::Acquire))
    }

    pub(super) fn soft_since(&self) -> Timestamp {
        Timestamp::from_millis(self.soft_since_ms.load(Ordering::Acquire))
    }

    /// Advances to `checked` where that is further, and sets the flag in the same step if `soft_since` is given. `checked`
    /// must be what had been applied *before* the check that found the entry valid.
    pub(super) fn advance(&self, checked: Fence, soft_since: Option<Timestamp>) {
        if let Some(since) = soft_since {
            self.soft_since_ms.fetch_min(since.as_millis(), Ordering::AcqRel);
        }
        let sets_soft = soft_since.is_some() && rules::on(Rule::SoftWithAdvance);
        self.own.fetch_max(checked.own.packed(), Ordering::AcqRel);
        let _ = self.log.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let seen = Seen::unpack(word);
            let next = Seen { valid: seen.valid.max(checked.log), soft: seen.soft || sets_soft };
            (next != seen).then_some(next.pack())
        });
    }
}
