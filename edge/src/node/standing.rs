//! How a node stands to the purge log.

use std::sync::atomic::{AtomicU8, Ordering};

/// How a node stands to the purge log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has just started, and knows nothing yet: it answers nobody.
    Starting,
    /// It has not been able to reach the log's home since it started, or is not taken there: it passes everything, and
    /// stores nothing.
    Passing,
    /// It has applied everything that the home knew when it last spoke.
    Following,
    /// It did once, and has lost touch: it goes on with what it has applied. No purge is proven without it.
    Lost,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Starting, Self::Passing, Self::Following, Self::Lost];

    /// Whether what is stored may answer, and what comes may be stored.
    pub const fn uses_store(self) -> bool {
        matches!(self, Self::Following | Self::Lost)
    }

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "catching up with the purge log",
            Self::Passing => "passing everything: the home of the purge log can't be reached, or refuses this node",
            Self::Following => "ready",
            Self::Lost => "ready, but out of touch with the home of the purge log",
        }
    }
}

/// A node's standing, which changes while requests look at it.
#[derive(Debug, Default)]
pub(super) struct StandingCell(AtomicU8);

impl StandingCell {
    pub(super) fn get(&self) -> Standing {
        Standing::ALL[usize::from(self.0.load(Ordering::Acquire)) % Standing::ALL.len()]
    }

    /// Changes the standing; returns what it was.
    pub(super) fn change(&self, next: impl Fn(Standing) -> Standing) -> Standing {
        let index = |standing: Standing| Standing::ALL.iter().position(|known| *known == standing).unwrap_or(0) as u8;
        let of = |word: u8| Standing::ALL[usize::from(word) % Standing::ALL.len()];
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Some(index(next(of(word)))));
        of(before.unwrap_or_else(|word| word))
    }
}
