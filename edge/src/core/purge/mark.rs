//! The mark of an entry: up to which number it has been found valid, and since when it is soft-purged.

use crate::core::id::PurgeSeq;
use crate::core::time::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// `valid_seq` and the soft flag of an entry in one atomic word, so that neither is ever seen without the other.
///
/// The number only grows. The flag, once set, stays: a soft purge ends when the entry is replaced.
#[derive(Debug)]
pub struct Mark {
    /// Bit 0: soft-purged. Bits 1..49: `valid_seq`.
    word: AtomicU64,
    /// When the first soft purge was applied, in milliseconds since the Unix epoch; `u64::MAX` for never. Written
    /// before the flag is set.
    soft_since_ms: AtomicU64,
}

/// What a [`Mark`] says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) valid: PurgeSeq,
    pub(super) soft: bool,
}

impl Seen {
    const fn unpack(word: u64) -> Self {
        Self { valid: PurgeSeq::new(word >> 1), soft: word & 1 == 1 }
    }

    const fn pack(self) -> u64 {
        self.valid.get() << 1 | self.soft as u64
    }
}

impl Mark {
    /// The mark of a fresh fill: `fence` is the number that was applied when its upstream request was sent.
    pub const fn new(fence: PurgeSeq) -> Self {
        Self {
            word: AtomicU64::new(Seen { valid: fence, soft: false }.pack()),
            soft_since_ms: AtomicU64::new(u64::MAX),
        }
    }

    /// Up to this number no hard rule hides the entry.
    pub fn valid_seq(&self) -> PurgeSeq {
        self.seen().valid
    }

    /// Whether a fill with the fence `new` may take the place of one with the fence `old`.
    pub const fn not_older(new: PurgeSeq, old: PurgeSeq) -> bool {
        new.get() >= old.get()
    }

    pub(super) fn seen(&self) -> Seen {
        Seen::unpack(self.word.load(Ordering::Acquire))
    }

    pub(super) fn soft_since(&self) -> Timestamp {
        Timestamp::from_millis(self.soft_since_ms.load(Ordering::Acquire))
    }

    /// Advances `valid_seq` to `checked` if that is further, and sets the flag in the same step if `soft_since` is
    /// given. `checked` must be the number that was loaded *before* the check that found the entry valid.
    pub(super) fn advance(&self, checked: PurgeSeq, soft_since: Option<Timestamp>) {
        if let Some(since) = soft_since {
            self.soft_since_ms.fetch_min(since.as_millis(), Ordering::AcqRel);
        }
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let seen = Seen::unpack(word);
            let next = Seen { valid: seen.valid.max(checked), soft: seen.soft || soft_since.is_some() };
            (next != seen).then_some(next.pack())
        });
    }
}
