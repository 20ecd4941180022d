//! Positions in the purge log.

use std::fmt;

/// The number of an epoch. A log begins in epoch 1; another begins where a home can't vouch for what an earlier one said:
/// after it has moved, or was restored from a backup.
pub type Epoch = u16;

/// A position in the purge log: an epoch, and a number that grows by one with each record, over all epochs. Packed in one
/// word, so that comparing positions is comparing words, and a position and a flag fit one atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(u64);

impl Position {
    const SEQ_BITS: u32 = 47;
    /// The largest number: 2^47 - 1. A million records a second reach it after four years.
    pub const MAX_SEQ: u64 = (1 << Self::SEQ_BITS) - 1;
    /// Stands before the first record of any log.
    pub const ZERO: Self = Self(0);
    /// Stands behind all that can be numbered.
    pub const MAX: Self = Self::new(Epoch::MAX, Self::MAX_SEQ);

    /// The position of an epoch's record; a number above [`Position::MAX_SEQ`] becomes that.
    pub const fn new(epoch: Epoch, seq: u64) -> Self {
        let seq = if seq > Self::MAX_SEQ { Self::MAX_SEQ } else { seq };
        Self((epoch as u64) << Self::SEQ_BITS | seq)
    }

    /// Its epoch.
    pub const fn epoch(self) -> Epoch {
        (self.0 >> Self::SEQ_BITS) as Epoch
    }

    /// Its number.
    pub const fn seq(self) -> u64 {
        self.0 & Self::MAX_SEQ
    }

    /// The next one of the same epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.epoch(), self.seq() + 1)
    }

    /// The next one, in this epoch.
    #[must_use]
    pub const fn next_in(self, epoch: Epoch) -> Self {
        Self::new(epoch, self.seq() + 1)
    }

    /// How many records there are from here to `head`.
    pub const fn lag(self, head: Self) -> u64 {
        head.seq().saturating_sub(self.seq())
    }

    /// All of it in one word: 63 bits.
    pub const fn packed(self) -> u64 {
        self.0
    }

    /// The reverse of [`Position::packed`].
    pub const fn unpack(word: u64) -> Self {
        Self(word & Self::MAX.0)
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once('.')?;
        let seq: u64 = seq.parse().ok()?;
        (seq <= Self::MAX_SEQ).then_some(Self::new(epoch.parse().ok()?, seq))
    }
}

impl fmt::Display for Position {
    /// As in `1.42`: epoch 1, number 42.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch(), self.seq())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_epoch_is_later_whatever_the_number() {
        assert!(Position::new(1, 9) < Position::new(2, 1));
        assert!(Position::new(1, 1) < Position::new(1, 2));
        assert_eq!(Position::new(3, 7).next(), Position::new(3, 8));
        assert_eq!(Position::new(3, 7).next_in(5), Position::new(5, 8));
        assert_eq!(Position::MAX.next(), Position::MAX);
    }

    #[test]
    fn words_and_texts() {
        for position in [Position::ZERO, Position::new(1, 42), Position::MAX] {
            assert_eq!(Position::unpack(position.packed()), position);
            assert!(position.packed().leading_zeros() >= 1, "room for a flag");
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
        for text in ["", "1", "1.", ".1", "70000.1", "1.140737488355328", "1.-1", "1.2.3"] {
            assert_eq!(Position::parse(text), None, "{text:?}");
        }
    }
}
